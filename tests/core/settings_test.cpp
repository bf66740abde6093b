// The peer's SETTINGS, at any time (RFC 9113, section 6.5 and 6.9.2).

#include "session_test.hpp"

#include <algorithm>

namespace duplex::test {
namespace {

using raw::end_stream;
using raw::none;

class settings : public session_test {
 protected:
  static std::size_t largest_data(scripted_peer& p, std::int32_t id) {
    std::size_t most = 0;
    for (const auto& f : p.frames()) {
      if (f.kind == raw::type_data && f.id == id) most = std::max(most, f.payload.size());
    }
    return most;
  }
};
INSTANTIATE_TEST_SUITE_P(bytes_per_read, settings, read_sizes(), name_of_read_size);

// INITIAL_WINDOW_SIZE

TEST_P(settings, rfc9113_6_9_2_a_window_below_zero_stops_a_stream_until_it_is_above_zero) {
  scripted_peer p(role::client, GetParam());
  p.greet({{raw::initial_window_size, 10}});
  const auto id = p.open();
  EXPECT_EQ(name(p.us.send(id, pattern(30))), "ok");
  const auto op = p.us.last_op();
  EXPECT_THAT(p.heard(), ElementsAre("HEADERS 1", "DATA 1 #10"));
  p.say(raw::settings({{raw::initial_window_size, 4}}));  // 6 below zero
  p.say(raw::window_update(id, 6));                       // zero
  EXPECT_THAT(p.heard(), ElementsAre("SETTINGS ack"));
  p.say(raw::window_update(id, 1));
  EXPECT_THAT(p.heard(), ElementsAre("DATA 1 #1"));
  p.say(raw::settings({{raw::initial_window_size, 0}}));  // 4 below zero
  p.say(raw::window_update(id, 4) + raw::window_update(id, 19));
  EXPECT_THAT(p.heard(), AllOf(Contains("SETTINGS ack"), Contains(HasSubstr("DATA 1 #"))));
  EXPECT_EQ(p.payload(id), pattern(30));
  EXPECT_TRUE(p.us.is_sent(op));
}

TEST_P(settings, rfc9113_6_9_2_a_window_of_a_server_may_be_below_zero_too) {
  scripted_peer p(role::server, GetParam());
  p.greet({{raw::initial_window_size, 10}});
  p.say(raw::request(1));
  EXPECT_EQ(name(p.us.respond(1)), "ok");
  EXPECT_EQ(name(p.us.send(1, pattern(30))), "ok");
  EXPECT_EQ(name(p.us.send_trailers(1, {{"a", "b"}})), "ok");
  (void)p.heard();
  p.say(raw::settings({{raw::initial_window_size, 0}}));
  p.say(raw::window_update(1, 10));
  EXPECT_THAT(p.heard(), ElementsAre("SETTINGS ack"));
  p.say(raw::settings({{raw::initial_window_size, 20}}));
  EXPECT_EQ(p.payload(1), pattern(30));
  EXPECT_THAT(p.heard(), Contains("HEADERS 1 end_stream"));
}

TEST_P(settings, rfc9113_6_9_2_up_and_down_reach_every_open_stream_and_not_the_connection) {
  scripted_peer p(role::client, GetParam());
  p.greet({{raw::initial_window_size, 0}});
  const auto a = p.open();
  const auto b = p.open();
  for (const auto id : {a, b}) EXPECT_EQ(name(p.us.send(id, pattern(60000))), "ok");
  (void)p.heard();
  p.say(raw::settings({{raw::initial_window_size, 1000}}));
  EXPECT_EQ(p.payload(a).size(), 1000U);
  EXPECT_EQ(p.payload(b).size(), 1000U);
  p.say(raw::settings({{raw::initial_window_size, 0}}) + raw::settings({{raw::initial_window_size, 1000000}}));
  EXPECT_EQ(p.payload(a).size() + p.payload(b).size(), 65535U) << "the window of the connection is another one";
}

TEST_P(settings, late_ones_are_obeyed_in_the_middle_of_a_stream) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  EXPECT_EQ(name(p.us.send(id, "before")), "ok");
  p.say(raw::response(id) + raw::data(id, "abc"));
  (void)p.heard();
  p.say(
      raw::settings({{raw::initial_window_size, 6}, {raw::max_concurrent_streams, 1}, {raw::header_table_size, 100}}));
  EXPECT_EQ(name(p.us.send(id, "after")), "ok");
  EXPECT_THAT(p.heard(), ElementsAre("SETTINGS ack")) << "the window was spent before";
  EXPECT_FALSE(p.us->has_place());
  p.say(raw::data(id, "def") + raw::ping("12345678") + raw::settings() + raw::data(id, "ghi"));
  EXPECT_EQ(p.us.story(id), "response 200, data abcdefghi");
  EXPECT_THAT(p.heard(), ElementsAre("PING ack", "SETTINGS ack"));
  p.say(raw::window_update(id, 5) + raw::data(id, "", end_stream));
  EXPECT_EQ(p.payload(id), "beforeafter");
  EXPECT_EQ(p.us.story(id), "done, closed");
}

TEST_P(settings, that_are_never_acknowledged_keep_nobody_waiting) {
  scripted_peer p(role::client, GetParam());
  p.say(raw::settings());
  const auto id = p.open();
  p.say(raw::response(id) + raw::data(id, "abc", end_stream));
  EXPECT_EQ(p.us.story(id), "response 200, data abc, done, closed");
}

// MAX_FRAME_SIZE

TEST_P(settings, rfc9113_6_5_2_max_frame_size_is_obeyed_up_and_down) {
  scripted_peer p(role::client, GetParam());
  p.greet({{raw::initial_window_size, 1000000}, {raw::max_frame_size, 20000}});
  p.say(raw::window_update(0, 1000000));
  const auto id = p.open();
  EXPECT_EQ(name(p.us.send(id, pattern(100000))), "ok");
  EXPECT_LE(largest_data(p, id), 20000U);
  p.say(raw::settings({{raw::max_frame_size, 16384}}));
  const auto before = p.frames().size();
  EXPECT_EQ(name(p.us.send(id, pattern(100000), true)), "ok");
  p.listen();
  for (std::size_t i = before; i < p.frames().size(); ++i) EXPECT_LE(p.frames()[i].payload.size(), 16384U);
  EXPECT_EQ(p.payload(id), pattern(100000) + pattern(100000));
}

TEST_P(settings, rfc9113_4_2_a_larger_max_frame_size_of_the_peer_does_not_let_it_send_larger_ones) {
  scripted_peer p(role::client, GetParam());
  p.greet({{raw::max_frame_size, 100000}});
  const auto id = p.open();
  p.say(raw::response(id) + raw::data(id, pattern(16384)));
  EXPECT_EQ(p.us.failure_of_connection(), "none");
  p.say(raw::data(id, pattern(16385)));
  EXPECT_EQ(p.us.failure_of_connection(), "protocol_error peer connection FRAME_SIZE_ERROR");
}

// HEADER_TABLE_SIZE

// The update to 0 goes first, and nothing refers to an entry (RFC 7541, section 4.2 and 6.3).
TEST_P(settings, rfc7541_4_2_a_header_table_of_0_is_obeyed) {
  const auto block_of = [](const raw::seen& f) { return f.payload; };
  scripted_peer p(role::client, GetParam());
  p.greet();
  p.open({{"x-name", "value"}});
  const auto first = block_of(p.frames().back());
  p.open({{"x-name", "value"}});
  const auto indexed = block_of(p.frames().back());
  EXPECT_LT(indexed.size(), first.size()) << "the table was not used at all";
  p.say(raw::settings({{raw::header_table_size, 0}}));
  p.open({{"x-name", "value"}});
  const auto updated = block_of(p.frames().back());
  EXPECT_EQ(updated.front(), '\x20');
  p.open({{"x-name", "value"}});
  EXPECT_EQ(block_of(p.frames().back()), updated.substr(1)) << "the second is as the first: nothing was kept";
  p.say(raw::settings({{raw::header_table_size, 4096}}));
  p.open({{"x-name", "value"}});
  p.open({{"x-name", "value"}});
  EXPECT_LT(block_of(p.frames().back()).size(), updated.size());
}

// MAX_CONCURRENT_STREAMS

TEST_P(settings, rfc9113_5_1_2_a_limit_of_0_and_then_1_lets_one_in_at_a_time) {
  scripted_peer p(role::client, GetParam());
  p.greet({{raw::max_concurrent_streams, 0}});
  for (int i = 0; i < 2; ++i) EXPECT_EQ(name(p.us.open_when_possible({})), "ok");
  EXPECT_THAT(p.heard(), IsEmpty());
  p.say(raw::settings({{raw::max_concurrent_streams, 1}}));
  EXPECT_THAT(p.heard(), ElementsAre("SETTINGS ack", "HEADERS 1"));
  EXPECT_EQ(name(p.us.send(1, "", true)), "ok");
  p.say(raw::response(1, end_stream));
  EXPECT_EQ(p.us.story(1), "response 200, done, closed");
  EXPECT_THAT(p.heard(), ElementsAre("DATA 1 #0 end_stream", "HEADERS 3"));
}

// The window by single bytes

TEST_P(settings, rfc9113_6_9_a_window_that_is_granted_by_single_bytes_is_used_byte_by_byte) {
  for (const auto side : {role::client, role::server}) {
    scripted_peer p(side, GetParam());
    p.greet({{raw::initial_window_size, 0}});
    if (side == role::client) {
      p.open();
    } else {
      p.say(raw::request(1));
      EXPECT_EQ(name(p.us.respond(1)), "ok");
    }
    const auto bytes = pattern(300);
    EXPECT_EQ(name(p.us.send(1, bytes)), "ok");
    const auto sent = p.us.last_op();
    EXPECT_EQ(name(p.us.send_trailers(1, {{"a", "b"}})), "ok");
    (void)p.heard();
    for (std::size_t i = 1; i < bytes.size(); ++i) {
      p.say(raw::window_update(1, 1));
      ASSERT_EQ(p.payload(1).size(), i);
    }
    EXPECT_FALSE(p.us.is_sent(sent));
    p.say(raw::window_update(1, 1));
    EXPECT_TRUE(p.us.is_sent(sent));
    EXPECT_EQ(p.payload(1), bytes);
    EXPECT_THAT(p.heard(), Contains("HEADERS 1 end_stream"));
  }
}

}  // namespace
}  // namespace duplex::test
