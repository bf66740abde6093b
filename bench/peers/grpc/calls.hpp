#pragma once
// gRPC without generated code: messages are bytes, the method is the path of the servers here.

#include "common/plan.hpp"

#include <grpcpp/channel.h>
#include <grpcpp/support/byte_buffer.h>

#include <memory>
#include <string>

namespace bench {

/// A channel with a connection of its own.
[[nodiscard]] std::shared_ptr<grpc::Channel> dial(const plan& p);
[[nodiscard]] grpc::ByteBuffer message_of(const plan& p);

/// One stream or connection, by blocking calls.
void run_sync(const plan& p);
/// Many streams, by one completion queue.
void run_queue(const plan& p);

}  // namespace bench
