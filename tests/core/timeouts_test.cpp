// Time-outs of sends and receives, under a time that the test moves.

#include "session_test.hpp"

namespace duplex::test {
namespace {

class timeouts : public session_test {};
INSTANTIATE_TEST_SUITE_P(bytes_per_read, timeouts, read_sizes(), name_of_read_size);

options send_timeout(std::chrono::milliseconds timeout, std::size_t send_buffer = 10) {
  options opts;
  opts.send_timeout = timeout;
  opts.send_buffer = send_buffer;
  return opts;
}

/// A peer whose streams begin with a window of `window`.
struct stingy_peer : scripted_peer {
  stingy_peer(std::size_t bytes_per_read, const options& opts, std::uint32_t window)
      : scripted_peer(role::client, bytes_per_read, opts) {
    greet({{raw::initial_window_size, window}});
    id = open();
    (void)heard();
  }
  std::int32_t id = 0;
};

TEST_P(timeouts, there_is_no_deadline_when_nothing_waits) {
  memory_peers p(GetParam());
  EXPECT_FALSE(p.client->next_deadline());
  const auto id = p.open();
  EXPECT_EQ(name(p.client.send(id, "x")), "ok");
  p.pump();
  EXPECT_FALSE(p.client->next_deadline());
  EXPECT_EQ(name(p.client.send_buffered(id, "x", true)), "ok");
  p.pump();
  EXPECT_FALSE(p.client->next_deadline());
  EXPECT_FALSE(p.server->next_deadline());
}

// Borrowed sends

TEST_P(timeouts, a_borrowed_send_that_stalls_resets_the_stream_and_says_so) {
  stingy_peer p(GetParam(), send_timeout(30s), 4);
  EXPECT_EQ(name(p.us.send(p.id, "abcdefgh")), "ok");
  (void)p.heard();
  EXPECT_EQ(*p.us->next_deadline(), p.now + 30s);
  p.advance(29999ms);
  EXPECT_THAT(p.heard(), IsEmpty());
  p.advance(1ms);
  EXPECT_THAT(p.heard(), ElementsAre("RST_STREAM 1 CANCEL")) << "no half-sent bytes are left behind silently";
  EXPECT_EQ(p.us.story(p.id), "timeout");
  EXPECT_EQ(p.us.failure_of(p.id), "timeout local stream CANCEL");
  EXPECT_EQ(p.us.stream(p.id).failed->bytes_sent, 4U);
  EXPECT_EQ(name(p.us.send(p.id, "x")), "timeout");
  EXPECT_FALSE(p.us.is_sent(p.us.last_op()));
  EXPECT_FALSE(p.us->next_deadline());
}

TEST_P(timeouts, a_timed_out_send_leaves_no_bytes_queued) {
  stingy_peer p(GetParam(), send_timeout(30s), 4);
  EXPECT_EQ(name(p.us.send(p.id, "abcdefgh")), "ok");
  EXPECT_EQ(name(p.us.send_trailers(p.id, {{"a", "b"}})), "ok");
  p.listen();
  p.advance(30s);
  (void)p.heard();
  p.say(raw::window_update(p.id, 100));
  EXPECT_THAT(p.heard(), IsEmpty());
}

TEST_P(timeouts, every_byte_of_progress_gives_borrowed_sends_new_time_where_no_rate_is_wanted) {
  auto opts = send_timeout(30s);
  opts.min_rate = 0;
  stingy_peer p(GetParam(), opts, 1);
  EXPECT_EQ(name(p.us.send(p.id, "abc")), "ok");
  EXPECT_EQ(name(p.us.send(p.id, "def")), "ok");
  const auto last = p.us.last_op();
  p.listen();
  for (int i = 0; i < 5; ++i) {
    p.advance(29s);
    EXPECT_EQ(p.us.failure_of(p.id), "none");
    p.say(raw::window_update(p.id, 1));
  }
  EXPECT_EQ(p.payload(p.id), "abcdef");
  EXPECT_TRUE(p.us.is_sent(last));
  EXPECT_FALSE(p.us->next_deadline());
  p.advance(1h);
  EXPECT_EQ(p.us.failure_of(p.id), "none");
}

TEST_P(timeouts, a_further_send_gives_a_stalled_one_no_new_time) {
  stingy_peer p(GetParam(), send_timeout(30s), 0);
  EXPECT_EQ(name(p.us.send(p.id, "abc")), "ok");
  p.advance(20s);
  EXPECT_EQ(name(p.us.send(p.id, "def")), "ok");
  p.advance(10s);
  EXPECT_THAT(p.us.failure_of(p.id), StartsWith("timeout"));
}

TEST_P(timeouts, a_window_that_opens_just_in_time_saves_the_send) {
  stingy_peer p(GetParam(), send_timeout(30s), 0);
  EXPECT_EQ(name(p.us.send(p.id, "abc")), "ok");
  p.advance(29999ms);
  p.say(raw::window_update(p.id, 3));
  p.advance(1h);
  EXPECT_EQ(p.us.failure_of(p.id), "none");
  EXPECT_TRUE(p.us.is_sent(p.us.last_op()));
}

TEST_P(timeouts, one_stalled_stream_fails_alone) {
  stingy_peer p(GetParam(), send_timeout(30s), 2);
  const auto other = p.open();
  EXPECT_EQ(name(p.us.send(p.id, "abc")), "ok");
  EXPECT_EQ(name(p.us.send(other, "de")), "ok");
  p.listen();
  p.advance(30s);
  EXPECT_THAT(p.us.failure_of(p.id), StartsWith("timeout"));
  EXPECT_EQ(p.us.failure_of(other), "none");
  EXPECT_EQ(p.us.failure_of_connection(), "none");
}

// Buffered sends

TEST_P(timeouts, a_buffered_send_that_finds_no_room_resets_the_stream_and_says_so) {
  stingy_peer p(GetParam(), send_timeout(5s, 10), 0);
  EXPECT_EQ(name(p.us.send_buffered(p.id, "0123456789abcde")), "ok");
  const auto op = p.us.last_op();
  p.listen();
  EXPECT_EQ(*p.us->next_deadline(), p.now + 5s);
  p.advance(4999ms);
  EXPECT_EQ(p.us.failure_of(p.id), "none");
  p.advance(1ms);
  EXPECT_THAT(p.heard(), ElementsAre("RST_STREAM 1 CANCEL"));
  EXPECT_EQ(p.us.failure_of(p.id), "timeout local stream CANCEL");
  EXPECT_FALSE(p.us.is_sent(op));
}

TEST_P(timeouts, a_buffered_send_that_finds_room_has_no_deadline_left) {
  stingy_peer p(GetParam(), send_timeout(5s, 10), 0);
  EXPECT_EQ(name(p.us.send_buffered(p.id, "0123456789abcde")), "ok");
  p.advance(4s);
  p.say(raw::window_update(p.id, 5));
  EXPECT_TRUE(p.us.is_sent(p.us.last_op()));
  EXPECT_FALSE(p.us->next_deadline());
  p.advance(1h);
  EXPECT_EQ(p.us.failure_of(p.id), "none");
}

TEST_P(timeouts, each_buffered_send_has_its_own_deadline) {
  stingy_peer p(GetParam(), send_timeout(5s, 10), 0);
  EXPECT_EQ(name(p.us.send_buffered(p.id, "0123456789")), "ok");
  EXPECT_EQ(name(p.us.send_buffered(p.id, "abc")), "ok");
  p.advance(3s);
  EXPECT_EQ(name(p.us.send_buffered(p.id, "def")), "ok");
  const auto last = p.us.last_op();
  p.say(raw::window_update(p.id, 3));
  EXPECT_FALSE(p.us.is_sent(last));
  p.advance(3s);
  EXPECT_EQ(p.us.failure_of(p.id), "none") << "the one that was due had found room";
  p.advance(2s);
  EXPECT_THAT(p.us.failure_of(p.id), StartsWith("timeout"));
}

TEST_P(timeouts, trailers_that_wait_for_a_window_time_out_too) {
  stingy_peer p(GetParam(), send_timeout(5s, 10), 0);
  EXPECT_EQ(name(p.us.send_buffered(p.id, "abc")), "ok");
  EXPECT_TRUE(p.us.is_sent(p.us.last_op()));
  EXPECT_EQ(name(p.us.send_trailers(p.id, {{"a", "b"}})), "ok");
  p.listen();
  p.advance(5s);
  EXPECT_EQ(p.us.failure_of(p.id), "timeout local stream CANCEL") << "whoever waits for them would wait for ever";
}

TEST_P(timeouts, trailers_have_no_deadline_once_they_are_framed) {
  stingy_peer p(GetParam(), send_timeout(5s, 10), 0);
  EXPECT_EQ(name(p.us.send_buffered(p.id, "abc")), "ok");
  EXPECT_EQ(name(p.us.send_trailers(p.id, {{"a", "b"}})), "ok");
  p.advance(4s);
  p.say(raw::window_update(p.id, 3));
  EXPECT_TRUE(p.us.is_sent(p.us.last_op()));
  EXPECT_FALSE(p.us->next_deadline());
  p.advance(1h);
  EXPECT_EQ(p.us.failure_of(p.id), "none");
}

TEST_P(timeouts, a_stream_that_has_failed_has_no_deadline) {
  stingy_peer p(GetParam(), send_timeout(5s, 10), 0);
  EXPECT_EQ(name(p.us.send(p.id, "abc")), "ok");
  EXPECT_EQ(name(p.us.send_buffered(p.id, "0123456789abcde")), "ok");
  p.say(raw::rst_stream(p.id, h2::code::cancel));
  EXPECT_THAT(p.us.failure_of(p.id), StartsWith("stream_reset"));
  EXPECT_FALSE(p.us->next_deadline());
}

TEST_P(timeouts, a_send_timeout_without_end_is_no_overflow) {
  stingy_peer p(GetParam(), send_timeout(std::chrono::milliseconds::max()), 0);
  EXPECT_EQ(name(p.us.send(p.id, "abc")), "ok");
  EXPECT_EQ(name(p.us.send_buffered(p.id, "0123456789abcde")), "ok");
  p.advance(24h * 365);
  EXPECT_EQ(p.us.failure_of(p.id), "none");
}

// What an orphan leaves

TEST_P(timeouts, what_a_released_stream_has_queued_is_given_up_when_it_stalls) {
  scripted_peer p(role::server, GetParam(), send_timeout(5s, 100));
  p.greet({{raw::initial_window_size, 0}});
  p.say(raw::request(1, raw::end_stream));
  EXPECT_EQ(name(p.us.respond(1)), "ok");
  EXPECT_EQ(name(p.us.send_buffered(1, "abc", true)), "ok");
  p.us.release(1);
  (void)p.heard();
  p.advance(4999ms);
  EXPECT_THAT(p.heard(), IsEmpty());
  p.advance(1ms);
  EXPECT_THAT(p.heard(), ElementsAre("RST_STREAM 1 CANCEL"));
  EXPECT_FALSE(p.us.knows(1));
}

// Receives

TEST_P(timeouts, a_recv_deadline_is_an_event_and_leaves_the_stream_usable) {
  memory_peers p(GetParam());
  const auto id = p.open();
  p.client->set_deadline(id, 77, p.now + 2s);
  EXPECT_EQ(*p.client->next_deadline(), p.now + 2s);
  p.advance(1999ms);
  EXPECT_EQ(p.client.count(kind::timed_out), 0U);
  p.advance(1ms);
  ASSERT_EQ(p.client.count(kind::timed_out, id), 1U);
  EXPECT_EQ(p.client.events().back().value, 77U);
  EXPECT_FALSE(p.client->next_deadline());
  EXPECT_EQ(name(p.server.respond(id, 200, {}, true)), "ok");
  p.pump();
  EXPECT_EQ(p.client.story(id), "response 200, done, closed") << "nothing was lost";
}

TEST_P(timeouts, a_recv_deadline_that_was_cleared_does_not_pass) {
  memory_peers p(GetParam());
  const auto id = p.open();
  p.client->set_deadline(id, 1, p.now + 2s);
  p.client->set_deadline(id, 2, p.now + 3s);
  p.client->clear_deadline(id, 1);
  p.advance(10s);
  ASSERT_EQ(p.client.count(kind::timed_out, id), 1U);
  EXPECT_EQ(p.client.events().back().value, 2U);
}

}  // namespace
}  // namespace duplex::test
