// GOAWAY from either side, and the end of the transport (RFC 9113, section 6.8).

#include "session_test.hpp"

namespace duplex::test {
namespace {

class goaway : public session_test {};
INSTANTIATE_TEST_SUITE_P(bytes_per_read, goaway, read_sizes(), name_of_read_size);

constexpr auto no_error = h2::code::no_error;

void lose(endpoint& e) {
  e->lost(errc::connection_lost, "end of file");
  e.collect();
}

TEST_P(goaway, a_graceful_one_does_not_end_the_streams_it_covers) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  p.say(raw::response(id) + raw::goaway(id, no_error) + raw::data(id, "abc"));
  EXPECT_EQ(p.us.count(kind::goaway), 1U);
  EXPECT_EQ(p.us.story(id), "response 200, data abc");
  EXPECT_EQ(name(p.us.send(id, "more", true)), "ok");
  EXPECT_EQ(p.payload(id), "more");
  EXPECT_FALSE(p.us->finished());
  p.say(raw::headers(id, {{"grpc-status", "0"}}, raw::end_stream));
  EXPECT_EQ(p.us.story(id), "trailers {grpc-status: 0}, done, closed");
  EXPECT_EQ(p.us.failure_of(id), "none");
  EXPECT_TRUE(p.us->finished()) << "nothing is left to be done";
  EXPECT_EQ(p.us.failure_of_connection(), "none");
}

TEST_P(goaway, one_with_an_error_and_a_last_id_that_covers_the_stream_does_not_end_it_either) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  p.say(raw::goaway(id, h2::code::enhance_your_calm, "slow down") + raw::response(id, raw::end_stream));
  EXPECT_EQ(p.us.story(id), "response 200, done, closed");
}

TEST_P(goaway, the_highest_last_id_covers_all) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto a = p.open();
  const auto b = p.open();
  p.say(raw::goaway(0x7fffffff, no_error) + raw::response(a, raw::end_stream) + raw::response(b, raw::end_stream));
  EXPECT_EQ(p.us.story(a), "response 200, done, closed");
  EXPECT_EQ(p.us.story(b), "response 200, done, closed");
}

TEST_P(goaway, a_stream_above_its_last_id_is_refused_and_safe_to_retry) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto a = p.open();
  const auto b = p.open();
  EXPECT_EQ(name(p.us.send(b, "abc")), "ok");
  p.listen();
  p.say(raw::goaway(a, h2::code::enhance_your_calm, "too_many_pings"));
  EXPECT_EQ(p.us.story(b), "refused");
  EXPECT_EQ(p.us.failure_of(b), "refused peer connection ENHANCE_YOUR_CALM last=1 debug=too_many_pings retry_safe");
  EXPECT_EQ(p.us.stream(b).failed->bytes_sent, 3U);
  EXPECT_EQ(name(p.us.send(b, "x")), "refused");
  EXPECT_EQ(p.us.failure_of(a), "none");
  p.say(raw::response(a, raw::end_stream));
  EXPECT_EQ(p.us.story(a), "response 200, done, closed");
}

TEST_P(goaway, a_second_one_may_lower_the_last_id) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto a = p.open();
  const auto b = p.open();
  p.say(raw::goaway(0x7fffffff, no_error));
  EXPECT_EQ(p.us.failure_of(b), "none");
  p.say(raw::goaway(a, no_error, "bye"));
  EXPECT_EQ(p.us.failure_of(b), "refused peer connection NO_ERROR last=1 debug=bye retry_safe");
  EXPECT_EQ(p.us.failure_of(a), "none");
}

// First that there will be an end, then where it is; what was on its way between the two is served.
TEST_P(goaway, rfc9113_6_8_in_two_phases_serves_what_was_opened_between_them) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto a = p.open();
  p.say(raw::goaway(0x7fffffff, no_error, "soon") + raw::ping("draining"));
  EXPECT_FALSE(p.us->accepts_streams());
  EXPECT_THAT(p.heard(), Contains("PING ack")) << "the peer learns that we know";
  p.say(raw::response(a) + raw::data(a, "abc") + raw::goaway(a, no_error, "now"));
  EXPECT_EQ(name(p.us.send(a, "more", true)), "ok");
  p.listen();
  p.say(raw::data(a, "def", raw::end_stream));
  EXPECT_EQ(p.us.story(a), "response 200, data abcdef, done, closed");
  EXPECT_EQ(p.us.count(kind::goaway), 2U);
  EXPECT_TRUE(p.us->finished());
  lose(p.us);
  EXPECT_EQ(p.us.failure_of_connection(), "none");
}

TEST_P(goaway, rfc9113_6_8_of_a_server_is_announced_and_what_is_opened_until_it_is_known_is_served) {
  scripted_peer p(role::server, GetParam());
  p.greet();
  p.say(raw::request(1));
  p.us->shut_down(p.now);
  EXPECT_THAT(p.heard(), ElementsAre("GOAWAY NO_ERROR last=2147483647", StartsWith("PING"))) << "all is served yet";
  p.say(raw::request(3));
  EXPECT_THAT(p.us.requests(), ElementsAre(1, 3));
  p.us->shut_down(p.now);
  EXPECT_THAT(p.heard(), IsEmpty()) << "it has begun already";
  p.say(raw::ping(p.frames().back().payload, raw::ack));
  EXPECT_THAT(p.heard(), ElementsAre("GOAWAY NO_ERROR last=3"));
  p.say(raw::request(5));
  EXPECT_THAT(p.us.requests(), ElementsAre(1, 3)) << "the client knows that nobody has seen it";
  for (const auto id : {1, 3}) {
    EXPECT_FALSE(p.us->finished());
    EXPECT_EQ(name(p.us.respond(id)), "ok");
    EXPECT_EQ(name(p.us.send(id, "abc", true)), "ok");
    p.say(raw::data(id, "", raw::end_stream));
  }
  p.listen();
  EXPECT_TRUE(p.us->finished());
}

TEST_P(goaway, rfc9113_6_8_of_a_server_waits_for_a_client_that_does_not_answer_no_longer_than_close_timeout) {
  scripted_peer p(role::server, GetParam());
  p.greet();
  p.us->shut_down(p.now);
  p.listen();
  EXPECT_FALSE(p.us->finished());
  (void)p.heard();
  p.advance(999ms);
  EXPECT_THAT(p.heard(), IsEmpty());
  p.advance(1ms);
  EXPECT_THAT(p.heard(), ElementsAre("GOAWAY NO_ERROR last=0"));
  EXPECT_TRUE(p.us->finished());
  EXPECT_FALSE(p.us->next_deadline());
}

TEST_P(goaway, of_a_server_that_was_announced_may_be_said_at_once) {
  scripted_peer p(role::server, GetParam());
  p.greet();
  p.say(raw::request(1));
  p.us->shut_down(p.now);
  (void)p.heard();
  p.us->goaway(0, {});
  EXPECT_THAT(p.heard(), ElementsAre("GOAWAY NO_ERROR last=1"));
  p.say(raw::ping(p.frames().back().payload, raw::ack));
  EXPECT_THAT(p.heard(), IsEmpty());
}

TEST_P(goaway, of_a_server_without_a_client_is_said_at_once) {
  scripted_peer p(role::server, GetParam());
  p.us->shut_down(p.now);
  EXPECT_THAT(p.heard(), Not(Contains(StartsWith("GOAWAY NO_ERROR last=2147483647"))));
  EXPECT_TRUE(p.us->finished());
}

TEST_P(goaway, rfc9113_6_8_a_last_id_that_rises_is_a_protocol_error) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  p.say(raw::goaway(id, no_error) + raw::goaway(id + 2, no_error));
  EXPECT_THAT(p.heard(), Contains(StartsWith("GOAWAY PROTOCOL_ERROR")));
  EXPECT_EQ(p.us.failure_of(id), "protocol_error peer connection PROTOCOL_ERROR");
}

TEST_P(goaway, rfc9113_6_8_a_last_id_of_the_wrong_side_is_a_protocol_error) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  p.say(raw::goaway(2, no_error));
  EXPECT_EQ(p.us.failure_of(id), "protocol_error peer connection PROTOCOL_ERROR");
}

TEST_P(goaway, of_a_client_lets_its_streams_finish) {
  scripted_peer p(role::server, GetParam());
  p.greet();
  p.say(raw::request(1) + raw::goaway(0, no_error, "bye"));
  EXPECT_FALSE(p.us->finished());
  EXPECT_EQ(name(p.us.respond(1)), "ok");
  EXPECT_EQ(name(p.us.send(1, "abc", true)), "ok");
  p.say(raw::data(1, "def", raw::end_stream));
  EXPECT_EQ(p.us.story(1), "data def, done, closed");
  EXPECT_EQ(p.payload(1), "abc");
  EXPECT_TRUE(p.us->finished());
}

TEST_P(goaway, a_stream_that_it_covers_may_still_be_reset) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  p.say(raw::goaway(id, no_error) + raw::rst_stream(id, h2::code::internal_error));
  EXPECT_EQ(p.us.failure_of(id), "stream_reset peer stream INTERNAL_ERROR");
}

TEST_P(goaway, no_stream_is_opened_after_it) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  EXPECT_TRUE(p.us->accepts_streams());
  p.say(raw::goaway(id, no_error));
  EXPECT_FALSE(p.us->accepts_streams());
  EXPECT_EQ(p.us.open({}), 0);
  p.listen();
  EXPECT_THAT(p.heard(), Not(Contains("HEADERS 3")));
}

TEST_P(goaway, no_stream_is_opened_on_a_connection_that_failed) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  p.open();
  p.say(raw::data(0, "on no stream"));
  EXPECT_THAT(p.us.failure_of_connection(), HasSubstr("protocol_error"));
  EXPECT_EQ(p.us.open({}), 0) << "nobody would be told that it is over";
}

TEST_P(goaway, a_request_that_was_not_yet_written_is_refused_and_safe_to_retry) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto covered = p.open();
  p.us->feed(raw::goaway(0x7fffffff, no_error).substr(0, 5));
  const auto late = p.us.open({});
  p.us->feed(raw::goaway(0x7fffffff, no_error).substr(5));
  p.listen();
  EXPECT_EQ(p.us.story(late), "refused");
  EXPECT_TRUE(p.us.stream(late).failed->retry_safe);
  for (const auto& frame : p.heard()) EXPECT_THAT(frame, Not(HasSubstr(" 3"))) << "a frame of an idle stream";
  p.say(raw::response(covered, raw::end_stream));
  EXPECT_EQ(p.us.story(covered), "response 200, done, closed");
}

TEST_P(goaway, a_request_that_waits_for_the_limit_of_streams_is_refused_and_safe_to_retry) {
  scripted_peer p(role::client, GetParam());
  p.greet({{raw::max_concurrent_streams, 1}});
  const auto running = p.open();
  const auto waiting = p.open();
  (void)p.heard();
  p.say(raw::goaway(0x7fffffff, no_error, "bye"));
  EXPECT_EQ(p.us.story(waiting), "refused");
  EXPECT_TRUE(p.us.stream(waiting).failed->retry_safe);
  EXPECT_EQ(name(p.us.send(running, "", true)), "ok");
  p.listen();
  p.say(raw::response(running, raw::end_stream));
  EXPECT_EQ(p.us.story(running), "response 200, done, closed");
  EXPECT_THAT(p.heard(), ElementsAre("DATA 1 #0 end_stream")) << "nothing of the one that was refused";
  EXPECT_TRUE(p.us->finished());
}

TEST_P(goaway, then_the_end_of_the_transport_is_goaway_for_a_stream_it_covers) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  p.say(raw::response(id) + raw::data(id, "abc") + raw::goaway(id, h2::code::internal_error, "crashed"));
  lose(p.us);
  EXPECT_EQ(p.us.story(id), "response 200, data abc, goaway");
  EXPECT_EQ(p.us.failure_of(id), "goaway peer connection INTERNAL_ERROR last=1 debug=crashed");
  EXPECT_EQ(p.us.failure_of_connection(), "goaway peer connection INTERNAL_ERROR last=1 debug=crashed");
}

TEST_P(goaway, then_the_end_of_the_transport_is_no_failure_when_nothing_was_open) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  EXPECT_EQ(name(p.us.send(id, "", true)), "ok");
  p.listen();
  p.say(raw::response(id, raw::end_stream) + raw::goaway(id, no_error));
  lose(p.us);
  EXPECT_EQ(p.us.failure_of_connection(), "none");
  EXPECT_EQ(p.us.story(id), "response 200, done, closed");
  EXPECT_TRUE(p.us->finished());
}

// The transport

TEST_P(goaway, without_one_the_end_of_the_transport_is_connection_lost) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  p.say(raw::response(id) + raw::data(id, "abc"));
  lose(p.us);
  EXPECT_EQ(p.us.story(id), "response 200, data abc, connection_lost");
  EXPECT_EQ(p.us.failure_of(id), "connection_lost network connection");
  EXPECT_EQ(name(p.us.send(id, "x")), "connection_lost");
  EXPECT_TRUE(p.us->finished());
  EXPECT_EQ(p.us.count(kind::failed), 1U);
  EXPECT_GE(p.us.count(kind::closed, id), 1U);
}

TEST_P(goaway, a_lost_transport_says_what_the_driver_knew) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  p.us->lost(errc::connection_lost, "Connection reset by peer");
  EXPECT_EQ(p.us.stream(id).failed->message, "Connection reset by peer");
}

TEST_P(goaway, a_lost_transport_does_not_take_back_a_complete_response) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  p.say(raw::response(id) + raw::data(id, "abc", raw::end_stream));
  lose(p.us);
  EXPECT_EQ(p.us.story(id), "response 200, data abc, done, closed");
  EXPECT_EQ(name(p.us.send(id, "x")), "connection_lost");
}

TEST_P(goaway, a_request_that_was_never_written_to_a_lost_transport_is_safe_to_retry) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto written = p.open();
  const auto queued = p.us.open({});
  lose(p.us);
  EXPECT_EQ(p.us.failure_of(written), "connection_lost network connection");
  EXPECT_EQ(p.us.failure_of(queued), "connection_lost network connection retry_safe");
}

TEST_P(goaway, nothing_happens_after_the_transport_is_lost) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  p.say(raw::response(id) + raw::data(id, "abc"));
  lose(p.us);
  (void)p.heard();
  EXPECT_EQ(p.us.open({}), 0);
  EXPECT_FALSE(p.us->accepts_streams());
  p.us->ping(1);
  p.us->goaway(0, {});
  p.us.consume(id, 3);
  p.us.reset(id, h2::code::cancel);
  p.say(raw::data(id, "late"));
  lose(p.us);
  EXPECT_THAT(p.heard(), IsEmpty());
  EXPECT_EQ(p.us.story(id), "response 200, data abc, connection_lost");
  EXPECT_EQ(p.us.count(kind::failed), 1U);
  p.us.release(id);
  EXPECT_FALSE(p.us.knows(id));
}

TEST_P(goaway, a_server_loses_its_streams_with_the_transport) {
  scripted_peer p(role::server, GetParam());
  p.greet();
  p.say(raw::request(1) + raw::data(1, "abc"));
  lose(p.us);
  EXPECT_EQ(p.us.story(1), "data abc, connection_lost");
  EXPECT_EQ(name(p.us.respond(1)), "connection_lost");
  EXPECT_EQ(p.us->active_streams(), 0U);
}

// Ours

TEST_P(goaway, ours_lets_running_streams_finish) {
  memory_peers p(GetParam());
  const auto id = p.open();
  p.server->goaway(0, {});
  p.pump();
  EXPECT_FALSE(p.client->accepts_streams());
  EXPECT_FALSE(p.server->finished());
  EXPECT_EQ(name(p.client.send(id, "abc", true)), "ok");
  EXPECT_EQ(name(p.server.respond(id)), "ok");
  EXPECT_EQ(name(p.server.send(id, "def", true)), "ok");
  p.pump();
  EXPECT_EQ(p.server.story(id), "data abc, done, closed");
  EXPECT_EQ(p.client.story(id), "response 200, data def, done, closed");
  EXPECT_TRUE(p.server->finished());
  EXPECT_TRUE(p.client->finished());
  EXPECT_EQ(p.client.failure_of_connection(), "none");
  EXPECT_EQ(p.server.failure_of_connection(), "none");
}

TEST_P(goaway, ours_says_the_last_stream_that_we_processed) {
  scripted_peer p(role::server, GetParam());
  p.greet();
  p.say(raw::request(1) + raw::request(5));
  (void)p.heard();
  p.us->goaway(0, "bye");
  EXPECT_THAT(p.heard(), ElementsAre("GOAWAY NO_ERROR last=5"));
  EXPECT_THAT(p.frames().back().payload, HasSubstr("bye"));
}

TEST_P(goaway, ours_is_said_once) {
  scripted_peer p(role::server, GetParam());
  p.greet();
  p.say(raw::request(1));
  (void)p.heard();
  p.us->goaway(0, {});
  p.us->goaway(0, {});
  EXPECT_THAT(p.heard(), ElementsAre("GOAWAY NO_ERROR last=1"));
  p.us->goaway(static_cast<std::uint32_t>(h2::code::internal_error), {});
  EXPECT_THAT(p.heard(), ElementsAre("GOAWAY INTERNAL_ERROR last=1")) << "an error is still to be told";
}

TEST_P(goaway, a_request_above_our_last_id_is_not_processed) {
  scripted_peer p(role::server, GetParam());
  p.greet();
  p.say(raw::request(1));
  p.us->goaway(0, {});
  p.say(raw::request(3, raw::end_stream) + raw::data(1, "abc", raw::end_stream));
  EXPECT_THAT(p.us.requests(), ElementsAre(1));
  EXPECT_FALSE(p.us.knows(3));
  EXPECT_EQ(p.us.story(1), "data abc, done, closed");
  EXPECT_EQ(name(p.us.respond(1, 200, {}, true)), "ok");
  EXPECT_THAT(p.heard(), Contains("HEADERS 1 end_stream"));
  EXPECT_TRUE(p.us->finished());
}

TEST_P(goaway, a_long_debug_text_is_cut_and_does_not_keep_it_from_being_sent) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  p.us->goaway(static_cast<std::uint32_t>(h2::code::internal_error), std::string(100000, 'x'));
  EXPECT_THAT(p.heard(), ElementsAre("GOAWAY INTERNAL_ERROR last=0"));
  EXPECT_LE(p.frames().back().payload.size(), 16384U);
}

TEST_P(goaway, ours_on_a_quiet_connection_finishes_it) {
  memory_peers p(GetParam());
  p.client->goaway(0, {});
  p.pump();
  EXPECT_TRUE(p.client->finished());
  EXPECT_TRUE(p.server->finished());
  lose(p.client);
  lose(p.server);
  EXPECT_EQ(p.client.failure_of_connection(), "none");
  EXPECT_EQ(p.server.failure_of_connection(), "none");
}

TEST_P(goaway, ours_with_an_error_ends_every_stream) {
  memory_peers p(GetParam());
  const auto id = p.open();
  p.server->goaway(static_cast<std::uint32_t>(h2::code::enhance_your_calm), "enough");
  EXPECT_EQ(p.server.failure_of(id), "canceled local connection ENHANCE_YOUR_CALM");
  EXPECT_EQ(p.server.failure_of_connection(), "canceled local connection ENHANCE_YOUR_CALM");
  p.pump();
  EXPECT_TRUE(p.server->finished());
  lose(p.client);
  EXPECT_EQ(p.client.failure_of(id), "goaway peer connection ENHANCE_YOUR_CALM last=1 debug=enough");
}

TEST_P(goaway, a_new_session_is_not_finished) {
  scripted_peer client(role::client, GetParam());
  scripted_peer server(role::server, GetParam());
  EXPECT_FALSE(client.us->finished());
  EXPECT_FALSE(server.us->finished());
}

}  // namespace
}  // namespace duplex::test
