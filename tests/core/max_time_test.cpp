// A deadline on a whole stream, under a time that the test moves.

#include "session_test.hpp"

namespace duplex::test {
namespace {

class max_time : public session_test {};
INSTANTIATE_TEST_SUITE_P(bytes_per_read, max_time, read_sizes(), name_of_read_size);

TEST_P(max_time, resets_a_stream_that_is_not_over_and_says_so) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  p.us->end_at(id, p.now + 60s);
  p.say(raw::response(id) + raw::data(id, "abc"));
  (void)p.heard();
  p.advance(59999ms);
  EXPECT_THAT(p.heard(), IsEmpty());
  p.advance(1ms);
  EXPECT_THAT(p.heard(), ElementsAre("RST_STREAM 1 CANCEL"));
  EXPECT_EQ(p.us.failure_of(id), "timeout local stream CANCEL");
  EXPECT_EQ(p.us.story(id), "response 200, data abc, timeout") << "what had arrived comes first";
  EXPECT_THAT(p.us.stream(id).failed->message, HasSubstr("max_time"));
  EXPECT_FALSE(p.us->next_deadline());
}

TEST_P(max_time, is_not_moved_by_anything_that_happens) {
  memory_peers p(GetParam());
  const auto id = p.open();
  p.client->end_at(id, p.now + 60s);
  EXPECT_EQ(name(p.server.respond(id)), "ok");
  for (int i = 0; i < 59; ++i) {
    EXPECT_EQ(name(p.client.send(id, "ping")), "ok");
    EXPECT_EQ(name(p.server.send(id, "pong")), "ok");
    p.pump();
    p.advance(1s);
  }
  EXPECT_EQ(p.client.failure_of(id), "none");
  p.advance(1s);
  EXPECT_THAT(p.client.failure_of(id), StartsWith("timeout"));
  EXPECT_EQ(p.server.failure_of(id), "stream_reset peer stream CANCEL");
}

TEST_P(max_time, leaves_no_deadline_behind_a_stream_that_ended_in_time) {
  memory_peers p(GetParam());
  const auto id = p.open();
  p.client->end_at(id, p.now + 60s);
  EXPECT_EQ(name(p.client.send(id, "x", true)), "ok");
  EXPECT_EQ(name(p.server.respond(id, 200, {}, true)), "ok");
  p.pump();
  EXPECT_FALSE(p.client->next_deadline());
  p.advance(1h);
  EXPECT_EQ(p.client.story(id), "response 200, done, closed");
}

TEST_P(max_time, leaves_no_deadline_behind_a_stream_that_failed) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  p.us->end_at(id, p.now + 60s);
  p.say(raw::rst_stream(id, h2::code::cancel));
  EXPECT_FALSE(p.us->next_deadline());
}

TEST_P(max_time, counts_for_what_a_released_stream_still_has_to_send) {
  scripted_peer p(role::server, GetParam());
  p.greet({{raw::initial_window_size, 0}});
  p.say(raw::request(1, raw::end_stream));
  p.us->end_at(1, p.now + 5s);
  EXPECT_EQ(name(p.us.respond(1)), "ok");
  EXPECT_EQ(name(p.us.send_buffered(1, "abc", true)), "ok");
  p.us.release(1);
  (void)p.heard();
  p.advance(5s);
  EXPECT_THAT(p.heard(), ElementsAre("RST_STREAM 1 CANCEL"));
  EXPECT_FALSE(p.us.knows(1));
}

TEST_P(max_time, of_one_stream_is_nothing_to_another) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  const auto other = p.open();
  p.us->end_at(id, p.now + 5s);
  p.advance(1h);
  EXPECT_THAT(p.us.failure_of(id), StartsWith("timeout"));
  EXPECT_EQ(p.us.failure_of(other), "none");
  EXPECT_EQ(p.us.failure_of_connection(), "none");
}

}  // namespace
}  // namespace duplex::test
