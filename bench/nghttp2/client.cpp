// nghttp2 driven directly, by a blocking socket or by epoll: the least that an HTTP/2 client can cost.
#include "calls.hpp"

#include "common/client.hpp"
#include "common/meter.hpp"

#include <vector>

namespace bench {
namespace {

class nghttp2_client {
 public:
  explicit nghttp2_client(const plan& p) : plan_(p), out_(p.message()) {
    if (!p.tls()) return;
    context_ = client_context(p.ca, "\x02h2");
    if (p.workload == workload::reconnect) resume_sessions(context_.get(), last_);
  }

  void ping_pong() {
    auto c = dial();
    meter m(plan_);
    c.on_data = [&](call& one) {
      if (one.received < out_.size()) return;
      one.received -= out_.size();
      if (m.add(plan_.size)) c.send(one, out_);
    };
    for (std::size_t i = 0; i < plan_.streams; ++i) c.send(c.open(), out_);
    while (!m.over()) c.turn();
    m.report();
  }

  void up() {
    auto c = dial();
    c.set_blocking(false);
    meter m(plan_);
    c.on_sent = [&](call& one) {
      m.add(chunk);
      c.send(one, out_);  // also when time is over: a turn without anything to send would wait
    };
    c.send(c.open(), out_);
    while (!m.over()) c.turn();
    m.report();
  }

  void down() {
    auto c = dial();
    meter m(plan_);
    c.on_data = [&](call& one) {
      for (; one.received >= out_.size(); one.received -= out_.size()) m.add(chunk);
    };
    c.open();
    while (!m.over()) c.turn();
    m.report();
  }

  void echo() {
    auto c = dial();
    c.set_blocking(false);
    meter m(plan_);
    c.on_sent = [&](call& one) { c.send(one, out_); };
    c.on_data = [&](call& one) {
      for (; one.received >= out_.size(); one.received -= out_.size()) m.add(chunk);
    };
    c.send(c.open(), out_);
    while (!m.over()) c.turn();
    m.report();
  }

  void open() {
    auto c = dial();
    meter m(plan_);
    c.on_close = [&](call& one) {
      if (one.received != out_.size()) throw std::runtime_error("the server sent back something else");
      if (m.add(plan_.size)) c.send(c.open(), out_, true);
    };
    for (std::size_t i = 0; i < plan_.streams; ++i) c.send(c.open(), out_, true);
    while (!m.over()) c.turn();
    m.report();
  }

  void connect() {
    meter m(plan_);
    do {
      auto c = dial();
      exchange(c);
    } while (m.add(plan_.size));
    m.report();
  }

  void idle() {
    auto c = dial();
    exchange(c);
    const memory_meter m(plan_);
    std::size_t answered = 0;
    c.on_head = [&](call&) { ++answered; };
    for (std::size_t i = 0; i < plan_.streams; ++i) c.open();
    while (answered < plan_.streams) c.turn();
    m.report();
  }

  void idle_connections() {
    {
      auto warm = dial();
      exchange(warm);
    }
    const memory_meter m(plan_);
    std::vector<std::unique_ptr<calls>> all;
    for (std::size_t i = 0; i < plan_.streams; ++i) {
      all.push_back(std::make_unique<calls>(dial_link(), plan_));
      exchange(*all.back());
      all.back()->flush();  // the server's SETTINGS are not acknowledged yet, for which it does not wait long
    }
    m.report();
  }

 private:
  calls dial() { return calls(dial_link(), plan_); }
  link dial_link() {
    auto l = link::dial(plan_.port, context_.get());
    if (plan_.epoll) l.set_blocking(false);
    return l;
  }
  // A stream that has sent a message and got it back.
  void exchange(calls& c) {
    auto& one = c.open();
    c.send(one, out_);
    while (one.received < out_.size()) c.turn();
  }

  const plan& plan_;
  std::string out_;
  tls_session last_;
  tls_context context_;
};

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::run_clients<bench::nghttp2_client>(argc, argv); }
