// Either side may finish first (RFC 9113, section 5.1 and 8.1), and an end is an end.

#include "session_test.hpp"

namespace duplex::test {
namespace {

class half_close : public session_test {};
INSTANTIATE_TEST_SUITE_P(bytes_per_read, half_close, read_sizes(), name_of_read_size);

TEST_P(half_close, the_client_finishes_first_and_the_server_goes_on) {
  memory_peers p(GetParam());
  const auto id = p.open();
  EXPECT_EQ(name(p.client.send(id, "all", true)), "ok");
  p.pump();
  EXPECT_EQ(p.server.story(id), "data all, done, closed");
  EXPECT_EQ(name(p.server.respond(id)), "ok");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(name(p.server.send(id, "x")), "ok");
    p.pump();
  }
  EXPECT_EQ(p.client.story(id), "response 200, data xxx");
  EXPECT_EQ(name(p.server.send(id, "y", true)), "ok");
  p.pump();
  EXPECT_EQ(p.client.story(id), "data y, done, closed");
}

TEST_P(half_close, the_server_finishes_first_and_the_client_goes_on) {
  memory_peers p(GetParam());
  const auto id = p.open();
  EXPECT_EQ(name(p.server.respond(id)), "ok");
  EXPECT_EQ(name(p.server.send_trailers(id, {{"early", "1"}})), "ok");
  p.pump();
  EXPECT_EQ(p.client.story(id), "response 200, trailers {early: 1}, done, closed");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(name(p.client.send(id, "x")), "ok");
    p.pump();
    EXPECT_TRUE(p.client.is_sent(p.client.last_op()));
  }
  EXPECT_EQ(p.server.story(id), "data xxx");
  EXPECT_EQ(name(p.client.send_trailers(id, {{"late", "1"}})), "ok");
  p.pump();
  EXPECT_EQ(p.server.story(id), "trailers {late: 1}, done, closed");
  EXPECT_EQ(p.client.failure_of(id), "none");
  EXPECT_EQ(p.server.failure_of(id), "none");
  EXPECT_EQ(p.client->active_streams(), 0U);
  EXPECT_EQ(p.server->active_streams(), 0U);
}

TEST_P(half_close, a_stream_is_over_once_both_have_finished) {
  memory_peers p(GetParam());
  const auto id = p.open();
  EXPECT_EQ(name(p.client.send(id, "", true)), "ok");
  EXPECT_EQ(name(p.server.respond(id, 200, {}, true)), "ok");
  EXPECT_EQ(p.client.count(kind::closed, id), 0U);
  p.pump();
  EXPECT_EQ(p.client.count(kind::closed, id), 1U);
  EXPECT_EQ(p.server.count(kind::closed, id), 1U);
  EXPECT_EQ(p.client.failure_of(id), "none");
}

TEST_P(half_close, sending_after_fin_is_send_closed) {
  memory_peers p(GetParam());
  const auto id = p.open();
  EXPECT_EQ(name(p.client.send(id, "x", true)), "ok");
  EXPECT_EQ(name(p.client.send(id, "y")), "send_closed") << "before it was framed";
  p.pump();
  EXPECT_EQ(name(p.client.send(id, "y")), "send_closed");
  EXPECT_EQ(name(p.client.send(id, "")), "send_closed");
  EXPECT_EQ(name(p.client.send(id, "", true)), "send_closed");
  EXPECT_EQ(name(p.client.send_buffered(id, "y")), "send_closed");
  EXPECT_EQ(name(p.client.send_trailers(id, {{"a", "b"}})), "send_closed");
  EXPECT_EQ(name(p.client.send_trailers(id, {})), "send_closed");
}

TEST_P(half_close, sending_after_trailers_is_send_closed) {
  memory_peers p(GetParam());
  const auto id = p.open();
  EXPECT_EQ(name(p.client.send_trailers(id, {{"a", "b"}})), "ok");
  EXPECT_EQ(name(p.client.send(id, "y")), "send_closed");
  p.pump();
  EXPECT_EQ(name(p.client.send(id, "y", true)), "send_closed");
  EXPECT_EQ(name(p.client.send_trailers(id, {{"c", "d"}})), "send_closed");
  EXPECT_EQ(p.server.story(id), "trailers {a: b}, done, closed");
}

TEST_P(half_close, sending_after_a_response_that_was_all_is_send_closed) {
  memory_peers p(GetParam());
  const auto id = p.open();
  EXPECT_EQ(name(p.server.respond(id, 200, {}, true)), "ok");
  EXPECT_EQ(name(p.server.send(id, "y")), "send_closed");
  p.pump();
  EXPECT_EQ(name(p.server.send_trailers(id, {{"c", "d"}})), "send_closed");
}

TEST_P(half_close, a_completed_fin_is_never_undone) {
  options small;
  small.stream_window = 4;
  memory_peers p(GetParam(), {}, small);
  const auto id = p.open();
  EXPECT_EQ(name(p.client.send(id, "12345678", true)), "ok");
  p.pump();
  EXPECT_EQ(name(p.client.send(id, "too late")), "send_closed");
  EXPECT_EQ(name(p.client.send_trailers(id, {{"too", "late"}})), "send_closed");
  p.pump();
  EXPECT_EQ(p.server.stream(id).in.bytes(), 4U);
  EXPECT_EQ(p.story(p.server, id), "data 12345678, done, closed");
}

TEST_P(half_close, a_request_without_a_body_ends_with_an_empty_fin) {
  memory_peers p(GetParam());
  const auto id = p.client.open({});
  EXPECT_EQ(name(p.client.send(id, "", true)), "ok");
  p.pump();
  EXPECT_EQ(p.server.story(id), "done, closed");
  EXPECT_TRUE(p.client.is_sent(p.client.last_op()));
}

TEST_P(half_close, trailers_without_a_field_are_a_fin) {
  memory_peers p(GetParam());
  const auto id = p.open();
  EXPECT_EQ(name(p.client.send(id, "x")), "ok");
  EXPECT_EQ(name(p.client.send_trailers(id, {})), "ok");
  p.pump();
  EXPECT_EQ(p.server.story(id), "data x, done, closed");
  EXPECT_TRUE(p.client.is_sent(p.client.last_op()));
}

TEST_P(half_close, a_server_responds_once_and_before_it_sends) {
  memory_peers p(GetParam());
  const auto id = p.open();
  EXPECT_EQ(name(p.server.send(id, "x")), "invalid_argument");
  EXPECT_EQ(name(p.server.send_trailers(id, {{"a", "b"}})), "invalid_argument");
  EXPECT_EQ(name(p.server.respond(id)), "ok");
  EXPECT_EQ(name(p.server.respond(id)), "invalid_argument");
  EXPECT_EQ(name(p.server.inform(id, 103)), "invalid_argument");
  EXPECT_EQ(name(p.server.send(id, "x", true)), "ok");
  p.pump();
  EXPECT_EQ(p.client.story(id), "response 200, data x, done, closed");
}

TEST_P(half_close, a_client_does_not_respond) {
  memory_peers p(GetParam());
  const auto id = p.open();
  EXPECT_EQ(name(p.client.respond(id)), "invalid_argument");
  EXPECT_EQ(name(p.client.inform(id, 100)), "invalid_argument");
}

TEST_P(half_close, nothing_can_be_done_on_a_stream_that_never_was) {
  memory_peers p(GetParam());
  EXPECT_EQ(name(p.client.send(99, "x")), "closed");
  EXPECT_EQ(name(p.client.send_trailers(99, {{"a", "b"}})), "closed");
  EXPECT_EQ(name(p.server.respond(99)), "closed");
  EXPECT_FALSE(p.client->receive(99));
  p.client.consume(99, 1);
  p.client.reset(99, h2::code::cancel);
  p.client.release(99);
  p.pump();
  EXPECT_EQ(p.client.failure_of_connection(), "none");
}

}  // namespace
}  // namespace duplex::test
