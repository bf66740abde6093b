#pragma once
// Two transports joined through memory, for tests without sockets.

#include "net/transport.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <memory>
#include <utility>

namespace duplex::net {

/// What one end writes, the other reads. Both ends must be used from one thread, or one strand.
[[nodiscard]] std::pair<std::unique_ptr<transport>, std::unique_ptr<transport>> make_memory_pair(
    const asio::any_io_executor& executor);

}  // namespace duplex::net
