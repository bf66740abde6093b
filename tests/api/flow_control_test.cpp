// The receiving windows (RFC 9113, section 5.2), who reopens them, and the bound on what waits unread.

#include "raw_peer.hpp"
#include "support.hpp"

#include <charconv>

namespace duplex::test {
namespace {

using h2::fin;
using testing::ElementsAre;

constexpr std::size_t window = 1000;

options manual() {
  auto opts = bounded();
  opts.flow = flow_control::manual;
  opts.stream_window = window;
  return opts;
}

// How much window a side has returned to its peer on one stream.
std::size_t returned(const frame_log& frames, std::int32_t stream) {
  constexpr std::string_view prefix = "WINDOW_UPDATE +";
  std::size_t sum = 0;
  for (const auto& f : frames.all()) {
    if (!f.sent || f.stream_id != stream || !f.text.starts_with(prefix)) continue;
    std::size_t n = 0;
    std::from_chars(f.text.data() + prefix.size(), f.text.data() + f.text.size(), n);
    sum += n;
  }
  return sum;
}

// A client that has taken the response, and a server whose send of several windows waits.
struct full_window {
  explicit full_window(options opts) : ends(std::move(opts)), sent(pattern(4 * window)) {
    ends.remote.send_response({200, {}});
    EXPECT_EQ(describe(ends.client.recv()), "response 200");
    fence(ends);
    sending = ends.remote.async_send(sent, fin, as_future);
    fence(ends);
    fence(ends);
  }

  both_ends ends;
  std::string sent;
  std::future<std::tuple<error_code>> sending;
};

TEST(manual_flow_control, reopens_the_window_only_for_what_was_consumed) {
  full_window full(manual());
  auto& client = full.ends.client;
  EXPECT_EQ(receive(client, window), full.sent.substr(0, window));
  fence(full.ends);
  EXPECT_TRUE(pending(full.sending));
  EXPECT_FALSE(client.try_recv());

  client.consume(window);
  EXPECT_EQ(receive(client, window), full.sent.substr(window, window));
  fence(full.ends);
  EXPECT_TRUE(pending(full.sending));
  EXPECT_FALSE(client.try_recv());

  client.consume(window);
  EXPECT_EQ(receive(client, window), full.sent.substr(2 * window, window));
  client.consume(window);
  EXPECT_EQ(outcome(std::move(full.sending)), "ok");
  EXPECT_EQ(receive(client, window), full.sent.substr(3 * window, window));
}

TEST(manual_flow_control, consume_beyond_what_was_delivered_is_clamped) {
  frame_log frames;
  auto opts = manual();
  opts.on_frame = frames.recorder();
  full_window full(opts);
  auto& client = full.ends.client;
  EXPECT_EQ(receive(client, window), full.sent.substr(0, window));
  client.consume(std::size_t{1} << 40);
  EXPECT_EQ(receive(client, window), full.sent.substr(window, window));
  client.consume(window);
  client.consume(window);
  client.consume(0);
  EXPECT_EQ(receive(client, window), full.sent.substr(2 * window, window));
  fence(full.ends);
  EXPECT_EQ(returned(frames, client.id()), 2 * window);
  EXPECT_TRUE(pending(full.sending));
}

TEST(manual_flow_control, consume_of_what_is_buffered_but_not_delivered_returns_nothing) {
  full_window full(manual());
  auto& client = full.ends.client;
  client.consume(window);
  fence(full.ends);
  EXPECT_TRUE(pending(full.sending));
  EXPECT_EQ(receive(client, window), full.sent.substr(0, window));
  EXPECT_FALSE(client.try_recv());
}

TEST(manual_flow_control, consume_after_the_end_does_nothing) {
  auto opts = manual();
  opts.stream_window = 10 * window;
  frame_log frames;
  opts.on_frame = frames.recorder();
  full_window full(opts);
  auto& client = full.ends.client;
  EXPECT_EQ(transcript(client).back(), "done");
  client.consume(window);
  client.send("", fin);
  client.consume(window);
  fence(full.ends);
  client.consume(window);
  EXPECT_EQ(returned(frames, client.id()), 0);
  EXPECT_FALSE(client.failure());
}

TEST(manual_flow_control, holds_in_active_mode_too) {
  full_window full(manual());
  auto& client = full.ends.client;
  std::mutex mutex;
  std::string seen;
  std::promise<void> over;
  client.set_active(active::on, [&](error_code, const message& m) {
    const std::lock_guard lock(mutex);
    if (const auto* d = std::get_if<data>(&m)) seen += d->bytes;
    if (std::holds_alternative<done>(m)) over.set_value();
  });
  fence(full.ends);
  {
    const std::lock_guard lock(mutex);
    EXPECT_EQ(seen.size(), window);
  }
  for (int i = 0; i < 3; ++i) {
    client.consume(window);
    fence(full.ends);
    fence(full.ends);
  }
  get(over.get_future());
  EXPECT_EQ(seen, full.sent);
}

TEST(manual_flow_control, never_leaks_window_to_padding) {
  frame_log frames;
  auto opts = manual();
  opts.on_frame = frames.recorder();
  raw_peer server;
  auto s = h2::open({.url = server.url()}, opts);
  server.accept_http2();
  server.write(raw::ok(1));
  EXPECT_EQ(describe(s.recv()), "response 200");
  constexpr std::size_t payload = 40;
  constexpr std::uint8_t padding = 200;
  constexpr int rounds = 50;
  // A window that shrinks for good would be used up after five frames.
  std::size_t written = 0;
  for (int i = 0; i < rounds; ++i) {
    server.write(raw::padded_data(1, std::string(payload, 'x'), padding));
    written += payload + padding + 1;
    EXPECT_EQ(receive(s, payload).size(), payload);
    s.consume(payload);
  }
  server.write(raw::frame(raw::data, raw::end_stream, 1, ""));
  EXPECT_EQ(describe(s.recv()), "done");
  get(asio::post(s.get_executor(), as_future));  // where frames are reported
  EXPECT_GT(returned(frames, 1) + window, written);
}

TEST(automatic_flow_control, returns_the_window_on_delivery) {
  auto opts = bounded();
  opts.stream_window = window;
  full_window full(opts);
  EXPECT_TRUE(pending(full.sending));
  EXPECT_THAT(transcript(full.ends.client), ElementsAre("data " + full.sent, "done"));
  EXPECT_EQ(outcome(std::move(full.sending)), "ok");
}

TEST(automatic_flow_control, consume_does_nothing) {
  auto opts = bounded();
  opts.stream_window = window;
  full_window full(opts);
  full.ends.client.consume(4 * window);
  fence(full.ends);
  fence(full.ends);
  EXPECT_TRUE(pending(full.sending));
  EXPECT_EQ(receive(full.ends.client, window), full.sent.substr(0, window));
  full.ends.client.consume(window);
  EXPECT_THAT(transcript(full.ends.client), ElementsAre("data " + full.sent.substr(window), "done"));
}

TEST(a_slow_stream, does_not_starve_its_neighbours) {
  constexpr std::size_t least = 65535;
  peer server;
  auto opts = bounded();
  opts.stream_window = least;
  opts.connection_window = least;
  context_threads threads;
  auto [ec, c] = get(h2::connection::async_connect(threads.executor(), server.url(), opts, as_future));
  ASSERT_FALSE(ec);
  auto slow = std::get<1>(get(c.async_open_stream({.url = server.url()}, opts, as_future)));
  auto slow_far = server.accept().stream;
  slow_far.send_response({200, {}});
  const auto unread = pattern(least);
  EXPECT_EQ(outcome(slow_far.async_send(unread, as_future)), "ok");

  auto quick = std::get<1>(get(c.async_open_stream({.url = server.url()}, opts, as_future)));
  auto quick_far = server.accept().stream;
  quick_far.send_response({200, {}});
  const auto sent = pattern(10 * least);
  auto sending = std::async(std::launch::async, [&] { quick_far.send(sent, fin); });
  EXPECT_THAT(transcript(quick), ElementsAre("response 200", "data " + sent, "done"));
  get(std::move(sending));

  EXPECT_EQ(describe(slow.recv()), "response 200");
  EXPECT_EQ(receive(slow, least), unread);
}

TEST(max_recv_buffer, overflow_resets_the_stream_and_is_never_a_silent_done) {
  auto opts = bounded();
  opts.max_recv_buffer = window;
  both_ends ends(opts);
  ends.remote.send_response({200, {}});
  const auto sent = pattern(5 * window);
  ends.remote.send(sent, fin);
  const auto remote_end = [&] { return transcript(ends.remote); };
  EXPECT_THAT(remote_end(), ElementsAre("error stream_reset"));
  EXPECT_EQ(ends.remote.failure()->http2_code, 0x8U);

  EXPECT_THAT(transcript(ends.client), ElementsAre("response 200", "error recv_buffer_overflow"));
  ASSERT_TRUE(ends.client.failure());
  EXPECT_EQ(ends.client.failure()->code, errc::recv_buffer_overflow);
  EXPECT_EQ(ends.client.failure()->origin, origin::local);
  EXPECT_EQ(ends.client.failure()->scope, scope::stream);
  EXPECT_EQ(ends.client.failure()->http2_code, 0x8U);
}

TEST(max_recv_buffer, overflow_by_the_last_frame_is_an_error_after_what_fitted) {
  auto opts = bounded();
  opts.max_recv_buffer = window;
  raw_peer server;
  auto s = h2::open({.url = server.url()}, opts);
  server.accept_http2();
  server.write(raw::ok(1) + raw::frame(raw::data, raw::none, 1, pattern(window)) +
               raw::frame(raw::data, raw::end_stream, 1, "x"));
  server.read_until(raw::frame(raw::rst_stream, raw::none, 1, raw::number(0x8)));
  EXPECT_THAT(transcript(s), ElementsAre("response 200", "data " + pattern(window), "error recv_buffer_overflow"));
}

TEST(max_recv_buffer, that_is_just_filled_is_no_overflow) {
  auto opts = bounded();
  opts.max_recv_buffer = window;
  both_ends ends(opts);
  ends.remote.send_response({200, {}});
  const auto sent = pattern(window);
  EXPECT_EQ(outcome(ends.remote.async_send(sent, fin, as_future)), "ok");
  fence(ends);
  EXPECT_THAT(transcript(ends.client), ElementsAre("response 200", "data " + sent, "done"));
}

TEST(max_recv_buffer, overflow_reaches_the_armed_handler_of_the_other_style_too) {
  auto opts = bounded();
  opts.max_recv_buffer = window;
  both_ends ends(opts);
  ends.remote.send_response({200, {}});
  ends.remote.send(pattern(5 * window), fin);
  EXPECT_EQ(recv_error(ends.remote), "stream_reset");
  std::promise<error_code> failed;
  ends.client.set_active(active::on, [&](error_code ec, const message&) {
    if (ec) failed.set_value(ec);
  });
  EXPECT_EQ(get(failed.get_future()), errc::recv_buffer_overflow);
}

}  // namespace
}  // namespace duplex::test
