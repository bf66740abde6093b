// Malformed requests and responses are errors of their stream alone (RFC 9113, section 8.1.1), and the reader is told.

#include "session_test.hpp"

#include <ostream>

namespace duplex::test {
namespace {

using raw::end_stream;
using raw::none;

struct malformed {
  std::string name;
  std::string frames;

  friend void PrintTo(const malformed& m, std::ostream* out) { *out << m.name; }
};

class malformed_message : public ::testing::TestWithParam<malformed> {
 protected:
  static const std::string& frames() { return GetParam().frames; }
};

std::string name_of_malformed(const ::testing::TestParamInfo<malformed>& info) { return info.param.name; }

// Responses, on stream 1

class malformed_response : public malformed_message {};

TEST_P(malformed_response, is_a_protocol_error_of_its_stream_and_the_reader_is_told) {
  for (const auto bytes_per_read : every_read_size) {
    SCOPED_TRACE(read_size_name(bytes_per_read) + " bytes per read");
    scripted_peer p(role::client, bytes_per_read);
    p.greet();
    const auto id = p.open();
    const auto other = p.open();
    (void)p.heard();
    p.say(frames());
    EXPECT_THAT(p.heard(), Contains("RST_STREAM 1 PROTOCOL_ERROR"));
    EXPECT_EQ(p.us.failure_of(id), "protocol_error peer stream PROTOCOL_ERROR");
    const auto told = p.us.story(id);
    EXPECT_THAT(told, HasSubstr("protocol_error"));
    EXPECT_THAT(told, Not(HasSubstr("done")));
    EXPECT_EQ(p.us.failure_of_connection(), "none");
    p.say(raw::response(other, end_stream));
    EXPECT_EQ(p.us.story(other), "response 200, done, closed");
  }
}

TEST_P(malformed_response, is_a_protocol_error_too_when_the_request_is_already_complete) {
  for (const auto bytes_per_read : every_read_size) {
    SCOPED_TRACE(read_size_name(bytes_per_read) + " bytes per read");
    scripted_peer p(role::client, bytes_per_read);
    p.greet();
    const auto id = p.open();
    EXPECT_EQ(name(p.us.send(id, "", true)), "ok");
    (void)p.heard();
    p.say(frames());
    EXPECT_EQ(p.us.failure_of(id), "protocol_error peer stream PROTOCOL_ERROR");
    const auto told = p.us.story(id);
    EXPECT_THAT(told, HasSubstr("protocol_error"));
    EXPECT_THAT(told, Not(HasSubstr("done")));
    EXPECT_EQ(p.us.failure_of_connection(), "none");
  }
}

INSTANTIATE_TEST_SUITE_P(
    rfc9113, malformed_response,
    ::testing::Values(
        malformed{"8_1_end_of_an_informational_reply", raw::headers(1, {{":status", "103"}}, end_stream)},
        malformed{"8_1_trailers_without_end", raw::response(1) + raw::headers(1, {{"a", "b"}})},
        malformed{"8_1_a_second_response", raw::response(1) + raw::response(1, end_stream)},
        malformed{"8_1_1_less_than_the_content_length",
                  raw::response(1, none, {{"content-length", "5"}}) + raw::data(1, "abc", end_stream)},
        malformed{"8_1_1_more_than_the_content_length",
                  raw::response(1, none, {{"content-length", "2"}}) + raw::data(1, "abc", end_stream)},
        malformed{"8_1_1_nothing_of_the_content_length", raw::response(1, end_stream, {{"content-length", "2"}})},
        malformed{"8_1_1_trailers_before_the_content_length", raw::response(1, none, {{"content-length", "5"}}) +
                                                                  raw::data(1, "abc") +
                                                                  raw::headers(1, {{"a", "b"}}, end_stream)},
        malformed{"8_1_1_a_content_length_that_is_no_number", raw::response(1, end_stream, {{"content-length", "-1"}})},
        malformed{"8_2_1_upper_case_in_a_name", raw::response(1, end_stream, {{"X-Upper", "value"}})},
        malformed{"8_2_1_an_empty_name", raw::response(1, end_stream, {{"", "value"}})},
        malformed{"8_2_1_a_line_break_in_a_value", raw::response(1, end_stream, {{"x", "a\nb"}})},
        malformed{"8_2_1_a_space_in_a_name", raw::response(1, end_stream, {{"x y", "value"}})},
        malformed{"8_2_2_connection", raw::response(1, end_stream, {{"connection", "close"}})},
        malformed{"8_2_2_transfer_encoding", raw::response(1, end_stream, {{"transfer-encoding", "chunked"}})},
        malformed{"8_3_pseudo_field_after_a_field", raw::headers(1, {{"a", "b"}, {":status", "200"}}, end_stream)},
        malformed{"8_3_pseudo_field_in_trailers",
                  raw::response(1) + raw::headers(1, {{"a", "b"}, {":status", "200"}}, end_stream)},
        malformed{"8_3_an_unknown_pseudo_field", raw::headers(1, {{":status", "200"}, {":unknown", "x"}}, end_stream)},
        malformed{"8_3_a_pseudo_field_of_a_request", raw::headers(1, {{":status", "200"}, {":path", "/"}}, end_stream)},
        malformed{"8_3_2_no_status", raw::headers(1, {{"a", "b"}}, end_stream)},
        malformed{"8_3_2_two_statuses", raw::headers(1, {{":status", "200"}, {":status", "200"}}, end_stream)},
        malformed{"8_3_2_a_status_that_is_no_number", raw::headers(1, {{":status", "abc"}}, end_stream)},
        malformed{"8_3_2_a_status_below_100", raw::headers(1, {{":status", "099"}}, end_stream)},
        malformed{"8_3_2_a_status_of_zero", raw::headers(1, {{":status", "000"}}, end_stream)},
        malformed{"8_3_2_a_status_above_599", raw::headers(1, {{":status", "600"}}, end_stream)},
        malformed{"8_6_switching_protocols", raw::headers(1, {{":status", "101"}})}),
    name_of_malformed);

// Requests, on stream 1

class malformed_request : public malformed_message {};

TEST_P(malformed_request, is_a_protocol_error_of_its_stream_is_never_announced_and_leaves_nothing_behind) {
  for (const auto bytes_per_read : every_read_size) {
    SCOPED_TRACE(read_size_name(bytes_per_read) + " bytes per read");
    scripted_peer p(role::server, bytes_per_read);
    p.greet();
    p.say(frames());
    EXPECT_THAT(p.heard(), Contains("RST_STREAM 1 PROTOCOL_ERROR"));
    EXPECT_THAT(p.us.requests(), IsEmpty());
    EXPECT_FALSE(p.us.knows(1)) << "nobody has a handle that would let it go";
    EXPECT_EQ(p.us->active_streams(), 0U);
    EXPECT_EQ(p.us.failure_of_connection(), "none");
    p.say(raw::request(3, end_stream));
    EXPECT_THAT(p.us.requests(), ElementsAre(3));
  }
}

raw::list head(const std::string& method, const std::string& scheme, const std::string& path) {
  return {{":method", method}, {":scheme", scheme}, {":authority", "peer"}, {":path", path}};
}

INSTANTIATE_TEST_SUITE_P(
    rfc9113, malformed_request,
    ::testing::Values(
        malformed{"8_2_1_upper_case_in_a_name", raw::request(1, end_stream, {{"X-Upper", "value"}})},
        malformed{"8_2_1_an_empty_name", raw::request(1, end_stream, {{"", "value"}})},
        malformed{"8_2_2_connection", raw::request(1, end_stream, {{"connection", "keep-alive"}})},
        malformed{"8_2_2_te_other_than_trailers", raw::request(1, end_stream, {{"te", "gzip"}})},
        malformed{"8_3_a_pseudo_field_of_a_response", raw::request(1, end_stream, {{":status", "200"}})},
        malformed{"8_3_pseudo_field_after_a_field", raw::request(1, end_stream, {{"a", "b"}, {":path", "/"}})},
        malformed{"8_3_1_no_method",
                  raw::headers(1, {{":scheme", "http"}, {":authority", "peer"}, {":path", "/"}}, end_stream)},
        malformed{"8_3_1_no_scheme",
                  raw::headers(1, {{":method", "GET"}, {":authority", "peer"}, {":path", "/"}}, end_stream)},
        malformed{"8_3_1_no_path",
                  raw::headers(1, {{":method", "GET"}, {":scheme", "http"}, {":authority", "peer"}}, end_stream)},
        malformed{"8_3_1_an_empty_path", raw::headers(1, head("GET", "http", ""), end_stream)},
        malformed{"8_3_1_a_path_without_a_slash", raw::headers(1, head("GET", "http", "x"), end_stream)},
        malformed{"8_3_1_two_paths", raw::request(1, end_stream, {{":path", "/"}})},
        // RFC 8441, section 3: only where the server has offered it.
        malformed{"8_5_an_extended_connect_that_was_not_offered", raw::headers(1, {{":method", "CONNECT"},
                                                                                   {":protocol", "websocket"},
                                                                                   {":scheme", "http"},
                                                                                   {":authority", "peer"},
                                                                                   {":path", "/"}})},
        malformed{"8_5_a_connect_with_a_path",
                  raw::headers(1, {{":method", "CONNECT"}, {":authority", "peer"}, {":path", "/"}})},
        malformed{"8_1_1_nothing_of_the_content_length", raw::request(1, end_stream, {{"content-length", "2"}})}),
    name_of_malformed);

// Requests that are malformed only after they were announced

class malformed_request_body : public malformed_message {};

TEST_P(malformed_request_body, is_a_protocol_error_of_its_stream_and_the_reader_is_told) {
  for (const auto bytes_per_read : every_read_size) {
    SCOPED_TRACE(read_size_name(bytes_per_read) + " bytes per read");
    scripted_peer p(role::server, bytes_per_read);
    p.greet();
    p.say(frames());
    EXPECT_THAT(p.heard(), Contains("RST_STREAM 1 PROTOCOL_ERROR"));
    EXPECT_THAT(p.us.requests(), ElementsAre(1));
    const auto told = p.us.story(1);
    EXPECT_THAT(told, HasSubstr("protocol_error"));
    EXPECT_THAT(told, Not(HasSubstr("done")));
    EXPECT_EQ(p.us.failure_of(1), "protocol_error peer stream PROTOCOL_ERROR");
    EXPECT_EQ(name(p.us.respond(1)), "protocol_error");
  }
}

INSTANTIATE_TEST_SUITE_P(
    rfc9113, malformed_request_body,
    ::testing::Values(malformed{"8_1_1_less_than_the_content_length",
                                raw::request(1, none, {{"content-length", "5"}}) + raw::data(1, "abc", end_stream)},
                      malformed{"8_1_1_more_than_the_content_length",
                                raw::request(1, none, {{"content-length", "2"}}) + raw::data(1, "abc", end_stream)},
                      malformed{"8_1_trailers_without_end", raw::request(1) + raw::headers(1, {{"a", "b"}})},
                      malformed{"8_3_pseudo_field_in_trailers",
                                raw::request(1) + raw::headers(1, {{":path", "/"}}, end_stream)}),
    name_of_malformed);

// What looks unusual, and is not malformed

class unusual_message : public session_test {};
INSTANTIATE_TEST_SUITE_P(bytes_per_read, unusual_message, read_sizes(), name_of_read_size);

TEST_P(unusual_message, a_content_length_that_is_met_ends_well) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  p.say(raw::response(id, none, {{"content-length", "4"}}) + raw::padded_data(id, "abc", 10) +
        raw::data(id, "d", end_stream));
  EXPECT_EQ(p.us.story(id), "response 200 {content-length: 4}, data abcd, done, closed");
}

TEST_P(unusual_message, a_failure_says_what_was_wrong_with_its_own_stream) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto a = p.open();
  const auto b = p.open();
  p.say(raw::response(a, end_stream, {{"x-culprit", "bad\nvalue"}, {"connection", "close"}}));
  p.say(raw::response(b, none, {{"content-length", "5"}}) + raw::data(b, "abc", end_stream));
  ASSERT_TRUE(p.us.stream(a).failed);
  ASSERT_TRUE(p.us.stream(b).failed);
  EXPECT_NE(p.us.stream(a).failed->message, p.us.stream(b).failed->message);
}

}  // namespace
}  // namespace duplex::test
