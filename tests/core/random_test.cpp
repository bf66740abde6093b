// Two sessions do random things with random numbers of bytes in a read. What arrives is what was sent, in order; every
// stream ends; the ledgers balance.

#include "session_test.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <random>

namespace duplex::test {
namespace {

// The distributions of the standard library differ from one to the next; a seed should not.
class dice {
 public:
  explicit dice(std::uint32_t seed) : engine_(seed) {}
  std::size_t below(std::size_t n) { return engine_() % n; }
  bool one_in(std::size_t n) { return below(n) == 0; }
  std::size_t size() {
    constexpr std::array<std::size_t, 7> sizes{0, 1, 9, 100, 1000, 20000, 100000};
    return below(sizes.at(below(sizes.size())) + 1);
  }

 private:
  std::mt19937 engine_;
};

/// One direction of one stream.
struct half {
  endpoint* from;
  endpoint* to;
  std::string sent{};
  std::string received{};
  std::uint64_t delivered = 0;
  std::uint64_t consumed = 0;
  bool responded = false;  // or needs not
  bool ended = false;      // by fin or trailers
  bool trailing = false;
  std::string order{};            // r: response, t: trailers, d: done
  std::vector<op_id> borrowed{};  // and not empty: an empty send waits for nothing
  std::vector<op_id> buffered{};
  std::vector<op_id> others{};
};

struct exchange {
  std::int32_t id;
  half up;
  half down;
  bool reset = false;
};

class random_walk {
 public:
  explicit random_walk(std::uint32_t seed)
      : dice_(seed), client_(random_options(dice_)), server_(random_options(dice_)), p_(9, client_, server_) {}

  void run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFatalFailure(); ++i) step();
    finish();
    check();
  }

 private:
  static options random_options(dice& d) {
    options opts;
    opts.stream_window = 1 + d.below(100000);
    opts.connection_window = 65535 + d.below(100000);
    opts.flow = d.one_in(2) ? flow_control::manual : flow_control::automatic;
    opts.send_buffer = 1 + d.size();
    return opts;
  }

  void step() {
    if (all_.empty() || (all_.size() < 12 && dice_.one_in(20))) return start();
    auto& x = all_[dice_.below(all_.size())];
    auto& h = dice_.one_in(2) ? x.up : x.down;
    switch (dice_.below(9)) {
      case 0:
      case 1:
      case 2:
        return send(x, h);
      case 3:
      case 4:
      case 5:
        return receive(x, h);
      case 6:
        return consume(x, h, 1 + dice_.size());
      case 7:
        if (dice_.one_in(4)) return end(x, h);
        if (dice_.one_in(40)) return reset(x);
        return;
      default:
        p_.bytes_per_read = dice_.one_in(3) ? whole : 1 + dice_.below(300);
        return dice_.one_in(3) ? p_.pump() : move_a_little();
    }
  }

  // Only one side gets to write.
  void move_a_little() {
    auto& from = dice_.one_in(2) ? p_.client : p_.server;
    auto& to = &from == &p_.client ? p_.server : p_.client;
    std::string bytes;
    from.pull(bytes, p_.now);
    from.collect();
    to->feed(bytes);
    to.collect();
  }

  void start() {
    const auto id = p_.client.open(client_);
    ASSERT_NE(id, 0);
    p_.pump();
    ASSERT_TRUE(p_.server.knows(id));
    all_.push_back({id, {&p_.client, &p_.server}, {&p_.server, &p_.client}});
    all_.back().up.responded = true;
  }

  void respond(exchange& x) {
    if (std::exchange(x.down.responded, true)) return;
    if (dice_.one_in(3)) {
      EXPECT_EQ(name(p_.server.inform(x.id, 103, {{"a", "b"}})), "ok");
    }
    EXPECT_EQ(name(p_.server.respond(x.id)), "ok");
  }

  void send(exchange& x, half& h) {
    if (x.reset || h.ended) return;
    if (&h == &x.down) respond(x);
    std::string bytes(dice_.size(), '\0');
    for (auto& c : bytes) c = static_cast<char>(next_byte_++);
    const bool fin = dice_.one_in(15);
    const bool borrow = dice_.one_in(2);
    ASSERT_EQ(name(borrow ? h.from->send(x.id, bytes, fin) : h.from->send_buffered(x.id, bytes, fin)), "ok");
    (bytes.empty() ? h.others : borrow ? h.borrowed : h.buffered).push_back(h.from->last_op());
    h.sent += bytes;
    h.ended = fin;
  }

  void end(exchange& x, half& h) {
    if (x.reset || h.ended) return;
    if (&h == &x.down) respond(x);
    h.ended = true;
    h.trailing = dice_.one_in(2);
    ASSERT_EQ(name(h.from->send_trailers(x.id, h.trailing ? fields{{"t", "u"}} : fields{})), "ok");
    (h.trailing ? h.borrowed : h.others).push_back(h.from->last_op());  // trailers wait for all that is before them
  }

  void reset(exchange& x) {
    x.reset = true;
    (dice_.one_in(2) ? p_.client : p_.server).reset(x.id, h2::code::cancel);
  }

  void receive(exchange& x, half& h) {
    auto m = (*h.to)->receive(x.id);
    if (!m) return;
    if (auto* d = std::get_if<data>(&*m)) {
      h.received += d->bytes;
      h.delivered += d->bytes.size();
    } else {
      h.order += std::holds_alternative<response>(*m) ? 'r' : std::holds_alternative<trailers>(*m) ? 't' : 'd';
    }
  }

  void consume(exchange& x, half& h, std::size_t n) {
    const auto open = h.delivered - h.consumed;
    h.consumed += std::min<std::uint64_t>(n, open);
    h.to->consume(x.id, n);
  }

  void finish() {
    for (auto& x : all_) {
      end(x, x.up);
      end(x, x.down);
    }
    p_.bytes_per_read = 1000;
    for (bool more = true; more;) {
      more = false;
      p_.pump();
      for (auto& x : all_) {
        for (auto* h : {&x.up, &x.down}) {
          const auto before = h->delivered + h->order.size();
          while (h->to->stream(x.id).in.readable() && !h->to->stream(x.id).in.empty()) receive(x, *h);
          consume(x, *h, infinity);
          more = more || h->delivered + h->order.size() > before;
        }
      }
    }
  }

  void check() {
    for (auto& x : all_) {
      for (auto* h : {&x.up, &x.down}) check(x, *h, h == &x.down);
    }
    EXPECT_EQ(p_.client->active_streams(), 0U);
    EXPECT_EQ(p_.server->active_streams(), 0U);
    EXPECT_EQ(p_.client.failure_of_connection(), "none");
    EXPECT_EQ(p_.server.failure_of_connection(), "none");
    EXPECT_FALSE(p_.client->next_deadline());
    EXPECT_FALSE(p_.server->next_deadline());
    for (auto* e : {&p_.client, &p_.server}) {
      for (auto& x : all_) e->release(x.id);
      for (auto& x : all_) EXPECT_FALSE(e->knows(x.id));
    }
  }

  static std::vector<op_id> completions(endpoint& e, const std::vector<op_id>& among) {
    std::vector<op_id> found;
    std::copy_if(e.sent().begin(), e.sent().end(), std::back_inserter(found),
                 [&](op_id op) { return std::find(among.begin(), among.end(), op) != among.end(); });
    return found;
  }

  void check(exchange& x, half& h, bool is_down) {
    SCOPED_TRACE("stream " + std::to_string(x.id) + (is_down ? " down" : " up"));
    EXPECT_EQ(h.received, h.sent.substr(0, h.received.size())) << "bytes came out of order or changed";
    const auto& ledger = h.to->stream(x.id).ledger;
    EXPECT_EQ(ledger.unread(), 0U);
    const auto flow = is_down ? client_.flow : server_.flow;
    EXPECT_EQ(ledger.owed(), flow == flow_control::manual ? h.delivered - h.consumed : 0U);
    if (x.reset) {
      EXPECT_THAT(h.order, Not(HasSubstr("dd")));
      return;
    }
    EXPECT_EQ(h.received.size(), h.sent.size()) << "bytes were lost";
    EXPECT_EQ(h.order, std::string(is_down ? "r" : "") + (h.trailing ? "t" : "") + "d");
    EXPECT_EQ(h.from->failure_of(x.id), "none");
    for (const auto* ops : {&h.borrowed, &h.buffered, &h.others}) {
      for (const auto op : *ops) EXPECT_TRUE(h.from->is_sent(op)) << "send " << op << " hangs";
    }
    for (const auto* ops : {&h.borrowed, &h.buffered}) EXPECT_EQ(completions(*h.from, *ops), *ops) << "out of order";
  }

  dice dice_;
  options client_;
  options server_;
  memory_peers p_;
  std::vector<exchange> all_;
  std::uint32_t next_byte_ = 0;
};

class random_exchange : public ::testing::TestWithParam<std::uint32_t> {};

TEST_P(random_exchange, loses_nothing_and_never_hangs) { random_walk(GetParam()).run(1500); }

INSTANTIATE_TEST_SUITE_P(seed, random_exchange, ::testing::Range(1U, 41U));

// Garbage

class random_bytes : public ::testing::TestWithParam<std::uint32_t> {};

TEST_P(random_bytes, end_the_connection_or_do_no_harm) {
  dice d(GetParam());
  for (const auto side : {role::client, role::server}) {
    scripted_peer p(side, 1 + d.below(100));
    p.greet();
    if (side == role::client) {
      p.open();
    } else {
      p.say(raw::request(1));
    }
    for (int i = 0; i < 50 && !p.us->failed(); ++i) {
      std::string payload(d.below(64), '\0');
      for (auto& c : payload) c = static_cast<char>(d.below(256));
      p.say(raw::frame(static_cast<std::uint8_t>(d.below(11)), static_cast<std::uint8_t>(d.below(256)),
                       static_cast<std::int32_t>(d.below(4)), payload));
      (void)p.us.story(1);
    }
    p.us->lost(errc::connection_lost, "end of file");
    EXPECT_TRUE(p.us->finished());
    EXPECT_EQ(p.us->active_streams(), 0U);
    EXPECT_TRUE(!p.us.knows(1) || p.us.stream(1).in.end()) << "a reader would wait for ever";
  }
}

TEST_P(random_bytes, changed_on_the_way_end_the_connection_or_do_no_harm) {
  dice d(GetParam());
  const auto answer = raw::settings() + raw::settings_ack() + raw::response(1, raw::none, {{"content-length", "6"}}) +
                      raw::data(1, "abc") + raw::padded_data(1, "def", 7) + raw::window_update(1, 10) +
                      raw::headers(1, {{"grpc-status", "0"}}, raw::end_stream) + raw::ping("12345678") +
                      raw::goaway(1, h2::code::no_error);
  for (int i = 0; i < 100; ++i) {
    auto bytes = answer;
    for (std::size_t n = 1 + d.below(3); n > 0; --n) bytes[d.below(bytes.size())] = static_cast<char>(d.below(256));
    scripted_peer p(role::client, 1 + d.below(30));
    const auto id = p.open();
    EXPECT_EQ(name(p.us.send(id, "abc")), "ok");
    p.say(bytes);
    p.us->lost(errc::connection_lost, "end of file");
    EXPECT_TRUE(p.us.stream(id).in.end()) << "a reader would wait for ever";
    (void)p.us.story(id);
    p.us.release(id);
    EXPECT_FALSE(p.us.knows(id));
  }
}

INSTANTIATE_TEST_SUITE_P(seed, random_bytes, ::testing::Range(1U, 21U));

}  // namespace
}  // namespace duplex::test
