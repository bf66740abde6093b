// What a server sees of a request: the pseudo-fields (RFC 9113, section 8.3.1) and the others.

#include "support.hpp"

namespace duplex::test {
namespace {

using testing::ElementsAre;

std::string authority_of(const peer& server) { return server.url("").substr(std::string_view("http://").size()); }

request arrived(peer& server, request head) {
  const auto s = h2::open(head, bounded());
  return server.accept().head;
}

TEST(request_head, has_method_scheme_authority_and_path) {
  peer server;
  const auto head = arrived(server, {.method = "PUT", .url = server.url("/pkg.Svc/Bidi?a=b&c=d")});
  EXPECT_EQ(head.method, "PUT");
  EXPECT_EQ(head.scheme(), "http");
  EXPECT_EQ(head.authority(), authority_of(server));
  EXPECT_EQ(head.path(), "/pkg.Svc/Bidi?a=b&c=d");
  EXPECT_EQ(head.url, server.url("/pkg.Svc/Bidi?a=b&c=d"));
  EXPECT_TRUE(head.headers.empty());
  EXPECT_TRUE(head.protocol.empty());
}

TEST(request_head, method_is_post_unless_said) {
  peer server;
  EXPECT_EQ(arrived(server, {.url = server.url()}).method, "POST");
  EXPECT_EQ(arrived(server, {.method = "x-custom", .url = server.url()}).method, "x-custom");
}

TEST(request_head, without_a_path_gets_a_slash) {
  peer server;
  EXPECT_EQ(arrived(server, {.url = server.url("")}).path(), "/");
}

TEST(request_head, with_a_query_and_no_path_gets_a_slash) {
  peer server;
  EXPECT_EQ(arrived(server, {.url = server.url("?a=b")}).path(), "/?a=b");
}

TEST(request_head, keeps_an_empty_query_and_drops_the_fragment) {
  peer server;
  EXPECT_EQ(arrived(server, {.url = server.url("/p?")}).path(), "/p?");
  EXPECT_EQ(arrived(server, {.url = server.url("/p?q#fragment")}).path(), "/p?q");
}

TEST(request_head, keeps_percent_encoding_as_written) {
  peer server;
  EXPECT_EQ(arrived(server, {.url = server.url("/a%20b%2Fc?d=%26")}).path(), "/a%20b%2Fc?d=%26");
}

TEST(request_head, host_in_the_headers_becomes_the_authority) {
  peer server;
  const auto head = arrived(server, {.url = server.url("/p"), .headers = {{"Host", "example.org:8443"}, {"x", "y"}}});
  EXPECT_EQ(head.authority(), "example.org:8443");
  EXPECT_EQ(head.path(), "/p");
  EXPECT_FALSE(head.headers.contains("host"));
  EXPECT_EQ(head.headers.value_or("x", ""), "y");
}

TEST(request_head, te_trailers_arrives) {
  peer server;
  const auto head = arrived(server, {.url = server.url(), .headers = {{"TE", "trailers"}}});
  EXPECT_EQ(head.headers.value_or("te", "missing"), "trailers");
}

TEST(request_head, fields_keep_their_order_and_values_and_get_lower_case_names) {
  peer server;
  const auto sent = fields{{"X-B", "1"}, {"x-a", "two words"}, {"X-b", ""}, {"authorization", "secret", true}};
  const auto head = arrived(server, {.url = server.url(), .headers = sent});
  std::vector<std::string> seen;
  for (const auto& f : head.headers) seen.push_back(f.name + "=" + f.value);
  EXPECT_THAT(seen, ElementsAre("x-b=1", "x-a=two words", "x-b=", "authorization=secret"));
}

TEST(request_head, a_sensitive_field_stays_out_of_logs) {
  peer server;
  frame_log frames;
  auto opts = bounded();
  opts.on_frame = frames.recorder();
  const auto s =
      h2::open({.url = server.url(), .headers = {{"authorization", "secret", true}, {"open", "value"}}}, opts);
  ASSERT_TRUE(frames.wait_sent("HEADERS"));
  for (const auto& f : frames.all()) EXPECT_EQ(f.text.find("secret"), std::string::npos);
  // And out of the compression tables: the server is told so too.
  const auto head = server.accept().head;
  EXPECT_TRUE(head.headers.find("authorization")->sensitive);
  EXPECT_FALSE(head.headers.find("open")->sensitive);
}

TEST(request_head, connect_to_changes_who_is_dialed_and_not_what_is_asked) {
  peer server;
  auto opts = bounded();
  opts.connect_to = authority_of(server);
  const auto s = h2::open({.url = "http://example.org/path"}, opts);
  const auto head = server.accept().head;
  EXPECT_EQ(head.authority(), "example.org");
  EXPECT_EQ(head.path(), "/path");
}

TEST(request_head, default_ports_are_left_out_of_the_authority_and_others_are_not) {
  peer server;
  auto opts = bounded();
  opts.connect_to = authority_of(server);
  const auto first = h2::open({.url = "http://example.org:80/"}, opts);
  EXPECT_EQ(server.accept().head.authority(), "example.org");
  const auto second = h2::open({.url = "http://example.org:8080/"}, opts);
  EXPECT_EQ(server.accept().head.authority(), "example.org:8080");
}

TEST(request_head, an_ipv6_address_keeps_its_brackets) {
  peer server;
  auto opts = bounded();
  opts.connect_to = authority_of(server);
  const auto s = h2::open({.url = "http://[::1]:8080/"}, opts);
  EXPECT_EQ(server.accept().head.authority(), "[::1]:8080");
}

TEST(request_head, over_tls_has_the_scheme_https) {
  peer server(with_tls());
  const auto s = h2::open({.url = server.url("/p")}, trusting_localhost());
  const auto head = server.accept().head;
  EXPECT_EQ(head.scheme(), "https");
  EXPECT_EQ(head.url, server.url("/p"));
}

}  // namespace
}  // namespace duplex::test
