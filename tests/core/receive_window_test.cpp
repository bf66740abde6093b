// The receive windows (RFC 9113, section 5.2 and 6.9): what is given back to the peer, and when.

#include "session_test.hpp"

namespace duplex::test {
namespace {

class receive_window : public session_test {};
INSTANTIATE_TEST_SUITE_P(bytes_per_read, receive_window, read_sizes(), name_of_read_size);

constexpr std::size_t initial = 65535;  // of every connection, and of streams before SETTINGS
constexpr std::size_t window = 4000;
constexpr std::size_t piece = 1000;

options with(flow_control flow, std::size_t stream_window = window, std::size_t connection_window = initial) {
  options opts;
  opts.flow = flow;
  opts.stream_window = stream_window;
  opts.connection_window = connection_window;
  return opts;
}

TEST_P(receive_window, both_windows_are_offered_at_once) {
  scripted_peer p(role::client, GetParam(), with(flow_control::automatic, 300000, 500000));
  EXPECT_EQ(p.credit(0), 500000 - initial);
  ASSERT_EQ(p.frames().front().kind, raw::type_settings);
  EXPECT_THAT(p.frames().front().payload, HasSubstr(raw::u16(raw::initial_window_size) + raw::u32(300000)));
}

// The stream's window

TEST_P(receive_window, automatic_returns_on_delivery_and_not_before) {
  scripted_peer p(role::client, GetParam(), with(flow_control::automatic));
  p.greet();
  const auto id = p.open();
  p.say(raw::response(id));
  for (int i = 0; i < 4; ++i) p.say(raw::data(id, pattern(piece)));
  EXPECT_EQ(p.credit(id), 0U);
  EXPECT_EQ(p.us.body(id).size(), 4 * piece);
  EXPECT_GT(p.credit(id), 4 * piece - window / 2) << "the engine may hold back less than half a window";
}

// Whoever waits for a whole message before returning any of it must know for what there is room at least.
TEST_P(receive_window, manual_leaves_half_a_window_to_the_peer) {
  scripted_peer p(role::client, GetParam(), with(flow_control::manual));
  p.greet();
  const auto id = p.open();
  p.say(raw::response(id) + raw::data(id, pattern(window / 2)));
  EXPECT_EQ(p.us.body(id).size(), window / 2);
  p.us.consume(id, window / 2 - 1);
  EXPECT_EQ(p.credit(id), 0U);
  p.us.consume(id, 1);
  EXPECT_EQ(p.credit(id), window / 2);
}

TEST_P(receive_window, consume_does_nothing_on_automatic_streams) {
  scripted_peer p(role::client, GetParam(), with(flow_control::automatic));
  p.greet();
  const auto id = p.open();
  p.say(raw::response(id));
  for (int i = 0; i < 3; ++i) p.say(raw::data(id, pattern(piece)));
  p.us.consume(id, 3 * piece);
  EXPECT_EQ(p.credit(id), 0U);
  EXPECT_EQ(p.us.body(id).size(), 3 * piece);
  const auto returned = p.credit(id);
  EXPECT_GT(returned, 0U);
  p.us.consume(id, 3 * piece);
  EXPECT_EQ(p.credit(id), returned);
}

TEST_P(receive_window, manual_returns_only_what_is_consumed) {
  scripted_peer p(role::client, GetParam(), with(flow_control::manual));
  p.greet();
  const auto id = p.open();
  p.say(raw::response(id));
  for (int i = 0; i < 4; ++i) p.say(raw::data(id, pattern(piece)));
  EXPECT_EQ(p.us.body(id).size(), 4 * piece);
  EXPECT_EQ(p.credit(id), 0U);
  p.us.consume(id, 2500);
  EXPECT_EQ(p.credit(id), 2500U);
  p.us.consume(id, 4 * piece - 2500);
  EXPECT_LE(p.credit(id), 4 * piece);
}

TEST_P(receive_window, consume_is_clamped_to_what_was_delivered) {
  scripted_peer p(role::client, GetParam(), with(flow_control::manual));
  p.greet();
  const auto id = p.open();
  p.say(raw::response(id));
  for (int i = 0; i < 4; ++i) p.say(raw::data(id, pattern(piece)));
  p.us.consume(id, infinity);
  EXPECT_EQ(p.credit(id), 0U) << "nothing was delivered";
  (void)p.us->receive(id);  // the response
  std::size_t delivered = 0;
  while (delivered < 3 * piece) delivered += std::get<data>(*p.us->receive(id)).bytes.size();
  p.us.consume(id, infinity);
  EXPECT_EQ(p.credit(id), delivered);
  p.us.consume(id, infinity);
  EXPECT_EQ(p.credit(id), delivered);
}

TEST_P(receive_window, consume_does_nothing_after_the_end) {
  scripted_peer p(role::client, GetParam(), with(flow_control::manual));
  p.greet();
  const auto id = p.open();
  p.say(raw::response(id));
  for (int i = 0; i < 3; ++i) p.say(raw::data(id, pattern(piece)));
  p.say(raw::data(id, "", raw::end_stream));
  EXPECT_EQ(p.us.story(id), "response 200, data #3000, done, closed");
  p.us.consume(id, 3 * piece);
  p.us.consume(id, 1);
  EXPECT_EQ(p.credit(id), 0U);
  EXPECT_EQ(p.us.failure_of_connection(), "none");
}

TEST_P(receive_window, a_window_of_zero_is_never_reopened) {
  memory_peers p(GetParam(), {}, with(flow_control::automatic, 0));
  const auto id = p.open();
  EXPECT_EQ(name(p.client.send(id, "abc")), "ok");
  p.pump();
  EXPECT_EQ(p.server.story(id), "");
  EXPECT_FALSE(p.client.is_sent(p.client.last_op()));
}

TEST_P(receive_window, rfc9113_6_9_2_smaller_windows_than_the_default_hold_once_they_are_acknowledged) {
  memory_peers p(GetParam(), with(flow_control::automatic, 100));
  const auto id = p.open();
  EXPECT_EQ(name(p.server.respond(id)), "ok");
  EXPECT_EQ(name(p.server.send(id, pattern(1000))), "ok");
  p.pump();
  EXPECT_EQ(p.client.stream(id).in.bytes(), 100U);
  EXPECT_EQ(p.story(p.client, id), "response 200, data #1000");
  EXPECT_TRUE(p.server.is_sent(p.server.last_op()));
}

// Padding

TEST_P(receive_window, padding_never_leaks_window_in_manual_mode) {
  scripted_peer p(role::client, GetParam(), with(flow_control::manual));
  p.greet();
  const auto id = p.open();
  p.say(raw::response(id));
  std::uint64_t taken = 0;
  constexpr std::size_t frame_size = 1 + 100 + 155;
  for (std::size_t i = 0; i < 4 * window / frame_size; ++i) {
    ASSERT_LE(taken + frame_size, window + p.credit(id));
    taken += frame_size;
    p.say(raw::padded_data(id, std::string(100, 'x'), 155));
    ASSERT_EQ(p.us.body(id).size(), 100U);
    p.us.consume(id, 100);
  }
  EXPECT_EQ(p.us.failure_of(id), "none");
  EXPECT_EQ(p.us.stream(id).ledger.owed(), 0U);
}

TEST_P(receive_window, padding_is_returned_even_if_nothing_is_read) {
  for (const auto flow : {flow_control::manual, flow_control::automatic}) {
    scripted_peer p(role::client, GetParam(), with(flow));
    p.greet();
    const auto id = p.open();
    p.say(raw::response(id));
    std::uint64_t taken = 0;
    constexpr std::size_t frame_size = 1 + 1 + 255;
    for (std::size_t i = 0; i < 4 * window / frame_size; ++i) {
      ASSERT_LE(taken + frame_size, window + p.credit(id));
      taken += frame_size;
      p.say(raw::padded_data(id, "x", 255));
    }
    EXPECT_EQ(p.us.failure_of(id), "none");
    EXPECT_EQ(p.us.stream(id).in.bytes(), 4 * window / frame_size);
  }
}

TEST_P(receive_window, data_that_is_only_padding_is_returned) {
  scripted_peer p(role::server, GetParam(), with(flow_control::manual));
  p.greet();
  p.say(raw::request(1));
  std::uint64_t taken = 0;
  for (std::size_t i = 0; i < 4 * window / 256; ++i) {
    ASSERT_LE(taken + 256, window + p.credit(1));
    taken += 256;
    p.say(raw::padded_data(1, "", 255));
  }
  EXPECT_EQ(p.us.story(1), "");
}

// The connection's window

TEST_P(receive_window, padding_never_leaks_the_window_of_the_connection) {
  scripted_peer p(role::client, GetParam(), with(flow_control::manual, 1000000));
  p.greet();
  const auto id = p.open();
  p.say(raw::response(id));
  std::uint64_t taken = 0;
  constexpr std::size_t frame_size = 1 + 2000 + 255;
  while (taken < 2 * initial) {
    ASSERT_LE(taken + frame_size, initial + p.credit(0));
    taken += frame_size;
    p.say(raw::padded_data(id, pattern(2000), 255));
  }
}

TEST_P(receive_window, a_stream_that_nobody_reads_does_not_starve_another) {
  for (const auto flow : {flow_control::manual, flow_control::automatic}) {
    memory_peers p(GetParam(), {}, with(flow, 60000));
    const auto unread = pattern(60000);
    std::vector<std::int32_t> ids;
    for (int i = 0; i < 2; ++i) {
      ids.push_back(p.open());
      EXPECT_EQ(name(p.client.send(ids.back(), unread)), "ok");
      p.pump();
      EXPECT_TRUE(p.client.is_sent(p.client.last_op())) << "stream " << i << " starves";
    }
    for (const auto id : ids) EXPECT_EQ(p.server.body(id), unread);
  }
}

TEST_P(receive_window, what_arrives_for_a_failed_stream_is_returned_to_the_connection) {
  scripted_peer p(role::client, GetParam(), with(flow_control::manual, initial));
  p.greet();
  const auto dead = p.open();
  const auto live = p.open();
  p.say(raw::response(dead) + raw::response(live));
  std::uint64_t taken = 0;
  p.us.reset(dead, h2::code::cancel);
  // The peer has not seen the reset yet.
  for (int i = 0; i < 3; ++i, taken += 15000) p.us->feed(raw::data(dead, pattern(15000)));
  p.listen();
  p.us.release(dead);
  while (taken < 2 * initial) {
    ASSERT_LE(taken + 15000, initial + p.credit(0));
    p.say(raw::data(live, pattern(15000)));
    taken += 15000;
    p.us.consume(live, p.us.body(live).size());
  }
  EXPECT_EQ(p.us.failure_of(live), "none");
}

TEST_P(receive_window, what_arrives_for_a_stream_without_a_reader_is_returned_to_the_connection) {
  scripted_peer p(role::server, GetParam(), with(flow_control::manual, 1000000));
  p.greet();
  p.say(raw::request(1));
  p.us.release(1);
  p.listen();
  std::uint64_t taken = 0;
  while (taken < 2 * initial) {
    ASSERT_LE(taken + 15000, initial + p.credit(0));
    p.say(raw::data(1, pattern(15000)));
    taken += 15000;
  }
  EXPECT_EQ(p.us.failure_of_connection(), "none");
}

TEST_P(receive_window, unread_bytes_of_a_closed_stream_do_not_hold_the_connection) {
  memory_peers p(GetParam(), {}, with(flow_control::manual, 60000));
  for (int i = 0; i < 2; ++i) {
    const auto id = p.open();
    EXPECT_EQ(name(p.client.send(id, pattern(60000))), "ok");
    p.pump();
    EXPECT_TRUE(p.client.is_sent(p.client.last_op()));
    p.client.reset(id, h2::code::cancel);
    p.pump();
    EXPECT_EQ(p.server.story(id), "data #60000, stream_reset");
  }
}

// The peer goes too far

TEST_P(receive_window, rfc9113_5_2_1_more_than_the_stream_window_is_a_flow_control_error) {
  scripted_peer p(role::client, GetParam(), with(flow_control::automatic, 1000, 1000000));
  p.greet();
  const auto id = p.open();
  const auto other = p.open();
  p.say(raw::response(id) + raw::data(id, pattern(1000)));
  EXPECT_EQ(p.us.failure_of(id), "none");
  (void)p.heard();
  p.say(raw::data(id, "x"));
  EXPECT_THAT(p.heard(), Contains("RST_STREAM 1 FLOW_CONTROL_ERROR"));
  EXPECT_EQ(p.us.failure_of(id), "protocol_error peer stream FLOW_CONTROL_ERROR");
  EXPECT_THAT(p.us.story(id), AllOf(StartsWith("response 200, data #100"), HasSubstr(", protocol_error")));
  EXPECT_EQ(p.us.failure_of(other), "none");
}

TEST_P(receive_window, rfc9113_5_2_1_more_than_the_connection_window_is_a_flow_control_error) {
  // Returned credit is withheld by not writing: the session is fed at once.
  scripted_peer p(role::client, whole, with(flow_control::automatic, 1000000));
  p.greet();
  const auto id = p.open();
  std::string much = raw::response(id);
  for (int i = 0; i < 5; ++i) much += raw::data(id, pattern(15000));
  p.say(much);
  EXPECT_THAT(p.heard(), Contains(StartsWith("GOAWAY FLOW_CONTROL_ERROR")));
  EXPECT_EQ(p.us.failure_of(id), "protocol_error peer connection FLOW_CONTROL_ERROR");
}

}  // namespace
}  // namespace duplex::test
