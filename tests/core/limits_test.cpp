// Local bounds: unread bytes, header sections, 1xx replies. Reaching one is an error and never looks like an end.

#include "session_test.hpp"

namespace duplex::test {
namespace {

class limits : public session_test {};
INSTANTIATE_TEST_SUITE_P(bytes_per_read, limits, read_sizes(), name_of_read_size);

options recv_buffer(std::size_t size) {
  options opts;
  opts.max_recv_buffer = size;
  return opts;
}

// Unread bytes

TEST_P(limits, overflow_of_the_receive_buffer_is_an_error_and_resets_the_stream) {
  scripted_peer p(role::client, GetParam(), recv_buffer(10));
  p.greet();
  const auto id = p.open();
  p.say(raw::response(id) + raw::data(id, "01234"));
  (void)p.heard();
  p.say(raw::data(id, "56789abcde"));
  EXPECT_THAT(p.heard(), Contains("RST_STREAM 1 CANCEL"));
  EXPECT_EQ(p.us.failure_of(id), "recv_buffer_overflow local stream CANCEL");
  EXPECT_THAT(p.us.story(id), AllOf(StartsWith("response 200, data 01234"), HasSubstr(", recv_buffer_overflow")));
  EXPECT_EQ(name(p.us.send(id, "x")), "recv_buffer_overflow");
}

TEST_P(limits, overflow_by_the_last_frame_is_never_a_silent_done) {
  scripted_peer p(role::client, GetParam(), recv_buffer(10));
  p.greet();
  const auto id = p.open();
  p.say(raw::response(id) + raw::data(id, "01234") + raw::data(id, "56789abcde", raw::end_stream));
  const auto told = p.us.story(id);
  EXPECT_THAT(told, HasSubstr("recv_buffer_overflow"));
  EXPECT_THAT(told, Not(HasSubstr("done")));
  EXPECT_EQ(p.us.failure_of(id), "recv_buffer_overflow local stream CANCEL");
}

TEST_P(limits, overflow_by_the_last_frame_of_a_stream_that_is_then_complete_is_never_a_silent_done) {
  scripted_peer p(role::client, GetParam(), recv_buffer(10));
  p.greet();
  const auto id = p.open();
  EXPECT_EQ(name(p.us.send(id, "", true)), "ok");
  p.listen();
  p.say(raw::response(id) + raw::data(id, "0123456789abcde", raw::end_stream));
  const auto told = p.us.story(id);
  EXPECT_THAT(told, HasSubstr("recv_buffer_overflow"));
  EXPECT_THAT(told, Not(HasSubstr("done")));
  EXPECT_EQ(p.us.failure_of(id), "recv_buffer_overflow local stream CANCEL");
}

TEST_P(limits, overflow_is_not_followed_by_trailers) {
  scripted_peer p(role::client, GetParam(), recv_buffer(4));
  p.greet();
  const auto id = p.open();
  p.say(raw::response(id) + raw::data(id, "0123456789") + raw::headers(id, {{"grpc-status", "0"}}, raw::end_stream));
  EXPECT_THAT(p.us.story(id), Not(HasSubstr("grpc-status")));
  EXPECT_THAT(p.us.failure_of(id), StartsWith("recv_buffer_overflow"));
}

TEST_P(limits, overflow_of_one_stream_leaves_the_others_alone) {
  scripted_peer p(role::client, GetParam(), recv_buffer(10));
  p.greet();
  const auto a = p.open();
  const auto b = p.open();
  p.say(raw::response(a) + raw::response(b) + raw::data(a, "0123456789abcde") + raw::data(b, "0123456789"));
  p.say(raw::data(a, "more") + raw::data(b, "", raw::end_stream));
  EXPECT_THAT(p.us.failure_of(a), StartsWith("recv_buffer_overflow"));
  EXPECT_EQ(p.us.story(b), "response 200, data 0123456789, done, closed");
}

TEST_P(limits, a_full_receive_buffer_is_not_an_overflow) {
  scripted_peer p(role::client, GetParam(), recv_buffer(10));
  p.greet();
  const auto id = p.open();
  p.say(raw::response(id) + raw::data(id, "0123456789"));
  EXPECT_EQ(p.us.failure_of(id), "none");
  EXPECT_EQ(p.us.body(id), "0123456789");
  p.say(raw::data(id, "abcdefghij", raw::end_stream));
  EXPECT_EQ(p.us.story(id), "data abcdefghij, done, closed");
}

TEST_P(limits, padding_does_not_count_as_unread) {
  scripted_peer p(role::client, GetParam(), recv_buffer(10));
  p.greet();
  const auto id = p.open();
  p.say(raw::response(id));
  for (const auto* c : {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}) p.say(raw::padded_data(id, c, 200));
  EXPECT_EQ(p.us.failure_of(id), "none");
  EXPECT_EQ(p.us.body(id), "0123456789");
}

// What came before makes the engine discard the block without looking at its frames.
TEST_P(limits, rfc9113_10_5_continuation_frames_of_a_block_that_is_discarded_are_counted) {
  const auto begins = [](std::int32_t id, const raw::list& fields) {
    return raw::frame(raw::type_headers, raw::none, id, raw::block(fields));
  };
  const std::vector<std::string> discarded{
      begins(3, {{"Foo", "malformed"}}),
      begins(3, {{"above", std::string(120, 'x')}}),  // max_header_bytes
      raw::request(3) + raw::rst_stream(3, h2::code::cancel) + begins(3, {{"behind", "its end"}}),
  };
  options opts;
  opts.max_header_bytes = 150;
  for (const auto& begin : discarded) {
    scripted_peer p(role::server, GetParam(), opts);
    p.greet();
    p.say(begin);
    std::string flood;
    for (int i = 0; i < 20; ++i) flood += raw::frame(raw::type_continuation, raw::none, 3, "");
    p.say(flood);
    EXPECT_EQ(p.us.failure_of_connection(), "limit_exceeded peer connection ENHANCE_YOUR_CALM");
    EXPECT_THAT(p.heard(), Contains(HasSubstr("GOAWAY ENHANCE_YOUR_CALM")));
  }
}

TEST_P(limits, a_server_has_them_too) {
  scripted_peer p(role::server, GetParam(), recv_buffer(10));
  p.greet();
  p.say(raw::request(1) + raw::data(1, "0123456789abcde", raw::end_stream));
  EXPECT_THAT(p.heard(), Contains("RST_STREAM 1 CANCEL"));
  EXPECT_EQ(p.us.failure_of(1), "recv_buffer_overflow local stream CANCEL");
  EXPECT_THAT(p.us.story(1), Not(HasSubstr("done")));
}

// Header sections

options header_bytes(std::size_t size) {
  options opts;
  opts.max_header_bytes = size;
  return opts;
}

options header_fields(std::size_t count) {
  options opts;
  opts.max_header_fields = count;
  return opts;
}

TEST_P(limits, rfc9113_10_5_1_a_response_above_max_header_bytes_is_limit_exceeded) {
  scripted_peer p(role::client, GetParam(), header_bytes(1000));
  p.greet();
  const auto id = p.open();
  const auto other = p.open();
  (void)p.heard();
  p.say(raw::response(id, raw::none, {{"x-long", std::string(1000, 'x')}}));
  EXPECT_EQ(p.us.story(id), "limit_exceeded");
  EXPECT_EQ(p.us.failure_of(id), "limit_exceeded local stream ENHANCE_YOUR_CALM");
  EXPECT_THAT(p.heard(), Contains("RST_STREAM 1 ENHANCE_YOUR_CALM"));
  p.say(raw::data(id, "late"));
  EXPECT_EQ(p.us.story(id), "limit_exceeded");
  p.say(raw::response(other, raw::end_stream));
  EXPECT_EQ(p.us.story(other), "response 200, done, closed");
}

TEST_P(limits, rfc9113_10_5_1_a_request_above_what_the_peer_announced_is_told_of_when_it_is_reset) {
  for (const bool above : {true, false}) {
    scripted_peer p(role::client, GetParam());
    p.greet({{6, 1000}} /* MAX_HEADER_LIST_SIZE */);
    const auto id = p.open({{"x-long", std::string(above ? 1000 : 100, 'x')}});
    p.say(raw::rst_stream(id, h2::code::internal_error));
    const std::string told =
        above ? "; by its SETTINGS it takes header sections of 1000 bytes, and that of the request has " : "";
    EXPECT_THAT(p.us.stream(id).failed->message,
                testing::MatchesRegex(".* reset the stream with INTERNAL_ERROR" + told + "[0-9]*"));
  }
}

TEST_P(limits, a_field_that_is_too_long_to_be_sent_is_named) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open({{"x-short", "1"}, {"x-long", std::string(70'000, 'x')}, {"x-other", "2"}});
  (void)p.heard();
  EXPECT_EQ(name(p.us.stream(id).failed->code), "limit_exceeded");
  EXPECT_EQ(p.us.stream(id).failed->message,
            "the header section was not sent: it is above 64 KiB, 70006 bytes of them in the field \"x-long\"");
}

TEST_P(limits, a_header_section_counts_names_values_and_32_bytes_a_field) {
  // ":status" and "200", then "x" and a value.
  constexpr std::size_t fixed = 7 + 3 + 32 + 1 + 32;
  for (const bool fits : {true, false}) {
    scripted_peer p(role::client, GetParam(), header_bytes(fixed + 100));
    p.greet();
    const auto id = p.open();
    p.say(raw::response(id, raw::end_stream, {{"x", std::string(fits ? 100 : 101, 'v')}}));
    EXPECT_EQ(p.us.failure_of(id), fits ? "none" : "limit_exceeded local stream ENHANCE_YOUR_CALM");
  }
}

TEST_P(limits, a_response_above_max_header_fields_is_limit_exceeded) {
  for (const bool fits : {true, false}) {
    scripted_peer p(role::client, GetParam(), header_fields(3));
    p.greet();
    const auto id = p.open();
    raw::list more{{"a", "1"}, {"b", "2"}, {"c", "3"}};
    if (!fits) more.push_back({"d", "4"});
    p.say(raw::response(id, raw::end_stream, more));
    EXPECT_EQ(p.us.story(id), fits ? "response 200 {a: 1, b: 2, c: 3}, done, closed" : "limit_exceeded");
  }
}

TEST_P(limits, trailers_above_them_are_limit_exceeded_and_never_a_silent_done) {
  scripted_peer p(role::client, GetParam(), header_fields(1));
  p.greet();
  const auto id = p.open();
  p.say(raw::response(id) + raw::data(id, "abc") + raw::headers(id, {{"a", "1"}, {"b", "2"}}, raw::end_stream));
  EXPECT_EQ(p.us.story(id), "response 200, data abc, limit_exceeded");
}

TEST_P(limits, a_request_above_them_is_never_announced_and_leaves_nothing_behind) {
  scripted_peer p(role::server, GetParam(), header_fields(3));
  p.greet();
  p.say(raw::request(1, raw::end_stream, {{"a", "1"}, {"b", "2"}, {"c", "3"}, {"d", "4"}}));
  EXPECT_THAT(p.heard(), Contains("RST_STREAM 1 ENHANCE_YOUR_CALM"));
  EXPECT_THAT(p.us.requests(), IsEmpty());
  EXPECT_FALSE(p.us.knows(1)) << "nobody has a handle that would let it go";
  EXPECT_EQ(p.us->active_streams(), 0U);
  p.say(raw::request(3, raw::end_stream));
  EXPECT_THAT(p.us.requests(), ElementsAre(3));
}

TEST_P(limits, a_header_section_of_too_many_continuations_ends_the_connection) {
  for (const bool fits : {true, false}) {
    scripted_peer p(role::server, GetParam(), header_bytes(3 * 16384));
    p.greet();
    auto frames =
        raw::frame(raw::type_headers, raw::end_stream, 1,
                   raw::block({{":method", "GET"}, {":scheme", "http"}, {":authority", "p"}, {":path", "/"}}));
    for (int i = fits ? 1 : 0; i < 11; ++i) frames += raw::frame(raw::type_continuation, raw::none, 1, "");
    frames += raw::frame(raw::type_continuation, raw::end_headers, 1, raw::block({{"a", "b"}}));
    p.say(frames);
    if (fits) {
      EXPECT_THAT(p.us.requests(), ElementsAre(1));
    } else {
      EXPECT_THAT(p.us.requests(), IsEmpty());
      EXPECT_THAT(p.heard(), Contains(StartsWith("GOAWAY ENHANCE_YOUR_CALM")));
      EXPECT_EQ(p.us.failure_of_connection(), "limit_exceeded peer connection ENHANCE_YOUR_CALM");
      EXPECT_TRUE(p.us->finished());
    }
  }
}

TEST_P(limits, no_bound_on_continuations_is_none) {
  options opts;
  opts.limits.max_continuations = infinity;
  scripted_peer p(role::server, GetParam(), opts);
  p.greet();
  auto frames = raw::frame(raw::type_headers, raw::end_stream, 1,
                           raw::block({{":method", "GET"}, {":scheme", "http"}, {":authority", "p"}, {":path", "/"}}));
  for (int i = 0; i < 200; ++i) frames += raw::frame(raw::type_continuation, raw::none, 1, "");
  p.say(frames + raw::frame(raw::type_continuation, raw::end_headers, 1, ""));
  EXPECT_THAT(p.us.requests(), ElementsAre(1));
}

TEST_P(limits, one_header_section_above_them_does_not_disturb_the_compression_of_the_next) {
  memory_peers p(GetParam(), header_bytes(1000));
  const auto a = p.open();
  const auto b = p.open();
  EXPECT_EQ(name(p.server.respond(a, 200, {{"x-long", std::string(2000, 'x')}, {"x-shared", "value"}}, true)), "ok");
  EXPECT_EQ(name(p.server.respond(b, 200, {{"x-shared", "value"}}, true)), "ok");
  p.pump();
  EXPECT_EQ(p.client.story(a), "limit_exceeded");
  EXPECT_EQ(p.client.story(b), "response 200 {x-shared: value}, done, closed");
}

// 1xx

TEST_P(limits, more_1xx_replies_than_max_informational_are_limit_exceeded) {
  for (const bool wanted : {false, true}) {
    options opts;
    opts.max_informational = 3;
    opts.informational = wanted;
    scripted_peer p(role::client, GetParam(), opts);
    p.greet();
    const auto id = p.open();
    (void)p.heard();
    for (int i = 0; i < 3; ++i) p.say(raw::headers(id, {{":status", "103"}}));
    EXPECT_EQ(p.us.failure_of(id), "none");
    p.say(raw::headers(id, {{":status", "103"}}) + raw::headers(id, {{":status", "200"}}, raw::end_stream));
    EXPECT_THAT(p.heard(), Contains("RST_STREAM 1 CANCEL"));
    EXPECT_EQ(p.us.failure_of(id), "limit_exceeded local stream CANCEL");
    EXPECT_THAT(p.us.story(id), AllOf(HasSubstr("limit_exceeded"), Not(HasSubstr("response"))));
  }
}

}  // namespace
}  // namespace duplex::test
