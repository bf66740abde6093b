// PINGs to a silent peer (RFC 9113, section 6.7), under a time that the test moves.

#include "session_test.hpp"

#include "core/keepalive.hpp"

namespace duplex::test {
namespace {

class keepalive : public session_test {};
INSTANTIATE_TEST_SUITE_P(bytes_per_read, keepalive, read_sizes(), name_of_read_size);

options after_a_minute(bool without_streams = false) {
  options opts;
  opts.keepalive_time = 60s;
  opts.keepalive_timeout = 20s;
  opts.keepalive_without_streams = without_streams;
  return opts;
}

/// What the session sent as PING, to be sent back.
std::string answer_to(scripted_peer& p) {
  for (auto f = p.frames().rbegin(); f != p.frames().rend(); ++f) {
    if (f->kind == raw::type_ping) return raw::ping(f->payload, raw::ack);
  }
  return {};
}

TEST_P(keepalive, is_off_by_default) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  p.open();
  (void)p.heard();
  EXPECT_FALSE(p.us->next_deadline());
  p.advance(24h);
  EXPECT_THAT(p.heard(), IsEmpty());
}

TEST_P(keepalive, a_peer_that_is_silent_while_a_stream_is_open_is_asked) {
  scripted_peer p(role::client, GetParam(), after_a_minute());
  p.greet();
  p.open();
  (void)p.heard();
  EXPECT_EQ(*p.us->next_deadline(), p.now + 60s);
  p.advance(59999ms);
  EXPECT_THAT(p.heard(), IsEmpty());
  p.advance(1ms);
  EXPECT_THAT(p.heard(), ElementsAre(StartsWith("PING")));
  EXPECT_EQ(*p.us->next_deadline(), p.now + 20s);
}

TEST_P(keepalive, an_answer_just_in_time_begins_the_next_silence) {
  scripted_peer p(role::client, GetParam(), after_a_minute());
  p.greet();
  const auto id = p.open();
  p.advance(60s);
  p.advance(19999ms);
  p.say(answer_to(p));
  (void)p.heard();
  EXPECT_EQ(p.us.failure_of(id), "none");
  EXPECT_EQ(*p.us->next_deadline(), p.now + 60s);
  EXPECT_EQ(p.us.count(kind::pong), 0U) << "nobody else asked for it";
  p.advance(60s);
  EXPECT_THAT(p.heard(), ElementsAre(StartsWith("PING")));
}

TEST_P(keepalive, any_byte_is_an_answer) {
  scripted_peer p(role::client, GetParam(), after_a_minute());
  p.greet();
  const auto id = p.open();
  p.advance(60s);
  p.advance(19s);
  p.say(std::string_view("\0", 1));  // of a frame that will not be complete for long
  p.advance(40s);
  EXPECT_EQ(p.us.failure_of(id), "none");
}

TEST_P(keepalive, a_peer_that_does_not_answer_ends_the_connection_and_its_streams) {
  scripted_peer p(role::client, GetParam(), after_a_minute());
  p.greet();
  const auto id = p.open();
  const auto other = p.open();
  p.say(raw::response(id) + raw::data(id, "abc"));
  p.advance(60s);
  (void)p.heard();
  p.advance(20s);
  EXPECT_EQ(p.us.failure_of_connection(), "keepalive_timeout network connection");
  EXPECT_EQ(p.us.failure_of(other), "keepalive_timeout network connection");
  EXPECT_EQ(p.us.story(id), "response 200, data abc, keepalive_timeout") << "what had arrived comes first";
  EXPECT_THAT(p.heard(), ElementsAre(StartsWith("GOAWAY")));
  EXPECT_TRUE(p.us->finished());
  EXPECT_FALSE(p.us->next_deadline());
  EXPECT_THAT(p.us->failed()->message, HasSubstr("keepalive_timeout"));
}

TEST_P(keepalive, without_streams_nobody_is_asked) {
  scripted_peer p(role::client, GetParam(), after_a_minute());
  p.greet();
  EXPECT_FALSE(p.us->next_deadline());
  const auto id = p.open();
  p.say(raw::response(id, raw::end_stream));
  EXPECT_EQ(name(p.us.send(id, "", true)), "ok");
  (void)p.heard();
  EXPECT_FALSE(p.us->next_deadline());
  p.advance(1h);
  EXPECT_THAT(p.heard(), IsEmpty());
}

TEST_P(keepalive, without_streams_it_asks_where_that_is_wanted) {
  scripted_peer p(role::client, GetParam(), after_a_minute(true));
  p.greet();
  p.advance(60s);
  EXPECT_THAT(p.heard(), ElementsAre(StartsWith("PING")));
  p.advance(20s);
  EXPECT_EQ(p.us.failure_of_connection(), "keepalive_timeout network connection");
}

TEST_P(keepalive, a_stream_after_a_long_silence_asks_at_once) {
  scripted_peer p(role::client, GetParam(), after_a_minute());
  p.greet();
  p.advance(10min);
  const auto id = p.open();
  (void)p.heard();
  EXPECT_LE(*p.us->next_deadline(), p.now);
  p.advance(0ms);
  EXPECT_THAT(p.heard(), ElementsAre(StartsWith("PING")));
  p.advance(20s);
  EXPECT_THAT(p.us.failure_of(id), StartsWith("keepalive_timeout")) << "and not after a minute more";
}

TEST_P(keepalive, a_stream_that_ended_takes_the_open_question_with_it) {
  scripted_peer p(role::client, GetParam(), after_a_minute());
  p.greet();
  const auto id = p.open();
  p.advance(60s);
  p.us.reset(id, h2::code::cancel);
  (void)p.heard();
  EXPECT_FALSE(p.us->next_deadline());
  p.advance(1h);
  EXPECT_EQ(p.us.failure_of_connection(), "none");
  p.open();
  p.advance(0ms);
  EXPECT_THAT(p.heard(), Contains(StartsWith("PING"))) << "asked anew";
  EXPECT_EQ(p.us.failure_of_connection(), "none");
}

TEST_P(keepalive, a_ping_of_the_user_is_answered_beside_it) {
  scripted_peer p(role::client, GetParam(), after_a_minute());
  p.greet();
  p.open();
  p.advance(60s);
  const auto ours = answer_to(p);
  p.us->ping(7);
  p.listen();
  p.say(answer_to(p));
  ASSERT_EQ(p.us.count(kind::pong), 1U);
  EXPECT_EQ(p.us.events().back().value, 7U);
  p.say(ours);
  EXPECT_EQ(p.us.count(kind::pong), 1U);
  p.advance(20s);
  EXPECT_EQ(p.us.failure_of_connection(), "none");
}

TEST_P(keepalive, a_server_asks_its_client_too) {
  scripted_peer p(role::server, GetParam(), after_a_minute());
  p.greet();
  p.say(raw::request(1));
  (void)p.heard();
  p.advance(60s);
  EXPECT_THAT(p.heard(), ElementsAre(StartsWith("PING")));
  p.advance(20s);
  EXPECT_EQ(p.us.failure_of(1), "keepalive_timeout network connection");
}

TEST_P(keepalive, what_streams_send_is_no_sign_of_life_of_the_peer) {
  scripted_peer p(role::client, GetParam(), after_a_minute());
  p.greet();
  const auto id = p.open();
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(name(p.us.send(id, "x")), "ok");
    p.advance(10s);
  }
  EXPECT_THAT(p.heard(), Contains(StartsWith("PING")));
}

TEST_P(keepalive, goes_on_while_the_last_streams_finish_after_a_goaway) {
  scripted_peer p(role::client, GetParam(), after_a_minute());
  p.greet();
  const auto id = p.open();
  p.say(raw::goaway(id, h2::code::no_error));
  p.advance(60s);
  EXPECT_THAT(p.heard(), Contains(StartsWith("PING")));
}

TEST_P(keepalive, two_peers_that_have_nothing_to_say_stay_together) {
  memory_peers p(GetParam(), after_a_minute(), after_a_minute());
  const auto id = p.open();
  for (int i = 0; i < 500; ++i) p.advance(10s);
  EXPECT_EQ(name(p.server.respond(id, 200, {}, true)), "ok");
  p.pump();
  EXPECT_EQ(p.client.story(id), "response 200, done, closed");
}

}  // namespace
}  // namespace duplex::test
