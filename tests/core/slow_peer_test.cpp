// Peers that begin something and do not end it, or do nothing at all (RFC 9113, section 10.5), under a time that the
// test moves. What is slow and legal goes on.

#include "session_test.hpp"

#include <optional>

namespace duplex::test {
namespace {

class slow_peer : public session_test {};
INSTANTIATE_TEST_SUITE_P(bytes_per_read, slow_peer, read_sizes(), name_of_read_size);

/// A server that says GOAWAY to a connection without streams.
struct idle_pair {
  explicit idle_pair(std::optional<std::chrono::milliseconds> idle)
      : client({.role = role::client}, now), server({.role = role::server, .idle_timeout = idle}, now) {
    pump();
  }
  void pump() {
    for (bool more = true; more;) more = move(client, server) || move(server, client);
  }
  void advance(std::chrono::milliseconds by) {
    now += by;
    client->handle_timeout(now);
    server->handle_timeout(now);
    pump();
  }

  time_point now{};
  endpoint client;
  endpoint server;

 private:
  bool move(endpoint& from, endpoint& to) const {
    std::string bytes;
    const bool any = from.pull(bytes, now);
    to->feed(bytes);
    to.collect();
    return any;
  }
};

// Header sections

TEST_P(slow_peer, a_header_section_that_does_not_end_ends_the_connection) {
  options opts;
  opts.min_rate = 0;
  for (const auto side : {role::server, role::client}) {
    scripted_peer p(side, GetParam(), opts);
    p.greet();
    const auto id = side == role::client ? p.open() : 1;
    const auto head = side == role::client ? raw::response(id) : raw::request(id);
    (void)p.heard();
    p.say(head.substr(0, head.size() - 1));
    EXPECT_EQ(*p.us->next_deadline(), p.now + 10s);
    p.advance(9999ms);
    EXPECT_EQ(p.us.failure_of_connection(), "none");
    p.advance(1ms);
    EXPECT_EQ(p.us.failure_of_connection(), "timeout peer connection ENHANCE_YOUR_CALM");
    EXPECT_THAT(p.heard(), ElementsAre(AllOf(StartsWith("GOAWAY"), HasSubstr("ENHANCE_YOUR_CALM"))));
    EXPECT_THAT(p.us->failed()->message, HasSubstr("header_timeout"));
    EXPECT_FALSE(p.us->next_deadline());
  }
}

TEST_P(slow_peer, a_header_section_is_slow_and_whole_in_time) {
  options opts;
  opts.min_rate = 0;
  scripted_peer p(role::server, GetParam(), opts);
  p.greet();
  const auto request = raw::request(1, raw::end_stream);
  p.say(request.substr(0, 10));
  p.advance(9999ms);
  p.say(request.substr(10));
  EXPECT_THAT(p.us.requests(), ElementsAre(1));
  EXPECT_FALSE(p.us->next_deadline());
  p.advance(1h);
  EXPECT_EQ(p.us.failure_of_connection(), "none");
}

TEST_P(slow_peer, the_next_header_section_has_its_own_time) {
  options opts;
  opts.min_rate = 0;
  scripted_peer p(role::server, GetParam(), opts);
  p.greet();
  const auto first = raw::request(1);
  const auto second = raw::request(3);
  p.say(first.substr(0, 10));
  p.advance(9s);
  p.say(first.substr(10));
  p.say(second.substr(0, 10));
  p.advance(9s);
  EXPECT_EQ(p.us.failure_of_connection(), "none");
  p.advance(1s);
  EXPECT_THAT(p.us.failure_of_connection(), StartsWith("timeout"));
}

TEST_P(slow_peer, a_header_section_in_continuations_has_one_time) {
  scripted_peer p(role::server, GetParam());
  p.greet();
  const auto fields = raw::block({{":method", "POST"}, {":scheme", "http"}, {":authority", "peer"}, {":path", "/"}});
  p.say(raw::frame(raw::type_headers, raw::none, 1, fields.substr(0, 5)));
  p.advance(4s);
  p.say(raw::frame(raw::type_continuation, raw::none, 1, fields.substr(5, 5)));
  p.advance(4s);
  p.say(raw::frame(raw::type_continuation, raw::none, 1, {}));
  p.advance(1999ms);
  EXPECT_EQ(p.us.failure_of_connection(), "none");
  p.advance(1ms);
  EXPECT_THAT(p.us.failure_of_connection(), StartsWith("timeout")) << "CONTINUATION gives no new time";
}

TEST_P(slow_peer, a_header_section_that_was_refused_is_not_waited_for) {
  options opts;
  opts.max_header_fields = 1;
  scripted_peer p(role::server, GetParam(), opts);
  p.greet();
  p.say(raw::request(1, raw::none, {{"a", "1"}, {"b", "2"}, {"c", "3"}}));
  p.say(raw::request(3, raw::none, {{"Upper", "1"}}));
  p.listen();
  p.advance(1h);
  EXPECT_EQ(p.us.failure_of_connection(), "none");
}

TEST_P(slow_peer, a_header_section_of_a_stream_that_we_reset_is_not_waited_for) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  const auto response = raw::response(id, raw::none, {{"a", "b"}});
  p.say(response.substr(0, 12));
  p.us.reset(id, h2::code::cancel);
  p.listen();
  p.say(response.substr(12));
  EXPECT_FALSE(p.us->next_deadline());
  p.advance(1h);
  EXPECT_EQ(p.us.failure_of_connection(), "none");
}

// Frames

TEST_P(slow_peer, a_server_waits_for_a_frame_as_long_as_the_least_rate_allows) {
  scripted_peer p(role::server, GetParam());
  p.greet();
  p.say(raw::request(1));
  const auto frame = raw::data(1, pattern(2400));
  p.say(frame.substr(0, 9));
  p.advance(14999ms);
  EXPECT_EQ(p.us.failure_of_connection(), "none");
  p.advance(1ms);
  EXPECT_EQ(p.us.failure_of_connection(), "timeout peer connection ENHANCE_YOUR_CALM");
  EXPECT_THAT(p.us->failed()->message, HasSubstr("min_rate"));
  EXPECT_THAT(p.us.failure_of(1), StartsWith("timeout"));
}

TEST_P(slow_peer, a_server_takes_a_request_at_the_least_rate_for_ever) {
  scripted_peer p(role::server, GetParam());
  p.greet();
  p.say(raw::request(1));
  for (int frame = 0; frame < 10; ++frame) {
    const auto bytes = raw::data(1, pattern(1000));
    for (std::size_t at = 0; at < bytes.size(); at += 240) {
      p.say(bytes.substr(at, 240));
      p.advance(1s);
    }
    (void)p.us.body(1);
  }
  EXPECT_EQ(p.us.failure_of_connection(), "none");
  EXPECT_FALSE(p.us->next_deadline());
}

TEST_P(slow_peer, a_byte_now_and_then_does_not_keep_a_frame_alive) {
  scripted_peer p(role::server, GetParam());
  p.greet();
  p.say(raw::request(1));
  const auto frame = raw::data(1, pattern(240));
  p.say(frame.substr(0, 9));
  for (std::size_t at = 9; at < 14; ++at) {
    p.advance(1s);
    p.say(frame.substr(at, 1));
  }
  EXPECT_EQ(p.us.failure_of_connection(), "none");
  p.advance(1s);
  EXPECT_THAT(p.us.failure_of_connection(), StartsWith("timeout"));
}

TEST_P(slow_peer, half_a_frame_head_is_half_a_frame) {
  scripted_peer p(role::server, GetParam());
  p.greet();
  p.say(std::string_view("\0\0", 2));
  p.advance(6s);
  EXPECT_THAT(p.us.failure_of_connection(), StartsWith("timeout"));
}

TEST_P(slow_peer, a_stream_between_two_frames_may_be_silent_for_ever) {
  scripted_peer p(role::server, GetParam());
  p.greet();
  p.say(raw::request(1));
  EXPECT_EQ(name(p.us.respond(1)), "ok");
  p.say(raw::data(1, "a"));
  p.listen();
  EXPECT_FALSE(p.us->next_deadline());
  p.advance(24h);
  EXPECT_EQ(p.us.failure_of(1), "none");
}

TEST_P(slow_peer, a_frame_may_take_for_ever_where_no_rate_is_wanted) {
  options opts;
  opts.min_rate = 0;
  scripted_peer p(role::server, GetParam(), opts);
  p.greet();
  p.say(raw::request(1));
  p.say(raw::data(1, "abc").substr(0, 10));
  EXPECT_FALSE(p.us->next_deadline());
  p.advance(24h);
  EXPECT_EQ(p.us.failure_of_connection(), "none");
}

TEST_P(slow_peer, a_client_lets_its_server_be_slow) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  p.say(raw::response(id));
  p.say(raw::data(id, "abc").substr(0, 10));
  p.listen();
  EXPECT_FALSE(p.us->next_deadline());
}

// Windows

TEST_P(slow_peer, a_window_that_opens_byte_by_byte_gives_a_send_no_new_time) {
  for (const auto side : {role::client, role::server}) {
    scripted_peer p(side, GetParam());
    p.greet({{raw::initial_window_size, 0}});
    if (side == role::server) p.say(raw::request(1));
    const auto id = side == role::client ? p.open() : 1;
    if (side == role::server) {
      EXPECT_EQ(name(p.us.respond(id)), "ok");
    }
    EXPECT_EQ(name(p.us.send(id, pattern(100000))), "ok");
    for (int i = 0; i < 29; ++i) {
      p.advance(1s);
      p.say(raw::window_update(id, 1));
    }
    EXPECT_EQ(p.us.failure_of(id), "none");
    p.advance(1s);
    EXPECT_EQ(p.us.failure_of(id), "timeout local stream CANCEL");
    EXPECT_EQ(p.us.stream(id).failed->bytes_sent, 29U);
    EXPECT_FALSE(p.us->next_deadline());
  }
}

TEST_P(slow_peer, a_window_that_opens_hardly_faster_than_the_least_rate_is_enough) {
  scripted_peer p(role::client, GetParam());
  p.greet({{raw::initial_window_size, 0}});
  const auto id = p.open();
  const auto bytes = pattern(25000);
  EXPECT_EQ(name(p.us.send(id, bytes)), "ok");
  for (int i = 0; i < 100; ++i) {
    p.advance(1s);
    p.say(raw::window_update(id, 250));
  }
  EXPECT_TRUE(p.payload(id) == bytes);
  EXPECT_TRUE(p.us.is_sent(p.us.last_op()));
  EXPECT_FALSE(p.us->next_deadline());
}

TEST_P(slow_peer, a_new_send_behind_one_that_was_taken_has_all_the_time) {
  scripted_peer p(role::client, GetParam());
  p.greet({{raw::initial_window_size, 0}});
  const auto id = p.open();
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(name(p.us.send(id, "x")), "ok");
    p.advance(29s);
    p.say(raw::window_update(id, 1));
    EXPECT_FALSE(p.us->next_deadline());
  }
  EXPECT_EQ(p.us.failure_of(id), "none");
}

// Connections without streams

TEST(idle_connection, is_told_goaway_and_finished) {
  idle_pair p(10min);
  EXPECT_EQ(*p.server->next_deadline(), p.now + 10min);
  p.advance(10min - 1ms);
  EXPECT_FALSE(p.server->finished());
  p.advance(1ms);
  EXPECT_EQ(p.client.count(kind::goaway), 1U);
  EXPECT_TRUE(p.server->finished());
  EXPECT_EQ(p.server.failure_of_connection(), "none");
  EXPECT_FALSE(p.server->next_deadline());
}

TEST(idle_connection, begins_when_the_last_stream_has_ended) {
  idle_pair p(10min);
  p.advance(9min);
  const auto id = p.client.open({});
  p.pump();
  EXPECT_FALSE(p.server->next_deadline());
  p.advance(1h);
  EXPECT_EQ(name(p.server.respond(id, 200, {}, true)), "ok");
  EXPECT_EQ(name(p.client.send(id, "", true)), "ok");
  p.pump();
  EXPECT_EQ(p.client.story(id), "response 200, done, closed");
  EXPECT_EQ(*p.server->next_deadline(), p.now + 10min);
  p.advance(10min);
  EXPECT_EQ(p.client.count(kind::goaway), 1U);
}

TEST(idle_connection, stays_where_nobody_minds) {
  idle_pair p(std::nullopt);
  EXPECT_FALSE(p.server->next_deadline());
  p.advance(24h);
  EXPECT_EQ(p.client.count(kind::goaway), 0U);
}

TEST(idle_connection, refuses_a_request_that_crosses_its_goaway_so_that_it_can_be_tried_again) {
  idle_pair p(10min);
  p.now += 10min;
  const auto id = p.client.open({});
  p.server->handle_timeout(p.now);
  p.pump();
  EXPECT_EQ(p.client.failure_of(id), "refused peer connection NO_ERROR last=0 retry_safe");
}

}  // namespace
}  // namespace duplex::test
