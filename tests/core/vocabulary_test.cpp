// The values of the public headers: fields, requests, and the names of errors and codes.

#include <duplex/error.hpp>
#include <duplex/fields.hpp>
#include <duplex/h2/code.hpp>
#include <duplex/message.hpp>

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace duplex {
namespace {

// Fields

TEST(fields, lower_case_names_on_entry) {
  fields list{{"Content-Type", "Text/Plain"}};
  list.add("X-Mixed", "Value");
  list.add(field{"UPPER", "V"});
  EXPECT_EQ(list.begin()->name, "content-type");
  EXPECT_EQ(list.begin()->value, "Text/Plain") << "values stay as they are";
  EXPECT_EQ((list.begin() + 1)->name, "x-mixed");
  EXPECT_EQ((list.begin() + 2)->name, "upper");
}

TEST(fields, lower_case_only_letters) {
  const fields list{{"@[`{_-\xc4", ""}};
  EXPECT_EQ(list.begin()->name, "@[`{_-\xc4");
}

TEST(fields, keep_order_and_repeated_names) {
  const fields list{{"b", "1"}, {"a", "2"}, {"B", "3"}};
  std::string all;
  for (const auto& f : list) all += f.name + f.value;
  EXPECT_EQ(all, "b1a2b3");
  EXPECT_EQ(list.size(), 3U);
}

TEST(fields, find_the_first_of_a_name_in_any_case) {
  const fields list{{"b", "1"}, {"b", "2"}};
  ASSERT_NE(list.find("B"), nullptr);
  EXPECT_EQ(list.find("B")->value, "1");
  EXPECT_EQ(list.find("bb"), nullptr);
  EXPECT_EQ(list.find(""), nullptr);
  EXPECT_TRUE(list.contains("B"));
  EXPECT_FALSE(list.contains("a"));
}

TEST(fields, fall_back_to_another_value) {
  const fields list{{"a", ""}};
  EXPECT_EQ(list.value_or("a", "other"), "") << "an empty value is a value";
  EXPECT_EQ(list.value_or("b", "other"), "other");
}

TEST(fields, erase_every_field_of_a_name) {
  fields list{{"a", "1"}, {"b", "2"}, {"A", "3"}};
  EXPECT_EQ(list.erase("A"), 2U);
  EXPECT_EQ(list.erase("A"), 0U);
  EXPECT_EQ(list, (fields{{"b", "2"}}));
}

TEST(fields, remember_what_is_sensitive) {
  fields list;
  list.add("Authorization", "secret", true);
  EXPECT_TRUE(list.find("authorization")->sensitive);
  EXPECT_NE(list, (fields{{"authorization", "secret"}}));
}

TEST(fields, may_be_empty) {
  const fields list;
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list.begin(), list.end());
}

// Requests

struct url_parts {
  std::string url;
  std::string scheme;
  std::string authority;
  std::string path;
};

TEST(request, takes_its_url_apart) {
  for (const auto& [url, scheme, authority, path] : {
           url_parts{"https://host/pkg.Svc/Bidi", "https", "host", "/pkg.Svc/Bidi"},
           url_parts{"https://host:8443", "https", "host:8443", "/"},
           url_parts{"http://host/", "http", "host", "/"},
           url_parts{"http://host?q=1", "http", "host", "/?q=1"},
           url_parts{"http://host/a?q=1#part", "http", "host", "/a?q=1"},
           url_parts{"http://host#part", "http", "host", "/"},
           url_parts{"http://host?q#part?", "http", "host", "/?q"},
           url_parts{"https://[::1]:80/x", "https", "[::1]:80", "/x"},
           url_parts{"https://host/a//b?http://x/", "https", "host", "/a//b?http://x/"},
           url_parts{"host:443", "", "host:443", "/"},
           url_parts{"", "", "", "/"},
       }) {
    request r;
    r.url = url;
    EXPECT_EQ(r.scheme(), scheme) << url;
    EXPECT_EQ(r.authority(), authority) << url;
    EXPECT_EQ(r.path(), path) << url;
  }
}

TEST(request, is_a_post_unless_said) { EXPECT_EQ(request{}.method, "POST"); }

// Names

TEST(error, every_errc_has_a_name_and_a_sentence) {
  std::set<std::string> names;
  std::set<std::string> sentences;
  constexpr int last = static_cast<int>(errc::canceled);
  for (int i = 1; i <= last; ++i) {
    names.emplace(to_string(static_cast<errc>(i)));
    sentences.insert(make_error_code(static_cast<errc>(i)).message());
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(last));
  EXPECT_EQ(sentences.size(), static_cast<std::size_t>(last));
  EXPECT_FALSE(names.contains("unknown"));
}

TEST(error, errc_is_named_as_it_is_written) {
  EXPECT_EQ(to_string(errc::closed), "closed");
  EXPECT_EQ(to_string(errc::send_closed), "send_closed");
  EXPECT_EQ(to_string(errc::stream_reset), "stream_reset");
  EXPECT_EQ(to_string(errc::goaway), "goaway");
  EXPECT_EQ(to_string(errc::certificate_invalid), "certificate_invalid");
  EXPECT_EQ(to_string(errc::recv_buffer_overflow), "recv_buffer_overflow");
  EXPECT_EQ(to_string(errc::would_deadlock), "would_deadlock");
  EXPECT_EQ(to_string(errc::canceled), "canceled");
  EXPECT_EQ(to_string(static_cast<errc>(0)), "unknown");
  EXPECT_EQ(to_string(static_cast<errc>(99)), "unknown");
}

TEST(error, errc_converts_to_an_error_code_of_the_category) {
  const error_code ec = errc::refused;
  EXPECT_TRUE(ec);
  EXPECT_EQ(ec, errc::refused);
  EXPECT_NE(ec, errc::goaway);
  EXPECT_STREQ(ec.category().name(), "duplex");
  EXPECT_EQ(ec.message(), "the peer did not process the request");
  EXPECT_EQ(error_category().message(0), "unknown error");
  EXPECT_EQ(error_category().message(99), "unknown error");
}

TEST(error, origin_and_scope_have_names) {
  EXPECT_EQ(to_string(origin::local), "local");
  EXPECT_EQ(to_string(origin::peer), "peer");
  EXPECT_EQ(to_string(origin::network), "network");
  EXPECT_EQ(to_string(scope::stream), "stream");
  EXPECT_EQ(to_string(scope::connection), "connection");
}

TEST(code, rfc9113_7_has_the_names_of_the_rfc) {
  EXPECT_EQ(h2::code_name(0), "NO_ERROR");
  EXPECT_EQ(h2::code_name(7), "REFUSED_STREAM");
  EXPECT_EQ(h2::code_name(8), "CANCEL");
  EXPECT_EQ(h2::code_name(0xd), "HTTP_1_1_REQUIRED");
}

TEST(code, an_unknown_one_is_named_by_its_number) {
  EXPECT_EQ(h2::code_name(0xe), "0xe");
  EXPECT_EQ(h2::code_name(0xffffffff), "0xffffffff");
}

TEST(code, is_read_from_a_name_in_any_case_or_a_number) {
  for (const auto* text : {"CANCEL", "cancel", "Cancel", "8", "0x8", "0X8"})
    EXPECT_EQ(h2::parse_code(text), 8U) << text;
  EXPECT_EQ(h2::parse_code("0xffffffff"), 0xffffffffU);
  EXPECT_EQ(h2::parse_code("4294967295"), 0xffffffffU);
  for (const auto* text : {"", "nonsense", "8x", "0x", "-1", "4294967296", "CANCE", "CANCELS", " 8"}) {
    EXPECT_FALSE(h2::parse_code(text)) << text;
  }
}

TEST(code, every_name_is_read_back) {
  for (std::uint32_t value = 0; value < 20; ++value) EXPECT_EQ(h2::parse_code(h2::code_name(value)), value);
}

}  // namespace
}  // namespace duplex
