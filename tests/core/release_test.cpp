// The last handle of a stream goes away.

#include "session_test.hpp"

namespace duplex::test {
namespace {

class release : public session_test {};
INSTANTIATE_TEST_SUITE_P(bytes_per_read, release, read_sizes(), name_of_read_size);

TEST_P(release, of_a_running_request_resets_it_with_cancel) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  EXPECT_EQ(name(p.us.send(id, "abc")), "ok");
  (void)p.heard();
  p.us.release(id);
  EXPECT_THAT(p.heard(), ElementsAre("RST_STREAM 1 CANCEL"));
  EXPECT_FALSE(p.us.knows(id)) << "nothing is kept of it";
  EXPECT_EQ(p.us->active_streams(), 0U);
}

TEST_P(release, of_a_request_whose_answer_nobody_will_read_resets_it_even_after_fin) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  EXPECT_EQ(name(p.us.send(id, "abc", true)), "ok");
  p.say(raw::response(id));
  (void)p.heard();
  p.us.release(id);
  EXPECT_THAT(p.heard(), ElementsAre("RST_STREAM 1 CANCEL"));
}

TEST_P(release, of_a_complete_stream_sends_nothing) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  EXPECT_EQ(name(p.us.send(id, "", true)), "ok");
  p.listen();
  p.say(raw::response(id) + raw::data(id, "unread", raw::end_stream));
  (void)p.heard();
  p.us.release(id);
  EXPECT_THAT(p.heard(), IsEmpty());
  EXPECT_FALSE(p.us.knows(id));
}

TEST_P(release, of_an_answered_request_without_fin_resets_it) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  p.say(raw::response(id, raw::end_stream));
  (void)p.heard();
  p.us.release(id);
  EXPECT_THAT(p.heard(), ElementsAre("RST_STREAM 1 CANCEL"));
  EXPECT_FALSE(p.us.knows(id));
}

// The answer is out and the reset is not yet, when the client ends the stream and opens another in its place.
TEST_P(release, rfc9113_5_1_2_of_an_answered_request_leaves_its_place_to_the_next) {
  constexpr std::int32_t limit = 100;  // what the session announces
  scripted_peer p(role::server, whole);
  p.greet();
  std::string all;
  for (std::int32_t id = 1; id < 2 * limit; id += 2) all += raw::request(id);
  p.say(all);
  p.us.respond(1, 200, {}, true);
  p.listen();
  p.us.release(1);
  p.us->feed(raw::data(1, "", raw::end_stream) + raw::request(2 * limit + 1));
  EXPECT_THAT(p.heard(), ::testing::Not(::testing::Contains(::testing::HasSubstr("GOAWAY"))));
  EXPECT_TRUE(p.us.knows(2 * limit + 1));
  EXPECT_FALSE(p.us.knows(1)) << "it ended in order";
}

TEST_P(release, of_an_answered_request_still_sends_what_was_queued_before_fin) {
  scripted_peer p(role::client, GetParam());
  p.greet({{raw::initial_window_size, 2}});
  const auto id = p.open();
  EXPECT_EQ(name(p.us.send_buffered(id, "abcd", true)), "ok");
  p.say(raw::response(id, raw::end_stream));
  (void)p.heard();
  p.us.release(id);
  EXPECT_THAT(p.heard(), IsEmpty());
  p.say(raw::window_update(id, 2));
  EXPECT_THAT(p.heard(), ElementsAre("DATA 1 #2 end_stream"));
  EXPECT_FALSE(p.us.knows(id));
}

TEST_P(release, of_a_request_that_was_never_written_sends_nothing) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.us.open({});
  EXPECT_EQ(name(p.us.send_buffered(id, "abc")), "ok");
  p.us.release(id);
  EXPECT_THAT(p.heard(), IsEmpty());
  EXPECT_FALSE(p.us.knows(id));
}

TEST_P(release, of_a_server_stream_without_an_answer_resets_it_with_cancel) {
  scripted_peer p(role::server, GetParam());
  p.greet();
  p.say(raw::request(1, raw::end_stream));
  (void)p.heard();
  p.us.release(1);
  EXPECT_THAT(p.heard(), ElementsAre("RST_STREAM 1 CANCEL"));
  EXPECT_FALSE(p.us.knows(1));
}

TEST_P(release, of_a_server_stream_with_half_an_answer_resets_it_with_cancel) {
  scripted_peer p(role::server, GetParam());
  p.greet();
  p.say(raw::request(1, raw::end_stream));
  EXPECT_EQ(name(p.us.respond(1)), "ok");
  EXPECT_EQ(name(p.us.send(1, "half")), "ok");
  (void)p.heard();
  p.us.release(1);
  EXPECT_THAT(p.heard(), ElementsAre("RST_STREAM 1 CANCEL"));
}

TEST_P(release, of_a_server_stream_whose_end_waits_for_window_does_not_wait_for_ever) {
  options opts;
  opts.send_timeout = 1s;
  scripted_peer p(role::server, GetParam(), opts);
  p.greet();
  p.say(raw::request(1, raw::none, {{"priority", "u=0"}}) + raw::request(3));
  for (const auto id : {1, 3}) EXPECT_EQ(name(p.us.respond(id)), "ok");
  EXPECT_EQ(name(p.us.send(1, pattern(100000))), "ok") << "more than the connection's window";
  EXPECT_EQ(name(p.us.send_buffered(3, "", true)), "ok");
  p.us.release(3);
  (void)p.heard();
  EXPECT_TRUE(p.us.knows(3)) << "the end is behind the other's payload";
  p.advance(1s);
  (void)p.heard();
  EXPECT_FALSE(p.us.knows(3));
}

TEST_P(release, of_a_server_stream_with_a_whole_answer_queued_still_sends_it) {
  scripted_peer p(role::server, GetParam());
  p.greet();
  p.say(raw::request(1, raw::end_stream));
  (void)p.heard();
  EXPECT_EQ(name(p.us.respond(1)), "ok");
  EXPECT_EQ(name(p.us.send_buffered(1, "abc")), "ok");
  EXPECT_EQ(name(p.us.send_trailers(1, {{"grpc-status", "0"}})), "ok");
  p.us.release(1);
  EXPECT_THAT(p.heard(), ElementsAre("HEADERS 1", "DATA 1 #3", "HEADERS 1 end_stream"));
  EXPECT_FALSE(p.us.knows(1));
}

TEST_P(release, rfc9113_8_1_of_a_server_that_answered_before_the_request_ended_sends_no_error_behind_the_answer) {
  scripted_peer p(role::server, GetParam());
  p.greet();
  p.say(raw::request(1) + raw::data(1, "abc"));
  (void)p.heard();
  EXPECT_EQ(name(p.us.respond(1, 413, {}, true)), "ok");
  p.us.release(1);
  EXPECT_THAT(p.heard(), ElementsAre("HEADERS 1 end_stream", "RST_STREAM 1 NO_ERROR"));
  EXPECT_FALSE(p.us.knows(1));
}

TEST_P(release, of_a_server_that_had_answered_before_the_request_ended_sends_no_error) {
  scripted_peer p(role::server, GetParam());
  p.greet();
  p.say(raw::request(1) + raw::data(1, "abc"));
  EXPECT_EQ(name(p.us.respond(1, 413, {}, true)), "ok");
  (void)p.heard();
  p.us.release(1);
  EXPECT_THAT(p.heard(), ElementsAre("RST_STREAM 1 NO_ERROR"));
}

TEST_P(release, with_an_answer_that_waits_for_a_window_sends_it_as_the_window_opens) {
  scripted_peer p(role::server, GetParam());
  p.greet({{raw::initial_window_size, 2}});
  p.say(raw::request(1));
  EXPECT_EQ(name(p.us.respond(1)), "ok");
  EXPECT_EQ(name(p.us.send_buffered(1, "abcd", true)), "ok");
  p.us.release(1);
  EXPECT_EQ(p.payload(1), "ab");
  (void)p.heard();
  p.say(raw::data(1, "still sending") + raw::window_update(1, 100));
  EXPECT_THAT(p.heard(), ElementsAre("DATA 1 #2 end_stream", "RST_STREAM 1 NO_ERROR"));
  EXPECT_EQ(p.payload(1), "abcd");
}

TEST_P(release, with_an_answer_that_waits_ends_when_the_peer_resets) {
  scripted_peer p(role::server, GetParam());
  p.greet({{raw::initial_window_size, 2}});
  p.say(raw::request(1));
  EXPECT_EQ(name(p.us.respond(1)), "ok");
  EXPECT_EQ(name(p.us.send_buffered(1, "abcd", true)), "ok");
  p.us.release(1);
  p.say(raw::rst_stream(1, h2::code::cancel));
  EXPECT_FALSE(p.us.knows(1));
  p.advance(1h);
  EXPECT_EQ(p.us.failure_of_connection(), "none");
}

TEST_P(release, of_a_failed_stream_sends_nothing) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  p.say(raw::rst_stream(id, h2::code::cancel));
  (void)p.heard();
  p.us.release(id);
  EXPECT_THAT(p.heard(), IsEmpty());
  EXPECT_FALSE(p.us.knows(id));
}

TEST_P(release, makes_the_stream_unusable_for_everybody) {
  scripted_peer p(role::server, GetParam());
  p.greet({{raw::initial_window_size, 0}});
  p.say(raw::request(1) + raw::data(1, "unread"));
  EXPECT_EQ(name(p.us.respond(1)), "ok");
  EXPECT_EQ(name(p.us.send_buffered(1, "abcd", true)), "ok");
  p.us.release(1);
  EXPECT_EQ(name(p.us.send(1, "x")), "closed");
  EXPECT_EQ(p.us.story(1), "closed");
}

TEST_P(release, twice_is_as_once) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  (void)p.heard();
  p.us.release(id);
  p.us.release(id);
  EXPECT_THAT(p.heard(), ElementsAre("RST_STREAM 1 CANCEL"));
  p.us.release(id);
  EXPECT_THAT(p.heard(), IsEmpty());
}

TEST_P(release, of_a_stream_that_was_reset_while_a_send_was_to_leave_lets_the_others_go_on) {
  memory_peers p(GetParam());
  const auto a = p.open();
  const auto b = p.open();
  p.pump();
  p.server.reset(a, h2::code::cancel);
  std::string bytes;
  p.server.pull(bytes, p.now);
  EXPECT_EQ(name(p.client.send(a, "nobody takes it")), "ok");
  EXPECT_EQ(name(p.client.send(b, "hello")), "ok");
  p.client->feed(bytes);
  p.client.release(a);
  EXPECT_FALSE(p.client.knows(a));
  p.pump();
  EXPECT_EQ(p.server.story(b), "data hello");
  EXPECT_EQ(p.client.failure_of_connection(), "none");
}

TEST_P(release, of_everything_lets_the_connection_finish) {
  memory_peers p(GetParam());
  const auto a = p.open();
  const auto b = p.open();
  p.client->goaway(0, {});
  p.client.release(a);
  p.client.release(b);
  p.pump();
  EXPECT_TRUE(p.client->finished());
  EXPECT_EQ(p.client->active_streams(), 0U);
  EXPECT_EQ(p.server->active_streams(), 0U);
}

}  // namespace
}  // namespace duplex::test
