// Each side ends by itself (RFC 9113, section 5.1), and an end is never undone.

#include "support.hpp"

namespace duplex::test {
namespace {

using h2::fin;
using testing::ElementsAre;

constexpr std::size_t small_window = 1000;

h2::server_options small_windows() {
  auto opts = cleartext();
  opts.stream.stream_window = small_window;
  return opts;
}

std::string send_error(h2::stream& s) {
  error_code ec;
  s.send("late", ec);
  return name(ec);
}

TEST(half_close, the_client_may_end_first_and_receives_on) {
  both_ends ends;
  ends.client.send("question", fin);
  EXPECT_THAT(transcript(ends.remote), ElementsAre("data question", "done"));
  ends.remote.send_response({200, {}});
  ends.remote.send("answer", fin);
  EXPECT_THAT(transcript(ends.client), ElementsAre("response 200", "data answer", "done"));
}

TEST(half_close, after_the_peers_done_a_client_may_send_on_until_its_own_fin) {
  both_ends ends;
  ends.remote.send_response({200, {}});
  ends.remote.send("early", fin);
  EXPECT_THAT(transcript(ends.client), ElementsAre("response 200", "data early", "done"));

  ends.client.send("still ");
  EXPECT_EQ(outcome(ends.client.async_send("here", as_future)), "ok");
  ends.client.send(" and done", fin);
  EXPECT_THAT(transcript(ends.remote), ElementsAre("data still here and done", "done"));
  EXPECT_FALSE(ends.client.failure());
  EXPECT_FALSE(ends.remote.failure());
}

TEST(half_close, after_the_peers_done_a_client_may_end_with_trailers) {
  both_ends ends;
  ends.remote.send_response({200, {}}, fin);
  EXPECT_THAT(transcript(ends.client), ElementsAre("response 200", "done"));
  ends.client.send("abc");
  ends.client.send_trailers({{"a", "b"}});
  EXPECT_THAT(transcript(ends.remote), ElementsAre("data abc", "trailers a=b", "done"));
}

TEST(half_close, after_the_peers_done_a_server_may_send_on_until_its_own_fin) {
  both_ends ends;
  ends.client.send("", fin);
  EXPECT_THAT(transcript(ends.remote), ElementsAre("done"));
  ends.remote.send_response({200, {}});
  for (int i = 0; i < 3; ++i) ends.remote.send("abc");
  ends.remote.send("", fin);
  EXPECT_THAT(transcript(ends.client), ElementsAre("response 200", "data abcabcabc", "done"));
}

TEST(half_close, a_reset_with_no_error_after_a_complete_response_is_done_and_no_failure) {
  frame_log frames;
  auto opts = bounded();
  opts.on_frame = frames.recorder();
  both_ends ends(opts);
  ends.remote.send_response({200, {}});
  ends.remote.send("abc", fin);
  ends.remote = {};  // it wants no more of the request, which is not complete
  ASSERT_TRUE(frames.wait_received("RST_STREAM NO_ERROR"));

  EXPECT_THAT(transcript(ends.client), ElementsAre("response 200", "data abc", "done"));
  EXPECT_EQ(recv_error(ends.client), "closed");
  EXPECT_FALSE(ends.client.failure());
  // But sending is over, because the peer reset the stream.
  EXPECT_EQ(send_error(ends.client), "stream_reset");
  // Which is no error to who only wanted to end.
  ends.client.send("", fin);
  EXPECT_EQ(outcome(ends.client.async_send("", fin, as_future)), "send_closed");
}

TEST(half_close, sending_after_fin_is_send_closed) {
  both_ends ends;
  ends.client.send("abc", fin);
  EXPECT_EQ(send_error(ends.client), "send_closed");
  EXPECT_EQ(outcome(ends.client.async_send("late", as_future)), "send_closed");
  EXPECT_EQ(outcome(ends.client.async_send("", fin, as_future)), "send_closed");
  EXPECT_EQ(outcome(ends.client.async_send_trailers({{"a", "b"}}, as_future)), "send_closed");
  EXPECT_THAT(transcript(ends.remote), ElementsAre("data abc", "done"));
  EXPECT_FALSE(ends.client.failure());
}

TEST(half_close, sending_after_trailers_is_send_closed) {
  both_ends ends;
  ends.client.send_trailers({{"a", "b"}});
  EXPECT_EQ(send_error(ends.client), "send_closed");
  EXPECT_EQ(outcome(ends.client.async_send_trailers({{"c", "d"}}, as_future)), "send_closed");
  EXPECT_THAT(transcript(ends.remote), ElementsAre("trailers a=b", "done"));
}

TEST(half_close, sending_after_a_response_that_was_all_is_send_closed) {
  both_ends ends;
  ends.remote.send_response({200, {}}, fin);
  EXPECT_EQ(send_error(ends.remote), "send_closed");
  EXPECT_EQ(outcome(ends.remote.async_send_trailers({{"a", "b"}}, as_future)), "send_closed");
}

TEST(half_close, a_completed_fin_under_back_pressure_is_never_undone_by_a_later_send) {
  both_ends ends(bounded(), small_windows());
  fence(ends);
  const auto sent = pattern(5 * small_window);
  auto sending = ends.client.async_send(sent, fin, as_future);
  fence(ends);
  EXPECT_TRUE(pending(sending));
  EXPECT_EQ(outcome(ends.client.async_send("late", as_future)), "send_closed");
  EXPECT_EQ(outcome(ends.client.async_send("late", fin, as_future)), "send_closed");
  EXPECT_THAT(transcript(ends.remote), ElementsAre("data " + sent, "done"));
  EXPECT_EQ(outcome(std::move(sending)), "ok");
}

TEST(half_close, a_blocking_fin_that_was_buffered_is_never_undone_by_a_later_send) {
  both_ends ends(bounded(), small_windows());
  fence(ends);
  const auto sent = pattern(5 * small_window);
  ends.client.send(sent, fin);
  EXPECT_EQ(send_error(ends.client), "send_closed");
  EXPECT_THAT(transcript(ends.remote), ElementsAre("data " + sent, "done"));
}

TEST(half_close, trailers_queue_behind_data_that_waits_for_the_window) {
  both_ends ends(bounded(), small_windows());
  fence(ends);
  const auto sent = pattern(5 * small_window);
  auto sending = ends.client.async_send(sent, as_future);
  auto trailing = ends.client.async_send_trailers({{"a", "b"}}, as_future);
  fence(ends);
  EXPECT_TRUE(pending(sending));
  EXPECT_TRUE(pending(trailing));
  EXPECT_THAT(transcript(ends.remote), ElementsAre("data " + sent, "trailers a=b", "done"));
  EXPECT_EQ(outcome(std::move(sending)), "ok");
  EXPECT_EQ(outcome(std::move(trailing)), "ok");
}

TEST(half_close, trailers_without_a_field_are_a_plain_end) {
  both_ends ends;
  ends.client.send("abc");
  ends.client.send_trailers({});
  EXPECT_THAT(transcript(ends.remote), ElementsAre("data abc", "done"));
}

}  // namespace
}  // namespace duplex::test
