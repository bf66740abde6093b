// What HTTP/2 asks of TLS (RFC 9113, section 9.2), names and versions, and each way in which a certificate is wrong.

#include "certificates.hpp"
#include "net/tls.hpp"
#include "peers.hpp"

namespace duplex::test {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class tls_rules : public ::testing::Test {
 protected:
  options trusting(const certificate& cert) {
    options opts;
    opts.close_timeout = 20ms;
    opts.tls.ca_file = folder_.write("ca.pem", cert.certificate_pem);
    return opts;
  }
  std::string dialed(const std::string& url, const options& opts) {
    last_ = open_now(io_, url, opts);
    return last_.ec ? name(last_.ec) + ": " + last_.message : "ok";
  }

  temporary_folder folder_;
  asio::io_context io_;
  certificate cert_ = make_self_signed();
  opened last_;
};

// RFC 9113, section 9.2

TEST_F(tls_rules, rfc9113_9_2_2_no_cipher_suite_of_appendix_a_is_offered) {
  const auto context = net::make_client_context({.verify = false, .max_version = tls_version::v1_2});
  const std::unique_ptr<SSL, decltype(&SSL_free)> ssl(SSL_new(context->native_handle()), SSL_free);
  auto* offered = SSL_get1_supported_ciphers(ssl.get());
  std::vector<std::string> names;
  for (int i = 0; i < sk_SSL_CIPHER_num(offered); ++i) {
    const auto* cipher = sk_SSL_CIPHER_value(offered, i);
    names.emplace_back(SSL_CIPHER_standard_name(cipher));
    // What is not in the appendix has an ephemeral key exchange, and an AEAD.
    EXPECT_EQ(SSL_CIPHER_get_kx_nid(cipher), NID_kx_ecdhe) << names.back();
    EXPECT_EQ(SSL_CIPHER_is_aead(cipher), 1) << names.back();
  }
  sk_SSL_CIPHER_free(offered);
  EXPECT_THAT(names, Contains("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256")) << "which everybody has to have";
}

TEST_F(tls_rules, rfc9113_9_2_2_a_server_with_prohibited_suites_alone_is_refused) {
  for (const std::string prohibited : {"ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384"}) {
    tls_peer peer(io_, {.cert = cert_, .last_version = TLS1_2_VERSION, .ciphers = prohibited});
    EXPECT_THAT(dialed(peer.url(), trusting(cert_)), StartsWith("tls_failed: ")) << prohibited;
    EXPECT_TRUE(peer.handshake && *peer.handshake);
  }
}

TEST_F(tls_rules, rfc9113_9_2_1_there_is_no_compression_and_no_renegotiation) {
  const auto context = net::make_client_context({});
  const auto options = SSL_CTX_get_options(context->native_handle());
  EXPECT_NE(options & SSL_OP_NO_COMPRESSION, 0U);
  EXPECT_NE(options & SSL_OP_NO_RENEGOTIATION, 0U);
}

TEST_F(tls_rules, rfc9113_9_2_1_a_server_that_renegotiates_has_no_answer_to_it) {
  std::optional<error_code> told;
  tls_peer peer(io_, {.cert = cert_, .last_version = TLS1_2_VERSION}, [&](tls_socket& tls) -> asio::awaitable<void> {
    std::string said;
    co_await read_frame(tls, 1, said);
    EXPECT_EQ(SSL_renegotiate(tls.native_handle()), 1);
    co_await say(tls, server_greeting());  // with the HelloRequest before it
    told = (co_await read_to_end(tls)).second;
  });
  EXPECT_EQ(dialed(peer.url(), trusting(cert_)), "ok");
  EXPECT_TRUE(run_until(io_, [&] { return told.has_value(); }));
  EXPECT_THAT(told->message(), HasSubstr("no renegotiation"));
}

TEST_F(tls_rules, rfc9113_9_2_alpn_is_checked_on_a_resumed_session) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    bool resumed = false;
    tls_peer peer(io_, {.cert = cert_, .last_version = version}, [&](tls_socket& tls) -> asio::awaitable<void> {
      resumed = SSL_session_reused(tls.native_handle()) == 1;
      std::string said;
      co_await read_frame(tls, 1, said);
      co_await say(tls, server_greeting() + ok_response(1));
      co_await read_to_end(tls);
    });
    const auto opts = trusting(cert_);
    EXPECT_EQ(dialed(peer.url(), opts), "ok");
    EXPECT_EQ(std::get<response>(receive_now(io_, last_.stream).got).status, 200);
    peer.speak("http/1.1", alpn::ignores);
    EXPECT_THAT(dialed(peer.url(), opts), StartsWith("protocol_not_negotiated: "));
    EXPECT_TRUE(run_until(io_, [&] { return resumed; }));
    last_ = {};
  }
}

// Names

TEST_F(tls_rules, another_name_than_the_verified_one_can_be_sent) {
  tls_peer peer(io_, {.cert = cert_});
  auto opts = trusting(cert_);
  opts.tls.sni = "front.example";
  EXPECT_EQ(dialed(peer.url("localhost"), opts), "ok");
  EXPECT_EQ(peer.server_name, "front.example");
  opts.tls.server_name = "other.example";
  EXPECT_THAT(dialed(peer.url("localhost"), opts),
              AllOf(StartsWith("certificate_invalid: "), HasSubstr("not for \"other.example\"")))
      << "what is sent does not weaken what is verified";
}

TEST_F(tls_rules, no_name_need_be_sent_to_verify_one) {
  tls_peer peer(io_, {.cert = cert_});
  auto opts = trusting(cert_);
  opts.tls.sni = "";
  EXPECT_EQ(dialed(peer.url("localhost"), opts), "ok");
  EXPECT_EQ(peer.server_name, std::nullopt);
  const auto other = make_self_signed({"other.example"});
  tls_peer stranger(io_, {.cert = other});
  auto of_other = trusting(other);
  of_other.tls.sni = "";
  EXPECT_THAT(dialed(stranger.url("localhost"), of_other), StartsWith("certificate_invalid: "));
}

TEST_F(tls_rules, an_address_is_no_name_to_send) {
  tls_peer peer(io_, {.cert = cert_});
  auto opts = trusting(cert_);
  for (const std::string address : {"127.0.0.1", "::1"}) {
    opts.tls.sni = address;
    EXPECT_THAT(dialed(peer.url(), opts), StartsWith("invalid_argument: tls.sni: \"" + address + "\" is an address"));
  }
  opts.tls.sni = std::string(300, 'x');
  EXPECT_THAT(dialed(peer.url(), opts), StartsWith("invalid_argument: tls.sni: "));
  opts.tls.sni = "localhost";
  EXPECT_EQ(dialed(peer.url("127.0.0.1"), opts), "ok") << "verified is the address";
  EXPECT_EQ(peer.server_name, "localhost");
}

TEST_F(tls_rules, the_dot_of_the_root_is_neither_sent_nor_verified) {
  tls_peer peer(io_, {.cert = cert_});
  auto opts = trusting(cert_);
  opts.connect_to = "127.0.0.1:" + std::to_string(peer.port());
  EXPECT_EQ(dialed("https://localhost./", opts), "ok");
  EXPECT_EQ(peer.server_name, "localhost");
}

// Versions

TEST_F(tls_rules, a_client_keeps_to_its_versions) {
  auto opts = trusting(cert_);
  tls_peer any(io_, {.cert = cert_});
  opts.tls.max_version = tls_version::v1_2;
  EXPECT_EQ(dialed(any.url(), opts), "ok");
  EXPECT_EQ(last_.stream.connection().info().tls_version, "TLSv1.2");
  tls_peer late(io_, {.cert = cert_, .least_version = TLS1_3_VERSION});
  EXPECT_THAT(dialed(late.url(), opts), AllOf(StartsWith("tls_failed: "), HasSubstr("; tls.max_version is TLS 1.2")));

  opts.tls.max_version = opts.tls.min_version = tls_version::v1_3;
  EXPECT_EQ(dialed(any.url(), opts), "ok");
  tls_peer early(io_, {.cert = cert_, .last_version = TLS1_2_VERSION});
  EXPECT_THAT(dialed(early.url(), opts), AllOf(StartsWith("tls_failed: "), HasSubstr("; tls.min_version is TLS 1.3")));

  opts.tls.max_version = tls_version::v1_2;
  EXPECT_THAT(dialed(any.url(), opts), StartsWith("invalid_argument: tls.min_version is above tls.max_version"));
}

// Certificates that are wrong

constexpr long day = 24L * 60 * 60;

TEST_F(tls_rules, a_certificate_whose_time_has_not_come_says_when_it_will) {
  const auto early = changed(cert_, [](X509* c) { X509_gmtime_adj(X509_getm_notBefore(c), 2 * day); });
  tls_peer peer(io_, {.cert = early});
  EXPECT_THAT(dialed(peer.url(), trusting(early)),
              AllOf(StartsWith("certificate_invalid: "), HasSubstr("certificate is not yet valid: it begins on 20"),
                    HasSubstr("; subject CN=localhost, issuer CN=localhost")));
}

TEST_F(tls_rules, a_certificate_whose_time_is_over_says_since_when) {
  const auto old = changed(cert_, [](X509* c) { X509_gmtime_adj(X509_getm_notAfter(c), -day); });
  tls_peer peer(io_, {.cert = old});
  EXPECT_THAT(dialed(peer.url(), trusting(old)),
              AllOf(StartsWith("certificate_invalid: "), HasSubstr("certificate has expired: it ended on 20"),
                    HasSubstr("; subject CN=localhost, issuer CN=localhost")));
}

TEST_F(tls_rules, a_certificate_of_an_unknown_issuer_names_it) {
  const auto authority = make_self_signed({"Some Authority"});
  const auto issued = changed(
      cert_, [](X509* c) { set_extension(c, NID_basic_constraints, "critical,CA:FALSE"); }, &authority);
  tls_peer peer(io_, {.cert = issued});
  EXPECT_EQ(dialed(peer.url("localhost"), trusting(authority)), "ok");
  EXPECT_THAT(dialed(peer.url("localhost"), trusting(make_self_signed({"Another"}))),
              AllOf(StartsWith("certificate_invalid: "), HasSubstr("subject CN=localhost, issuer CN=Some Authority"),
                    HasSubstr("its authority is not in tls.ca_file ")));
}

TEST_F(tls_rules, a_self_signed_certificate_is_called_that) {
  tls_peer peer(io_, {.cert = cert_});
  EXPECT_THAT(dialed(peer.url(), trusting(make_self_signed({"Another"}))),
              AllOf(StartsWith("certificate_invalid: "), HasSubstr("self-signed certificate: subject CN=localhost")));
}

TEST_F(tls_rules, a_certificate_for_another_host_says_for_which_and_whose_it_is) {
  const auto other = make_self_signed({"other.example"});
  tls_peer peer(io_, {.cert = other});
  EXPECT_THAT(dialed(peer.url("localhost"), trusting(other)),
              AllOf(StartsWith("certificate_invalid: "),
                    HasSubstr("it is for \"other.example\", not for \"localhost\"; subject CN=other.example, issuer "
                              "CN=other.example, from 20"),
                    HasSubstr("; tls.server_name verifies another name")));
}

TEST_F(tls_rules, a_certificate_for_another_purpose_is_refused) {
  const auto authority = make_self_signed({"Some Authority"});
  const auto of_client = changed(
      cert_,
      [](X509* c) {
        set_extension(c, NID_basic_constraints, "critical,CA:FALSE");
        set_extension(c, NID_ext_key_usage, "clientAuth");
      },
      &authority);
  tls_peer peer(io_, {.cert = of_client});
  EXPECT_THAT(dialed(peer.url("localhost"), trusting(authority)),
              AllOf(StartsWith("certificate_invalid: "),
                    HasSubstr("certificate purpose: subject CN=localhost, issuer CN=Some Authority")));
}

// What is known about a connection

TEST_F(tls_rules, a_connection_tells_how_it_was_made) {
  tls_peer peer(io_, {.cert = cert_});
  EXPECT_EQ(dialed(peer.url("localhost"), trusting(cert_)), "ok");
  const auto info = last_.stream.connection().info();
  EXPECT_THAT(info.certificate_issuer, HasSubstr("localhost"));
  ASSERT_TRUE(info.certificate_expires);
  const auto left = *info.certificate_expires - std::chrono::system_clock::now();
  EXPECT_GT(left, std::chrono::hours(29 * 24));
  EXPECT_LT(left, std::chrono::hours(31 * 24));
  EXPECT_TRUE(info.times.resolve && info.times.connect && info.times.tls);
  EXPECT_FALSE(info.times.proxy);
  ASSERT_FALSE(info.attempts.empty());
  EXPECT_EQ(info.attempts.back().address, info.peer);
  EXPECT_EQ(info.attempts.back().error, "");
}

}  // namespace
}  // namespace duplex::test
