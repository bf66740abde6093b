// What a URL means: a table of those that are understood, and of those that are refused before anything is dialed.

#include "net/target.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace duplex::test {
namespace {

using ::testing::HasSubstr;

// `tls host port | scheme authority path`
std::string meaning(const request& rq) {
  const auto result = net::parse_request(rq);
  if (const auto* bad = std::get_if<std::string>(&result)) return "refused: " + *bad;
  const auto& [where, head] = std::get<net::parsed_request>(result);
  return std::string(where.tls ? "tls " : "tcp ") + where.host + " " + std::to_string(where.port) + " | " +
         head.scheme + " " + head.authority + " " + head.path;
}

struct row {
  std::string url;
  std::string meaning;
};

TEST(target, of_each_url_that_is_understood) {
  const std::vector<row> table{
      {"https://example.org", "tls example.org 443 | https example.org /"},
      {"http://example.org", "tcp example.org 80 | http example.org /"},
      {"HTTPS://example.org/", "tls example.org 443 | https example.org /"},
      {"https://example.org:443/", "tls example.org 443 | https example.org /"},
      {"http://example.org:80/", "tcp example.org 80 | http example.org /"},
      {"https://example.org:80/", "tls example.org 80 | https example.org:80 /"},
      {"http://example.org:443/", "tcp example.org 443 | http example.org:443 /"},
      {"https://example.org:1/", "tls example.org 1 | https example.org:1 /"},
      {"https://example.org:65535/", "tls example.org 65535 | https example.org:65535 /"},
      {"https://example.org:/a", "tls example.org 443 | https example.org /a"},
      {"https://[::1]", "tls ::1 443 | https [::1] /"},
      {"https://[::1]:8443/x", "tls ::1 8443 | https [::1]:8443 /x"},
      {"https://[2001:db8::7]:1/", "tls 2001:db8::7 1 | https [2001:db8::7]:1 /"},
      {"http://127.0.0.1:8080/", "tcp 127.0.0.1 8080 | http 127.0.0.1:8080 /"},
      {"https://h?a=b", "tls h 443 | https h /?a=b"},
      {"https://h?", "tls h 443 | https h /?"},
      {"https://h/p?a=b&c=/?", "tls h 443 | https h /p?a=b&c=/?"},
      {"https://h/p#part", "tls h 443 | https h /p"},
      {"https://h/p?q#part?no", "tls h 443 | https h /p?q"},
      {"https://h#part", "tls h 443 | https h /"},
      {"https://h/a%2Fb%20c/%e2%82%ac?x=%26", "tls h 443 | https h /a%2Fb%20c/%e2%82%ac?x=%26"},
      {"https://h/../a/./b//c", "tls h 443 | https h /../a/./b//c"},
      {"https://h/pkg.Svc/Bidi", "tls h 443 | https h /pkg.Svc/Bidi"},
      {"https://under_score.example/", "tls under_score.example 443 | https under_score.example /"},
      {"https://example.org./", "tls example.org. 443 | https example.org. /"},
      {"https://ex%61mple.org/", "tls example.org 443 | https example.org /"},
      {"https://user@h/", "tls h 443 | https h /"},
      {"https://user:word@h:8443/p", "tls h 8443 | https h:8443 /p"},
      {"https://@h/", "tls h 443 | https h /"},
      {"https://j\xc3\xbcrgen:w\xc3\xb6rd@h", "tls h 443 | https h /"},
      {"https://a%40b:c%2Fd@[::1]:1/", "tls ::1 1 | https [::1]:1 /"},
      {"https://b\xc3\xbc"
       "cher.example/",
       "tls xn--bcher-kva.example 443 | https xn--bcher-kva.example /"},
      {"https://b%C3%BCcher.example:1/x", "tls xn--bcher-kva.example 1 | https xn--bcher-kva.example:1 /x"},
      {"https://B\xc3\x9c"
       "CHER.example/",
       "tls xn--bcher-kva.example 443 | https xn--bcher-kva.example /"},
      {"https://bu\xcc\x88"
       "cher.example/",
       "tls xn--bcher-kva.example 443 | https xn--bcher-kva.example /"},
      {"https://stra\xc3\x9f"
       "e.example/",
       "tls xn--strae-oqa.example 443 | https xn--strae-oqa.example /"},
      {"https://\xe4\xbe\x8b\xe3\x81\x88.\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88/",
       "tls xn--r8jz45g.xn--zckzah 443 | https xn--r8jz45g.xn--zckzah /"},
      {"https://xn--bcher-kva.example/", "tls xn--bcher-kva.example 443 | https xn--bcher-kva.example /"},
      {"https://[fe80::1%25eth0]/", "tls fe80::1%eth0 443 | https [fe80::1] /"},
      {"https://[fe80::1%eth0]:8443/p", "tls fe80::1%eth0 8443 | https [fe80::1]:8443 /p"},
      {"http://u:p@[fe80::1%25en%30]:1/", "tcp fe80::1%en0 1 | http [fe80::1]:1 /"},
      {"http://[fe80::1%252]/", "tcp fe80::1%2 80 | http [fe80::1] /"},
  };
  for (const auto& r : table) EXPECT_EQ(meaning({.url = r.url}), r.meaning) << r.url;
}

TEST(target, that_is_refused_names_the_culprit) {
  const std::vector<row> table{
      {"", "empty"},
      {" ", "\" \""},
      {"example.org", "\"example.org\""},
      {"example.org:443", "\"example.org"},
      {"/path", "\"/path\""},
      {"ftp://h/", "\"ftp\""},
      {"ws://h/", "\"ws\""},
      {"file:///etc/passwd", "\"file\""},
      {"https:", "does not begin with https:// or http://"},
      {"https://", "no host"},
      {"https:///p", "no host"},
      {"https://:443/", "no host"},
      {"https://a%3ab@h/", "a user with a colon"},
      {"https://@/", "no host"},
      {"https://h:0/", "port"},
      {"https://h:65536/", "port"},
      {"https://h:99999999999999999999/", "port"},
      {"https://h:-1/", "\"-1/\""},
      {"https://h:80x/", "\"x/\""},
      {"https://h:*", "\"*\""},
      {"https://[::1/", "\"https://[::1/\""},
      {"https://[1:2]/", "\"https://[1:2]/\""},
      {"https://::1/", "\"https://::1/\""},
      {"https://h /", "\"https://h /\""},
      {"https://h/a b", "\"https://h/a b\""},
      {" https://h/", "\" https://h/\""},
      {"https://h/ ", "\"https://h/ \""},
      {"https://h/\r\nx: y", "\\x0d\\x0a"},
      {std::string("https://h/\0", 11), "\\x00"},
      {"https://h/%zz", "\"https://h/%zz\""},
      {"https://h/%4", "\"https://h/%4\""},
      {"https://h/\xe2\x82\xac", "\\xe2"},
      {"https://a%00b/", "host"},
      {"https://a%20b/", "host"},
      {"https://a%2fb/", "host"},
      {"https://h\\x/", "\"https://h"},
      {"https://a%3a80/", "host"},
      {"https://a%5b/", "host"},
      {"https://a%25b/", "host"},
      {"https://\xff.example/", "host"},
      {"https://a%00\xc3\xbc/", "host"},
      {"https://a%0a\xc3\xbc/", "host"},
      {"https://\xef\xbc\x8f.example/", "host"},  // a full-width slash, which maps to one
      {"https://-\xc3\xbc-.\xc2\xad/", "host"},
      {"https://[v1.x]/", "host"},
      {"https://[fe80::1%25]/", "\"https://[fe80::1%25]/\""},
      {"https://[fe80::1%25a%0ab]/", "zone"},
      {"https://[fe80::1%25a%20b]/", "zone"},
      {"https://[::1%25/", "\"https://[::1%25/\""},
  };
  for (const auto& r : table) {
    EXPECT_THAT(meaning({.url = r.url}), HasSubstr("refused: ")) << r.url;
    EXPECT_THAT(meaning({.url = r.url}), HasSubstr(r.meaning)) << r.url;
  }
}

// User and password

std::string authorization(const request& rq) {
  const auto result = net::parse_request(rq);
  if (const auto* bad = std::get_if<std::string>(&result)) return "refused: " + *bad;
  const auto& list = std::get<net::parsed_request>(result).head.headers;
  const auto* f = list.find("authorization");
  return f ? f->value + (f->sensitive ? " sensitive" : "") : "none";
}

TEST(target, with_a_user_is_authorized_by_basic) {
  EXPECT_EQ(authorization({.url = "https://Aladdin:open%20sesame@h/"}),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ== sensitive");  // RFC 7617, section 2
  EXPECT_EQ(authorization({.url = "https://test:123%C2%A3@h/"}), "Basic dGVzdDoxMjPCow== sensitive");  // section 2.1
  EXPECT_EQ(authorization({.url = "https://test:123\xc2\xa3@h/"}), "Basic dGVzdDoxMjPCow== sensitive");
  EXPECT_EQ(authorization({.url = "https://user@h/"}), "Basic dXNlcjo= sensitive");
  EXPECT_EQ(authorization({.url = "https://:word@h/"}), "Basic OndvcmQ= sensitive");
  EXPECT_EQ(authorization({.url = "https://h/"}), "none");
  EXPECT_EQ(authorization({.url = "https://@h/"}), "none");
}

TEST(target, with_a_user_leaves_the_callers_authorization_alone) {
  const request rq{.url = "https://user:word@h/", .headers = {{"Authorization", "Bearer x"}}};
  EXPECT_EQ(authorization(rq), "Bearer x");
  EXPECT_EQ(std::get<net::parsed_request>(net::parse_request(rq)).head.headers.size(), 1U);
}

TEST(target, that_is_refused_never_repeats_the_password) {
  for (const std::string url :
       {"https://user:s3cret@h:0/", "https://user:s3cret@h:80x/", "https://user:s3cret@", "https://user:s3cret@h/a b",
        "https://user:s3cret@h /", "https://user:s3cret@[::1/", "ftp://user:s3cret@h/", "user:s3cret@h",
        "https://us%3aer:s3cret@h/", "https://user:s3/cret s3cret@h/", "https://user:s3cret%zz@h/",
        "https://user:s3cret@a%00b/", "https://user:?s3cret@h:0 /"}) {
    const auto told = meaning({.url = url});
    EXPECT_THAT(told, HasSubstr("refused: ")) << url;
    EXPECT_THAT(told, ::testing::Not(HasSubstr("s3cret"))) << url;
  }
}

TEST(target, shows_its_authority_without_the_user) {
  EXPECT_EQ((request{.url = "https://user:word@h:1/p@q"}.authority()), "h:1");
  EXPECT_EQ((request{.url = "https://h/p@q"}.authority()), "h");
}

TEST(target, of_connect_always_names_the_port) {
  EXPECT_EQ(meaning({.method = "CONNECT", .url = "https://h"}), "tls h 443 | https h:443 /");
  EXPECT_EQ(meaning({.method = "CONNECT", .url = "http://h"}), "tcp h 80 | http h:80 /");
  EXPECT_EQ(meaning({.method = "CONNECT", .url = "https://[::1]:9"}), "tls ::1 9 | https [::1]:9 /");
}

TEST(target, host_in_the_headers_becomes_the_authority_and_is_dialed_by_nobody) {
  const request rq{.url = "https://127.0.0.1:8443/", .headers = {{"a", "1"}, {"Host", "example.org:99"}, {"b", "2"}}};
  EXPECT_EQ(meaning(rq), "tls 127.0.0.1 8443 | https example.org:99 /");
  const auto head = std::get<net::parsed_request>(net::parse_request(rq)).head;
  EXPECT_EQ(head.headers, (fields{{"a", "1"}, {"b", "2"}}));
}

TEST(target, host_in_the_headers_must_be_one) {
  for (const std::string value : {"a b", "a/b", "user@h", "user:word@h", "h:80x", "[::1", "h\r\nx: y", "", "@"}) {
    EXPECT_THAT(meaning({.url = "https://h/", .headers = {{"host", value}}}), HasSubstr("refused: ")) << value;
    EXPECT_THAT(meaning({.url = "https://h/", .headers = {{"host", value}}}), HasSubstr("\"host\"")) << value;
  }
  EXPECT_THAT(meaning({.url = "https://h/", .headers = {{"host", "a"}, {"host", "b"}}}), HasSubstr("refused: "));
}

TEST(target, of_a_bad_request_says_what_is_bad) {
  EXPECT_THAT(meaning({.method = "GE T", .url = "https://h/"}), HasSubstr("method \"GE T\""));
  EXPECT_THAT(meaning({.method = "", .url = "https://h/"}), HasSubstr("method"));
  EXPECT_THAT(meaning({.url = "https://h/", .headers = {{"a b", "1"}}}), HasSubstr("\"a b\""));
  EXPECT_THAT(meaning({.url = "https://h/", .headers = {{"a", "1\r\nb: 2"}}}), HasSubstr("CR"));
  EXPECT_THAT(meaning({.url = "https://h/", .headers = {{":path", "/"}}}), HasSubstr("pseudo"));
  EXPECT_THAT(meaning({.url = "https://h/", .headers = {{"te", "gzip"}}}), HasSubstr("te"));
}

std::string host_port(std::string_view text) {
  const auto result = net::parse_host_port(text, "option connect_to");
  if (const auto* bad = std::get_if<std::string>(&result)) return "refused: " + *bad;
  const auto& t = std::get<net::target>(result);
  return t.host + " " + std::to_string(t.port);
}

TEST(target, of_connect_to_is_host_and_port) {
  EXPECT_EQ(host_port("example.org:443"), "example.org 443");
  EXPECT_EQ(host_port("127.0.0.1:1"), "127.0.0.1 1");
  EXPECT_EQ(host_port("[::1]:65535"), "::1 65535");
  EXPECT_EQ(host_port("[fe80::1%25eth0]:1"), "fe80::1%eth0 1");
  EXPECT_EQ(host_port("b\xc3\xbc"
                      "cher.example:1"),
            "xn--bcher-kva.example 1");
  for (const auto* text : {"", "h", "h:", ":80", "h:0", "h:65536", "h:x", "u@h:80", "::1:80", "http://h:80", "h:80/x",
                           "h :80", "a%00b:80"}) {
    EXPECT_THAT(host_port(text), HasSubstr("refused: option connect_to")) << text;
  }
}

}  // namespace
}  // namespace duplex::test
