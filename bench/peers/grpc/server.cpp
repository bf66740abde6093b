// gRPC C++ as a server: generic calls, a completion queue for each thread.
#include "common/epoll_server.hpp"
#include "common/plan.hpp"
#include "common/program.hpp"

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <vector>

namespace bench {
namespace {

struct entrance {
  grpc::AsyncGenericService& service;
  grpc::ServerCompletionQueue& queue;
};

// One call, which owns itself from its request to its end: every tag in the queue is one. One operation at a time.
class call {
 public:
  static void wait_for_one(entrance at) {
    auto made = std::unique_ptr<call>(new call(at));  // NOLINT(modernize-make-unique): the constructor is private
    auto& c = *made;
    at.service.RequestCall(&c.context_, &c.stream_, &at.queue, &at.queue, made.release());
  }

  /// An operation is complete. False: so is the call.
  bool completed(bool went_well) {
    switch (phase_) {
      case phase::accepted:
        if (!went_well) return false;
        wait_for_one(at_);
        source_ = context_.method() == "/bench/source";
        echo_ = context_.method() == "/bench/echo";
        phase_ = phase::read;
        if (source_) {
          const grpc::Slice bytes(std::string(chunk, 'x'));
          message_ = {&bytes, 1};
          phase_ = phase::write;
        }
        // With what comes next in one batch it would wait for it.
        phase_after_head_ = std::exchange(phase_, phase::head);
        stream_.SendInitialMetadata(this);
        return true;
      case phase::head:
        if (!went_well) return finish();
        phase_ = phase_after_head_;
        phase_ == phase::write ? stream_.Write(message_, this) : stream_.Read(&message_, this);
        return true;
      case phase::read:
        if (!went_well) return finish();
        if (!echo_) {
          stream_.Read(&message_, this);
          return true;
        }
        phase_ = phase::write;
        stream_.Write(message_, this);
        return true;
      case phase::write:
        if (!went_well) return finish();
        if (source_) {
          stream_.Write(message_, this);
          return true;
        }
        phase_ = phase::read;
        stream_.Read(&message_, this);
        return true;
      case phase::end:
        return false;
    }
    return false;
  }

 private:
  enum class phase { accepted, head, read, write, end };

  explicit call(entrance at) : at_(at), stream_(&context_) {}

  bool finish() {
    phase_ = phase::end;
    stream_.Finish(grpc::Status::OK, this);
    return true;
  }

  entrance at_;
  grpc::GenericServerContext context_;
  grpc::GenericServerAsyncReaderWriter stream_;
  grpc::ByteBuffer message_;
  phase phase_ = phase::accepted;
  phase phase_after_head_ = phase::read;
  bool source_ = false;
  bool echo_ = false;
};

std::string content_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::shared_ptr<grpc::ServerCredentials> credentials(const server_plan& p) {
  if (!p.tls()) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions options;
  options.pem_key_cert_pairs.push_back({content_of(p.key), content_of(p.cert)});
  return grpc::SslServerCredentials(options);
}

void serve_queue(entrance at) {
  call::wait_for_one(at);
  void* tag = nullptr;
  for (bool ok = false; at.queue.Next(&tag, &ok);) {
    std::unique_ptr<call> c(static_cast<call*>(tag));
    if (c->completed(ok)) c.release();  // NOLINT(bugprone-unused-return-value): it waits in the queue again
  }
}

void run_server(const server_plan& p) {
  grpc::AsyncGenericService service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", credentials(p), &port);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 16 << 20);
  builder.RegisterAsyncGenericService(&service);
  std::vector<std::unique_ptr<grpc::ServerCompletionQueue>> queues;
  for (std::size_t i = 0; i < p.threads; ++i) queues.push_back(builder.AddCompletionQueue());
  const auto server = builder.BuildAndStart();
  if (!server) throw std::runtime_error("gRPC did not start");
  std::cout << port << std::endl;

  std::vector<std::jthread> threads;
  threads.reserve(queues.size());
  for (auto& q : queues) threads.emplace_back([&] { serve_queue({service, *q}); });
  char ignored = 0;
  while (::read(STDIN_FILENO, &ignored, 1) > 0) continue;
  // Calls that clients left would have to be waited for.
  std::_Exit(0);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  return bench::run([&] { bench::run_server(bench::parse_server(argc, argv)); });
}
