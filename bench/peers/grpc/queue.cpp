// gRPC's completion queue: one thread, many streams.
#include "calls.hpp"

#include "common/meter.hpp"

#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

namespace bench {
namespace {

using bytes = grpc::ByteBuffer;

class call {
 public:
  call(grpc::GenericStub& stub, grpc::CompletionQueue& queue, const plan& p, const bytes& out)
      : stub_(stub), queue_(queue), plan_(p), out_(out) {}

  void start() {
    phase_ = phase::start;
    stream_.reset();  // before the context that it uses
    context_ = std::make_unique<grpc::ClientContext>();
    stream_ = stub_.PrepareCall(context_.get(), "/echo", &queue_);
    pending_ = 1;
    stream_->StartCall(this);
  }
  void cancel() { context_->TryCancel(); }

  /// An operation is complete. True: so is a message.
  bool completed(bool went_well) {
    if (--pending_ > 0) return false;
    switch (phase_) {
      case phase::start:
        send();
        return false;
      case phase::message:
        if (!went_well) throw std::runtime_error("the stream is over");
        if (plan_.workload == workload::open) {
          phase_ = phase::end;
          pending_ = 1;
          stream_->Finish(&status_, this);
          return false;
        }
        send();
        return true;
      default:
        if (!status_.ok()) throw std::runtime_error(status_.error_message());
        start();
        return true;
    }
  }

 private:
  enum class phase { start, message, end };

  void send() {
    phase_ = phase::message;
    pending_ = 2;
    if (plan_.workload == workload::open) {
      stream_->WriteLast(out_, grpc::WriteOptions(), this);
    } else {
      stream_->Write(out_, this);
    }
    stream_->Read(&in_, this);
  }

  grpc::GenericStub& stub_;
  grpc::CompletionQueue& queue_;
  const plan& plan_;
  const bytes& out_;
  bytes in_;
  grpc::Status status_;
  phase phase_ = phase::start;
  int pending_ = 0;
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
};

}  // namespace

void run_queue(const plan& p) {
  grpc::GenericStub stub(dial(p));
  grpc::CompletionQueue queue;
  const auto out = message_of(p);
  std::vector<std::unique_ptr<call>> all;
  meter m(p);
  for (std::size_t i = 0; i < p.streams; ++i) {
    all.push_back(std::make_unique<call>(stub, queue, p, out));
    all.back()->start();
  }
  void* tag = nullptr;
  for (bool ok = false; !m.over() && queue.Next(&tag, &ok);) {
    if (static_cast<call*>(tag)->completed(ok)) m.add(p.size);
  }
  m.report();
  // What still runs would have to be waited for; the program ends with its last thread instead.
  static std::atomic<std::size_t> over{0};
  if (++over < p.threads) std::this_thread::sleep_for(std::chrono::hours(1));
  std::fflush(stdout);
  std::_Exit(0);
}

}  // namespace bench
