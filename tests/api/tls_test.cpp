// TLS: who is trusted, what is negotiated, and clients with certificates.

#include "support.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace duplex::test {
namespace {

using h2::fin;
using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::string localhost_url(const peer& server) {
  const auto url = server.url();
  return "https://localhost" + url.substr(url.rfind(':'));
}

// A conversation both ways, through the records of TLS.
void converse(peer& server, h2::stream client) {
  auto far = server.accept().stream;
  far.send_response({200, {}});
  const auto sent = pattern(100'000);
  client.send(sent, fin);
  EXPECT_EQ(receive(far, sent.size()), sent);
  far.send(sent);
  far.send_trailers({{"grpc-status", "0"}});
  EXPECT_THAT(transcript(client), ElementsAre("response 200", "data " + sent, "trailers grpc-status=0", "done"));
}

TEST(tls, trusts_the_authorities_of_ca_file) {
  peer server(with_tls());
  converse(server, h2::open({.url = server.url()}, trusting_localhost()));
}

TEST(tls, verifies_host_names_and_addresses) {
  peer server(with_tls());
  converse(server, h2::open({.url = localhost_url(server)}, trusting_localhost()));
}

TEST(tls, says_what_was_negotiated_and_who_the_peer_is) {
  peer server(with_tls());
  const auto client = h2::open({.url = server.url()}, trusting_localhost());
  const auto info = client.connection().info();
  EXPECT_EQ(info.tls_version, "TLSv1.3");
  EXPECT_FALSE(info.tls_cipher.empty());
  EXPECT_FALSE(info.peer_certificate.empty());
  EXPECT_EQ("https://" + info.peer, server.url(""));
  EXPECT_EQ(server.accept().stream.connection().info().tls_version, "TLSv1.3");
}

TEST(tls, refuses_a_certificate_that_nobody_vouches_for) {
  peer server(with_tls());
  error_code ec;
  const auto s = h2::open({.url = server.url()}, bounded(), ec);
  EXPECT_EQ(ec, errc::certificate_invalid);
  ASSERT_TRUE(s.failure());
  EXPECT_EQ(s.failure()->scope, scope::connection);
  EXPECT_TRUE(s.failure()->retry_safe);
  EXPECT_THAT(s.failure()->message, HasSubstr("self"));
  EXPECT_TRUE(server.idle());
}

TEST(tls, refuses_a_certificate_for_another_name) {
  auto opts = with_tls();
  const auto other = make_self_signed({"example.org"});
  opts.certificate_pem = other.certificate_pem;
  opts.key_pem = other.key_pem;
  peer server(opts);
  auto client = bounded();
  client.tls.ca_file = temporary_file(other.certificate_pem);
  error_code ec;
  const auto by_address = h2::open({.url = server.url()}, client, ec);
  EXPECT_EQ(ec, errc::certificate_invalid);
  const auto by_name = h2::open({.url = localhost_url(server)}, client, ec);
  EXPECT_EQ(ec, errc::certificate_invalid);
  EXPECT_THAT(by_name.failure()->message, HasSubstr("localhost"));
  client.tls.server_name = "example.org";
  converse(server, h2::open({.url = server.url()}, client));
}

TEST(tls, connect_to_keeps_the_name_that_the_certificate_must_have) {
  auto opts = with_tls();
  const auto other = make_self_signed({"example.org"});
  opts.certificate_pem = other.certificate_pem;
  opts.key_pem = other.key_pem;
  peer server(opts);
  auto client = bounded();
  client.tls.ca_file = temporary_file(other.certificate_pem);
  client.connect_to = server.url("").substr(std::string_view("https://").size());
  converse(server, h2::open({.url = "https://example.org/"}, client));
  error_code ec;
  const auto s = h2::open({.url = "https://example.com/"}, client, ec);
  EXPECT_EQ(ec, errc::certificate_invalid);
}

TEST(tls, takes_any_certificate_without_verify) {
  peer server(with_tls());
  auto opts = bounded();
  opts.tls.verify = false;
  converse(server, h2::open({.url = server.url()}, opts));
}

TEST(tls, server_takes_its_certificate_from_files) {
  auto opts = cleartext();
  opts.cleartext = false;
  opts.cert_file = temporary_file(localhost_certificate().certificate_pem);
  opts.key_file = temporary_file(localhost_certificate().key_pem);
  peer server(opts);
  converse(server, h2::open({.url = server.url()}, trusting_localhost()));
}

TEST(tls, keylog_file_gets_the_sessions_secrets) {
  peer server(with_tls());
  auto opts = trusting_localhost();
  opts.tls.keylog_file = temporary_file("");
  converse(server, h2::open({.url = server.url()}, opts));
  std::stringstream text;
  text << std::ifstream(opts.tls.keylog_file).rdbuf();
  EXPECT_THAT(text.str(), HasSubstr("CLIENT_TRAFFIC_SECRET_0"));
}

TEST(tls, a_server_in_cleartext_is_tls_failed_for_https) {
  peer server;
  auto url = server.url();
  url.replace(0, url.find(':'), "https");
  auto opts = bounded();
  opts.connect_timeout = patience;
  error_code ec;
  const auto s = h2::open({.url = url}, opts, ec);
  EXPECT_EQ(ec, errc::tls_failed);
  EXPECT_TRUE(server.idle());
}

TEST(tls, a_client_in_cleartext_gets_nowhere_at_a_tls_server) {
  peer server(with_tls());
  auto url = server.url();
  url.replace(0, url.find(':'), "http");
  auto s = h2::open({.url = url}, bounded());
  EXPECT_THAT(recv_error(s), AnyOf("connection_lost", "protocol_error"));
  EXPECT_TRUE(server.idle());
}

TEST(tls, a_silent_caller_is_dropped_after_handshake_timeout_and_holds_up_nobody) {
  auto opts = with_tls();
  opts.handshake_timeout = 20ms;
  peer server(opts);
  asio::io_context io;
  asio::ip::tcp::socket silent(io);
  silent.connect({asio::ip::address_v4::loopback(), server.server().port()});
  char byte = 0;
  boost::system::error_code ec;
  silent.read_some(asio::buffer(&byte, 1), ec);
  EXPECT_TRUE(ec);
}

struct client_certificate {
  certificate made = make_self_signed({"client"});
  std::string cert_file = temporary_file(made.certificate_pem);
  std::string key_file = temporary_file(made.key_pem);
};

h2::server_options asking_for(const client_certificate& c) {
  auto opts = with_tls();
  opts.client_ca_file = c.cert_file;
  return opts;
}

TEST(mutual_tls, lets_a_client_in_that_has_a_certificate_and_tells_who_it_is) {
  const client_certificate own;
  peer server(asking_for(own));
  auto opts = trusting_localhost();
  opts.tls.cert_file = own.cert_file;
  opts.tls.key_file = own.key_file;
  auto client = h2::open({.url = server.url()}, opts);
  auto far = server.accept().stream;
  EXPECT_FALSE(far.connection().info().peer_certificate.empty());
  far.send_response({200, {}}, fin);
  EXPECT_THAT(transcript(client), ElementsAre("response 200", "done"));
}

TEST(mutual_tls, takes_certificate_and_key_from_one_file) {
  const client_certificate own;
  peer server(asking_for(own));
  auto opts = trusting_localhost();
  opts.tls.cert_file = temporary_file(own.made.certificate_pem + own.made.key_pem);
  auto client = h2::open({.url = server.url()}, opts);
  server.accept().stream.send_response({200, {}}, fin);
  EXPECT_THAT(transcript(client), ElementsAre("response 200", "done"));
}

// In TLS 1.3 the server's refusal comes after the client has finished its handshake, so either may say so.
std::string refused_with(const peer& server, const options& opts) {
  error_code ec;
  auto s = h2::open({.url = server.url()}, opts, ec);
  while (!ec) s.recv(ec);
  EXPECT_TRUE(s.failure());
  return name(ec);
}

TEST(mutual_tls, refuses_a_client_without_a_certificate) {
  const client_certificate own;
  peer server(asking_for(own));
  EXPECT_THAT(refused_with(server, trusting_localhost()), AnyOf("tls_failed", "connection_lost"));
  EXPECT_TRUE(server.idle());
}

TEST(mutual_tls, refuses_a_client_with_a_certificate_of_somebody_else) {
  const client_certificate own;
  const client_certificate stranger;
  peer server(asking_for(own));
  auto opts = trusting_localhost();
  opts.tls.cert_file = stranger.cert_file;
  opts.tls.key_file = stranger.key_file;
  EXPECT_THAT(refused_with(server, opts), AnyOf("tls_failed", "connection_lost"));
  EXPECT_TRUE(server.idle());
}

TEST(mutual_tls, goes_on_after_a_refusal) {
  const client_certificate own;
  peer server(asking_for(own));
  EXPECT_NE(refused_with(server, trusting_localhost()), "ok");
  auto opts = trusting_localhost();
  opts.tls.cert_file = own.cert_file;
  opts.tls.key_file = own.key_file;
  converse(server, h2::open({.url = server.url()}, opts));
}

}  // namespace
}  // namespace duplex::test
