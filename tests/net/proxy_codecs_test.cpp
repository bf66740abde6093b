// What is said to proxies and what their answers mean, without sockets.

#include "net/http_connect.hpp"
#include "net/socks5.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace duplex::test {
namespace {

using namespace std::string_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

// What a codec says to answers, each piece as it asked for it; and what it came to. What is left of them is the
// tunnel's.
template <class Codec>
struct conversation {
  conversation(Codec codec, std::string answers) : rest(std::move(answers)) {
    auto step = codec.begin();
    for (;;) {
      said += step.send;
      verdict = step.refused;
      if (step.over()) return;
      if (rest.size() < step.read) {
        verdict = "waits for " + std::to_string(step.read - rest.size()) + " more";
        return;
      }
      const auto piece = rest.substr(0, step.read);
      rest.erase(0, step.read);
      step = codec.feed(piece);
    }
  }
  std::string said{};
  std::string verdict{};  // empty: there is a tunnel
  std::string rest;
};

// SOCKS 5

const std::string greeting = "\5\1\0"s;
const std::string accepted = "\5\0"s;
const std::string granted = "\5\0\0\1\1\2\3\4\0\7"s;

TEST(rfc1928, asks_for_a_name) {
  const conversation c(net::socks5("example.com", 443, {}), accepted + granted + "h2");
  EXPECT_EQ(c.said, greeting + "\5\1\0\3\xb"s + "example.com" + "\1\xbb"s);
  EXPECT_EQ(c.verdict, "");
  EXPECT_EQ(c.rest, "h2") << "what follows is not the proxy's";
}

TEST(rfc1928, asks_for_addresses) {
  EXPECT_EQ(conversation(net::socks5("1.2.3.4", 80, {}), accepted + granted).said,
            greeting + "\5\1\0\1\1\2\3\4\0\x50"s);
  EXPECT_EQ(conversation(net::socks5("::1", 80, {}), accepted + granted).said,
            greeting + "\5\1\0\4"s + std::string(15, '\0') + "\1\0\x50"s);
}

TEST(rfc1928, takes_every_kind_of_bound_address) {
  for (const auto& reply : {granted, "\5\0\0\4"s + std::string(18, 'x'), "\5\0\0\3\5boundpp"s, "\5\0\0\3\0pp"s}) {
    const conversation c(net::socks5("h", 1, {}), accepted + reply + "rest");
    EXPECT_EQ(c.verdict, "");
    EXPECT_EQ(c.rest, "rest");
  }
}

TEST(rfc1928, every_refusal_has_its_words) {
  for (const auto& [code, words] : std::initializer_list<std::pair<char, const char*>>{{1, "it has failed"},
                                                                                       {2, "rules"},
                                                                                       {3, "network is unreachable"},
                                                                                       {4, "host is unreachable"},
                                                                                       {5, "refused"},
                                                                                       {6, "time to live"},
                                                                                       {7, "CONNECT"},
                                                                                       {8, "kind of address"},
                                                                                       {9, "code is 9"},
                                                                                       {'\xff', "code is 255"}}) {
    const conversation c(net::socks5("h", 1, {}), accepted + "\5"s + code + "\0\1"s);
    EXPECT_THAT(c.verdict, HasSubstr(words));
  }
}

TEST(rfc1928, what_is_no_socks_is_said_to_be_none) {
  EXPECT_THAT(conversation(net::socks5("h", 1, {}), "HTTP/1.1 400").verdict, HasSubstr("does not speak SOCKS 5"));
  EXPECT_THAT(conversation(net::socks5("h", 1, {}), accepted + "\4\0\0\1"s).verdict, HasSubstr("not SOCKS 5"));
  EXPECT_THAT(conversation(net::socks5("h", 1, {}), accepted + "\5\0\0\2"s).verdict, HasSubstr("unknown kind"));
  EXPECT_THAT(conversation(net::socks5("h", 1, {}), accepted + "\5\0"s).verdict, HasSubstr("waits for 2"));
}

TEST(rfc1928, a_proxy_that_wants_a_login_says_so) {
  EXPECT_THAT(conversation(net::socks5("h", 1, {}), "\5\xff"s).verdict, HasSubstr("wants a user and password"));
  EXPECT_THAT(conversation(net::socks5("h", 1, {}), "\5\2"s).verdict, HasSubstr("wants a user and password"))
      << "it was not offered";
}

TEST(rfc1928, a_host_that_is_too_long_is_refused_before_a_byte) {
  const conversation c(net::socks5(std::string(256, 'h'), 1, {}), "");
  EXPECT_THAT(c.verdict, HasSubstr("255"));
  EXPECT_EQ(c.said, "");
}

TEST(rfc1929, logs_in) {
  const net::socks5::login me{"user", "secret"};
  const conversation c(net::socks5("h", 1, me), "\5\2\1\0"s + granted);
  EXPECT_EQ(c.said, "\5\2\0\2"s + "\1\4user\6secret" + "\5\1\0\3\1h\0\1"s);
  EXPECT_EQ(c.verdict, "");
  EXPECT_EQ(conversation(net::socks5("h", 1, me), accepted + granted).verdict, "") << "nobody wanted it";
  EXPECT_THAT(conversation(net::socks5("h", 1, me), "\5\2\1\1"s).verdict, HasSubstr("does not accept the user"));
  EXPECT_THAT(conversation(net::socks5("h", 1, me), "\5\xff"s).verdict, HasSubstr("neither"));
}

TEST(rfc1929, a_login_that_cannot_be_told_is_refused_before_a_byte) {
  for (const auto& login : {net::socks5::login{"", "p"}, net::socks5::login{std::string(256, 'u'), ""},
                            net::socks5::login{"u", std::string(256, 'p')}}) {
    const conversation c(net::socks5("h", 1, login), "");
    EXPECT_THAT(c.verdict, HasSubstr("255"));
    EXPECT_EQ(c.said, "");
  }
}

// CONNECT

conversation<net::http_connect> connect(std::string answers, const fields& extra = {}) {
  return {net::http_connect("example.com:443", extra), std::move(answers)};
}

TEST(rfc9110_9_3_6, connect_names_host_and_port) {
  EXPECT_EQ(connect("").said, "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n");
  EXPECT_EQ(connect("", {{"user-agent", "x"}}).said,
            "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\nuser-agent: x\r\n\r\n");
}

TEST(rfc9110_9_3_6, any_2xx_is_a_tunnel_and_what_follows_it_the_other_ends) {
  for (const std::string head :
       {"HTTP/1.1 200 Connection established\r\n\r\n", "HTTP/1.0 200 OK\r\nVia: x\r\n\r\n", "HTTP/1.1 204 \r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"}) {
    const auto c = connect(head + "\0\0\x12h2"s);
    EXPECT_EQ(c.verdict, "") << head;
    EXPECT_EQ(c.rest, "\0\0\x12h2"s) << head;
  }
}

TEST(rfc9110_15_2, informational_replies_come_before_the_tunnel) {
  EXPECT_EQ(connect("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n").verdict, "");
  EXPECT_THAT(connect("HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 502 Bad\r\n\r\n").verdict, HasSubstr("502"));
}

TEST(rfc9110_9_3_6, a_refusal_is_told_as_it_came) {
  EXPECT_THAT(connect("HTTP/1.1 403 Not here\r\nContent-Length: 9\r\n\r\nforbidden").verdict,
              AllOf(HasSubstr("403"), HasSubstr("\"Not here\"")));
  EXPECT_THAT(connect("HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n").verdict, HasSubstr("301"));
  EXPECT_THAT(connect("HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n").verdict,
              AllOf(HasSubstr("407"), HasSubstr("wants a user and password"), HasSubstr("realm")));
}

TEST(rfc9112, what_is_no_http_is_said_to_be_none_at_its_first_byte) {
  EXPECT_THAT(connect("\5\xff").verdict, HasSubstr("does not speak HTTP/1.1"));
  EXPECT_THAT(connect("\0\0\x12\4"s).verdict, HasSubstr("does not speak HTTP/1.1"));
  EXPECT_THAT(connect("HTTP/1.1 abc\r\n\r\n").verdict, HasSubstr("no HTTP"));
  EXPECT_THAT(connect("HTTP/1.1 200 OK\r\nbad field\r\n\r\n").verdict, HasSubstr("no HTTP"));
}

TEST(rfc9112, a_head_without_end_is_refused) {
  const auto c = connect("HTTP/1.1 200 OK\r\nx: " + std::string(net::http_connect::largest_reply, 'x'));
  EXPECT_THAT(c.verdict, HasSubstr("16 KiB"));
}

TEST(rfc9110_15_2, informational_replies_without_end_are_refused) {
  std::string many;
  while (many.size() < 2 * net::http_connect::largest_reply) many += "HTTP/1.1 100 Continue\r\n\r\n";
  EXPECT_THAT(connect(many + "HTTP/1.1 200 OK\r\n\r\n").verdict, HasSubstr("16 KiB"));
}

TEST(rfc7617, credentials_are_base64) {
  EXPECT_EQ(net::basic_credentials("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  EXPECT_EQ(net::basic_credentials("", ""), "Basic Og==");
}

}  // namespace
}  // namespace duplex::test
