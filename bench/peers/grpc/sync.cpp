// gRPC's blocking stream, which generated stubs give.
#include "calls.hpp"

#include "common/meter.hpp"

#include <grpcpp/client_context.h>
#include <grpcpp/impl/codegen/rpc_method.h>
#include <grpcpp/support/sync_stream.h>

#include <stdexcept>
#include <thread>
#include <vector>

namespace bench {
namespace {

using bytes = grpc::ByteBuffer;
using reader_writer = grpc::ClientReaderWriter<bytes, bytes>;

struct exchange {
  std::unique_ptr<grpc::ClientContext> context = std::make_unique<grpc::ClientContext>();
  std::unique_ptr<reader_writer> stream;

  exchange(const std::shared_ptr<grpc::Channel>& channel, const std::string& path) {
    const auto name = path.substr(0, path.find('?'));
    const grpc::internal::RpcMethod method(name.c_str(), grpc::internal::RpcMethod::BIDI_STREAMING, channel);
    stream.reset(grpc::internal::ClientReaderWriterFactory<bytes, bytes>::Create(channel.get(), method, context.get()));
  }
};

void check(bool went_well) {
  if (!went_well) throw std::runtime_error("the stream is over");
}

void ping_pong(exchange& x, const plan& p, meter& m) {
  const auto out = message_of(p);
  bytes in;
  do {
    check(x.stream->Write(out));
    check(x.stream->Read(&in));
  } while (m.add(p.size));
}

void up(exchange& x, const plan& p, meter& m) {
  const auto out = message_of(p);
  do check(x.stream->Write(out));
  while (m.add(p.size));
}

void down(exchange& x, const plan& p, meter& m) {
  bytes in;
  do check(x.stream->Read(&in));
  while (m.add(p.size));
}

void echo(exchange& x, const plan& p, meter& m) {
  std::thread sender([&] {
    const auto out = message_of(p);
    while (x.stream->Write(out)) continue;
  });
  down(x, p, m);
  x.context->TryCancel();
  sender.join();
}

void once(const std::shared_ptr<grpc::Channel>& channel, const plan& p) {
  exchange x(channel, "/echo");
  bytes in;
  check(x.stream->Write(message_of(p)));
  check(x.stream->Read(&in));
  x.stream->WritesDone();
  check(!x.stream->Read(&in));
  const auto status = x.stream->Finish();
  if (!status.ok()) throw std::runtime_error(status.error_message());
}

void connect(const plan& p, meter& m) {
  do once(dial(p), p);
  while (m.add(p.size));
}

void idle(const plan& p) {
  const auto channel = dial(p);
  once(channel, p);
  const memory_meter m(p);
  std::vector<exchange> all;
  for (std::size_t i = 0; i < p.streams; ++i) all.emplace_back(channel, "/echo");
  for (auto& x : all) x.stream->WaitForInitialMetadata();
  m.report();
  for (auto& x : all) x.context->TryCancel();
}

void idle_connections(const plan& p) {
  once(dial(p), p);
  const memory_meter m(p);
  std::vector<std::shared_ptr<grpc::Channel>> all;
  for (std::size_t i = 0; i < p.streams; ++i) {
    all.push_back(dial(p));
    once(all.back(), p);
  }
  m.report();
}

}  // namespace

void run_sync(const plan& p) {
  if (p.workload == workload::idle) return idle(p);
  if (p.workload == workload::idle_connections) return idle_connections(p);
  if (p.workload == workload::connect || p.workload == workload::reconnect) {
    meter m(p);
    connect(p, m);
    return m.report();
  }
  exchange x(dial(p), p.path());
  x.stream->WaitForInitialMetadata();
  meter m(p);
  if (p.workload == workload::up) {
    up(x, p, m);
  } else if (p.workload == workload::down) {
    down(x, p, m);
  } else if (p.workload == workload::echo) {
    echo(x, p, m);
  } else {
    ping_pong(x, p, m);
  }
  m.report();
  x.context->TryCancel();
}

}  // namespace bench
