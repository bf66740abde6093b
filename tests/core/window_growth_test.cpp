// Receive windows that grow with the path (RFC 9113, section 5.2): throughput under a delay, and what it may cost.

#include "delayed_link.hpp"
#include "session_test.hpp"

namespace duplex::test {
namespace {

constexpr std::size_t first = 65536;
constexpr std::size_t mebibyte = std::size_t{1} << 20;

options fixed(std::size_t window) {
  options opts;
  opts.stream_window = window;
  return opts;
}

class growing_windows : public ::testing::TestWithParam<int> {
 protected:
  [[nodiscard]] path of_test() const { return {.round_trip = std::chrono::milliseconds(GetParam())}; }
  /// What a window can carry, on paper: it is returned by halves, so that the second half waits for its own arrival.
  [[nodiscard]] double on_paper(std::size_t window) const {
    const auto [round_trip, bandwidth, queue] = of_test();
    const auto bytes = static_cast<double>(window);
    return std::min(bandwidth, bytes / (std::chrono::duration<double>(round_trip).count() + bytes / 2 / bandwidth));
  }
};
INSTANTIATE_TEST_SUITE_P(round_trip_ms, growing_windows, ::testing::Values(10, 50, 150),
                         ::testing::PrintToStringParamName());

TEST_P(growing_windows, fill_a_path_that_a_fixed_window_does_not) {
  for (const auto window : {first, mebibyte}) {
    delayed_link l(of_test(), fixed(window));
    l.download();
    l.run_for(1s);
    const auto got = l.throughput(1s);
    EXPECT_NEAR(got / on_paper(window), 1, 0.1) << window;
    RecordProperty("fixed_" + std::to_string(window), static_cast<int>(got));
  }
  delayed_link l(of_test());
  l.download();
  l.run_for(30 * of_test().round_trip);
  const auto got = l.throughput(3s);
  EXPECT_GT(got, 0.9 * on_paper(16 * mebibyte));

  delayed_link wide(of_test(), fixed(16 * mebibyte));
  wide.download();
  wide.run_for(1s);
  EXPECT_GT(got, 0.9 * wide.throughput(3s));
  RecordProperty("growing", static_cast<int>(got));
}

TEST_P(growing_windows, double_every_two_round_trips) {
  delayed_link l(of_test());
  const auto id = l.download();
  const auto needed = of_test().bytes_per_second * GetParam() / 1000;
  int trips = 0;
  for (; trips < 50 && static_cast<double>(l.window(id)) < needed; ++trips) l.run_for(of_test().round_trip);
  int doublings = 0;
  for (auto w = first; w < l.window(id); w *= 2) ++doublings;
  EXPECT_LE(trips, 2 * doublings + 3);
}

TEST_P(growing_windows, stop_above_what_the_path_holds) {
  auto narrow = of_test();
  narrow.bytes_per_second = 2e7;
  narrow.queue = 64 * mebibyte;
  delayed_link l(narrow);
  const auto id = l.download();
  l.run_for(5s);
  const auto holds = 2e7 * GetParam() / 1000;
  EXPECT_LE(static_cast<double>(l.window(id)), std::max(5.4 * holds, 2.0 * mebibyte));
}

TEST_P(growing_windows, cost_few_pings) {
  delayed_link l(of_test());
  l.download();
  l.run_for(4s);
  const auto to_learn = l.pings();
  EXPECT_LE(to_learn, 20U);
  l.run_for(4s);
  EXPECT_LE(l.pings() - to_learn, 2U) << "what is learnt is not asked again all the time";
}

TEST(window_growth, sends_no_ping_on_an_idle_connection) {
  delayed_link l({.round_trip = 50ms});
  const auto id = l.client.open({});
  l.run_for(60s);
  EXPECT_EQ(l.pings(), 0U);
  EXPECT_EQ(l.window(id), first);
}

TEST(window_growth, sends_no_ping_for_small_messages) {
  delayed_link l({.round_trip = 50ms});
  const auto id = l.client.open({});
  l.run_for(1s);
  l.server.respond(id);
  for (int i = 0; i < 31; ++i) {
    l.server.send(id, std::string(1000, 'x'));
    l.run_for(1s);
    EXPECT_EQ(l.client.body(id).size(), 1000U);
  }
  EXPECT_EQ(l.pings(), 0U);
}

TEST(window_growth, sends_no_ping_when_the_window_was_chosen) {
  delayed_link l({.round_trip = 50ms}, fixed(100000));
  const auto id = l.download();
  l.run_for(2s);
  EXPECT_EQ(l.pings(), 0U);
  EXPECT_EQ(l.window(id), 100000U);
}

TEST(window_growth, has_one_ping_under_way_and_lives_without_its_answer) {
  delayed_link l({.round_trip = 50ms});
  l.loses_pings = true;
  const auto id = l.download();
  l.run_for(1s);
  EXPECT_NEAR(l.throughput(10s) / (first / 0.05), 1, 0.1);
  EXPECT_EQ(l.pings(), 1U);
  EXPECT_EQ(l.window(id), first);
}

TEST(window_growth, keeps_the_first_window_of_a_stream_that_nobody_reads) {
  delayed_link l({.round_trip = 50ms});
  l.client_reads = false;
  const auto unread = l.download();
  l.run_for(2s);
  EXPECT_EQ(l.window(unread), first);
  EXPECT_EQ(l.client.stream(unread).in.bytes(), first);
  EXPECT_EQ(l.pings(), 0U);
}

TEST(window_growth, gives_a_new_stream_a_mebibyte_of_what_was_learnt_and_more_only_to_a_reader) {
  delayed_link l({.round_trip = 50ms});
  const auto id = l.download();
  l.run_for(2s);
  EXPECT_GE(l.window(id), 8 * mebibyte);
  l.client_reads = false;
  const auto unread = l.download();
  l.run_for(2s);
  EXPECT_EQ(l.window(unread), mebibyte);
  EXPECT_EQ(l.client.stream(unread).in.bytes(), mebibyte);
}

TEST(window_growth, offers_a_new_stream_its_window_with_the_request) {
  scripted_peer p(role::client, whole);
  p.greet();
  const auto warm = p.open();
  p.say(raw::response(warm));
  for (int i = 0; i < 3; ++i) {
    for (int n = 0; n < 3; ++n) {
      p.say(raw::data(warm, pattern(16000)));
      p.us.body(warm);
    }
    p.say(raw::ping(std::string(8, '\xff'), raw::ack));
  }
  EXPECT_EQ(p.us.stream(warm).window, 2 * first);
  (void)p.heard();
  const auto id = p.open();
  EXPECT_EQ(p.credit(id), first);
  const auto heard = p.heard();
  EXPECT_THAT(heard.front(), StartsWith("HEADERS 3"));
  EXPECT_THAT(heard.back(), StartsWith("WINDOW_UPDATE 3"));
}

TEST(window_growth, lets_a_new_stream_grow_at_once_to_what_was_learnt) {
  delayed_link l({.round_trip = 50ms});
  const auto one = l.download();
  l.run_for(2s);
  const auto pings = l.pings();
  const auto two = l.download();
  l.run_for(6 * 50ms);
  EXPECT_GE(l.window(one), 8 * mebibyte);
  EXPECT_EQ(l.window(two), l.window(one));
  EXPECT_LE(l.pings(), pings + 1);
}

TEST(window_growth, keeps_the_windows_of_all_streams_within_max_connection_buffer) {
  options opts;
  opts.max_connection_buffer = 10 * mebibyte;
  delayed_link l({.round_trip = 150ms}, opts);
  std::vector<std::int32_t> ids;
  for (int i = 0; i < 20; ++i) ids.push_back(l.download());
  for (int i = 0; i < 50; ++i) {
    l.run_for(100ms);
    std::size_t sum = 0;
    for (const auto id : ids) sum += l.window(id);
    ASSERT_LE(sum, 10 * mebibyte);
  }
  // Then nobody reads: what may come, comes, and no stream is lost by it.
  l.client_reads = false;
  l.run_for(2s);
  for (const auto id : ids) EXPECT_EQ(l.client.failure_of(id), "none");
  EXPECT_GT(l.client->stats(l.now).unread_bytes, 5 * mebibyte);
}

TEST(window_growth, gives_the_budget_of_a_closed_stream_to_others) {
  options opts;
  opts.max_connection_buffer = 3 * mebibyte;
  delayed_link l({.round_trip = 150ms}, opts);
  for (int i = 0; i < 3; ++i) {
    const auto id = l.download();
    l.run_for(2s);
    EXPECT_GE(l.window(id), 2 * mebibyte) << i;
    l.client.reset(id, h2::code::cancel);
    l.run_for(1s);
  }
}

TEST(window_growth, stays_below_max_recv_buffer_and_connection_window) {
  options opts;
  opts.max_recv_buffer = 300000;
  delayed_link a({.round_trip = 150ms}, opts);
  const auto on_a = a.download();
  a.run_for(5s);
  EXPECT_EQ(a.window(on_a), 300000U);

  opts = {};
  opts.connection_window = 500000;
  delayed_link b({.round_trip = 150ms}, opts);
  const auto on_b = b.download();
  b.run_for(5s);
  EXPECT_EQ(b.window(on_b), 500000U);
}

TEST(window_growth, needs_consume_when_flow_control_is_manual) {
  options manual;
  manual.flow = flow_control::manual;
  delayed_link l({.round_trip = 50ms}, manual);
  const auto id = l.download();
  l.run_for(2s);
  EXPECT_GE(l.window(id), 4 * mebibyte);
  const auto& s = l.client.stream(id);
  EXPECT_TRUE(s.ledger.balanced(s.in.bytes()));
  EXPECT_EQ(s.ledger.owed(), 0U);

  const auto other = l.client.open(manual);
  l.run_for(200ms);
  l.server.respond(other);
  l.server.send(other, std::string(3 * mebibyte, 'x'));
  std::size_t delivered = 0;
  for (int i = 0; i < 20; ++i) {
    l.run_for(200ms);
    delivered += l.client.body(other).size();
  }
  EXPECT_EQ(delivered, mebibyte);
  EXPECT_EQ(l.window(other), mebibyte);
}

TEST(window_growth, is_told_by_stats) {
  delayed_link l({.round_trip = 50ms});
  const auto id = l.download();
  EXPECT_EQ(l.client->stats(l.client.stream(id)).recv_window_size, static_cast<std::int64_t>(first));
  l.run_for(2s);
  EXPECT_EQ(l.client->stats(l.client.stream(id)).recv_window_size, static_cast<std::int64_t>(l.window(id)));
}

TEST(window_growth, does_not_take_the_answer_to_its_ping_for_the_users) {
  delayed_link l({.round_trip = 50ms});
  l.download();
  l.client->ping(7);
  l.run_for(2s);
  EXPECT_GT(l.pings(), 1U);
  EXPECT_EQ(l.client.count(kind::pong), 1U);
}

TEST(window_growth, ignores_an_answer_to_a_ping_that_was_not_sent) {
  scripted_peer p(role::client, whole);
  p.greet();
  const auto id = p.open();
  p.say(raw::response(id) + raw::data(id, pattern(16000)) + raw::data(id, pattern(16000)));
  p.us.body(id);
  for (int i = 0; i < 10; ++i) p.say(raw::ping(std::string(8, '\xff'), raw::ack));
  EXPECT_EQ(p.us.stream(id).window, first);
  EXPECT_EQ(p.us.count(kind::pong), 0U);
}

}  // namespace
}  // namespace duplex::test
