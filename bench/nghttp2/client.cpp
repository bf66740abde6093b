// nghttp2 driven directly by a blocking socket: the least that an HTTP/2 client can cost.
#include "calls.hpp"

#include "common/meter.hpp"
#include "common/program.hpp"

#include <vector>

namespace bench {
namespace {

class nghttp2_client {
 public:
  explicit nghttp2_client(const plan& p) : plan_(p) {
    if (p.tls()) context_ = client_context(p.ca, "\x02h2");
  }

  void run() {
    switch (plan_.workload) {
      case workload::ping_pong:
        return ping_pong();
      case workload::up:
        return up();
      case workload::down:
        return down();
      case workload::echo:
        return echo();
      case workload::open:
        return open();
      case workload::connect:
        return connect();
      case workload::idle:
        return idle();
      case workload::idle_connections:
        return idle_connections();
    }
  }

 private:
  calls dial() { return calls(link::dial(plan_.port, context_.get()), plan_); }

  void ping_pong() {
    const std::string out(plan_.size, 'x');
    auto c = dial();
    meter m(plan_);
    c.on_data = [&](call& one) {
      if (one.received < plan_.size) return;
      one.received -= plan_.size;
      if (m.add(plan_.size)) c.send(one, out);
    };
    for (std::size_t i = 0; i < plan_.streams; ++i) c.send(c.open(), out);
    while (!m.over()) c.turn();
    m.report();
  }

  void up() {
    const std::string out(chunk, 'x');
    auto c = dial();
    c.set_blocking(false);
    meter m(plan_);
    c.on_sent = [&](call& one) {
      if (m.add(chunk)) c.send(one, out);
    };
    c.send(c.open(), out);
    while (!m.over()) c.turn();
    m.report();
  }

  void down() {
    auto c = dial();
    meter m(plan_);
    c.on_data = [&](call& one) {
      for (; one.received >= chunk; one.received -= chunk) m.add(chunk);
    };
    c.open();
    while (!m.over()) c.turn();
    m.report();
  }

  void echo() {
    const std::string out(chunk, 'x');
    auto c = dial();
    c.set_blocking(false);
    meter m(plan_);
    c.on_sent = [&](call& one) { c.send(one, out); };
    c.on_data = [&](call& one) {
      for (; one.received >= chunk; one.received -= chunk) m.add(chunk);
    };
    c.send(c.open(), out);
    while (!m.over()) c.turn();
    m.report();
  }

  void open() {
    const std::string out(plan_.size, 'x');
    auto c = dial();
    meter m(plan_);
    c.on_close = [&](call& one) {
      if (one.received != plan_.size) throw std::runtime_error("the server sent back something else");
      if (m.add(plan_.size)) c.send(c.open(), out, true);
    };
    for (std::size_t i = 0; i < plan_.streams; ++i) c.send(c.open(), out, true);
    while (!m.over()) c.turn();
    m.report();
  }

  // A stream that has sent a message and got it back.
  void exchange(calls& c) {
    const std::string out(plan_.size, 'x');
    auto& one = c.open();
    c.send(one, out);
    while (one.received < plan_.size) c.turn();
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
      all.push_back(std::make_unique<calls>(link::dial(plan_.port, context_.get()), plan_));
      exchange(*all.back());
    }
    m.report();
  }

  const plan& plan_;
  tls_context context_;
};

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  return bench::run([&] {
    const auto plan = bench::parse(argc, argv);
    bench::nghttp2_client(plan).run();
  });
}
