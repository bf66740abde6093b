// Pinned public keys: one of them is the peer's, or there is no connection.

#include "net/tls_pins.hpp"

#include "certificates.hpp"
#include "peers.hpp"

#include <boost/system/system_error.hpp>

#include <openssl/sha.h>

#include <array>

namespace duplex::test {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string pin_of(const certificate& cert) {
  const auto key = key_of(cert);
  const auto der = written([&](BIO* to) { return i2d_PUBKEY_bio(to, key.get()); });
  std::array<unsigned char, SHA256_DIGEST_LENGTH> hash{};
  SHA256(reinterpret_cast<const unsigned char*>(der.data()), der.size(), hash.data());
  std::array<unsigned char, 45> text{};
  EVP_EncodeBlock(text.data(), hash.data(), static_cast<int>(hash.size()));
  return std::string("sha256//") + reinterpret_cast<const char*>(text.data());
}

class pinned_keys : public ::testing::Test {
 protected:
  std::string dialed(options opts) {
    opts.close_timeout = 20ms;
    last_ = open_now(io_, peer_.url(), std::move(opts));
    return last_.ec ? name(last_.ec) + ": " + last_.message : "ok";
  }

  temporary_folder folder_;
  asio::io_context io_;
  certificate cert_ = make_self_signed();
  certificate other_ = make_self_signed();
  tls_peer peer_{io_, {.cert = cert_}, [](tls_socket& tls) -> asio::awaitable<void> {
                   std::string said;
                   co_await read_frame(tls, 1, said);
                   co_await say(tls, server_greeting() + ok_response(1));
                   co_await read_to_end(tls);
                 }};
  options trusting_{.tls = {.ca_file = folder_.write("ca.pem", cert_.certificate_pem)}};
  opened last_;
};

TEST_F(pinned_keys, let_a_peer_in_that_has_one_of_them) {
  trusting_.tls.pinned_keys = pin_of(cert_);
  EXPECT_EQ(dialed(trusting_), "ok");
  trusting_.tls.pinned_keys = pin_of(other_) + ";" + pin_of(cert_);
  EXPECT_EQ(dialed(trusting_), "ok");
}

TEST_F(pinned_keys, keep_out_a_peer_with_another_and_say_both) {
  trusting_.tls.pinned_keys = pin_of(other_);
  EXPECT_THAT(dialed(trusting_), AllOf(StartsWith("certificate_invalid: the certificate of 127.0.0.1:"),
                                       HasSubstr(" is not valid: its public key is " + pin_of(cert_) +
                                                 ", and tls.pinned_keys wants " + pin_of(other_))));
  const auto why = last_.stream.failure().value();
  EXPECT_EQ(why.origin, origin::local);
  EXPECT_EQ(why.scope, scope::connection);
  EXPECT_TRUE(why.retry_safe);
}

TEST_F(pinned_keys, count_where_nothing_else_is_verified) {
  options careless{.tls = {.verify = false, .pinned_keys = pin_of(cert_)}};
  EXPECT_EQ(dialed(careless), "ok");
  careless.tls.pinned_keys = pin_of(other_);
  EXPECT_THAT(dialed(careless), StartsWith("certificate_invalid: "));
}

TEST_F(pinned_keys, do_not_take_the_place_of_verification) {
  EXPECT_THAT(
      dialed({.tls = {.ca_file = folder_.write("other.pem", other_.certificate_pem), .pinned_keys = pin_of(cert_)}}),
      StartsWith("certificate_invalid: "));
}

TEST_F(pinned_keys, are_asked_of_a_resumed_session_too) {
  std::vector<std::string> told;
  std::vector<bool> resumed;
  const auto visit = [&](const std::string& pins) {
    trusting_.tls.pinned_keys = pins;
    told.push_back(dialed(trusting_).substr(0, 19));
    if (last_.ec) return;
    EXPECT_EQ(std::get<response>(receive_now(io_, last_.stream).got).status, 200);
    resumed.push_back(last_.stream.connection().info().tls_resumed);
  };
  visit("");
  visit(pin_of(other_));
  visit(pin_of(cert_));
  visit(pin_of(cert_));
  EXPECT_THAT(told, ElementsAre("ok", "certificate_invalid", "ok", "ok"));
  EXPECT_THAT(resumed, ElementsAre(false, false, true));
}

TEST_F(pinned_keys, are_sums_in_base64) {
  const std::string good = "sha256//" + std::string(43, 'A') + "=";
  EXPECT_THAT(net::parse_pins(good + ";" + good), ElementsAre(good, good));
  EXPECT_THAT(net::parse_pins(""), ElementsAre());
  for (const std::string bad : {"sha256", "sha256//", "sha1//AAAA", "key.pem", ";", "sha256//AAAA="}) {
    try {
      (void)net::parse_pins(bad);
      ADD_FAILURE() << bad;
    } catch (const boost::system::system_error& e) {
      EXPECT_EQ(e.code(), errc::invalid_argument);
      EXPECT_THAT(e.what(), StartsWith("tls.pinned_keys: "));
    }
  }
  EXPECT_THROW((void)net::parse_pins("sha256//" + std::string(43, '*') + "="), boost::system::system_error);
  trusting_.tls.pinned_keys = "key.pem";
  EXPECT_THAT(dialed(trusting_), StartsWith("invalid_argument: tls.pinned_keys: \"key.pem\" is not sha256//BASE64"));
}

}  // namespace
}  // namespace duplex::test
