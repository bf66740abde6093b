// Sending within the peer's windows (RFC 9113, section 5.2): what completes when, and in which order.

#include "session_test.hpp"

namespace duplex::test {
namespace {

class sending : public session_test {};
INSTANTIATE_TEST_SUITE_P(bytes_per_read, sending, read_sizes(), name_of_read_size);

options window(std::size_t size) {
  options opts;
  opts.stream_window = size;
  return opts;
}

TEST_P(sending, a_borrowed_send_completes_when_it_is_framed_within_the_windows) {
  memory_peers p(GetParam(), {}, window(10));
  const auto id = p.open();
  EXPECT_EQ(name(p.client.send(id, "0123456789abcde")), "ok");
  const auto op = p.client.last_op();
  EXPECT_FALSE(p.client.is_sent(op)) << "never inside the call";
  p.pump();
  EXPECT_FALSE(p.client.is_sent(op));
  EXPECT_EQ(p.server.story(id), "data 0123456789");
  p.pump();
  EXPECT_TRUE(p.client.is_sent(op));
  EXPECT_EQ(p.story(p.server, id), "data abcde");
}

TEST_P(sending, several_sends_may_be_outstanding_and_keep_their_order) {
  memory_peers p(GetParam(), {}, window(3));
  const auto id = p.open();
  std::vector<op_id> ops;
  for (const auto* text : {"ab", "cde", "f", "ghij", "klm"}) {
    EXPECT_EQ(name(p.client.send(id, text)), "ok");
    ops.push_back(p.client.last_op());
  }
  EXPECT_EQ(p.story(p.server, id), "data abcdefghijklm");
  EXPECT_EQ(p.client.sent(), ops);
}

TEST_P(sending, a_buffered_send_completes_as_soon_as_its_rest_fits) {
  options opts;
  opts.send_buffer = 10;
  memory_peers p(GetParam(), opts, window(4));
  const auto id = p.open();
  EXPECT_EQ(name(p.client.send_buffered(id, "0123456789")), "ok");
  EXPECT_TRUE(p.client.is_sent(p.client.last_op())) << "it fits";
  EXPECT_EQ(name(p.client.send_buffered(id, "abcdef")), "ok");
  const auto op = p.client.last_op();
  EXPECT_FALSE(p.client.is_sent(op));
  p.pump();
  EXPECT_FALSE(p.client.is_sent(op)) << "6 + 6 are left, 10 fit";
  EXPECT_EQ(p.server.body(id), "0123");
  p.pump();
  EXPECT_TRUE(p.client.is_sent(op));
  EXPECT_EQ(p.story(p.server, id), "data 456789abcdef");
}

TEST_P(sending, borrowed_and_buffered_sends_keep_one_order) {
  options opts;
  opts.send_buffer = 4;
  memory_peers p(GetParam(), opts, window(5));
  const auto id = p.open();
  EXPECT_EQ(name(p.client.send(id, "aaaaaa")), "ok");
  EXPECT_EQ(name(p.client.send_buffered(id, "bbb")), "ok");
  EXPECT_EQ(name(p.client.send_buffered(id, "cccccc")), "ok");
  EXPECT_EQ(name(p.client.send(id, "dd", true)), "ok");
  EXPECT_EQ(p.story(p.server, id), "data aaaaaabbbccccccdd, done, closed");
  EXPECT_EQ(p.client.sent().size(), 4U);
}

TEST_P(sending, an_empty_send_completes_and_sends_nothing) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  (void)p.heard();
  EXPECT_EQ(name(p.us.send(id, "")), "ok");
  EXPECT_TRUE(p.us.is_sent(p.us.last_op()));
  EXPECT_THAT(p.heard(), IsEmpty());
}

TEST_P(sending, trailers_queue_behind_data_that_waits_for_a_window) {
  memory_peers p(GetParam(), {}, window(4));
  const auto id = p.open();
  EXPECT_EQ(name(p.client.send(id, "abcdefgh")), "ok");
  EXPECT_EQ(name(p.client.send_trailers(id, {{"after", "all"}})), "ok");
  const auto op = p.client.last_op();
  p.pump();
  EXPECT_FALSE(p.client.is_sent(op));
  EXPECT_EQ(p.server.stream(id).in.bytes(), 4U);
  EXPECT_EQ(p.story(p.server, id), "data abcdefgh, trailers {after: all}, done, closed");
  EXPECT_TRUE(p.client.is_sent(op));
}

TEST_P(sending, trailers_of_a_response_queue_behind_data_that_waits_for_a_window) {
  memory_peers p(GetParam(), window(4));
  const auto id = p.open();
  EXPECT_EQ(name(p.server.respond(id)), "ok");
  EXPECT_EQ(name(p.server.send_buffered(id, "abcdefgh")), "ok");
  EXPECT_EQ(name(p.server.send_trailers(id, {{"after", "all"}})), "ok");
  p.pump();
  EXPECT_EQ(p.client.stream(id).in.bytes(), 4U);
  EXPECT_EQ(p.story(p.client, id), "response 200, data abcdefgh, trailers {after: all}, done, closed");
}

TEST_P(sending, trailers_complete_when_they_are_framed_even_if_queued_before_the_request) {
  scripted_peer p(role::client, GetParam());
  p.greet({{raw::initial_window_size, 2}});
  const auto id = p.us.open({});
  EXPECT_EQ(name(p.us.send(id, "abcd")), "ok");
  EXPECT_EQ(name(p.us.send_trailers(id, {{"a", "b"}})), "ok");
  const auto op = p.us.last_op();
  EXPECT_THAT(p.heard(), ElementsAre("HEADERS 1", "DATA 1 #2"));
  EXPECT_FALSE(p.us.is_sent(op)) << "the request's HEADERS are not the trailers";
  p.say(raw::window_update(id, 2));
  EXPECT_THAT(p.heard(), ElementsAre("DATA 1 #2", "HEADERS 1 end_stream"));
  EXPECT_TRUE(p.us.is_sent(op));
}

TEST_P(sending, heads_complete_in_their_order) {
  memory_peers p(GetParam());
  const auto id = p.open();
  std::vector<op_id> ops;
  EXPECT_EQ(name(p.server.inform(id, 100)), "ok");
  ops.push_back(p.server.last_op());
  EXPECT_EQ(name(p.server.inform(id, 103)), "ok");
  ops.push_back(p.server.last_op());
  EXPECT_EQ(name(p.server.respond(id)), "ok");
  ops.push_back(p.server.last_op());
  EXPECT_EQ(name(p.server.send(id, "x")), "ok");
  ops.push_back(p.server.last_op());
  EXPECT_EQ(name(p.server.send_trailers(id, {{"a", "b"}})), "ok");
  ops.push_back(p.server.last_op());
  p.pump();
  EXPECT_EQ(p.server.sent(), ops);
}

TEST_P(sending, fin_goes_out_with_the_last_data) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.us.open({});
  EXPECT_EQ(name(p.us.send(id, "abc")), "ok");
  EXPECT_EQ(name(p.us.send(id, "def", true)), "ok");
  EXPECT_THAT(p.heard(), ElementsAre("HEADERS 1", "DATA 1 #6 end_stream"));
}

// The engine frames no DATA at all while a window is 0, so this takes another frame.
// Trailers without a field would need none, but gRPC servers take a second HEADERS of a client for a broken stream id.
TEST_P(sending, fin_of_a_client_waits_for_an_exhausted_window) {
  scripted_peer p(role::client, GetParam());
  p.greet({{raw::initial_window_size, 3}});
  const auto id = p.open();
  EXPECT_EQ(name(p.us.send(id, "abc")), "ok");
  p.listen();
  EXPECT_TRUE(p.us.is_sent(p.us.last_op()));
  (void)p.heard();
  EXPECT_EQ(name(p.us.send(id, "", true)), "ok");
  EXPECT_THAT(p.heard(), ElementsAre());
  p.say(raw::window_update(id, 1));
  EXPECT_THAT(p.heard(), ElementsAre(HasSubstr(" end_stream")));
}

TEST_P(sending, fin_is_sent_once_even_if_the_window_opens_before_it_is_framed) {
  scripted_peer p(role::client, GetParam());
  p.greet({{raw::initial_window_size, 3}});
  const auto id = p.open();
  EXPECT_EQ(name(p.us.send(id, "abc")), "ok");
  (void)p.heard();
  EXPECT_EQ(name(p.us.send(id, "", true)), "ok");
  p.say(raw::window_update(id, 100));  // as while a write is under way
  EXPECT_THAT(p.heard(), ElementsAre(HasSubstr(" end_stream")));
  EXPECT_TRUE(p.us.is_sent(p.us.last_op()));
  EXPECT_EQ(p.us.failure_of(id), "none");
  p.say(raw::response(id, raw::end_stream));
  EXPECT_EQ(p.us.story(id), "response 200, done, closed");
}

TEST_P(sending, trailers_are_sent_once_even_if_the_window_opens_before_they_are_framed) {
  scripted_peer p(role::client, GetParam());
  p.greet({{raw::initial_window_size, 3}});
  const auto id = p.open();
  EXPECT_EQ(name(p.us.send(id, "abc")), "ok");
  (void)p.heard();
  EXPECT_EQ(name(p.us.send_trailers(id, {{"a", "b"}})), "ok");
  p.say(raw::window_update(id, 100));
  EXPECT_THAT(p.heard(), ElementsAre("HEADERS 1 end_stream"));
  EXPECT_EQ(p.us.failure_of(id), "none");
  p.say(raw::response(id, raw::end_stream));
  EXPECT_EQ(p.us.story(id), "response 200, done, closed");
}

TEST_P(sending, a_fin_behind_data_that_waits_for_a_window_waits_too) {
  scripted_peer p(role::client, GetParam());
  p.greet({{raw::initial_window_size, 3}});
  const auto id = p.open();
  EXPECT_EQ(name(p.us.send(id, "abcd")), "ok");
  (void)p.heard();
  EXPECT_EQ(name(p.us.send(id, "", true)), "ok");
  EXPECT_THAT(p.heard(), IsEmpty());
  p.say(raw::window_update(id, 1));
  EXPECT_THAT(p.heard(), ElementsAre("DATA 1 #1 end_stream"));
}

TEST_P(sending, the_send_that_completes_a_stream_is_complete_before_the_stream_is_over) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  p.say(raw::response(id, raw::end_stream));
  EXPECT_EQ(name(p.us.send(id, "abc", true)), "ok");
  p.listen();
  std::string order;
  for (const auto& e : p.us.events()) {
    if (e.what == kind::sent) order += "sent ";
    if (e.what == kind::closed) order += "closed ";
  }
  EXPECT_EQ(order, "sent closed ");
}

TEST_P(sending, rfc9113_6_9_trailers_need_no_window) {
  scripted_peer p(role::client, GetParam());
  p.greet({{raw::initial_window_size, 3}});
  const auto id = p.open();
  EXPECT_EQ(name(p.us.send(id, "abc")), "ok");
  (void)p.heard();
  EXPECT_EQ(name(p.us.send_trailers(id, {{"a", "b"}})), "ok");
  EXPECT_THAT(p.heard(), ElementsAre("HEADERS 1 end_stream"));
}

TEST_P(sending, rfc9113_6_9_trailers_need_no_window_even_if_queued_before_the_request) {
  scripted_peer p(role::client, GetParam());
  p.greet({{raw::initial_window_size, 0}});
  const auto id = p.us.open({});
  EXPECT_EQ(name(p.us.send_trailers(id, {{"a", "b"}})), "ok");
  EXPECT_THAT(p.heard(), ElementsAre("HEADERS 1", "HEADERS 1 end_stream"));
  EXPECT_TRUE(p.us.is_sent(p.us.last_op()));
  p.say(raw::window_update(id, 100) + raw::response(id, raw::end_stream));
  EXPECT_THAT(p.heard(), IsEmpty());
  EXPECT_EQ(p.us.story(id), "response 200, done, closed");
}

TEST_P(sending, rfc9113_6_9_trailers_of_a_response_need_no_window) {
  scripted_peer p(role::server, GetParam());
  p.greet({{raw::initial_window_size, 3}});
  p.say(raw::request(1));
  (void)p.heard();
  EXPECT_EQ(name(p.us.respond(1)), "ok");
  EXPECT_EQ(name(p.us.send(1, "abc")), "ok");
  EXPECT_EQ(name(p.us.send_trailers(1, {{"a", "b"}})), "ok");
  EXPECT_THAT(p.heard(), ElementsAre("HEADERS 1", "DATA 1 #3", "HEADERS 1 end_stream"));
  p.say(raw::request(3));
  EXPECT_EQ(name(p.us.respond(3)), "ok");
  EXPECT_EQ(name(p.us.send_trailers(3, {{"a", "b"}})), "ok");
  EXPECT_THAT(p.heard(), ElementsAre("HEADERS 3", "HEADERS 3 end_stream"));
  p.say(raw::window_update(1, 5) + raw::window_update(3, 5) + raw::data(1, "x", raw::end_stream) +
        raw::data(3, "y", raw::end_stream));
  EXPECT_EQ(p.us.story(1), "data x, done, closed");
  EXPECT_EQ(p.us.story(3), "data y, done, closed");
  EXPECT_EQ(p.us.failure_of(3), "none");
  EXPECT_EQ(p.us->active_streams(), 0U);
}

TEST_P(sending, stays_within_the_window_of_the_connection) {
  scripted_peer p(role::client, GetParam());
  p.greet({{raw::initial_window_size, 1000000}});
  const auto id = p.open();
  const auto sent = pattern(100000);
  EXPECT_EQ(name(p.us.send(id, sent)), "ok");
  EXPECT_EQ(p.payload(id).size(), 65535U);
  EXPECT_FALSE(p.us.is_sent(p.us.last_op()));
  p.say(raw::window_update(0, 30000));
  EXPECT_EQ(p.payload(id).size(), 95535U);
  p.say(raw::window_update(0, 30000));
  EXPECT_EQ(p.payload(id), sent);
  EXPECT_TRUE(p.us.is_sent(p.us.last_op()));
}

TEST_P(sending, rfc9113_6_9_2_follows_a_changed_initial_window) {
  scripted_peer p(role::client, GetParam());
  p.greet({{raw::initial_window_size, 4}});
  const auto id = p.open();
  EXPECT_EQ(name(p.us.send(id, "abcdefgh")), "ok");
  EXPECT_EQ(p.payload(id), "abcd");
  p.say(raw::settings({{raw::initial_window_size, 1}}));
  p.say(raw::window_update(id, 3));
  EXPECT_EQ(p.payload(id), "abcd") << "the window is at 0: it had become -3";
  p.say(raw::window_update(id, 1));
  EXPECT_EQ(p.payload(id), "abcde");
  p.say(raw::settings({{raw::initial_window_size, 100}}));
  EXPECT_EQ(p.payload(id), "abcdefgh");
}

TEST_P(sending, counts_the_payload_that_was_framed) {
  memory_peers p(GetParam(), {}, window(10));
  const auto id = p.open();
  EXPECT_EQ(name(p.client.send(id, "0123456789abcde")), "ok");
  p.pump();
  EXPECT_EQ(p.client.stream(id).bytes_sent, 10U);
  p.server.reset(id, h2::code::cancel);
  p.pump();
  ASSERT_TRUE(p.client.stream(id).failed);
  EXPECT_EQ(p.client.stream(id).failed->bytes_sent, 10U);
}

TEST_P(sending, a_blocked_stream_does_not_block_its_neighbour) {
  memory_peers p(GetParam(), {}, window(10));
  const auto slow = p.open();
  const auto quick = p.open();
  EXPECT_EQ(name(p.client.send(slow, pattern(1000))), "ok");
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(name(p.client.send(quick, "0123456789")), "ok");
    EXPECT_EQ(p.story(p.server, quick), "data 0123456789");
  }
}

TEST_P(sending, rfc9113_5_1_2_a_request_waits_while_the_peer_allows_no_more_streams) {
  memory_peers p(GetParam(), {}, {}, 1);
  const auto first = p.open();
  const auto second = p.client.open({});
  EXPECT_EQ(name(p.client.send(second, "later", true)), "ok");
  p.pump();
  EXPECT_THAT(p.server.requests(), ElementsAre(first));
  EXPECT_EQ(name(p.client.send(first, "", true)), "ok");
  EXPECT_EQ(name(p.server.respond(first, 200, {}, true)), "ok");
  p.pump();
  EXPECT_THAT(p.server.requests(), ElementsAre(first, second));
  EXPECT_EQ(p.server.story(second), "data later, done, closed");
}

}  // namespace
}  // namespace duplex::test
