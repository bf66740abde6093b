// A server that asks its clients for certificates, and the TLS of our own server.

#include "peers.hpp"

namespace duplex::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class mutual_tls : public ::testing::Test {
 protected:
  mutual_tls() {
    server_.certificate_pem = cert_.certificate_pem;
    server_.key_pem = cert_.key_pem;
    client_.tls.ca_file = folder_.write("server.pem", cert_.certificate_pem);
    client_.close_timeout = 20ms;
    server_.stream.close_timeout = 20ms;
  }
  h2::server start() {
    return {io_.get_executor(), server_, [this](const request&, h2::stream s) {
              peer_ = s.connection().info();
              s.async_send_response({200, {}}, h2::fin, [s](error_code) {});
            }};
  }
  void ask_for_certificates(const certificate& authority) {
    server_.client_ca_file = folder_.write("client-ca.pem", authority.certificate_pem);
  }
  void present(const certificate& cert) {
    client_.tls.cert_file = folder_.write("client.pem", cert.certificate_pem);
    client_.tls.key_file = folder_.write("client.key", cert.key_pem);
  }

  temporary_folder folder_;
  asio::io_context io_;
  certificate cert_ = make_self_signed();
  h2::server_options server_;
  options client_;
  h2::connection_info peer_;
};

TEST_F(mutual_tls, lets_in_a_client_with_a_certificate_of_the_authority) {
  const auto alice = make_self_signed({"alice"});
  ask_for_certificates(alice);
  present(alice);
  const auto server = start();
  auto s = open_now(io_, server.url(), client_);
  EXPECT_EQ(name(s.ec), "ok") << s.message;
  EXPECT_EQ(std::get<response>(receive_now(io_, s.stream).got).status, 200);
  EXPECT_THAT(peer_.peer_certificate, HasSubstr("alice"));
}

TEST_F(mutual_tls, resumes_a_session_and_still_knows_the_clients_certificate) {
  const auto alice = make_self_signed({"alice"});
  ask_for_certificates(alice);
  present(alice);
  const auto server = start();
  for (const bool resumed : {false, true, true}) {
    auto s = open_now(io_, server.url(), client_);
    EXPECT_EQ(std::get<response>(receive_now(io_, s.stream).got).status, 200);
    EXPECT_EQ(s.stream.connection().info().tls_resumed, resumed);
    EXPECT_EQ(peer_.tls_resumed, resumed);
    EXPECT_THAT(peer_.peer_certificate, HasSubstr("alice"));
  }
}

TEST_F(mutual_tls, does_not_resume_the_session_of_another_client) {
  const auto alice = make_self_signed({"alice"});
  ask_for_certificates(alice);
  const auto server = start();
  present(alice);
  auto of_alice = open_now(io_, server.url(), client_);
  EXPECT_EQ(std::get<response>(receive_now(io_, of_alice.stream).got).status, 200);
  client_.tls.cert_file = client_.tls.key_file = {};
  auto refused = open_now(io_, server.url(), client_);
  EXPECT_EQ(name(receive_now(io_, refused.stream).ec), "connection_lost");
}

TEST_F(mutual_tls, is_not_needed_for_a_server_to_resume_sessions) {
  const auto server = start();
  for (const bool resumed : {false, true, true}) {
    auto s = open_now(io_, server.url(), client_);
    EXPECT_EQ(std::get<response>(receive_now(io_, s.stream).got).status, 200);
    EXPECT_EQ(s.stream.connection().info().tls_resumed, resumed);
    EXPECT_EQ(peer_.tls_resumed, resumed);
  }
}

TEST_F(mutual_tls, takes_certificate_and_key_from_one_file) {
  const auto alice = make_self_signed({"alice"});
  ask_for_certificates(alice);
  client_.tls.cert_file = folder_.write("both.pem", alice.certificate_pem + alice.key_pem);
  const auto server = start();
  auto s = open_now(io_, server.url(), client_);
  EXPECT_EQ(std::get<response>(receive_now(io_, s.stream).got).status, 200);
}

// In TLS 1.3 the client is done before the server has judged it: the refusal arrives on the open connection.
TEST_F(mutual_tls, refuses_a_client_without_a_certificate_and_says_so) {
  ask_for_certificates(make_self_signed({"alice"}));
  const auto server = start();
  auto s = open_now(io_, server.url(), client_);
  EXPECT_EQ(name(s.ec), "ok");
  EXPECT_EQ(name(receive_now(io_, s.stream).ec), "connection_lost");
  EXPECT_THAT(s.stream.failure().value().message, HasSubstr("certificate required"));
  EXPECT_EQ(peer_.peer, "") << "no request reached the handler";
}

TEST_F(mutual_tls, refuses_a_client_of_another_authority) {
  ask_for_certificates(make_self_signed({"alice"}));
  present(make_self_signed({"mallory"}));
  const auto server = start();
  auto s = open_now(io_, server.url(), client_);
  EXPECT_EQ(name(receive_now(io_, s.stream).ec), "connection_lost");
  EXPECT_THAT(s.stream.failure().value().message, HasSubstr("alert"));
  EXPECT_EQ(peer_.peer, "");
}

TEST_F(mutual_tls, serves_others_after_it_refused_one) {
  const auto alice = make_self_signed({"alice"});
  ask_for_certificates(alice);
  const auto server = start();
  auto refused = open_now(io_, server.url(), client_);
  EXPECT_EQ(name(receive_now(io_, refused.stream).ec), "connection_lost");
  present(alice);
  auto s = open_now(io_, server.url(), client_);
  EXPECT_EQ(std::get<response>(receive_now(io_, s.stream).got).status, 200);
}

// What a server is started with

std::string why_not(asio::io_context& io, h2::server_options opts) {
  try {
    const h2::server server(io.get_executor(), std::move(opts), [](const request&, const h2::stream&) {});
  } catch (const boost::system::system_error& e) {
    return name(e.code()) + ": " + e.what();
  }
  return "it started";
}

TEST_F(mutual_tls, a_server_says_which_of_its_files_it_cannot_use) {
  const auto garbage = folder_.write("garbage.pem", "nothing of the kind");
  const auto missing = folder_.path("missing.pem");
  const auto good = folder_.write("good.pem", cert_.certificate_pem);
  for (const auto& file : {garbage, missing}) {
    EXPECT_THAT(why_not(io_, {.cert_file = file, .key_file = good}),
                AllOf(StartsWith("tls_failed: "), HasSubstr("cert_file " + file)));
    EXPECT_THAT(why_not(io_, {.cert_file = good, .key_file = file}),
                AllOf(StartsWith("tls_failed: "), HasSubstr("key_file " + file)));
    auto opts = server_;
    opts.client_ca_file = file;
    EXPECT_THAT(why_not(io_, opts), AllOf(StartsWith("tls_failed: "), HasSubstr("client_ca_file " + file)));
  }
  EXPECT_THAT(why_not(io_, {}), AllOf(StartsWith("invalid_argument: "), HasSubstr("certificate_pem")));
  EXPECT_THAT(why_not(io_, {.certificate_pem = "garbage"}),
              AllOf(StartsWith("tls_failed: "), HasSubstr("certificate_pem")));
  EXPECT_THAT(why_not(io_, {.certificate_pem = cert_.certificate_pem, .key_pem = make_self_signed().key_pem}),
              StartsWith("tls_failed: "));
  EXPECT_THAT(why_not(io_, {.key_file = good}), StartsWith("invalid_argument: "));
}

TEST_F(mutual_tls, a_server_takes_its_certificate_from_files_and_logs_its_keys) {
  h2::server_options opts;
  opts.cert_file = folder_.write("cert.pem", cert_.certificate_pem);
  opts.key_file = folder_.write("key.pem", cert_.key_pem);
  opts.keylog_file = folder_.path("keys");
  server_ = opts;
  const auto server = start();
  auto s = open_now(io_, server.url(), client_);
  EXPECT_EQ(std::get<response>(receive_now(io_, s.stream).got).status, 200);
  EXPECT_THAT(folder_.read("keys"), HasSubstr("SERVER_TRAFFIC_SECRET_0 "));
}

}  // namespace
}  // namespace duplex::test
