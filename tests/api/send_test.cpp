// What a completed send means, and what back-pressure does to the others.

#include "support.hpp"

#include <boost/asio/buffer.hpp>

#include <algorithm>
#include <array>

namespace duplex::test {
namespace {

using h2::fin;
using testing::ElementsAre;

constexpr std::size_t window = 1000;
constexpr auto short_time = 30ms;

h2::server_options small_windows() {
  auto opts = cleartext();
  opts.stream.stream_window = window;
  return opts;
}

TEST(async_send, completes_only_when_framed_within_the_peers_windows) {
  both_ends ends(bounded(), small_windows());
  fence(ends);  // the peer's windows are known

  const auto first = pattern(window);
  const auto second = pattern(10);
  EXPECT_EQ(outcome(ends.client.async_send(first, as_future)), "ok");
  auto waiting = ends.client.async_send(second, as_future);
  fence(ends);
  EXPECT_TRUE(pending(waiting));

  EXPECT_EQ(receive(ends.remote, window), first);  // which reopens the window
  EXPECT_EQ(outcome(std::move(waiting)), "ok");
  EXPECT_EQ(receive(ends.remote, second.size()), second);
}

TEST(async_send, does_not_complete_while_only_a_part_fits_the_window) {
  both_ends ends(bounded(), small_windows());
  fence(ends);
  const auto sent = pattern(3 * window);
  auto sending = ends.client.async_send(sent, as_future);
  for (std::size_t i = 0; i < 2; ++i) {
    fence(ends);
    EXPECT_TRUE(pending(sending));
    EXPECT_EQ(receive(ends.remote, window), sent.substr(i * window, window));
  }
  EXPECT_EQ(outcome(std::move(sending)), "ok");
}

TEST(async_send, several_may_be_outstanding_and_keep_their_order) {
  both_ends ends(bounded(), small_windows());
  fence(ends);
  constexpr int count = 40;
  std::vector<std::string> pieces;
  for (int i = 0; i < count; ++i) pieces.push_back("piece " + std::to_string(i) + " " + pattern(100) + ";");

  std::vector<int> completed;  // on the one thread that runs handlers
  std::promise<void> over;
  for (int i = 0; i < count; ++i) {
    ends.client.async_send(pieces[static_cast<std::size_t>(i)], [&, i](error_code ec) {
      EXPECT_FALSE(ec);
      completed.push_back(i);
      if (completed.size() == count) over.set_value();
    });
  }
  std::string all;
  for (const auto& p : pieces) all += p;
  EXPECT_EQ(receive(ends.remote, all.size()), all);
  get(over.get_future());
  EXPECT_TRUE(std::is_sorted(completed.begin(), completed.end()));
}

TEST(async_send, copies_nothing_so_what_the_buffer_holds_when_framed_is_what_is_sent) {
  both_ends ends(bounded(), small_windows());
  fence(ends);
  std::string buffer(2 * window, 'a');
  auto sending = ends.client.async_send(buffer, as_future);
  fence(ends);  // the first window is framed, the rest waits
  std::fill(buffer.begin() + window, buffer.end(), 'b');
  fence(ends);
  EXPECT_EQ(receive(ends.remote, window), std::string(window, 'a'));
  EXPECT_EQ(receive(ends.remote, window), std::string(window, 'b'));
  EXPECT_EQ(outcome(std::move(sending)), "ok");
}

TEST(async_send, takes_buffer_sequences) {
  both_ends ends;
  const std::string a = "one ";
  const std::string b;
  const std::string c = "two";
  const std::array<asio::const_buffer, 3> list{asio::buffer(a), asio::buffer(b), asio::buffer(c)};
  EXPECT_EQ(outcome(ends.client.async_send(list, as_future)), "ok");
  EXPECT_EQ(outcome(ends.client.async_send(asio::buffer(c), fin, as_future)), "ok");
  EXPECT_THAT(transcript(ends.remote), ElementsAre("data one twotwo", "done"));
}

TEST(async_send, that_times_out_resets_the_stream_which_says_so) {
  auto opts = bounded();
  opts.send_timeout = short_time;
  both_ends ends(opts, small_windows());
  fence(ends);
  const auto sent = pattern(2 * window);
  EXPECT_EQ(outcome(ends.client.async_send(sent, as_future)), "timeout");
  ASSERT_TRUE(ends.client.failure());
  EXPECT_EQ(ends.client.failure()->code, errc::timeout);
  EXPECT_EQ(ends.client.failure()->origin, origin::local);
  EXPECT_EQ(ends.client.failure()->scope, scope::stream);
  EXPECT_EQ(ends.client.failure()->bytes_sent, window);
  EXPECT_EQ(recv_error(ends.client), "timeout");
  EXPECT_EQ(outcome(ends.client.async_send("late", as_future)), "timeout");

  EXPECT_THAT(transcript(ends.remote), ElementsAre("data " + sent.substr(0, window), "error stream_reset"));
  EXPECT_EQ(ends.remote.failure()->http2_code, 0x8U);
}

TEST(async_send, that_makes_progress_does_not_time_out) {
  auto opts = bounded();
  opts.send_timeout = 500ms;
  both_ends ends(opts, small_windows());
  const auto sent = pattern(100 * window);
  auto sending = ends.client.async_send(sent, as_future);
  EXPECT_EQ(receive(ends.remote, sent.size()), sent);
  EXPECT_EQ(outcome(std::move(sending)), "ok");
}

TEST(blocking_send, copies_so_the_buffer_is_free_at_once) {
  both_ends ends(bounded(), small_windows());
  fence(ends);
  std::string buffer = pattern(5 * window);
  const auto sent = buffer;
  ends.client.send(buffer);
  std::fill(buffer.begin(), buffer.end(), '!');
  ends.client.send("", fin);
  EXPECT_THAT(transcript(ends.remote), ElementsAre("data " + sent, "done"));
}

TEST(blocking_send, takes_buffer_sequences) {
  both_ends ends;
  const std::string a = "one ";
  const std::string b = "two";
  ends.client.send(std::array<asio::const_buffer, 2>{asio::buffer(a), asio::buffer(b)});
  ends.client.send(asio::buffer(a), fin);
  EXPECT_THAT(transcript(ends.remote), ElementsAre("data one twoone ", "done"));
}

TEST(blocking_send, blocks_while_the_send_buffer_is_full_and_goes_on_when_it_is_not) {
  auto opts = bounded();
  opts.send_buffer = window;
  both_ends ends(opts, small_windows());
  fence(ends);
  const auto piece = pattern(window);
  ends.client.send(piece);  // into the window
  ends.client.send(piece);  // into the buffer
  std::promise<void> started;
  auto third = std::async(std::launch::async, [&] {
    started.set_value();
    ends.client.send(piece);
  });
  get(started.get_future());
  fence(ends);
  EXPECT_TRUE(pending(third));
  EXPECT_EQ(receive(ends.remote, 3 * window), piece + piece + piece);
  get(std::move(third));
}

TEST(blocking_send, larger_than_the_buffer_passes_through_it) {
  auto opts = bounded();
  opts.send_buffer = 100;
  both_ends ends(opts, small_windows());
  const auto sent = pattern(50 * window);
  auto receiving = std::async(std::launch::async, [&] { return receive(ends.remote, sent.size()); });
  ends.client.send(sent);
  EXPECT_EQ(get(std::move(receiving)), sent);
}

TEST(blocking_send, times_out_by_send_timeout_and_the_stream_is_reset_and_says_so) {
  auto opts = bounded();
  opts.send_buffer = window;
  opts.send_timeout = short_time;
  both_ends ends(opts, small_windows());
  fence(ends);
  const auto piece = pattern(window);
  ends.client.send(piece);
  ends.client.send(piece);
  error_code ec;
  ends.client.send(piece, ec);
  EXPECT_EQ(ec, errc::timeout);
  ASSERT_TRUE(ends.client.failure());
  EXPECT_EQ(ends.client.failure()->code, errc::timeout);
  EXPECT_NE(ends.client.failure()->message.find("send_timeout"), std::string::npos);
  try {
    ends.client.send(piece);
    FAIL();
  } catch (const boost::system::system_error& e) {
    EXPECT_EQ(e.code(), errc::timeout);
    EXPECT_NE(std::string(e.what()).find("send_timeout"), std::string::npos);
  }
  // Nothing that was queued arrives behind the peer's back.
  EXPECT_THAT(transcript(ends.remote), ElementsAre("data " + piece, "error stream_reset"));
}

TEST(blocking_send, that_waits_is_released_when_the_peer_resets) {
  auto opts = bounded();
  opts.send_buffer = window;
  both_ends ends(opts, small_windows());
  fence(ends);
  const auto piece = pattern(window);
  ends.client.send(piece);
  ends.client.send(piece);
  auto third = std::async(std::launch::async, [&] {
    error_code ec;
    ends.client.send(piece, ec);
    return name(ec);
  });
  ends.remote.reset(0x2);
  EXPECT_EQ(get(std::move(third)), "stream_reset");
}

TEST(blocking_send, of_trailers_queues_behind_buffered_data_and_does_not_wait_for_the_peer) {
  both_ends ends(bounded(), small_windows());
  fence(ends);
  const auto sent = pattern(5 * window);
  ends.client.send(sent);
  ends.client.send_trailers({{"a", "b"}});  // on the thread that is to read only afterwards
  EXPECT_THAT(transcript(ends.remote), ElementsAre("data " + sent, "trailers a=b", "done"));
}

TEST(blocking_send, of_trailers_that_never_get_their_turn_times_out_and_the_stream_says_so) {
  auto opts = bounded();
  opts.send_timeout = short_time;
  both_ends ends(opts, small_windows());
  fence(ends);
  ends.client.send(pattern(5 * window));
  error_code told_late;
  ends.client.send_trailers({{"a", "b"}}, told_late);
  EXPECT_EQ(recv_error(ends.client), "timeout");
  EXPECT_THAT(transcript(ends.remote), ElementsAre("data " + pattern(window), "error stream_reset"));
}

TEST(blocking_send, and_async_send_mix_in_order) {
  both_ends ends(bounded(), small_windows());
  fence(ends);
  const auto a = pattern(3 * window);
  const std::string b = "-between-";
  const auto c = pattern(2 * window);
  auto first = ends.client.async_send(a, as_future);
  ends.client.send(b);
  auto last = ends.client.async_send(c, fin, as_future);
  EXPECT_THAT(transcript(ends.remote), ElementsAre("data " + a + b + c, "done"));
  EXPECT_EQ(outcome(std::move(first)), "ok");
  EXPECT_EQ(outcome(std::move(last)), "ok");
}

TEST(send, of_megabytes_arrives_whole_in_both_directions_at_once) {
  both_ends ends;
  ends.remote.send_response({200, {}});
  ASSERT_EQ(describe(ends.client.recv()), "response 200");
  const auto sent = pattern(std::size_t{5} << 20);
  auto up = std::async(std::launch::async, [&] { ends.client.send(sent, fin); });
  auto down = std::async(std::launch::async, [&] { ends.remote.send(sent, fin); });
  auto far = std::async(std::launch::async, [&] { return transcript(ends.remote); });
  // Not ElementsAre: a difference of megabytes is nothing to print.
  EXPECT_TRUE((transcript(ends.client) == std::vector<std::string>{"data " + sent, "done"}));
  EXPECT_TRUE((get(std::move(far)) == std::vector<std::string>{"data " + sent, "done"}));
  get(std::move(up));
  get(std::move(down));
}

TEST(send, on_a_server_before_its_response_is_an_invalid_argument) {
  both_ends ends;
  error_code ec;
  ends.remote.send("abc", ec);
  EXPECT_EQ(ec, errc::invalid_argument);
  EXPECT_EQ(outcome(ends.remote.async_send("abc", as_future)), "invalid_argument");
  EXPECT_EQ(outcome(ends.remote.async_send_trailers({{"a", "b"}}, as_future)), "invalid_argument");
  ends.remote.send_response({200, {}}, fin);
  EXPECT_THAT(transcript(ends.client), ElementsAre("response 200", "done"));
}

}  // namespace
}  // namespace duplex::test
