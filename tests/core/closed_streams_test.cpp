// Frames of streams that are over (RFC 9113, section 5.1): those that the peer itself has ended are its fault, those
// that we have reset are not.

#include "core/closed_streams.hpp"

#include "session_test.hpp"

namespace duplex::test {
namespace {

using core::closed_streams;
using core::use;
using raw::end_stream;
using raw::none;

constexpr std::uint8_t priority_size = 5;

class closed_stream : public session_test {
 protected:
  static void expect_connection_error(scripted_peer& p, const std::string& code) {
    EXPECT_THAT(p.heard(), Contains(StartsWith("GOAWAY " + code + " ")));
    EXPECT_EQ(p.us.failure_of_connection(), "protocol_error peer connection " + code);
    EXPECT_TRUE(p.us->finished()) << "the driver may close";
  }
  static void expect_nothing(scripted_peer& p) {
    EXPECT_THAT(p.heard(), IsEmpty());
    EXPECT_EQ(p.us.failure_of_connection(), "none");
  }
  static std::string priority(std::int32_t id) {
    return raw::frame(raw::type_priority, none, id, std::string(priority_size, '\0'));
  }
  /// Stream 1 is complete, and nobody holds it.
  static void complete(scripted_peer& p) {
    p.greet();
    if (p.us->role() == role::client) {
      const auto id = p.open();
      (void)p.us.send(id, "", true);
      p.say(raw::response(id, end_stream));
    } else {
      p.say(raw::request(1, end_stream));
      (void)p.us.respond(1, 200, {}, true);
    }
    p.listen();
    p.us.release(1);
    ASSERT_FALSE(p.us.knows(1));
    (void)p.heard();
  }
  /// The peer has reset stream 1, which it had not ended.
  static void reset_by_peer(scripted_peer& p) {
    p.greet();
    if (p.us->role() == role::client) (void)p.open();
    p.say((p.us->role() == role::client ? raw::response(1) : raw::request(1)) + raw::rst_stream(1, h2::code::cancel));
    (void)p.heard();
  }
};
INSTANTIATE_TEST_SUITE_P(bytes_per_read, closed_stream, read_sizes(), name_of_read_size);

constexpr std::array both{role::client, role::server};

TEST_P(closed_stream, rfc9113_5_1_data_after_the_peers_end_is_a_connection_error) {
  for (const auto side : both) {
    scripted_peer p(side, GetParam());
    complete(p);
    p.say(raw::data(1, "late"));
    expect_connection_error(p, "STREAM_CLOSED");
  }
}

TEST_P(closed_stream, rfc9113_5_1_headers_after_the_peers_end_are_a_connection_error) {
  for (const auto side : both) {
    scripted_peer p(side, GetParam());
    complete(p);
    p.say(raw::headers(1, {{"a", "b"}}, end_stream));
    expect_connection_error(p, "STREAM_CLOSED");
  }
}

TEST_P(closed_stream, rfc9113_5_1_headers_on_a_half_closed_stream_are_stream_closed) {
  for (const bool responded : {false, true}) {
    scripted_peer p(role::server, GetParam());
    p.greet();
    p.say(raw::request(1, end_stream));
    if (responded) (void)p.us.respond(1);
    (void)p.heard();
    p.say(raw::request(1, end_stream));
    expect_connection_error(p, "STREAM_CLOSED");
    EXPECT_EQ(p.us.requests(), std::vector<std::int32_t>{1});
  }
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  p.say(raw::response(id, end_stream) + raw::headers(id, {{"a", "b"}}, end_stream));
  expect_connection_error(p, "STREAM_CLOSED");
  EXPECT_EQ(p.us.story(id), "response 200, done, closed") << "what was complete stays complete";
}

TEST_P(closed_stream, rfc9113_5_1_what_came_before_the_late_frame_is_still_taken) {
  scripted_peer p(role::server, GetParam());
  p.greet();
  p.say(raw::request(1) + raw::data(1, "abc", end_stream) + raw::request(3) + raw::data(1, "late") + raw::request(5));
  EXPECT_EQ(p.us.requests(), (std::vector<std::int32_t>{1, 3}));
  EXPECT_EQ(p.us.story(1), "data abc, done, closed");
  expect_connection_error(p, "STREAM_CLOSED");
}

TEST_P(closed_stream, rfc9113_5_1_frames_after_the_peers_reset_are_answered_once) {
  for (const auto side : both) {
    for (const auto& late : {raw::data(1, "late"), raw::headers(1, {{"a", "b"}}, end_stream)}) {
      scripted_peer p(side, GetParam());
      reset_by_peer(p);
      p.say(late);
      EXPECT_THAT(p.heard(), ElementsAre("RST_STREAM 1 STREAM_CLOSED"));
      p.say(late + late);
      EXPECT_THAT(p.heard(), IsEmpty()) << "a second answer says nothing new";
      EXPECT_EQ(p.us.failure_of(1), "stream_reset peer stream CANCEL") << "the first reason stays";
      EXPECT_EQ(p.us.failure_of_connection(), "none");
    }
  }
}

TEST_P(closed_stream, rfc9113_4_3_headers_after_the_peers_reset_change_the_table) {
  scripted_peer p(role::server, GetParam());
  reset_by_peer(p);
  const std::string indexed = "\x40\x01x\x01y";  // RFC 7541, section 6.2.1
  p.say(raw::frame(raw::type_headers, raw::end_headers | end_stream, 1, indexed));
  p.say(raw::frame(
      raw::type_headers, raw::end_headers | end_stream, 3,
      raw::block({{":method", "GET"}, {":scheme", "http"}, {":authority", "peer"}, {":path", "/"}}) + "\xbe"));
  ASSERT_EQ(p.us.requests(), (std::vector<std::int32_t>{1, 3}));
  EXPECT_EQ(p.us.stream(3).head->headers.value_or("x", ""), "y");
}

TEST_P(closed_stream, rfc9113_5_1_window_update_priority_and_reset_stay_legal) {
  for (const auto side : both) {
    scripted_peer p(side, GetParam());
    complete(p);
    p.say(raw::window_update(1, 100) + priority(1) + raw::rst_stream(1, h2::code::no_error) + raw::window_update(1, 1));
    expect_nothing(p);

    scripted_peer other(side, GetParam());
    reset_by_peer(other);
    other.say(raw::window_update(1, 100) + priority(1) + raw::rst_stream(1, h2::code::cancel));
    expect_nothing(other);
  }
}

TEST_P(closed_stream, rfc9113_5_1_late_frames_of_a_stream_that_we_reset_are_ignored) {
  for (const auto side : both) {
    scripted_peer p(side, GetParam());
    p.greet();
    if (side == role::client) {
      (void)p.open();
    } else {
      p.say(raw::request(1));
    }
    p.us.reset(1, h2::code::cancel);
    p.us.release(1);
    (void)p.heard();
    if (side == role::client) p.say(raw::response(1));
    p.say(raw::data(1, "abc") + raw::window_update(1, 5) + priority(1) + raw::headers(1, {{"a", "b"}}, end_stream));
    expect_nothing(p);
  }
}

TEST_P(closed_stream, rfc9113_5_1_late_data_of_many_streams_that_we_reset_is_ignored_and_credited) {
  constexpr std::int32_t streams = 1000;
  const std::string payload(100, 'x');
  for (const auto side : both) {
    options opts;
    opts.connection_window = 100000;
    opts.limits.resets = {.burst = 10000, .per_second = 0};
    scripted_peer p(side, GetParam() == whole ? whole : 4 * GetParam() + 1, opts);
    p.greet({{raw::max_concurrent_streams, streams}});
    for (std::int32_t id = 1; id < 2 * streams; id += 2) {
      if (side == role::client) {
        ASSERT_EQ(p.open(), id);
      } else {
        p.say(raw::request(id));
      }
      p.us.reset(id, h2::code::cancel);
      p.us.release(id);
      p.listen();
    }
    (void)p.heard();
    const auto before = p.credit(0);
    for (int i = 0; i < 3; ++i) {
      for (std::int32_t id = 1; id < 2 * streams; id += 2) p.say(raw::data(id, payload));
    }
    for (std::int32_t id = 1; id < 2 * streams; id += 2) p.say(raw::headers(id, {{"a", "b"}}, end_stream));
    EXPECT_EQ(p.us.failure_of_connection(), "none");
    EXPECT_THAT(p.heard(), Each(StartsWith("WINDOW_UPDATE 0 ")));
    EXPECT_GT(p.credit(0) - before, 3 * streams * payload.size() - opts.connection_window);
  }
}

// The rest of a response that the client no longer wants, with its end, and nothing behind it.
TEST_P(closed_stream, rfc9113_5_1_the_end_of_a_stream_that_we_reset_is_no_fault) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  p.us.reset(id, h2::code::cancel);
  (void)p.heard();
  p.say(raw::response(id) + raw::data(id, "abc", end_stream) + raw::rst_stream(id, h2::code::no_error));
  expect_nothing(p);
}

TEST_P(closed_stream, rfc9113_5_1_1_a_stream_below_one_that_was_opened_is_a_connection_error) {
  for (const auto& said :
       {raw::request(7) + raw::request(5), raw::request(1, end_stream) + raw::request(9) + raw::request(3),
        raw::request(3, end_stream) + raw::request(1)}) {
    scripted_peer p(role::server, GetParam());
    p.greet();
    p.say(said);
    expect_connection_error(p, "PROTOCOL_ERROR");
    EXPECT_THAT(p.us.requests(), Not(Contains(5)));
  }
}

TEST_P(closed_stream, rfc9113_5_1_1_a_client_may_pass_over_streams) {
  scripted_peer p(role::server, GetParam());
  p.greet();
  p.say(raw::request(13) + priority(3) + raw::request(21, end_stream) + raw::headers(13, {{"a", "b"}}, end_stream));
  EXPECT_EQ(p.us.requests(), (std::vector<std::int32_t>{13, 21}));
  EXPECT_EQ(p.us.story(13), "trailers {a: b}, done, closed");
  expect_nothing(p);
}

TEST_P(closed_stream, rfc9113_6_3_priority_on_stream_0_is_a_connection_error) {
  for (const auto side : both) {
    scripted_peer p(side, GetParam());
    p.greet();
    p.say(priority(0));
    expect_connection_error(p, "PROTOCOL_ERROR");
  }
}

TEST_P(closed_stream, of_many_that_the_peer_ended_the_first_are_forgotten) {
  scripted_peer p(role::server, GetParam());
  p.greet();
  const auto last = static_cast<std::int32_t>(2 * closed_streams::most + 1);
  for (std::int32_t id = 1; id <= last; id += 2) {
    p.say(raw::request(id, end_stream));
    (void)p.us.respond(id, 200, {}, true);
    p.listen();
    p.us.release(id);
  }
  (void)p.heard();
  p.say(raw::data(1, "late"));
  expect_nothing(p);
  p.say(raw::data(3, "late"));
  expect_connection_error(p, "STREAM_CLOSED");
}

// What is remembered

TEST(closed_streams, know_the_last_that_were_ended_or_reset) {
  closed_streams closed;
  EXPECT_EQ(closed.judge(0), use::legal);
  EXPECT_EQ(closed.judge(1), use::legal);
  closed.end(1);
  closed.reset(3);
  EXPECT_EQ(closed.judge(1), use::after_end);
  EXPECT_EQ(closed.judge(3), use::after_reset);
  closed.end(1 + 2 * closed_streams::most);
  EXPECT_EQ(closed.judge(1), use::legal) << "it made room for a later one";
  EXPECT_EQ(closed.judge(3), use::after_reset);
  EXPECT_EQ(closed.judge(1 + 2 * closed_streams::most), use::after_end);
  closed.answer(3);
  EXPECT_EQ(closed.judge(3), use::answered);
  closed.end(0x7fffffff);
  EXPECT_EQ(closed.judge(0x7fffffff), use::after_end);
}

TEST(closed_streams, know_the_last_gaps_between_a_clients_streams) {
  closed_streams closed;
  closed.open(2);
  EXPECT_EQ(closed.judge_headers(1), use::legal);
  for (std::uint32_t id = 5; id <= 5 + 8 * closed_streams::most_gaps; id += 8) closed.open(id);
  EXPECT_EQ(closed.judge_headers(1), use::legal) << "the first gap is forgotten";
  EXPECT_EQ(closed.judge_headers(7), use::passed_over);
  EXPECT_EQ(closed.judge_headers(11), use::passed_over);
  EXPECT_EQ(closed.judge_headers(13), use::legal) << "it was opened";
  EXPECT_EQ(closed.judge_headers(5 + 8 * closed_streams::most_gaps - 2), use::passed_over);
  EXPECT_EQ(closed.judge_headers(5 + 8 * closed_streams::most_gaps + 2), use::legal) << "idle";
  closed.open(0x7fffffff);
  EXPECT_EQ(closed.judge_headers(0x7ffffffd), use::passed_over);
  EXPECT_EQ(closed.judge_headers(0x7fffffff), use::legal);
}

}  // namespace
}  // namespace duplex::test
