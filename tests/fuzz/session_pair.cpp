// Two sessions whose users do anything, over a wire that moves any number of bytes. What arrives is what was sent, in
// order; streams that nobody reset end whole; all credit returns.

#include "core/memory_peers.hpp"
#include "fuzz/input.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace duplex::fuzz {
namespace {

using test::endpoint;
using test::memory_peers;

constexpr std::size_t most_sent = 5000;

struct half {
  endpoint* from;
  endpoint* to;
  std::string sent{};
  std::string received{};
  bool begun = false;  // the head was sent
  bool ended = false;
  bool done = false;
};

struct exchange {
  std::int32_t id;
  std::array<half, 2> halves;
  bool reset = false;
};

class walk {
 public:
  explicit walk(input in) : in_(in), client_(some_options()), server_(some_options()), peers_(9, client_, server_) {}

  void run() {
    while (!in_.empty()) step();
    finish();
  }

 private:
  options some_options() {
    options opts;
    if (in_.coin()) opts.stream_window = 1 + in_.number();
    opts.connection_window = 65535 + in_.number();
    opts.send_buffer = 1 + in_.number();
    opts.flow = in_.coin() ? flow_control::manual : flow_control::automatic;
    return opts;
  }

  void step() {
    const auto what = in_.below(10);
    if (what == 0 || all_.empty()) return open();
    auto& x = all_[in_.below(all_.size())];
    auto& h = x.halves.at(in_.below(2));
    switch (what) {
      case 1:
      case 2:
      case 3:
        return send(h, x.id, in_.number() % most_sent, in_.below(16) == 0);
      case 4:
      case 5:
        return receive(h, x.id);
      case 6:
        return h.to->consume(x.id, in_.number());
      case 7:
        if (in_.below(16) == 0) reset(x, h);
        return;
      default:
        peers_.bytes_per_read = 1 + in_.number();
        return peers_.pump();
    }
  }

  void open() {
    constexpr std::size_t most = 6;
    if (all_.size() == most) return;
    const auto id = peers_.open();
    require(id != 0 && peers_.server.knows(id));
    all_.push_back({id, {half{&peers_.client, &peers_.server}, half{&peers_.server, &peers_.client}}});
    all_.back().halves[0].begun = true;
  }

  void send(half& h, std::int32_t id, std::size_t size, bool end) {
    if (h.ended || !h.from->knows(id) || h.from->stream(id).failed) return;
    if (!h.begun) {
      h.begun = true;
      (void)h.from->respond(id);
    }
    std::string bytes(size, '\0');
    for (auto& c : bytes) c = static_cast<char>(next_++);
    const auto ec = in_.coin() ? h.from->send(id, bytes, end) : h.from->send_buffered(id, bytes, end);
    if (ec) return;
    h.sent += bytes;
    h.ended = end;
  }

  void receive(half& h, std::int32_t id) {
    if (!h.to->knows(id)) return;
    for (const auto& m : h.to->take(id)) {
      require(!h.done);
      if (const auto* d = std::get_if<data>(&m)) h.received += d->bytes;
      h.done = h.done || std::holds_alternative<done>(m);
    }
    require(h.sent.starts_with(h.received));
    require(!h.done || h.ended);
  }

  void reset(exchange& x, half& h) {
    x.reset = true;
    h.from->reset(x.id, h2::code::cancel);
  }

  // Everything that was begun comes to its end.
  void finish() {
    peers_.bytes_per_read = test::whole;
    for (auto& x : all_) {
      for (auto& h : x.halves) send(h, x.id, 0, true);
    }
    for (bool moved = true; moved;) {
      moved = false;
      peers_.pump();
      for (auto& x : all_) {
        for (auto& h : x.halves) {
          const auto before = h.received.size();
          receive(h, x.id);
          const bool owes = h.to->knows(x.id) && h.to->stream(x.id).ledger.owed() > 0;
          h.to->consume(x.id, h.received.size());
          moved = moved || owes || h.received.size() != before;
        }
      }
    }
    for (auto& x : all_) {
      for (auto& h : x.halves) {
        if (x.reset) continue;
        require(h.done && h.received == h.sent);
        if (h.to->knows(x.id)) require(h.to->stream(x.id).ledger.owed() == 0);
      }
    }
    check_window(peers_.client, peers_.server, client_.connection_window);
    check_window(peers_.server, peers_.client, server_.connection_window);
    require(peers_.client.failure_of_connection() == "none" && peers_.server.failure_of_connection() == "none");
  }

  // Credit goes back as soon as it is half of the window. So with as many bytes as are missing for that, the window is
  // whole again, unless credit was lost on the way.
  void check_window(endpoint& to, endpoint& from, std::size_t full) {
    const auto window = [&] { return static_cast<std::size_t>(to->stats(peers_.now).recv_window); };
    require(window() == full || full - window() < full / 2);
    const auto id = peers_.open();
    require(id != 0);
    if (&from == &peers_.server) (void)from.respond(id);
    (void)from.send(id, std::string(full / 2 - (full - window()), 'w'));
    for (std::size_t got = 1; got > 0;) {
      peers_.pump();
      got = to.body(id).size();
      to.consume(id, got);
    }
    require(window() == full);
  }

  input in_;
  options client_;
  options server_;
  memory_peers peers_;
  std::vector<exchange> all_;
  unsigned next_ = 0;
};

}  // namespace
}  // namespace duplex::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  GTEST_FLAG_SET(throw_on_failure, true);
  duplex::fuzz::walk(duplex::fuzz::input(data, size)).run();
  return 0;
}
