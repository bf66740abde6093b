// What `recv` and `try_recv` promise, apart from the order of messages.

#include "support.hpp"

#include <atomic>

namespace duplex::test {
namespace {

using h2::fin;
using testing::ElementsAre;

constexpr auto blink = 5ms;

TEST(recv, timeout_leaves_the_stream_usable_and_loses_nothing) {
  both_ends ends;
  error_code ec;
  ends.client.recv(blink, ec);
  EXPECT_EQ(ec, errc::timeout);
  EXPECT_FALSE(ends.client.failure());

  ends.remote.send_response({200, {}});
  ends.remote.send("abc", fin);
  EXPECT_THAT(transcript(ends.client), ElementsAre("response 200", "data abc", "done"));
}

TEST(recv, async_timeout_leaves_the_stream_usable_and_loses_nothing) {
  both_ends ends;
  EXPECT_EQ(outcome(ends.client.async_recv(blink, as_future)), "timeout");
  ends.remote.send_response({200, {}});
  EXPECT_EQ(outcome(ends.client.async_recv(patience, as_future)), "ok");
  EXPECT_EQ(outcome(ends.client.async_recv(blink, as_future)), "timeout");
}

TEST(recv, without_a_timeout_of_its_own_takes_the_one_of_the_options) {
  auto opts = bounded();
  opts.recv_timeout = blink;
  both_ends ends(opts);
  EXPECT_EQ(recv_error(ends.client), "timeout");
  EXPECT_EQ(outcome(ends.client.async_recv(as_future)), "timeout");
}

TEST(recv, timeout_of_zero_takes_what_is_there) {
  both_ends ends;
  error_code ec;
  ends.client.recv(0ms, ec);
  EXPECT_EQ(ec, errc::timeout);
  ends.remote.send_response({204, {}});
  fence(ends);
  EXPECT_EQ(describe(ends.client.recv(0ms)), "response 204");
}

TEST(recv, timeout_throws_where_no_error_code_is_given) {
  both_ends ends;
  try {
    ends.client.recv(blink);
    FAIL();
  } catch (const boost::system::system_error& e) {
    EXPECT_EQ(e.code(), errc::timeout);
  }
}

TEST(recv, while_another_recv_waits_is_busy_and_the_first_gets_the_message) {
  both_ends ends;
  auto first = ends.client.async_recv(as_future);
  EXPECT_EQ(outcome(ends.client.async_recv(as_future)), "recv_busy");
  EXPECT_EQ(recv_error(ends.client), "recv_busy");
  error_code ec;
  EXPECT_FALSE(ends.client.try_recv(ec));
  EXPECT_EQ(ec, errc::recv_busy);

  ends.remote.send_response({200, {}});
  const auto [error, m] = get(std::move(first));
  EXPECT_FALSE(error);
  EXPECT_EQ(describe(m), "response 200");
}

TEST(recv, in_active_mode_is_refused_naming_the_mode) {
  both_ends ends;
  ends.client.set_active(active::on, [](error_code, const message&) {});
  EXPECT_EQ(recv_error(ends.client), "active_mode");
  EXPECT_EQ(outcome(ends.client.async_recv(as_future)), "active_mode");
  error_code ec;
  EXPECT_FALSE(ends.client.try_recv(ec));
  EXPECT_EQ(ec, errc::active_mode);

  ends.client.set_active(active::off);
  ends.remote.send_response({200, {}});
  EXPECT_EQ(describe(ends.client.recv()), "response 200");
}

TEST(recv, gets_what_was_buffered_before_the_error) {
  frame_log frames;
  auto opts = bounded();
  opts.on_frame = frames.recorder();
  both_ends ends(opts);
  ends.remote.send_response({200, {}});
  EXPECT_EQ(outcome(ends.remote.async_send("abc", as_future)), "ok");
  ends.remote.reset(0x2);
  ASSERT_TRUE(frames.wait_received("RST_STREAM INTERNAL_ERROR"));

  EXPECT_THAT(transcript(ends.client), ElementsAre("response 200", "data abc", "error stream_reset"));
}

TEST(recv, that_waits_gets_an_error_exactly_once_and_failure_stays_readable) {
  both_ends ends;
  std::atomic<int> calls = 0;
  std::promise<error_code> first;
  ends.client.async_recv([&](error_code ec, const message&) {
    if (++calls == 1) first.set_value(ec);
  });
  ends.remote.reset(0x2);
  EXPECT_EQ(get(first.get_future()), errc::stream_reset);

  // Readers that come later wait for nothing, so they are told too.
  EXPECT_EQ(recv_error(ends.client), "stream_reset");
  EXPECT_EQ(recv_error(ends.client), "stream_reset");
  fence(ends.client);
  EXPECT_EQ(calls, 1);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(ends.client.failure());
    EXPECT_EQ(ends.client.failure()->code, errc::stream_reset);
  }
}

TEST(recv, failure_is_readable_in_the_handler_that_gets_the_error) {
  both_ends ends;
  std::promise<std::optional<failure>> seen;
  ends.client.async_recv([&](error_code, const message&) { seen.set_value(ends.client.failure()); });
  ends.remote.reset(0x2);
  const auto why = get(seen.get_future());
  ASSERT_TRUE(why);
  EXPECT_EQ(why->http2_code, 0x2U);
}

TEST(try_recv, takes_what_is_there_now_or_nothing) {
  both_ends ends;
  EXPECT_FALSE(ends.client.try_recv());
  ends.remote.send_response({200, {}});
  EXPECT_EQ(outcome(ends.remote.async_send("abc", fin, as_future)), "ok");
  fence(ends.client);

  auto m = ends.client.try_recv();
  ASSERT_TRUE(m);
  EXPECT_EQ(describe(*m), "response 200");
  m = ends.client.try_recv();
  ASSERT_TRUE(m);
  EXPECT_EQ(describe(*m), "data abc");
  m = ends.client.try_recv();
  ASSERT_TRUE(m);
  EXPECT_EQ(describe(*m), "done");
  EXPECT_THROW(static_cast<void>(ends.client.try_recv()), boost::system::system_error);
  error_code ec;
  EXPECT_FALSE(ends.client.try_recv(ec));
  EXPECT_EQ(ec, errc::closed);
}

TEST(try_recv, works_inside_a_handler_of_the_connection) {
  both_ends ends;
  std::promise<std::string> seen;
  ends.client.async_recv([&](error_code, const message&) {
    const auto m = ends.client.try_recv();
    seen.set_value(m ? describe(*m) : "nothing");
  });
  ends.remote.send_response({200, {}});
  EXPECT_EQ(get(seen.get_future()), "nothing");
}

TEST(recv, of_an_empty_handle_is_closed) {
  h2::stream nothing;
  EXPECT_FALSE(nothing);
  EXPECT_EQ(recv_error(nothing), "closed");
  EXPECT_EQ(outcome(nothing.async_recv(as_future)), "closed");
  EXPECT_EQ(outcome(nothing.async_send("abc", as_future)), "closed");
  EXPECT_EQ(outcome(nothing.async_send_trailers({}, as_future)), "closed");
  EXPECT_EQ(outcome(nothing.async_close(as_future)), "closed");
  EXPECT_THROW(nothing.send("abc"), boost::system::system_error);
  EXPECT_EQ(nothing.id(), 0);
  EXPECT_FALSE(nothing.failure());
  nothing.consume(1);
  nothing.reset(0x8);
  nothing.set_active(active::on, [](error_code, const message&) {});
  nothing.close();
}

TEST(recv, after_close_is_closed) {
  both_ends ends;
  ends.remote.send_response({200, {}});
  fence(ends);
  ends.client.close();
  EXPECT_EQ(recv_error(ends.client), "closed");
  EXPECT_EQ(outcome(ends.client.async_send("abc", as_future)), "closed");
  EXPECT_EQ(outcome(ends.client.async_recv(as_future)), "closed");
  error_code ec;
  ends.client.send("abc", ec);
  EXPECT_EQ(ec, errc::closed);
}

}  // namespace
}  // namespace duplex::test
