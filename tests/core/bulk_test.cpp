// Many bytes: through small windows, and at a reader that does not read (RFC 9113, section 5.2). Memory stays near the
// windows, whatever is said.

#include "heap.hpp"
#include "session_test.hpp"

#include <algorithm>
#include <string_view>

namespace duplex::test {
namespace {

constexpr std::size_t megabyte = std::size_t{1} << 20;
constexpr std::size_t piece = 16384;

/// An endless text, seen from one end of a stream.
class endless {
 public:
  [[nodiscard]] std::string_view next(std::size_t size) {
    const auto begin = at_ % period.size();
    at_ += size;
    return std::string_view(period).substr(begin, size);
  }
  /// Whether `bytes` are what comes next.
  [[nodiscard]] bool goes_on(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto n = std::min(bytes.size(), period.size() - at_ % period.size());
      if (next(n) != bytes.substr(0, n)) return false;
      bytes.remove_prefix(n);
    }
    return true;
  }
  [[nodiscard]] std::size_t at() const { return at_; }

 private:
  static inline const std::string period = pattern(megabyte);
  std::size_t at_ = 0;
};

/// What one side sends, and the other receives.
struct direction {
  endpoint& from;
  endpoint& to;
  endless sent{};
  endless received{};
  bool done = false;
};

options small_windows() {
  options opts;
  opts.stream_window = 20000;
  opts.connection_window = 65535;
  return opts;
}

// Both directions at once, so that each has to let the other through.
TEST(bulk, of_200_megabytes_up_and_down_arrives_whole_through_small_windows) {
  constexpr std::size_t total = 200 * megabyte;
  memory_peers p(whole, small_windows(), small_windows());
  const auto id = p.open();
  EXPECT_EQ(name(p.server.respond(id)), "ok");
  direction up{p.client, p.server};
  direction down{p.server, p.client};
  const auto before = heap_in_use();
  std::size_t most_unread = 0;
  std::size_t most_heap = 0;
  for (int turn = 0; !up.done || !down.done; ++turn) {
    ASSERT_LT(turn, 10000) << "no progress any more";
    for (auto* d : {&up, &down}) {
      if (d->sent.at() == total || d->from.stream(id).out.bytes() > 0) continue;
      const auto n = std::min(megabyte, total - d->sent.at());
      const auto bytes = d->sent.next(n);
      EXPECT_EQ(name(d->from.send(id, bytes, d->sent.at() == total)), "ok");
    }
    for (bool more = true; more;) {
      p.pump();
      more = false;
      for (auto* d : {&up, &down}) {
        most_unread = std::max(most_unread, d->to.stream(id).in.bytes());
        for (const auto& m : d->to.take(id)) {
          if (const auto* bytes = std::get_if<data>(&m)) {
            ASSERT_TRUE(d->received.goes_on(bytes->bytes)) << "changed around " << d->received.at();
            more = true;
          }
          d->done = d->done || std::holds_alternative<duplex::done>(m);
        }
      }
      most_heap = std::max(most_heap, heap_in_use());
    }
  }
  EXPECT_EQ(up.received.at(), total);
  EXPECT_EQ(down.received.at(), total);
  EXPECT_LE(most_unread, 20000U);
  // Two sends of a megabyte are lent; the record of the events is the test's own.
  EXPECT_LT(most_heap, before + 8 * megabyte);
  EXPECT_EQ(p.client.failure_of(id), "none");
}

class unread : public ::testing::TestWithParam<role> {
 protected:
  static std::string head() { return GetParam() == role::client ? raw::response(1) : raw::request(1); }
  static void start(scripted_peer& p) {
    p.greet();
    if (GetParam() == role::client) p.open();
    p.say(head());
  }
};
INSTANTIATE_TEST_SUITE_P(of_a, unread, ::testing::Values(role::client, role::server),
                         [](const auto& p) { return p.param == role::client ? "client" : "server"; });

TEST_P(unread, an_honest_peer_is_held_at_the_window) {
  scripted_peer p(GetParam(), whole);
  start(p);
  const auto frame = raw::data(1, pattern(1000));
  const auto before = heap_in_use();
  std::size_t said = 0;
  const std::size_t window = std::size_t{64} << 10;
  while (said + 1000 <= window + p.credit(1)) {
    p.say(frame);
    said += 1000;
    ASSERT_LT(said, megabyte) << "the window grows although nobody reads";
  }
  EXPECT_EQ(p.us.stream(1).in.bytes(), said);
  EXPECT_LT(heap_in_use(), before + 4 * window);
}

TEST_P(unread, a_hundred_megabytes_beyond_the_window_take_no_memory) {
  scripted_peer p(GetParam(), whole);
  start(p);
  const auto frame = raw::data(1, pattern(piece));
  const auto before = heap_in_use();
  std::size_t most = 0;
  for (std::size_t said = 0; said < 100 * megabyte; said += piece) {
    p.say(frame);
    most = std::max(most, heap_in_use());
  }
  EXPECT_EQ(p.us.failure_of(1), "protocol_error peer stream FLOW_CONTROL_ERROR");
  EXPECT_LE(p.us.stream(1).in.bytes(), 5 * piece);
  EXPECT_LT(most, before + megabyte);
  EXPECT_THAT(p.us.story(1), AllOf(HasSubstr("protocol_error"), Not(HasSubstr("done"))));
}

TEST_P(unread, a_window_of_single_bytes_takes_memory_in_proportion) {
  scripted_peer p(GetParam(), whole);
  start(p);
  std::string frames;
  const std::size_t window = std::size_t{64} << 10;
  for (std::size_t i = 0; i < window; ++i) frames += raw::data(1, "x");
  const auto before = heap_in_use();
  // At once: the test keeps a record of every event.
  p.us->feed(frames);
  EXPECT_LT(heap_in_use(), before + 40 * window);
  p.us.collect();
  EXPECT_EQ(p.us.stream(1).in.bytes(), window);
  EXPECT_EQ(p.us.body(1), std::string(window, 'x'));
}

TEST(unread_streams, a_hundred_that_nobody_reads_hold_a_hundred_windows_and_not_more) {
  scripted_peer p(role::server, whole);
  p.greet();
  constexpr std::int32_t streams = 100;
  const std::size_t window = std::size_t{64} << 10;
  const auto before = heap_in_use();
  const auto bytes = pattern(piece);
  for (std::int32_t i = 0; i < streams; ++i) p.say(raw::request(1 + 2 * i));
  for (std::size_t said = 0; said + piece <= window; said += piece) {
    for (std::int32_t i = 0; i < streams; ++i) p.say(raw::data(1 + 2 * i, bytes));
  }
  EXPECT_EQ(p.us.failure_of_connection(), "none") << "the window of the connection is returned on arrival";
  EXPECT_LT(heap_in_use(), before + 2 * streams * window);
  // One of them goes on, and is stopped alone.
  p.say(raw::data(1, bytes));
  EXPECT_EQ(p.us.failure_of(1), "protocol_error peer stream FLOW_CONTROL_ERROR");
  EXPECT_EQ(p.us.failure_of(3), "none");
}

}  // namespace
}  // namespace duplex::test
