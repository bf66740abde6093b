// A field with invalid bytes is never dropped: the message is malformed, and its stream ends with an error (RFC 9113,
// section 8.2.1).

#include "session_test.hpp"

#include <ostream>
#include <vector>

namespace duplex::test {
namespace {

using raw::end_stream;
using raw::none;
using namespace std::string_literals;

struct place {
  std::string name;
  role side;
  std::string (*frames)(const raw::list&);
};

std::string in_request(const raw::list& fields) { return raw::request(1, end_stream, fields); }

std::string in_request_trailers(const raw::list& fields) {
  return raw::request(1) + raw::data(1, "x") + raw::headers(1, fields, end_stream);
}

std::string in_response(const raw::list& fields) { return raw::response(1, end_stream, fields); }

std::string in_informational(const raw::list& fields) {
  raw::list all{{":status", "103"}};
  all.insert(all.end(), fields.begin(), fields.end());
  return raw::headers(1, all) + raw::response(1, end_stream);
}

std::string in_response_trailers(const raw::list& fields) {
  return raw::response(1) + raw::data(1, "x") + raw::headers(1, fields, end_stream);
}

const std::vector<place> places{
    {"request", role::server, in_request},
    {"request_trailers", role::server, in_request_trailers},
    {"response", role::client, in_response},
    {"informational", role::client, in_informational},
    {"response_trailers", role::client, in_response_trailers},
};

struct invalid {
  std::string name;
  std::pair<std::string, std::string> field;
};

const std::vector<invalid> kinds_of_invalid{
    {"nul_in_a_value", {"x-bad", "a\0b"s}},
    {"a_carriage_return_in_a_value", {"x-bad", "a\rb"}},
    {"a_line_feed_in_a_value", {"x-bad", "a\nb"}},
    {"a_line_in_a_value", {"x-bad", "a\r\nx-injected: b"}},
    {"nul_alone_in_a_value", {"x-bad", "\0"s}},
    {"a_space_before_a_value", {"x-bad", " a"}},
    {"a_space_behind_a_value", {"x-bad", "a "}},
    {"a_tab_before_a_value", {"x-bad", "\ta"}},
    {"a_tab_behind_a_value", {"x-bad", "a\t"}},
    {"space_alone_in_a_value", {"x-bad", " "}},
    {"delete_in_a_value", {"x-bad", "a\x7f"}},
    {"nul_in_a_cookie", {"cookie", "a=\0"s}},
    {"upper_case_in_a_name", {"x-Bad", "a"}},
    {"nul_in_a_name", {"x\0bad"s, "a"}},
    {"a_carriage_return_in_a_name", {"x\rbad", "a"}},
    {"a_line_feed_in_a_name", {"x\nbad", "a"}},
    {"a_space_in_a_name", {"x bad", "a"}},
    {"a_tab_behind_a_name", {"x-bad\t", "a"}},
    {"a_colon_in_a_name", {"x:bad", "a"}},
    {"delete_in_a_name", {"x-bad\x7f", "a"}},
    {"a_byte_above_ascii_in_a_name", {"x-b\xc3\xa4", "a"}},
    {"no_name", {"", "a"}},
};

struct invalid_case {
  place where;
  invalid what;

  friend void PrintTo(const invalid_case& c, std::ostream* out) { *out << c.what.name << " in " << c.where.name; }
};

std::vector<invalid_case> every_case() {
  std::vector<invalid_case> all;
  for (const auto& where : places) {
    for (const auto& what : kinds_of_invalid) all.push_back({where, what});
  }
  return all;
}

class rfc9113_8_2_1_invalid_field : public ::testing::TestWithParam<invalid_case> {};

TEST_P(rfc9113_8_2_1_invalid_field, is_a_protocol_error_of_its_stream_and_nothing_of_its_section_is_delivered) {
  const auto& [where, what] = GetParam();
  for (const auto bytes_per_read : every_read_size) {
    SCOPED_TRACE(read_size_name(bytes_per_read) + " bytes per read");
    options with_informational;
    with_informational.informational = true;
    scripted_peer p(where.side, bytes_per_read, with_informational);
    p.greet();
    if (where.side == role::client) {
      ASSERT_EQ(p.open(), 1);
    }
    (void)p.heard();
    p.say(where.frames({{"x-good", "a"}, what.field, {"x-last", "a"}}));
    EXPECT_THAT(p.heard(), Contains("RST_STREAM 1 PROTOCOL_ERROR"));
    if (where.side == role::client || !p.us.requests().empty()) {
      EXPECT_EQ(p.us.failure_of(1), "protocol_error peer stream PROTOCOL_ERROR");
      const auto& message = p.us.stream(1).failed->message;
      EXPECT_EQ(message, "the peer broke HTTP/2: Invalid HTTP header field was received in HEADERS");
      const auto told = p.us.story(1);
      EXPECT_THAT(told, HasSubstr("protocol_error"));
      EXPECT_THAT(told, Not(HasSubstr("x-")));
      EXPECT_THAT(told, Not(HasSubstr("done")));
    }
    EXPECT_EQ(p.us.failure_of_connection(), "none");
  }
}

INSTANTIATE_TEST_SUITE_P(field, rfc9113_8_2_1_invalid_field, ::testing::ValuesIn(every_case()),
                         [](const auto& info) { return info.param.what.name + "_of_" + info.param.where.name; });

// Bytes that are unusual, and allowed (RFC 9110, section 5.5)

class rfc9113_8_2_1_valid_field : public session_test {};
INSTANTIATE_TEST_SUITE_P(bytes_per_read, rfc9113_8_2_1_valid_field, read_sizes(), name_of_read_size);

TEST_P(rfc9113_8_2_1_valid_field, with_unusual_bytes_is_delivered_as_it_is) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  p.say(raw::response(id, end_stream, {{"x-tab", "a\tb"}, {"x-utf8", "\xc3\xa4"}, {"!#$%&'*+-.^_`|~09az", ""}}));
  EXPECT_EQ(p.us.story(id), "response 200 {x-tab: a\tb, x-utf8: \xc3\xa4, !#$%&'*+-.^_`|~09az: }, done, closed");
}

}  // namespace
}  // namespace duplex::test
