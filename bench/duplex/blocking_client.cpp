// duplex in blocking style: one thread calls, one stream after the other.
#include "setup.hpp"

#include "common/client.hpp"
#include "common/meter.hpp"

#include <exception>
#include <string>
#include <thread>
#include <vector>

namespace bench {
namespace {

using duplex::h2::connection;
using duplex::h2::stream;

class blocking_client {
 public:
  explicit blocking_client(const plan& p) : plan_(p), out_(p.size, 'x') {}

  // All send, then all receive: with one stream it is a round trip.
  void ping_pong() {
    auto c = dial();
    std::vector<stream> all;
    for (std::size_t i = 0; i < plan_.streams; ++i) all.push_back(open_on(c));
    meter m(plan_);
    while (!m.over()) {
      for (auto& s : all) s.send(out_);
      for (auto& s : all) {
        get_back(s);
        m.add(plan_.size);
      }
    }
    m.report();
  }

  void up() {
    auto c = dial();
    auto s = open_on(c);
    meter m(plan_);
    do s.send(out_);
    while (m.add(plan_.size));
    m.report();
  }

  void down() {
    auto c = dial();
    auto s = open_on(c);
    meter m(plan_);
    receive(s, m);
    m.report();
  }

  void echo() {
    auto c = dial();
    auto s = open_on(c);
    meter m(plan_);
    std::thread sender([&] {
      duplex::error_code ec;
      while (!ec) s.send(out_, ec);
    });
    receive(s, m);
    s.reset(0x8);  // CANCEL: ends the sender
    sender.join();
    m.report();
  }

  void open() {
    auto c = dial();
    std::vector<stream> all(plan_.streams);
    meter m(plan_);
    while (!m.over()) {
      for (auto& s : all) {
        s = open_on(c);
        s.send(out_, duplex::h2::fin);
      }
      for (auto& s : all) {
        while (!is_done(s.recv())) continue;
        m.add(plan_.size);
      }
    }
    m.report();
  }

  void connect() {
    meter m(plan_);
    do {
      auto s = duplex::h2::open(request_of(plan_), options_of(plan_));
      s.send(out_, duplex::h2::fin);
      while (!is_done(s.recv())) continue;
    } while (m.add(plan_.size));
    m.report();
  }

  void idle() {
    auto c = dial();
    auto first = open_on(c);
    first.recv();
    std::vector<stream> all;
    all.reserve(plan_.streams);
    const memory_meter m(plan_);
    for (std::size_t i = 0; i < plan_.streams; ++i) all.push_back(open_on(c));
    for (auto& s : all) s.recv();
    m.report();
  }

  void idle_connections() {
    const auto first = exchange();
    std::vector<connection> all;
    all.reserve(plan_.streams);
    const memory_meter m(plan_);
    for (std::size_t i = 0; i < plan_.streams; ++i) all.push_back(exchange());
    m.report();
  }

 private:
  [[nodiscard]] connection dial() const { return connection::connect(plan_.url(), options_of(plan_)); }
  [[nodiscard]] stream open_on(connection& c) const { return c.open_stream(request_of(plan_), options_of(plan_)); }
  void get_back(stream& s) const {
    for (std::size_t back = 0; back < plan_.size;) back += payload(s.recv());
  }
  void receive(stream& s, meter& m) const {
    for (std::size_t back = 0; !m.over();) {
      for (back += payload(s.recv()); back >= plan_.size; back -= plan_.size) m.add(plan_.size);
    }
  }
  [[nodiscard]] connection exchange() const {
    auto c = dial();
    auto s = open_on(c);
    s.send(out_, duplex::h2::fin);
    while (!is_done(s.recv())) continue;
    return c;
  }

  const plan& plan_;
  std::string out_;
};

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::run_clients<bench::blocking_client>(argc, argv); }
