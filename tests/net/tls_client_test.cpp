// TLS as a client: whom it trusts, whom it takes for whom, and what it says when it does not (RFC 6125, RFC 9113,
// section 3.2 and 9.2).

#include "peers.hpp"

namespace duplex::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class tls_client : public ::testing::Test {
 protected:
  /// Options that trust `cert`.
  options trusting(const certificate& cert, const std::string& file = "ca.pem") {
    options opts;
    opts.tls.ca_file = folder_.write(file, cert.certificate_pem);
    return opts;
  }
  static tls_peer_options serving(certificate cert) { return {.cert = std::move(cert)}; }

  temporary_folder folder_;
  asio::io_context io_;
  certificate cert_ = make_self_signed();
};

TEST_F(tls_client, trusts_the_authority_in_ca_file) {
  tls_peer peer(io_, serving(cert_));
  const auto s = open_now(io_, peer.url(), trusting(cert_));
  EXPECT_EQ(name(s.ec), "ok") << s.message;
  const auto info = s.stream.connection().info();
  EXPECT_EQ(info.tls_version, "TLSv1.3");
  EXPECT_FALSE(info.tls_cipher.empty());
  EXPECT_EQ(info.peer, "127.0.0.1:" + std::to_string(peer.port()));
  EXPECT_THAT(info.peer_certificate, HasSubstr("localhost"));
}

TEST_F(tls_client, refuses_a_certificate_that_nobody_vouches_for) {
  tls_peer peer(io_, serving(cert_));
  const auto s = open_now(io_, peer.url());  // the system's authorities
  EXPECT_EQ(name(s.ec), "certificate_invalid");
  EXPECT_THAT(s.message, AllOf(HasSubstr("127.0.0.1"), HasSubstr("self-signed"), HasSubstr("issuer")));
  const auto why = s.stream.failure();
  ASSERT_TRUE(why);
  EXPECT_TRUE(why->retry_safe);
  EXPECT_EQ(why->scope, scope::connection);
}

TEST_F(tls_client, refuses_a_certificate_of_another_authority) {
  tls_peer peer(io_, serving(cert_));
  const auto s = open_now(io_, peer.url(), trusting(make_self_signed({"another"})));
  EXPECT_EQ(name(s.ec), "certificate_invalid");
}

TEST_F(tls_client, refuses_a_certificate_for_another_name) {
  const auto other = make_self_signed({"other.example"});
  tls_peer peer(io_, serving(other));
  const auto s = open_now(io_, peer.url("localhost"), trusting(other));
  EXPECT_EQ(name(s.ec), "certificate_invalid");
  EXPECT_THAT(s.message, AllOf(HasSubstr("localhost"), HasSubstr("hostname mismatch"), HasSubstr("other.example")));
}

TEST_F(tls_client, refuses_a_certificate_for_another_address) {
  const auto other = make_self_signed({"localhost", "127.0.0.2"});
  tls_peer peer(io_, serving(other));
  const auto s = open_now(io_, peer.url("127.0.0.1"), trusting(other));
  EXPECT_EQ(name(s.ec), "certificate_invalid");
  EXPECT_THAT(s.message, HasSubstr("IP address mismatch"));
}

TEST_F(tls_client, takes_an_address_that_the_certificate_names_and_sends_no_name_for_it) {
  const auto by_address = make_self_signed({"127.0.0.1"});
  tls_peer peer(io_, serving(by_address));
  EXPECT_EQ(name(open_now(io_, peer.url("127.0.0.1"), trusting(by_address)).ec), "ok");
  EXPECT_EQ(peer.server_name, std::nullopt);
}

TEST_F(tls_client, sends_the_name_of_the_host) {
  tls_peer peer(io_, serving(cert_));
  EXPECT_EQ(name(open_now(io_, peer.url("localhost"), trusting(cert_)).ec), "ok");
  EXPECT_EQ(peer.server_name, "localhost");
}

TEST_F(tls_client, keeps_the_hosts_name_when_it_dials_elsewhere) {
  const auto other = make_self_signed({"far.example"});
  tls_peer peer(io_, serving(other));
  auto opts = trusting(other);
  opts.connect_to = "127.0.0.1:" + std::to_string(peer.port());
  EXPECT_EQ(name(open_now(io_, "https://far.example/", opts).ec), "ok");
  EXPECT_EQ(peer.server_name, "far.example");
}

TEST_F(tls_client, sends_and_verifies_server_name_instead_if_it_is_set) {
  const auto other = make_self_signed({"far.example"});
  tls_peer peer(io_, serving(other));
  auto opts = trusting(other);
  opts.tls.server_name = "far.example";
  EXPECT_EQ(name(open_now(io_, peer.url(), opts).ec), "ok");
  EXPECT_EQ(peer.server_name, "far.example");
  opts.tls.server_name = "localhost";
  EXPECT_EQ(name(open_now(io_, peer.url(), opts).ec), "certificate_invalid");
}

TEST_F(tls_client, refuses_a_certificate_whose_time_is_over) {
  const auto old = expired(cert_);
  tls_peer peer(io_, serving(old));
  const auto s = open_now(io_, peer.url(), trusting(old));
  EXPECT_EQ(name(s.ec), "certificate_invalid");
  EXPECT_THAT(s.message, HasSubstr("expired"));
}

TEST_F(tls_client, verifies_nothing_if_told_so) {
  tls_peer peer(io_, serving(expired(make_self_signed({"other.example"}))));
  options opts;
  opts.tls.verify = false;
  EXPECT_EQ(name(open_now(io_, peer.url(), opts).ec), "ok");
}

// Files

TEST_F(tls_client, says_which_file_it_cannot_use) {
  tls_peer peer(io_, serving(cert_));
  const auto garbage = folder_.write("garbage.pem", "nothing of the kind");
  const auto empty = folder_.write("empty.pem", "");
  const auto good = folder_.write("good.pem", cert_.certificate_pem);
  const auto other_key = folder_.write("other-key.pem", make_self_signed().key_pem);
  const auto missing = folder_.path("missing.pem");
  const auto told = [&](tls_options tls) {
    options opts;
    opts.tls = std::move(tls);
    const auto s = open_now(io_, peer.url(), opts);
    return name(s.ec) + ": " + s.message;
  };
  for (const auto& file : {garbage, empty, missing}) {
    EXPECT_THAT(told({.ca_file = file}), AllOf(StartsWith("tls_failed: "), HasSubstr("ca_file " + file)));
    EXPECT_THAT(told({.cert_file = file}), AllOf(StartsWith("tls_failed: "), HasSubstr("cert_file " + file)));
    EXPECT_THAT(told({.cert_file = good, .key_file = file}),
                AllOf(StartsWith("tls_failed: "), HasSubstr("key_file " + file)));
  }
  EXPECT_THAT(told({.cert_file = good, .key_file = other_key}),
              AllOf(StartsWith("tls_failed: "), HasSubstr("key_file " + other_key)));
  EXPECT_THAT(told({.key_file = good}), StartsWith("invalid_argument: tls.key_file without tls.cert_file"));
  EXPECT_THAT(told({.keylog_file = folder_.path("no/such/folder")}),
              AllOf(StartsWith("invalid_argument: "), HasSubstr("keylog_file")));
  EXPECT_EQ(peer.handshake, std::nullopt) << "nothing was dialed";
}

TEST_F(tls_client, appends_the_secrets_to_keylog_file) {
  tls_peer peer(io_, serving(cert_));
  auto opts = trusting(cert_);
  opts.tls.keylog_file = folder_.write("keys", "# before\n");
  EXPECT_EQ(name(open_now(io_, peer.url(), opts).ec), "ok");
  EXPECT_THAT(folder_.read("keys"), AllOf(StartsWith("# before\n"), HasSubstr("CLIENT_HANDSHAKE_TRAFFIC_SECRET "),
                                          HasSubstr("CLIENT_TRAFFIC_SECRET_0 ")));
}

// Versions and ALPN

TEST_F(tls_client, speaks_tls_1_2_with_forward_secrecy) {
  auto serve = serving(cert_);
  serve.last_version = TLS1_2_VERSION;
  tls_peer peer(io_, serve);
  const auto s = open_now(io_, peer.url(), trusting(cert_));
  EXPECT_EQ(name(s.ec), "ok") << s.message;
  EXPECT_EQ(s.stream.connection().info().tls_version, "TLSv1.2");
  EXPECT_THAT(peer.cipher, StartsWith("ECDHE"));
}

TEST_F(tls_client, refuses_tls_1_1) {
  auto serve = serving(cert_);
  serve.least_version = TLS1_VERSION;
  serve.last_version = TLS1_1_VERSION;
  tls_peer peer(io_, serve);
  const auto s = open_now(io_, peer.url(), trusting(cert_));
  EXPECT_EQ(name(s.ec), "tls_failed");
  EXPECT_THAT(s.message, HasSubstr("version"));
}

TEST_F(tls_client, says_that_a_server_of_http1_alone_refused_h2) {
  auto serve = serving(cert_);
  serve.protocol = "http/1.1";
  serve.alpn = alpn::refuses;
  tls_peer peer(io_, serve);
  const auto s = open_now(io_, peer.url(), trusting(cert_));
  EXPECT_EQ(name(s.ec), "protocol_not_negotiated");
  EXPECT_THAT(s.message, HasSubstr("h2"));
  EXPECT_EQ(s.stream.failure().value().origin, origin::peer);
}

TEST_F(tls_client, says_that_a_server_which_ignores_h2_chose_nothing) {
  for (const auto how : {alpn::silent, alpn::ignores}) {
    auto serve = serving(cert_);
    serve.protocol = "http/1.1";
    serve.alpn = how;
    tls_peer peer(io_, serve);
    const auto s = open_now(io_, peer.url(), trusting(cert_));
    EXPECT_EQ(name(s.ec), "protocol_not_negotiated");
    EXPECT_THAT(s.message, HasSubstr("no protocol"));
  }
}

// It breaks ALPN (RFC 7301, section 3.1), which ends the handshake.
TEST_F(tls_client, fails_when_the_server_chose_what_was_not_offered) {
  auto serve = serving(cert_);
  serve.protocol = "http/1.1";
  tls_peer peer(io_, serve);
  EXPECT_EQ(name(open_now(io_, peer.url(), trusting(cert_)).ec), "tls_failed");
}

// Handshakes that come to nothing

TEST_F(tls_client, fails_against_a_cleartext_port) {
  tcp_peer peer(io_, [](tcp::socket& socket) -> asio::awaitable<void> {
    char piece[64];
    co_await socket.async_read_some(asio::buffer(piece), as_value);
    co_await say(socket, "HTTP/1.1 400 Bad Request\r\n\r\n");
  });
  const auto s = open_now(io_, peer.url("https"));
  EXPECT_EQ(name(s.ec), "tls_failed");
  EXPECT_THAT(s.message, AllOf(HasSubstr("127.0.0.1"), HasSubstr("wrong version number")));
}

TEST_F(tls_client, fails_when_the_handshake_is_cut) {
  tcp_peer peer(io_, [](tcp::socket& socket) -> asio::awaitable<void> {
    char piece[64];
    co_await socket.async_read_some(asio::buffer(piece), as_value);
    socket.shutdown(tcp::socket::shutdown_send);
  });
  const auto s = open_now(io_, peer.url("https"));
  EXPECT_EQ(name(s.ec), "tls_failed");
  EXPECT_EQ(s.stream.failure().value().origin, origin::network);
}

TEST_F(tls_client, fails_when_the_handshake_is_reset) {
  tcp_peer peer(io_, [](tcp::socket& socket) -> asio::awaitable<void> {
    char piece[64];
    co_await socket.async_read_some(asio::buffer(piece), as_value);
    socket.set_option(asio::socket_base::linger(true, 0));
  });
  EXPECT_EQ(name(open_now(io_, peer.url("https")).ec), "tls_failed");
}

TEST_F(tls_client, gives_up_on_a_server_that_accepts_and_says_nothing) {
  std::vector<tcp::socket> held;
  tcp_peer peer(io_, [&](tcp::socket& socket) -> asio::awaitable<void> {
    held.push_back(std::move(socket));
    co_return;
  });
  options opts;
  opts.connect_timeout = 30ms;
  const auto s = open_now(io_, peer.url("https"), opts);
  EXPECT_EQ(name(s.ec), "timeout");
  EXPECT_EQ(s.stream.failure().value().code, errc::timeout);
  EXPECT_EQ(peer.accepted, 1);
}

}  // namespace
}  // namespace duplex::test
