// Time-outs as a user meets them: that the options arrive where the core decides, and that no timer is left behind.
// What they decide is tested in tests/core, without waiting.

#include "raw_peer.hpp"
#include "support.hpp"

#include "h2/origin.hpp"

#include <cstdint>
#include <limits>

namespace duplex::test {
namespace {

using h2::fin;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::size_t huge = std::size_t{64} << 20;

options within(std::chrono::milliseconds time) {
  auto opts = bounded();
  opts.max_time = time;
  return opts;
}

// An open that failed for want of time, and why.
std::string message_of_open(h2::client& client, const std::string& url, const options& opts) {
  auto [ec, s] = get(client.async_open({.url = url}, opts, as_future));
  EXPECT_EQ(name(ec), "timeout");
  return why(s).message;
}

// max_time

TEST(max_time, ends_a_stream_behind_what_had_arrived) {
  both_ends ends(within(1s));  // in which it has to arrive
  ends.remote.send_response({200, {}});
  ends.remote.send("abc");
  EXPECT_THAT(transcript(ends.client), ElementsAre("response 200", "data abc", "error timeout"));
  EXPECT_THAT(why(ends.client).message, HasSubstr("max_time"));
  EXPECT_EQ(last_error(ends.remote), "stream_reset");
}

TEST(max_time, of_a_server_ends_its_streams) {
  auto opts = cleartext();
  opts.stream.max_time = 50ms;
  both_ends ends(bounded(), opts);
  EXPECT_EQ(last_error(ends.client), "stream_reset");
  EXPECT_EQ(last_error(ends.remote), "timeout");
}

TEST(max_time, counts_from_the_dial) {
  raw_peer silent;
  h2::stream s;
  error_code ec;
  s = h2::open({.url = silent.url("https")}, within(50ms), ec);
  EXPECT_EQ(name(ec), "timeout");
  EXPECT_THAT(why(s).message, HasSubstr("max_time"));
}

TEST(max_time, counts_while_an_open_waits_for_a_place) {
  auto opts = cleartext();
  opts.max_concurrent_streams = 1;
  peer server(opts);
  auto link = h2::connection::connect(server.url(), bounded());
  auto running = link.open_stream({.url = server.url()}, bounded());
  const auto other = server.accept();
  (void)link.ping();  // the server's SETTINGS are here
  auto [ec, s] = get(link.async_open_stream({.url = server.url()}, within(50ms), as_future));
  EXPECT_EQ(name(ec), "timeout");
  EXPECT_THAT(why(s).message, HasSubstr("max_time"));
  h2::client client;
  EXPECT_THAT(message_of_open(client, raw_peer().url("https"), within(1ms)), HasSubstr("max_time"));
}

TEST(max_time, of_a_client_reaches_the_stream) {
  peer server;
  h2::client client;
  auto [ec, s] = get(client.async_open({.url = server.url()}, within(1s), as_future));
  ASSERT_EQ(name(ec), "ok");
  const auto remote = server.accept();
  EXPECT_EQ(last_error(s), "timeout");
}

// Keepalive

TEST(keepalive, a_peer_that_does_not_answer_fails_the_connection_with_its_streams) {
  raw_peer silent;
  auto opts = bounded();
  opts.keepalive_time = 20ms;
  opts.keepalive_timeout = 50ms;
  auto s = h2::open({.url = silent.url()}, opts);
  silent.accept_http2();
  EXPECT_EQ(last_error(s), "keepalive_timeout");
  EXPECT_EQ(why(s).scope, scope::connection);
  EXPECT_EQ(why(s).origin, origin::network);
}

TEST(keepalive, a_peer_that_answers_keeps_the_stream) {
  auto opts = bounded();
  opts.keepalive_time = 1ms;
  frame_log frames;
  opts.on_frame = frames.recorder();
  both_ends ends(opts);
  EXPECT_TRUE(frames.wait_received("PING", 5));
  ends.remote.send_response({200, {}}, fin);
  ends.client.send("", fin);
  EXPECT_THAT(transcript(ends.client), ElementsAre("response 200", "done"));
}

TEST(keepalive, of_a_server_notices_a_client_that_went_away) {
  auto opts = cleartext();
  opts.stream.keepalive_time = 20ms;
  opts.stream.keepalive_timeout = 10s;
  frame_log frames;
  auto for_client = bounded();
  for_client.on_frame = frames.recorder();
  const both_ends ends(for_client, opts);
  EXPECT_TRUE(frames.wait_received("PING"));
}

TEST(keepalive, an_origin_that_was_asked_too_often_is_asked_half_as_often_each_time) {
  h2::origin where;
  EXPECT_EQ(where.keepalive_time({}), std::nullopt);
  EXPECT_EQ(where.keepalive_time(60s), 60s);
  ++where.scoldings;
  EXPECT_EQ(where.keepalive_time(60s), 120s);
  ++where.scoldings;
  EXPECT_EQ(where.keepalive_time(60s), 240s);
  where.scoldings = std::numeric_limits<unsigned>::max();
  EXPECT_EQ(where.keepalive_time(60s), 2h);
  EXPECT_EQ(where.keepalive_time(24h), 24h) << "who wants less has it";
  EXPECT_EQ(where.keepalive_time({}), std::nullopt);
}

TEST(keepalive, a_client_that_was_told_too_many_pings_waits_longer_the_next_time) {
  constexpr std::chrono::milliseconds wanted(300);
  raw_peer server;
  h2::client client;
  auto opts = bounded();
  opts.keepalive_time = wanted;
  auto first = client.open({.url = server.url()}, opts);
  server.accept_http2();
  server.write(raw::frame(raw::goaway, raw::none, 0, raw::number(1) + raw::number(11) + "too_many_pings"));
  server.close();
  EXPECT_EQ(recv_error(first), "goaway");
  EXPECT_EQ(why(first).debug_data, "too_many_pings");
  const auto ping = raw::frame(raw::ping, raw::none, 0, "12345678").substr(0, 5);
  auto second = client.open({.url = server.url()}, opts);
  server.accept_http2();
  const auto silent_since = std::chrono::steady_clock::now();
  server.read_until(ping);
  EXPECT_GE(std::chrono::steady_clock::now() - silent_since, wanted * 3 / 2);
}

// What is not there any more

TEST(stall, a_peer_that_reads_nothing_loses_the_connection) {
  raw_peer stuffed;
  context_threads threads;
  auto opts = bounded();
  opts.send_timeout = 200ms;
  opts.close_timeout = 50ms;
  auto [ec, s] = get(h2::async_open(threads.executor(), request{.url = stuffed.url()}, opts, as_future));
  ASSERT_EQ(name(ec), "ok");
  stuffed.accept_http2();
  const auto most = raw::number(std::numeric_limits<std::int32_t>::max() - 65535);
  stuffed.write(raw::frame(raw::window_update, raw::none, 0, most) +
                raw::frame(raw::window_update, raw::none, 1, most));
  const auto bytes = pattern(huge);
  EXPECT_EQ(outcome(s.async_send(bytes, as_future)), "timeout");
  const auto link = s.connection();
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!link.failure() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  ASSERT_TRUE(link.failure());
  EXPECT_EQ(name(link.failure()->code), "timeout");
  EXPECT_EQ(link.failure()->scope, scope::connection);
}

TEST(idle, a_server_says_goaway_to_a_connection_without_streams) {
  auto opts = cleartext();
  opts.idle_timeout = 20ms;
  const service server(echo_back, opts);
  frame_log frames;
  auto for_client = bounded();
  for_client.on_frame = frames.recorder();
  const auto link = h2::connection::connect(server.url(), for_client);
  EXPECT_TRUE(frames.wait_received("GOAWAY NO_ERROR"));
}

TEST(idle, times_that_are_none_are_refused) {
  asio::io_context io;
  auto opts = cleartext();
  opts.idle_timeout = 0ms;
  EXPECT_THROW(h2::server(io.get_executor(), opts, echo_back), boost::system::system_error);
  for (const auto set : {+[](options& o) { o.max_time = 0ms; }, +[](options& o) { o.keepalive_time = 0ms; },
                         +[](options& o) { o.keepalive_timeout = 0ms; }, +[](options& o) { o.settings_timeout = 0ms; },
                         +[](options& o) { o.header_timeout = 0ms; }}) {
    options bad;
    set(bad);
    error_code ec;
    const auto s = h2::open({.url = "http://127.0.0.1:1/"}, bad, ec);
    EXPECT_EQ(name(ec), "invalid_argument");
  }
}

// No timer is left

TEST(timers, a_context_runs_out_of_work_when_its_streams_are_over) {
  asio::io_context io;
  auto opts = cleartext();
  opts.stream.max_time = 1h;
  opts.stream.keepalive_time = 1h;
  opts.idle_timeout = 1h;
  std::optional<h2::server> server(std::in_place, io.get_executor(), opts, echo_back);
  auto for_client = bounded();
  for_client.max_time = 1h;
  for_client.recv_timeout = 1h;
  for_client.send_timeout = 1h;
  for_client.keepalive_time = 1h;
  for_client.keepalive_without_streams = true;
  run(io, [](asio::io_context& context, std::optional<h2::server>& listening, options o) -> asio::awaitable<void> {
    request head{.url = listening->url()};
    auto [ec, s] = co_await h2::async_open(context.get_executor(), head, o, as_value);
    EXPECT_EQ(name(ec), "ok");
    co_await s.async_send("ping", as_value);
    co_await s.async_send("", fin, as_value);
    for (bool more = true; more;) {
      auto [failed, m] = co_await s.async_recv(as_value);
      EXPECT_EQ(name(failed), "ok");
      more = !failed && !std::holds_alternative<done>(m);
    }
    s = {};
    co_await listening->async_shutdown(1h, as_value);
    listening.reset();
  }(io, server, for_client));
  io.restart();
  io.run_for(patience);
  EXPECT_TRUE(io.stopped()) << "something waits that nobody waits for";
}

}  // namespace
}  // namespace duplex::test
