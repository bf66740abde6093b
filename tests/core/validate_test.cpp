// What may be sent, and that a refusal names the culprit (RFC 9113, section 8.2 and 8.3).

#include "core/validate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace duplex::core {
namespace {

using namespace std::string_literals;
using ::testing::HasSubstr;

// Fields

struct bad_field {
  std::string why;
  field f;
  std::string culprit;
};

class a_bad_field : public ::testing::TestWithParam<bad_field> {};

TEST_P(a_bad_field, is_refused_by_name) {
  const auto& p = GetParam();
  const auto said = check_fields({{"fine", "value"}, p.f, {"also-fine", "value"}});
  ASSERT_TRUE(said);
  EXPECT_THAT(*said, HasSubstr(p.culprit));
}

INSTANTIATE_TEST_SUITE_P(
    rfc9113_8_2, a_bad_field,
    ::testing::Values(bad_field{"cr_in_a_value", {"x-a", "one\rtwo"}, "\"x-a\": the value contains CR"},
                      bad_field{"lf_in_a_value", {"x-b", "one\ntwo"}, "\"x-b\": the value contains LF"},
                      bad_field{"nul_in_a_value", {"x-c", "one\0two"s}, "\"x-c\": the value contains NUL"},
                      bad_field{"nul_at_the_end_of_a_value", {"x-c", "one\0"s}, "\"x-c\": the value contains NUL"},
                      bad_field{"a_second_header_line", {"x-a", "one\r\nset-cookie: two"}, "\"x-a\""},
                      bad_field{"a_control_in_a_value", {"x-c", "one\x0etwo"}, "\"x-c\": the value contains a control"},
                      bad_field{"delete_in_a_value", {"x-c", "one\x7ftwo"}, "\"x-c\": the value contains a control"},
                      bad_field{"space_before_a_value", {"x-d", " one"}, "\"x-d\""},
                      bad_field{"tab_after_a_value", {"x-e", "one\t"}, "\"x-e\""},
                      bad_field{"an_empty_name", {"", "value"}, "empty name"},
                      bad_field{"space_in_a_name", {"x f", "value"}, "\"x f\""},
                      bad_field{"space_after_a_name", {"x-f ", "value"}, "\"x-f \""},
                      bad_field{"colon_in_a_name", {"x:f", "value"}, "\"x:f\""},
                      bad_field{"cr_in_a_name", {"x\rf", "value"}, "\"x\\x0df\""},
                      bad_field{"lf_in_a_name", {"x\nf", "value"}, "\"x\\x0af\""},
                      bad_field{"nul_in_a_name", {"x\0f"s, "value"}, "\"x\\x00f\""},
                      bad_field{"a_byte_above_ascii_in_a_name", {"x\xc3\xa4", "value"}, "\"x\\xc3\\xa4\""},
                      bad_field{"a_pseudo_field", {":path", "/"}, "\":path\""},
                      bad_field{"an_upper_case_pseudo_field", {":Path", "/"}, "\":path\""},
                      bad_field{"an_unknown_pseudo_field", {":x", "y"}, "\":x\""},
                      bad_field{"connection", {"connection", "close"}, "\"connection\""},
                      bad_field{"connection_in_any_case", {"Connection", "close"}, "\"connection\""},
                      bad_field{"keep_alive", {"keep-alive", "timeout=5"}, "\"keep-alive\""},
                      bad_field{"proxy_connection", {"proxy-connection", "close"}, "\"proxy-connection\""},
                      bad_field{"transfer_encoding", {"transfer-encoding", "chunked"}, "\"transfer-encoding\""},
                      bad_field{
                          "upgrade", {"upgrade", "h2c"}, "\"upgrade\" is not allowed in HTTP/2: RFC 9113 dropped"},
                      bad_field{"http2_settings", {"HTTP2-Settings", "AAMAAABk"}, "\"http2-settings\" is not allowed"},
                      bad_field{"te_other_than_trailers", {"te", "gzip"}, "\"te\""},
                      bad_field{"te_with_more_than_trailers", {"te", "trailers, gzip"}, "\"te\""},
                      bad_field{"te_without_value", {"te", ""}, "\"te\""}),
    [](const auto& info) { return info.param.why; });

TEST(validate, rfc9113_8_2_takes_every_legal_field) {
  const auto said = check_fields({{"te", "trailers"},
                                  {"x-empty", ""},
                                  {"x-inner", "one two\tthree"},
                                  {"!#$%&'*+-.^_`|~09az", "any token"},
                                  {"x-bytes", "\x80\xff"},
                                  {"Upper-Case", "lower-cased on entry"},
                                  {"cookie", "a=b"},
                                  {"cookie", "c=d"},
                                  {"trailer", "grpc-status"}});
  EXPECT_FALSE(said) << *said;
}

TEST(validate, takes_no_field_at_all) { EXPECT_FALSE(check_fields({})); }

// Method and path

TEST(validate, rfc9110_9_1_a_method_is_a_token) {
  for (const auto* good : {"POST", "GET", "M-SEARCH", "get", "X_1"}) EXPECT_FALSE(check_method(good)) << good;
  for (const auto& bad : {""s, "GET /"s, "GET\r\n"s, "G\0T"s, "GET:"s, "G\xc3\x84T"s, " GET"s}) {
    const auto said = check_method(bad);
    ASSERT_TRUE(said) << bad;
    EXPECT_THAT(*said, HasSubstr("method " + core::quoted(bad)));
  }
}

TEST(validate, rfc8441_4_a_protocol_is_a_token_and_goes_with_connect) {
  for (const auto* good : {"", "websocket", "connect-udp"}) EXPECT_FALSE(check_protocol(good, "CONNECT")) << good;
  for (const auto& bad : {"web socket"s, "a\nb"s, "a\0b"s, "\xc3\xa4"s}) {
    EXPECT_THAT(check_protocol(bad, "CONNECT").value_or(""), HasSubstr("protocol " + core::quoted(bad)));
  }
  EXPECT_FALSE(check_protocol("", "GET"));
  EXPECT_THAT(check_protocol("websocket", "GET").value_or(""), HasSubstr("needs the method CONNECT, not GET"));
}

TEST(validate, rfc9113_8_3_1_a_path_starts_with_a_slash_and_has_no_space) {
  for (const auto* good : {"/", "/a/b?c=d&e", "/%20", "*", "//", "/\xc3\xa4"}) EXPECT_FALSE(check_path(good)) << good;
  for (const auto& bad :
       {""s, "a"s, "?q"s, "/a b"s, "/a\tb"s, "/a\r\nb"s, "/a\0b"s, "/a\x7f"s, " /"s, "**"s, "http://host/"s}) {
    const auto said = check_path(bad);
    ASSERT_TRUE(said) << bad;
    EXPECT_THAT(*said, HasSubstr("path " + core::quoted(bad)));
  }
}

// Options

struct bad_option {
  std::string name;
  std::string how;
  std::function<void(options&)> set;
};

class a_bad_option : public ::testing::TestWithParam<bad_option> {};

TEST_P(a_bad_option, is_refused_by_name) {
  options opts;
  GetParam().set(opts);
  const auto said = check_options(opts);
  ASSERT_TRUE(said);
  EXPECT_THAT(*said, HasSubstr("option " + GetParam().name));
}

using ms = std::chrono::milliseconds;
constexpr std::size_t over_window = std::size_t{1} << 31;

INSTANTIATE_TEST_SUITE_P(
    range, a_bad_option,
    ::testing::Values(bad_option{"connect_timeout", "zero", [](options& o) { o.connect_timeout = ms(0); }},
                      bad_option{"connect_timeout", "negative", [](options& o) { o.connect_timeout = ms(-1); }},
                      bad_option{"send_timeout", "zero", [](options& o) { o.send_timeout = ms(0); }},
                      bad_option{"send_timeout", "negative", [](options& o) { o.send_timeout = ms(-1); }},
                      bad_option{"recv_timeout", "negative", [](options& o) { o.recv_timeout = ms(-1); }},
                      bad_option{"close_timeout", "negative", [](options& o) { o.close_timeout = ms(-1); }},
                      bad_option{"stream_window", "over", [](options& o) { o.stream_window = over_window; }},
                      bad_option{"connection_window", "over", [](options& o) { o.connection_window = over_window; }},
                      bad_option{"connection_window", "under", [](options& o) { o.connection_window = 65534; }},
                      bad_option{"max_recv_buffer", "zero", [](options& o) { o.max_recv_buffer = 0; }},
                      bad_option{"send_buffer", "zero", [](options& o) { o.send_buffer = 0; }},
                      bad_option{"max_header_bytes", "zero", [](options& o) { o.max_header_bytes = 0; }},
                      bad_option{"max_header_bytes", "over", [](options& o) { o.max_header_bytes = over_window; }},
                      bad_option{"max_header_fields", "zero", [](options& o) { o.max_header_fields = 0; }},
                      bad_option{"active", "on_without_a_handler", [](options& o) { o.active = active::on; }},
                      bad_option{"active", "once_without_a_handler", [](options& o) { o.active = active::once; }}),
    [](const auto& info) { return info.param.name + "_" + info.param.how; });

TEST(validate, takes_the_default_options) { EXPECT_FALSE(check_options({})); }

TEST(validate, takes_options_at_the_ends_of_their_ranges) {
  options least;
  least.connect_timeout = ms(1);
  least.send_timeout = ms(1);
  least.recv_timeout = ms(0);
  least.close_timeout = ms(0);
  least.stream_window = 0;
  least.connection_window = 65535;
  least.max_recv_buffer = 1;
  least.send_buffer = 1;
  least.max_header_bytes = 1;
  least.max_header_fields = 1;
  least.max_informational = 0;
  EXPECT_FALSE(check_options(least));

  options most;
  most.stream_window = over_window - 1;
  most.connection_window = over_window - 1;
  most.max_recv_buffer = infinity;
  most.send_buffer = infinity;
  most.max_header_bytes = over_window - 1;
  most.max_header_fields = infinity;
  most.active = active::once;
  most.on_message = [](error_code, const message&) {};
  EXPECT_FALSE(check_options(most));
}

// Quoting

TEST(validate, quotes_what_cannot_be_printed_and_shortens_what_is_long) {
  EXPECT_EQ(core::quoted("plain"), "\"plain\"");
  EXPECT_EQ(core::quoted("say \"a\\b\""), R"("say \"a\\b\"")");
  EXPECT_EQ(core::quoted("a\r\n\0\x7f\xff"s.substr(0, 4)), "\"a\\x0d\\x0a\\x00\"");
  EXPECT_EQ(core::quoted(std::string(64, 'x')), "\"" + std::string(64, 'x') + "\"");
  EXPECT_EQ(core::quoted(std::string(65, 'x')), "\"" + std::string(64, 'x') + "...\"");
}

}  // namespace
}  // namespace duplex::core
