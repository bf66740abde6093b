// The certificates of a server: chosen by name, changed while it runs; and those of its clients that may come without.

#include "certificates.hpp"
#include "peers.hpp"

#include <boost/system/system_error.hpp>

#include <filesystem>

namespace duplex::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class server_certificates : public ::testing::Test {
 protected:
  server_certificates() {
    opts_.stream.close_timeout = client_.close_timeout = 20ms;
    const auto first = make_self_signed({"first.example"});
    opts_.cert_file = folder_.write("cert.pem", first.certificate_pem);
    opts_.key_file = folder_.write("key.pem", first.key_pem);
  }
  h2::server start() {
    return {io_.get_executor(), opts_, [this](const request&, const h2::stream& s) {
              info_ = s.connection().info();
              streams_.push_back(s);
              streams_.back().async_send_response({200, {}}, [](error_code) {});
            }};
  }
  template <class Function>
  static std::string trouble_of(Function f) {
    try {
      f();
    } catch (const boost::system::system_error& e) {
      return name(e.code()) + ": " + e.what();
    }
    return "none";
  }
  std::string trouble() {
    return trouble_of([this] { (void)start(); });
  }
  void add(const std::vector<std::string>& names) {
    const auto cert = make_self_signed(names);
    opts_.certificates.push_back({.certificate_pem = cert.certificate_pem, .key_pem = cert.key_pem});
  }
  // The subject that a client sees which asks for `host`; one without a name for "".
  std::string subject(const h2::server& at, const std::string& host) {
    client_.tls.verify = false;
    client_.tls.resume = false;
    client_.connect_to = "127.0.0.1:" + std::to_string(at.port());
    auto s = open_now(io_, "https://" + (host.empty() ? "127.0.0.1" : host), client_);
    if (s.ec) return name(s.ec) + ": " + s.message;
    (void)receive_now(io_, s.stream);
    clients_.push_back(s.stream);
    return s.stream.connection().info().peer_certificate;
  }
  void renew(const std::string& subject) {
    const auto cert = make_self_signed({subject});
    (void)folder_.write("cert.pem", cert.certificate_pem);
    (void)folder_.write("key.pem", cert.key_pem);
  }

  temporary_folder folder_;
  asio::io_context io_;
  h2::server_options opts_;
  options client_;
  h2::connection_info info_;
  std::vector<h2::stream> streams_;
  std::vector<h2::stream> clients_;  // their connections stay
};

TEST_F(server_certificates, of_encrypted_keys_need_the_password_and_nobody_is_asked_for_it) {
  const auto cert = make_self_signed({"locked.example"});
  const auto key = encrypted_key(cert, "secret");
  opts_.cert_file = folder_.write("cert.pem", cert.certificate_pem);
  opts_.key_file = folder_.write("key.pem", key);
  const auto file = "tls_failed: key_file " + opts_.key_file + " cannot be used: ";
  EXPECT_THAT(trouble(), StartsWith(file + "it is encrypted, and there is no key_password"));
  opts_.key_password = "wrong";
  EXPECT_THAT(trouble(), StartsWith(file + "key_password is not its password"));
  opts_.key_password = "secret";
  EXPECT_THAT(subject(start(), ""), HasSubstr("locked.example"));
  opts_.certificates.push_back({.certificate_pem = cert.certificate_pem, .key_pem = key});
  EXPECT_THAT(trouble(),
              StartsWith("tls_failed: key_pem cannot be used: it is encrypted, and there is no key_password"));
  opts_.certificates.back().key_password = "secret";
  EXPECT_EQ(trouble(), "none");
}

TEST_F(server_certificates, of_encrypted_keys_are_reloaded_with_the_same_password) {
  opts_.key_password = "secret";
  const auto renew_locked = [this](const std::string& subject, const std::string& password) {
    const auto cert = make_self_signed({subject});
    (void)folder_.write("cert.pem", cert.certificate_pem);
    (void)folder_.write("key.pem", encrypted_key(cert, password));
  };
  renew_locked("locked.example", "secret");
  auto it = start();
  renew_locked("renewed.example", "secret");
  it.reload_certificates();
  EXPECT_THAT(subject(it, ""), HasSubstr("renewed.example"));
  renew_locked("lost.example", "another");
  EXPECT_THAT(
      trouble_of([&] { it.reload_certificates(); }),
      StartsWith("tls_failed: key_file " + opts_.key_file + " cannot be used: key_password is not its password"));
  EXPECT_THAT(subject(it, ""), HasSubstr("renewed.example"));
}

TEST_F(server_certificates, may_be_of_pkcs12) {
  opts_.cert_file = folder_.write("cert.p12", pkcs12(make_self_signed({"packed.example"}), ""));
  opts_.key_file.clear();
  EXPECT_THAT(subject(start(), ""), HasSubstr("packed.example"));
  opts_.cert_file = folder_.write("locked.p12", pkcs12(make_self_signed({"locked.example"}), "secret"));
  const auto file = "tls_failed: cert_file " + opts_.cert_file + " cannot be used: ";
  EXPECT_THAT(trouble(), StartsWith(file + "it is encrypted, and there is no key_password"));
  opts_.key_password = "secret";
  EXPECT_THAT(subject(start(), ""), HasSubstr("locked.example"));
}

TEST_F(server_certificates, rfc6066_3_are_chosen_by_the_name_that_the_client_asks_for) {
  add({"second.example"});
  add({"third.example", "alias.example"});
  const auto it = start();
  EXPECT_THAT(subject(it, "second.example"), HasSubstr("second.example"));
  EXPECT_THAT(subject(it, "THIRD.example"), HasSubstr("third.example"));
  EXPECT_THAT(subject(it, "alias.example"), HasSubstr("third.example"));
  EXPECT_THAT(subject(it, "first.example"), HasSubstr("first.example"));
}

TEST_F(server_certificates, are_the_first_for_a_client_that_asks_for_none_or_another) {
  add({"second.example"});
  const auto it = start();
  EXPECT_THAT(subject(it, ""), HasSubstr("first.example"));
  EXPECT_THAT(subject(it, "unknown.example"), HasSubstr("first.example"));
}

TEST_F(server_certificates, rfc6125_6_4_3_with_a_wildcard_are_for_one_label_and_behind_those_with_the_name) {
  add({"*.wild.example"});
  add({"tame.wild.example"});
  const auto it = start();
  EXPECT_THAT(subject(it, "any.wild.example"), HasSubstr("*.wild.example"));
  EXPECT_THAT(subject(it, "tame.wild.example"), HasSubstr("tame.wild.example"));
  EXPECT_THAT(subject(it, "a.b.wild.example"), HasSubstr("first.example"));
}

TEST_F(server_certificates, of_another_name_serve_http_2_as_the_first_does) {
  add({"second.example"});
  const auto it = start();
  EXPECT_THAT(subject(it, "second.example"), HasSubstr("second.example"));
  EXPECT_EQ(info_.tls_server_name, "second.example");
  EXPECT_EQ(info_.tls_alpn, "h2");
  EXPECT_EQ(info_.tls_version, "TLSv1.3");
  EXPECT_THAT(info_.tls_cipher, HasSubstr("TLS_"));
  EXPECT_THAT(info_.peer_certificate, IsEmpty());
}

TEST_F(server_certificates, that_are_reloaded_are_for_new_connections_and_running_ones_go_on) {
  add({"second.example"});
  auto it = start();
  EXPECT_THAT(subject(it, "first.example"), HasSubstr("first.example"));
  auto running = streams_.back();
  renew("renewed.example");
  it.reload_certificates();
  EXPECT_THAT(subject(it, "first.example"), HasSubstr("renewed.example"));
  EXPECT_THAT(subject(it, "second.example"), HasSubstr("second.example"));
  bool answered = false;
  running.connection().async_ping([&](error_code ec, std::chrono::microseconds) { answered = !ec; });
  EXPECT_TRUE(run_until(io_, [&] { return answered; })) << "the old connection is still there";
}

TEST_F(server_certificates, that_cannot_be_used_leave_the_old_ones_in_place) {
  auto it = start();
  const auto why_not = [&] { return trouble_of([&it] { it.reload_certificates(); }); };
  (void)folder_.write("cert.pem", "not a certificate");
  EXPECT_THAT(why_not(), HasSubstr(opts_.cert_file));
  EXPECT_THAT(subject(it, "first.example"), HasSubstr("first.example"));
  renew("renewed.example");
  (void)folder_.write("key.pem", make_self_signed({"another"}).key_pem);
  EXPECT_THAT(why_not(), HasSubstr(opts_.key_file)) << "the key is that of another certificate";
  EXPECT_THAT(subject(it, "first.example"), HasSubstr("first.example"));
  std::filesystem::remove(opts_.cert_file);
  EXPECT_THAT(why_not(), HasSubstr(opts_.cert_file));
  renew("renewed.example");
  EXPECT_EQ(why_not(), "none");
  EXPECT_THAT(subject(it, "first.example"), HasSubstr("renewed.example"));
}

TEST_F(server_certificates, of_a_cleartext_server_are_none_to_reload) {
  opts_.cleartext = true;
  auto it = start();
  EXPECT_NO_THROW(it.reload_certificates());
}

TEST_F(server_certificates, of_clients_may_be_asked_for_and_not_be_there) {
  const auto alice = make_self_signed({"alice"});
  opts_.client_ca_file = folder_.write("ca.pem", alice.certificate_pem);
  opts_.client_certificate_required = false;
  const auto it = start();
  EXPECT_THAT(subject(it, "first.example"), HasSubstr("first.example"));
  EXPECT_THAT(info_.peer_certificate, IsEmpty());
  client_.tls.cert_file = folder_.write("alice.pem", alice.certificate_pem);
  client_.tls.key_file = folder_.write("alice.key", alice.key_pem);
  EXPECT_THAT(subject(it, "first.example"), HasSubstr("first.example"));
  EXPECT_THAT(info_.peer_certificate, HasSubstr("alice"));
}

TEST_F(server_certificates, of_clients_that_are_wrong_are_refused_even_if_none_is_needed) {
  opts_.client_ca_file = folder_.write("ca.pem", make_self_signed({"alice"}).certificate_pem);
  opts_.client_certificate_required = false;
  const auto it = start();
  const auto mallory = make_self_signed({"mallory"});
  client_.tls.cert_file = folder_.write("mallory.pem", mallory.certificate_pem);
  client_.tls.key_file = folder_.write("mallory.key", mallory.key_pem);
  (void)subject(it, "first.example");
  EXPECT_THAT(streams_, IsEmpty());
}

}  // namespace
}  // namespace duplex::test
