// RST_STREAM from either side, at every phase (RFC 9113, section 5.4.2, 6.4 and 8.1).

#include "session_test.hpp"

namespace duplex::test {
namespace {

class reset : public session_test {};
INSTANTIATE_TEST_SUITE_P(bytes_per_read, reset, read_sizes(), name_of_read_size);

TEST_P(reset, by_the_peer_is_told_with_its_code) {
  for (std::uint32_t code = 0; code < 16; ++code) {
    if (code == static_cast<std::uint32_t>(h2::code::refused_stream)) continue;
    memory_peers p(GetParam());
    const auto id = p.open();
    p.server.reset(id, static_cast<h2::code>(code));
    p.pump();
    EXPECT_EQ(p.client.story(id), "stream_reset");
    EXPECT_EQ(p.client.failure_of(id), "stream_reset peer stream " + h2::code_name(code));
    EXPECT_EQ(name(p.client.send(id, "x")), "stream_reset");
    EXPECT_EQ(p.client.failure_of_connection(), "none");
  }
}

TEST_P(reset, what_was_buffered_is_delivered_before_it) {
  memory_peers p(GetParam());
  const auto id = p.open();
  EXPECT_EQ(name(p.server.respond(id)), "ok");
  EXPECT_EQ(name(p.server.send(id, "abc")), "ok");
  p.pump();
  p.server.reset(id, h2::code::internal_error);
  p.pump();
  EXPECT_EQ(p.client.story(id), "response 200, data abc, stream_reset");
  EXPECT_EQ(p.client.story(id), "stream_reset") << "and stays readable";
}

TEST_P(reset, ends_the_sends_that_wait) {
  options small;
  small.stream_window = 4;
  memory_peers p(GetParam(), {}, small);
  const auto id = p.open();
  EXPECT_EQ(name(p.client.send(id, "abcdefgh")), "ok");
  EXPECT_EQ(name(p.client.send_trailers(id, {{"a", "b"}})), "ok");
  p.pump();
  p.server.reset(id, h2::code::cancel);
  p.pump();
  EXPECT_THAT(p.client.sent(), IsEmpty());
  EXPECT_GE(p.client.count(kind::closed, id), 1U);
  EXPECT_EQ(p.client.stream(id).send_end, errc::stream_reset);
  EXPECT_EQ(p.client.stream(id).out.bytes(), 0U) << "the buffers of the caller are not touched any more";
}

TEST_P(reset, refused_stream_after_a_response_is_not_safe_to_retry) {
  memory_peers p(GetParam());
  const auto id = p.open();
  p.server.respond(id);
  p.server.send(id, "abc");
  p.pump();
  p.server.reset(id, h2::code::refused_stream);
  p.pump();
  EXPECT_EQ(p.client.story(id), "response 200, data abc, refused");
  EXPECT_EQ(p.client.failure_of(id), "refused peer stream REFUSED_STREAM");
}

TEST_P(reset, refused_stream_is_refused_and_safe_to_retry) {
  memory_peers p(GetParam());
  const auto id = p.open();
  p.server.reset(id, h2::code::refused_stream);
  p.pump();
  EXPECT_EQ(p.client.story(id), "refused");
  EXPECT_EQ(p.client.failure_of(id), "refused peer stream REFUSED_STREAM retry_safe");
}

TEST_P(reset, rfc9113_5_1_2_a_server_with_too_many_streams_refuses_the_next) {
  scripted_peer p(role::server, GetParam());
  p.say(std::string(raw::preface) + raw::settings());  // the limit is not acknowledged: the client may not know it yet
  for (std::int32_t i = 0; i < 100; ++i) p.say(raw::request(1 + 2 * i));
  (void)p.heard();
  p.say(raw::request(201));
  EXPECT_THAT(p.heard(), ElementsAre("RST_STREAM 201 REFUSED_STREAM"));
  EXPECT_EQ(p.us.requests().size(), 100U);
  EXPECT_FALSE(p.us.knows(201));
  p.say(raw::data(1, "abc", raw::end_stream));
  EXPECT_EQ(p.us.story(1), "data abc, done, closed");
}

TEST_P(reset, of_a_request_by_the_client_is_told_to_the_server) {
  memory_peers p(GetParam());
  const auto id = p.open();
  EXPECT_EQ(name(p.client.send(id, "abc")), "ok");
  p.pump();
  p.client.reset(id, h2::code::cancel);
  p.pump();
  EXPECT_EQ(p.server.story(id), "data abc, stream_reset");
  EXPECT_EQ(p.server.failure_of(id), "stream_reset peer stream CANCEL");
  EXPECT_EQ(name(p.server.respond(id)), "stream_reset");
}

TEST_P(reset, by_us_says_why) {
  memory_peers p(GetParam());
  const auto id = p.open();
  p.client.reset(id, h2::code::cancel);
  EXPECT_EQ(p.client.story(id), "canceled");
  EXPECT_EQ(name(p.client.send(id, "x")), "canceled");
  p.pump();
  EXPECT_EQ(p.client.failure_of(id), "canceled local stream CANCEL");
}

TEST_P(reset, by_us_leaves_readable_what_had_arrived) {
  memory_peers p(GetParam());
  const auto id = p.open();
  EXPECT_EQ(name(p.server.respond(id)), "ok");
  EXPECT_EQ(name(p.server.send(id, "abc")), "ok");
  p.pump();
  p.client.reset(id, h2::code::cancel);
  EXPECT_EQ(p.client.story(id), "response 200, data abc, canceled");
}

TEST_P(reset, by_us_is_sent_once) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  (void)p.heard();
  p.us.reset(id, h2::code::cancel);
  p.us.reset(id, h2::code::internal_error);
  p.us.release(id);
  EXPECT_THAT(p.heard(), ElementsAre("RST_STREAM 1 CANCEL"));
  p.say(raw::response(id) + raw::data(id, "late") + raw::rst_stream(id, h2::code::cancel));
  EXPECT_THAT(p.heard(), IsEmpty());
  EXPECT_FALSE(p.us.knows(id));
}

TEST_P(reset, nothing_is_delivered_after_one_in_the_same_read) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  p.say(raw::response(id) + raw::rst_stream(id, h2::code::cancel) + raw::data(id, "x") + raw::data(id, "y"));
  EXPECT_EQ(p.us.story(id), "response 200, stream_reset");
}

TEST_P(reset, rfc9113_8_1_no_error_after_a_complete_response_is_done_and_no_failure) {
  memory_peers p(GetParam());
  const auto id = p.open();
  EXPECT_EQ(name(p.server.respond(id)), "ok");
  EXPECT_EQ(name(p.server.send(id, "enough", true)), "ok");
  p.server.release(id);
  p.pump();
  EXPECT_EQ(p.client.story(id), "response 200, data enough, done, closed");
  EXPECT_EQ(p.client.failure_of(id), "none");
  EXPECT_EQ(name(p.client.send(id, "more")), "stream_reset");
  EXPECT_EQ(name(p.client.send_trailers(id, {{"a", "b"}})), "stream_reset");
  EXPECT_EQ(p.client.count(kind::closed, id), 1U);
}

TEST_P(reset, rfc9113_8_1_no_error_ends_the_sends_that_wait) {
  options small;
  small.stream_window = 4;
  memory_peers p(GetParam(), {}, small);
  const auto id = p.open();
  EXPECT_EQ(name(p.client.send(id, "abcdefgh", true)), "ok");
  const auto op = p.client.last_op();
  p.pump();
  EXPECT_EQ(name(p.server.respond(id, 200, {}, true)), "ok");
  p.server.release(id);
  p.pump();
  EXPECT_EQ(p.client.story(id), "response 200, done, closed");
  EXPECT_FALSE(p.client.is_sent(op));
  EXPECT_EQ(p.client.count(kind::closed, id), 1U);
  EXPECT_EQ(name(p.client.stream(id).send_end), "stream_reset") << "what a driver tells the sends";
}

TEST_P(reset, rfc9113_8_1_no_error_after_a_complete_response_lets_a_client_without_more_to_say_end_well) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  p.say(raw::response(id, raw::end_stream) + raw::rst_stream(id, h2::code::no_error));
  EXPECT_EQ(name(p.us.send(id, "x")), "stream_reset");
  EXPECT_EQ(name(p.us.send_trailers(id, {{"a", "b"}})), "stream_reset");
  EXPECT_EQ(name(p.us.send(id, "x", true)), "stream_reset") << "its last words are lost";
  EXPECT_EQ(name(p.us.send(id, "", true)), "ok");
  EXPECT_TRUE(p.us.is_sent(p.us.last_op()));
  EXPECT_EQ(name(p.us.send(id, "", true)), "send_closed");
  EXPECT_EQ(p.us.failure_of(id), "none");
  p.us.release(id);
  EXPECT_EQ(name(p.us.send(id, "", true)), "closed");
}

TEST_P(reset, rfc9113_8_1_no_error_after_a_complete_response_completes_an_end_that_waits_for_window) {
  scripted_peer p(role::client, GetParam());
  p.greet({{raw::initial_window_size, 0}});
  const auto id = p.open();
  EXPECT_EQ(name(p.us.send(id, "", true)), "ok");
  const auto op = p.us.last_op();
  p.say(raw::response(id, raw::end_stream) + raw::rst_stream(id, h2::code::no_error));
  EXPECT_TRUE(p.us.is_sent(op));
  EXPECT_EQ(p.us.failure_of(id), "none");
}

TEST_P(reset, no_error_before_the_end_of_the_response_is_a_failure) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  p.say(raw::response(id) + raw::data(id, "abc") + raw::rst_stream(id, h2::code::no_error));
  EXPECT_EQ(p.us.story(id), "response 200, data abc, stream_reset");
  EXPECT_EQ(p.us.failure_of(id), "stream_reset peer stream NO_ERROR");
}

TEST_P(reset, with_an_error_after_the_end_of_the_response_does_not_take_the_response_back) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  p.say(raw::response(id) + raw::data(id, "abc", raw::end_stream) + raw::rst_stream(id, h2::code::cancel));
  EXPECT_EQ(p.us.story(id), "response 200, data abc, done, closed");
  EXPECT_EQ(p.us.failure_of(id), "stream_reset peer stream CANCEL");
  EXPECT_EQ(name(p.us.send(id, "x")), "stream_reset");
}

TEST_P(reset, of_a_complete_stream_changes_nothing) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  EXPECT_EQ(name(p.us.send(id, "", true)), "ok");
  p.listen();
  p.say(raw::response(id, raw::end_stream) + raw::rst_stream(id, h2::code::internal_error));
  p.us.reset(id, h2::code::cancel);
  EXPECT_EQ(p.us.story(id), "response 200, done, closed");
  EXPECT_EQ(p.us.failure_of(id), "none");
  EXPECT_EQ(p.us.failure_of_connection(), "none");
}

TEST_P(reset, of_a_request_that_was_never_written_is_safe_to_retry_and_leaves_no_frame) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.us.open({});
  EXPECT_EQ(name(p.us.send(id, "abc")), "ok");
  p.us.reset(id, h2::code::cancel);
  EXPECT_EQ(p.us.failure_of(id), "canceled local stream CANCEL retry_safe");
  EXPECT_THAT(p.heard(), IsEmpty());
  EXPECT_EQ(p.us->active_streams(), 0U);
}

TEST_P(reset, of_a_request_that_was_never_written_leaves_the_others_alone) {
  memory_peers p(GetParam());
  const auto first = p.open();
  const auto second = p.client.open({});
  const auto third = p.client.open({});
  p.client.reset(second, h2::code::cancel);
  p.pump();
  EXPECT_THAT(p.server.requests(), ElementsAre(first, third));
  EXPECT_EQ(p.client.failure_of(first), "none");
  EXPECT_EQ(p.client.failure_of(third), "none");
  EXPECT_EQ(p.client.failure_of_connection(), "none");
  EXPECT_EQ(p.server.failure_of_connection(), "none");
}

TEST_P(reset, of_a_request_that_was_written_is_not_safe_to_retry) {
  memory_peers p(GetParam());
  const auto id = p.open();
  p.client.reset(id, h2::code::cancel);
  EXPECT_EQ(p.client.failure_of(id), "canceled local stream CANCEL");
}

TEST_P(reset, a_request_too_large_to_be_sent_fails_alone) {
  memory_peers p(GetParam());
  const auto other = p.open();
  const auto id = p.client.open({}, {{"x-huge", std::string(100000, '\x80')}});
  p.pump();
  EXPECT_EQ(p.client.story(id), "limit_exceeded");
  EXPECT_TRUE(p.client.stream(id).failed->retry_safe);
  EXPECT_THAT(p.server.requests(), ElementsAre(other));
  EXPECT_EQ(p.server.failure_of_connection(), "none");
  EXPECT_EQ(p.client.failure_of_connection(), "none");
  EXPECT_EQ(name(p.server.respond(other, 200, {}, true)), "ok");
  p.pump();
  EXPECT_EQ(p.client.story(other), "response 200, done, closed");
}

TEST_P(reset, a_response_too_large_to_be_sent_fails_its_stream) {
  memory_peers p(GetParam());
  const auto id = p.open();
  EXPECT_EQ(name(p.server.respond(id, 200, {{"x-huge", std::string(100000, '\x80')}})), "ok");
  p.pump();
  EXPECT_EQ(p.server.story(id), "limit_exceeded");
  EXPECT_EQ(p.client.story(id), "stream_reset");
  EXPECT_EQ(p.client.failure_of(id), "stream_reset peer stream INTERNAL_ERROR");
}

TEST_P(reset, abandon_drops_what_had_arrived) {
  memory_peers p(GetParam());
  const auto id = p.open();
  EXPECT_EQ(name(p.server.respond(id)), "ok");
  EXPECT_EQ(name(p.server.send(id, "abc")), "ok");
  p.pump();
  p.client.abandon(id, h2::code::cancel);
  EXPECT_EQ(p.client.story(id), "closed");
  EXPECT_EQ(name(p.client.send(id, "x")), "closed");
  p.pump();
  EXPECT_EQ(p.server.failure_of(id), "stream_reset peer stream CANCEL");
  EXPECT_EQ(p.client.story(id), "closed");
}

TEST_P(reset, abandon_of_a_complete_stream_drops_what_had_arrived_and_sends_nothing) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  EXPECT_EQ(name(p.us.send(id, "", true)), "ok");
  p.listen();
  p.say(raw::response(id, raw::end_stream));
  (void)p.heard();
  p.us.abandon(id, h2::code::cancel);
  EXPECT_EQ(p.us.story(id), "closed");
  EXPECT_EQ(name(p.us.send(id, "x")), "closed");
  EXPECT_EQ(p.us.failure_of(id), "none");
  EXPECT_THAT(p.heard(), IsEmpty());
}

}  // namespace
}  // namespace duplex::test
