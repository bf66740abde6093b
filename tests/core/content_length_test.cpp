// content-length and what is said to have no content (RFC 9113, section 8.1.1; RFC 9110, section 6.4.1 and 8.6).

#include "session_test.hpp"

namespace duplex::test {
namespace {

using raw::end_stream;
using raw::none;

raw::list length(const std::string& value) { return {{"content-length", value}}; }

raw::list status(const std::string& code, const std::string& content_length) {
  return {{":status", code}, {"content-length", content_length}};
}

class content_length : public session_test {
 protected:
  static std::string story_of(const std::string& method, const std::string& frames) {
    scripted_peer p(role::client, GetParam());
    p.greet();
    const auto id = p.us.open({}, {}, method);
    EXPECT_EQ(name(p.us.send(id, "", true)), "ok");
    p.listen();
    p.say(frames);
    return p.us.story(id);
  }
  static void expect_malformed(const std::string& method, const std::string& frames) {
    SCOPED_TRACE(method);
    const auto told = story_of(method, frames);
    EXPECT_THAT(told, HasSubstr("protocol_error"));
    EXPECT_THAT(told, Not(HasSubstr("done")));
  }
};
INSTANTIATE_TEST_SUITE_P(bytes_per_read, content_length, read_sizes(), name_of_read_size);

TEST_P(content_length, rfc9110_9_3_2_an_answer_to_head_may_have_any_and_no_content) {
  EXPECT_EQ(story_of("HEAD", raw::response(1, end_stream, length("1000"))),
            "response 200 {content-length: 1000}, done, closed");
  EXPECT_EQ(story_of("HEAD", raw::response(1, none, length("1000")) + raw::data(1, "", end_stream)),
            "response 200 {content-length: 1000}, done, closed");
  expect_malformed("HEAD", raw::response(1, none, length("3")) + raw::data(1, "abc", end_stream));
  expect_malformed("HEAD", raw::response(1) + raw::data(1, "abc", end_stream));
}

TEST_P(content_length, rfc9110_15_4_5_of_304_may_be_any_and_there_is_no_content) {
  EXPECT_EQ(story_of("GET", raw::headers(1, status("304", "1000"), end_stream)),
            "response 304 {content-length: 1000}, done, closed");
  expect_malformed("GET", raw::headers(1, status("304", "3")) + raw::data(1, "abc", end_stream));
}

TEST_P(content_length, rfc9110_15_3_5_of_204_is_not_allowed_and_there_is_no_content) {
  EXPECT_EQ(story_of("GET", raw::headers(1, {{":status", "204"}}, end_stream)), "response 204, done, closed");
  expect_malformed("GET", raw::headers(1, {{":status", "204"}}) + raw::data(1, "abc", end_stream));
  expect_malformed("GET", raw::headers(1, status("204", "3"), end_stream));
}

TEST_P(content_length, of_zero_is_no_content) {
  EXPECT_EQ(story_of("POST", raw::response(1, end_stream, length("0"))),
            "response 200 {content-length: 0}, done, closed");
  EXPECT_EQ(story_of("POST", raw::response(1, none, length("0")) + raw::data(1, "", end_stream)),
            "response 200 {content-length: 0}, done, closed");
  expect_malformed("POST", raw::response(1, none, length("0")) + raw::data(1, "a", end_stream));
}

TEST_P(content_length, that_is_met_may_be_followed_by_trailers) {
  EXPECT_EQ(story_of("POST", raw::response(1, none, length("3")) + raw::data(1, "abc") +
                                 raw::headers(1, {{"a", "b"}}, end_stream)),
            "response 200 {content-length: 3}, data abc, trailers {a: b}, done, closed");
}

TEST_P(content_length, rfc9110_8_6_that_is_no_number_is_malformed) {
  for (const auto* value : {"", "+3", "-3", "3a", "0x3", "3.0", "99999999999999999999"}) {
    SCOPED_TRACE(value);
    expect_malformed("POST", raw::response(1, none, length(value)) + raw::data(1, "abc", end_stream));
  }
}

TEST_P(content_length, rfc9110_8_6_two_that_differ_are_malformed) {
  expect_malformed("POST", raw::response(1, none, {{"content-length", "3"}, {"content-length", "4"}}) +
                               raw::data(1, "abc", end_stream));
}

// What is too much is told as soon as it is there: nobody waits for the end.
TEST_P(content_length, that_is_exceeded_is_an_error_before_the_end) {
  for (const auto side : {role::client, role::server}) {
    scripted_peer p(side, GetParam());
    p.greet();
    if (side == role::client) {
      p.open();
      p.say(raw::response(1, none, length("3")));
    } else {
      p.say(raw::request(1, none, length("3")));
    }
    p.say(raw::data(1, "abc"));
    EXPECT_EQ(p.us.failure_of(1), "none");
    (void)p.heard();
    p.say(raw::data(1, "d"));
    EXPECT_THAT(p.heard(), Contains("RST_STREAM 1 PROTOCOL_ERROR"));
    EXPECT_EQ(p.us.failure_of(1), "protocol_error peer stream PROTOCOL_ERROR");
    EXPECT_THAT(p.us.story(1), HasSubstr(", protocol_error"));
  }
}

TEST_P(content_length, of_a_request_that_trailers_cut_short_is_malformed) {
  scripted_peer p(role::server, GetParam());
  p.greet();
  p.say(raw::request(1, none, length("5")) + raw::data(1, "abc") + raw::headers(1, {{"a", "b"}}, end_stream));
  EXPECT_THAT(p.heard(), Contains("RST_STREAM 1 PROTOCOL_ERROR"));
  EXPECT_THAT(p.us.story(1), AllOf(HasSubstr("protocol_error"), Not(HasSubstr("done"))));
}

}  // namespace
}  // namespace duplex::test
