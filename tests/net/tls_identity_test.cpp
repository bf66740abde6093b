// The client's certificate: PEM and PKCS#12, with passwords that are right, wrong, missing, or asked for.

#include "certificates.hpp"
#include "net/tls_contexts.hpp"
#include "peers.hpp"

#include <boost/system/system_error.hpp>

#include <stdexcept>

namespace duplex::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class tls_identity : public ::testing::Test {
 protected:
  tls_identity() {
    client_.tls.ca_file = folder_.write("server.pem", server_.certificate_pem);
    client_.close_timeout = 20ms;
    client_.tls.cert_file = folder_.write("alice.pem", alice_.certificate_pem);
  }
  /// The subject that a server sees which trusts alice alone; or why the client does not come so far.
  std::string seen() {
    h2::server_options opts;
    opts.certificate_pem = server_.certificate_pem;
    opts.key_pem = server_.key_pem;
    opts.client_ca_file = folder_.write("client-ca.pem", alice_.certificate_pem);
    opts.stream.close_timeout = 20ms;
    std::string subject;
    const h2::server server(io_.get_executor(), opts, [&subject](const request&, h2::stream s) {
      subject = s.connection().info().peer_certificate;
      s.async_send_response({200, {}}, h2::fin, [s](error_code) {});
    });
    auto s = open_now(io_, server.url(), client_);
    if (s.ec) return name(s.ec) + ": " + s.message;
    (void)receive_now(io_, s.stream);
    return subject;
  }
  std::string context() {
    try {
      (void)asio::use_service<net::tls_contexts>(io_).get(client_.tls);
    } catch (const boost::system::system_error& e) {
      return name(e.code()) + ": " + e.what();
    }
    return "ok";
  }

  temporary_folder folder_;
  asio::io_context io_;
  certificate server_ = make_self_signed();
  certificate alice_ = make_self_signed({"alice"});
  options client_;
};

TEST_F(tls_identity, of_an_encrypted_key_is_presented_with_its_password) {
  client_.tls.key_file = folder_.write("alice.key", encrypted_key(alice_, "secret"));
  client_.tls.key_password = "secret";
  EXPECT_THAT(seen(), HasSubstr("alice"));
}

TEST_F(tls_identity, of_pkcs12_is_presented_without_being_told_what_it_is) {
  client_.tls.cert_file = folder_.write("alice.p12", pkcs12(alice_, "secret"));
  client_.tls.key_password = "secret";
  EXPECT_THAT(seen(), HasSubstr("alice"));
}

TEST_F(tls_identity, of_pkcs12_without_a_password_needs_none) {
  for (const char* none : {"", static_cast<const char*>(nullptr)}) {
    client_.tls.cert_file = folder_.write("alice.p12", pkcs12(alice_, none));
    EXPECT_THAT(seen(), HasSubstr("alice"));
  }
}

TEST_F(tls_identity, of_pkcs12_may_be_without_a_sum) {
  client_.tls.cert_file = folder_.write("alice.p12", pkcs12(alice_, "secret", -1));
  EXPECT_THAT(context(), HasSubstr("it is encrypted, and there is no tls.key_password"));
  client_.tls.key_password = "wrong";
  EXPECT_THAT(context(), HasSubstr("tls.key_password is not its password"));
  client_.tls.key_password = "secret";
  EXPECT_THAT(seen(), HasSubstr("alice"));
  client_.tls.key_password.clear();
  client_.tls.cert_file = folder_.write("open.p12", pkcs12(alice_, nullptr, -1, -1));
  EXPECT_THAT(seen(), HasSubstr("alice"));
}

// It would take longer than any time-out.
TEST_F(tls_identity, of_pkcs12_whose_password_is_hashed_without_end_is_refused) {
  client_.tls.cert_file = folder_.write("alice.p12", pkcs12(alice_, "secret", 1'000'001));
  client_.tls.key_password = "secret";
  EXPECT_THAT(context(), HasSubstr("its password is hashed more than a million times"));
}

TEST_F(tls_identity, asks_for_the_password_when_it_is_needed_and_then_no_more) {
  int asked = 0;
  client_.tls.key_file = folder_.write("alice.key", encrypted_key(alice_, "secret"));
  client_.tls.ask_key_password = [&asked] {
    ++asked;
    return std::string("secret");
  };
  EXPECT_EQ(asked, 0);
  EXPECT_THAT(seen(), HasSubstr("alice"));
  EXPECT_THAT(seen(), HasSubstr("alice"));
  EXPECT_EQ(asked, 1) << "the context is kept";
  client_.tls.cert_file = folder_.write("alice.p12", pkcs12(alice_, "secret"));
  client_.tls.key_file = {};
  EXPECT_THAT(seen(), HasSubstr("alice"));
  EXPECT_EQ(asked, 2);
  client_.tls.cert_file = folder_.write("both.pem", alice_.certificate_pem + alice_.key_pem);
  EXPECT_THAT(seen(), HasSubstr("alice"));
  EXPECT_EQ(asked, 2) << "it is not encrypted";
}

TEST_F(tls_identity, may_ask_a_function_that_dials_itself) {
  client_.tls.key_file = folder_.write("alice.key", encrypted_key(alice_, "secret"));
  client_.tls.ask_key_password = [this] {
    (void)asio::use_service<net::tls_contexts>(io_).get({.verify = false});
    return std::string("secret");
  };
  EXPECT_EQ(context(), "ok");
}

TEST_F(tls_identity, fails_with_what_the_asked_function_throws) {
  client_.tls.ask_key_password = []() -> std::string { throw std::runtime_error("the vault is closed"); };
  client_.tls.key_file = folder_.write("alice.key", encrypted_key(alice_, "secret"));
  EXPECT_THAT(context(), StartsWith("tls_failed: tls.ask_key_password threw: the vault is closed"));
  client_.tls.key_file = {};
  client_.tls.cert_file = folder_.write("alice.p12", pkcs12(alice_, "secret"));
  EXPECT_THAT(context(), StartsWith("tls_failed: tls.ask_key_password threw: the vault is closed"));
}

TEST_F(tls_identity, says_what_is_wrong_and_with_which_file) {
  const auto encrypted = folder_.write("alice.key", encrypted_key(alice_, "secret"));
  const auto p12 = folder_.write("alice.p12", pkcs12(alice_, "secret"));
  const auto other = folder_.write("other.key", make_self_signed().key_pem);
  const auto der = folder_.write("der", "\x30\x03 no");
  const auto told = [&](tls_options tls) {
    client_.tls = std::move(tls);
    return context();
  };
  const auto alice = client_.tls.cert_file;
  EXPECT_THAT(told({.cert_file = alice, .key_file = encrypted}),
              StartsWith("tls_failed: tls.key_file " + encrypted +
                         " cannot be used: it is encrypted, and there is no tls.key_password"));
  EXPECT_THAT(
      told({.cert_file = alice, .key_file = encrypted, .key_password = "wrong"}),
      StartsWith("tls_failed: tls.key_file " + encrypted + " cannot be used: tls.key_password is not its password"));
  EXPECT_THAT(told({.cert_file = p12}),
              StartsWith("tls_failed: tls.cert_file " + p12 +
                         " cannot be used: it is encrypted, and there is no tls.key_password"));
  EXPECT_THAT(told({.cert_file = p12, .key_password = "wrong"}),
              StartsWith("tls_failed: tls.cert_file " + p12 + " cannot be used: tls.key_password is not its password"));
  EXPECT_THAT(told({.cert_file = der}),
              StartsWith("tls_failed: tls.cert_file " + der + " cannot be used: it is neither PEM nor PKCS#12"));
  EXPECT_THAT(
      told({.cert_file = alice, .key_file = other}),
      StartsWith("tls_failed: tls.key_file " + other + " cannot be used: it is not the key of the certificate"));
  EXPECT_THAT(told({.cert_file = alice}), StartsWith("tls_failed: tls.cert_file " + alice +
                                                     " cannot be used: it holds no key, and there is no tls.key_file"));
  EXPECT_THAT(told({.cert_file = other}),
              StartsWith("tls_failed: tls.cert_file " + other +
                         " cannot be used: it holds no certificate, neither PEM nor PKCS#12"));
  const auto damaged = folder_.write("chain.pem", alice_.certificate_pem + "-----BEGIN CERTIFICATE-----\nAAAA\n" +
                                                      "-----END CERTIFICATE-----\n" + alice_.key_pem);
  EXPECT_THAT(told({.cert_file = damaged}), StartsWith("tls_failed: tls.cert_file " + damaged +
                                                       " cannot be used: a certificate of its chain is damaged: "));
  EXPECT_THAT(told({.cert_file = p12, .key_file = encrypted, .key_password = "secret"}),
              AllOf(StartsWith("invalid_argument: tls.key_file"), HasSubstr("PKCS#12")));
  EXPECT_THAT(told({.cert_file = folder_.path("")}), HasSubstr("cannot be used: it is no file"));
  EXPECT_THAT(told({.cert_file = folder_.path("none")}), HasSubstr("cannot be used: No such file or directory"));
}

TEST_F(tls_identity, is_shared_by_copies_of_a_function_alone) {
  client_.tls.key_file = folder_.write("alice.key", encrypted_key(alice_, "secret"));
  const auto ask = [] { return std::string("secret"); };
  client_.tls.ask_key_password = ask;
  const auto same = client_.tls;
  auto other = client_.tls;
  other.ask_key_password = ask;
  auto& contexts = asio::use_service<net::tls_contexts>(io_);
  EXPECT_EQ(contexts.get(client_.tls), contexts.get(same));
  EXPECT_NE(contexts.get(client_.tls), contexts.get(other));
  EXPECT_EQ(client_.tls, same);
  EXPECT_NE(client_.tls, other);
}

}  // namespace
}  // namespace duplex::test
