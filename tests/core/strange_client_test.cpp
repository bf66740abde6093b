// Clients of a server that do not speak HTTP/2, or not in the way that the port wants (RFC 9113, sections 3.2 to 3.4).

#include "session_test.hpp"

namespace duplex::test {
namespace {

using core::client_speaks;

constexpr std::string_view http1_request = "GET /index.html HTTP/1.1\r\nhost: peer\r\naccept: */*\r\n\r\n";

class strange_client : public session_test {
 protected:
  explicit strange_client(client_speaks what = client_speaks::unknown)
      : us_({.role = role::server, .speaks = what, .peer = "10.0.0.1:9"}, now_) {}

  // What is said, a few bytes in each read, and what is heard.
  std::string say(std::string_view bytes) {
    std::string heard = listen();
    while (!bytes.empty()) {
      const auto n = std::min(GetParam(), bytes.size());
      us_->feed(bytes.substr(0, n));
      us_.collect();
      heard += listen();
      bytes.remove_prefix(n);
    }
    return heard;
  }
  std::string listen() {
    std::string heard;
    while (us_.pull(heard, now_)) us_.collect();
    us_.collect();
    return heard;
  }
  [[nodiscard]] std::string message() { return us_->failed() ? us_->failed()->message : std::string(); }

  time_point now_{};
  endpoint us_;
};

class client_in_cleartext : public strange_client {};
INSTANTIATE_TEST_SUITE_P(bytes_per_read, client_in_cleartext, read_sizes(), name_of_read_size);

TEST_P(client_in_cleartext, rfc9110_15_6_6_of_http_1_1_is_told_which_version_is_supported_and_nothing_else) {
  const auto heard = say(http1_request);
  EXPECT_THAT(heard, StartsWith("HTTP/1.1 505 HTTP Version Not Supported\r\n"));
  EXPECT_THAT(heard, HasSubstr("\r\nconnection: close\r\n"));
  const std::string body = "This port speaks HTTP/2 only, with prior knowledge.\n";
  EXPECT_THAT(heard, HasSubstr("\r\ncontent-length: " + std::to_string(body.size()) + "\r\n"));
  EXPECT_TRUE(heard.ends_with("\r\n\r\n" + body)) << heard;
  EXPECT_EQ(us_.failure_of_connection(), "protocol_not_negotiated peer connection");
  EXPECT_EQ(message(), "10.0.0.1:9 does not begin with the preface of HTTP/2, but with \"GET /index.html HTTP/1.1\"");
  EXPECT_TRUE(us_->finished());
  EXPECT_EQ(us_.count(kind::failed), 1U);
}

TEST_P(client_in_cleartext, rfc9113_3_1_that_asks_to_upgrade_to_h2c_is_not_offered_it) {
  const auto heard = say("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\n\r\n");
  EXPECT_THAT(heard, AllOf(StartsWith("HTTP/1.1 505 "), Not(HasSubstr("upgrade"))));
}

TEST_P(client_in_cleartext, whatever_its_request_is_told_so) {
  for (const std::string_view line :
       {"POST / HTTP/1.0\n", "PRI * HTTP/1.1\r\n", "PUT /a?b HTTP/1.1\r\n", "OPTIONS * HTTP/1.1\r\n"}) {
    endpoint other({.role = role::server, .speaks = client_speaks::unknown}, now_);
    std::string heard;
    for (const char c : line) {
      other->feed({&c, 1});
      other.pull(heard, now_);
    }
    EXPECT_THAT(heard, StartsWith("HTTP/1.1 505 ")) << line;
  }
}

TEST_P(client_in_cleartext, rfc9110_9_3_2_that_asks_for_the_head_gets_no_body) {
  const auto heard = say("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n");
  EXPECT_THAT(heard, StartsWith("HTTP/1.1 505 "));
  EXPECT_TRUE(heard.ends_with("\r\n\r\n"));
}

TEST_P(client_in_cleartext, rfc9113_3_4_of_another_protocol_hears_that_this_is_http2) {
  const std::string long_line = "GET /" + std::string(9000, 'x');
  for (const std::string_view said :
       {std::string_view("\x16\x03\x01\x02\x00\x01\x00\x01", 8), std::string_view("SSH-2.0-client\r\n"),
        std::string_view("GET /\r\n"), std::string_view("GET / HTTP/3.0\r\n"), std::string_view("\r\n\r\n"),
        std::string_view(long_line)}) {
    endpoint other({.role = role::server, .speaks = client_speaks::unknown}, now_);
    std::string heard;
    for (std::size_t at = 0; at < said.size(); at += std::min(GetParam(), said.size())) {
      other->feed(said.substr(at, GetParam()));
      other.pull(heard, now_);
    }
    other.collect();
    std::vector<std::string> frames;
    for (const auto& f : raw::take_frames(heard)) frames.push_back(f.text());
    EXPECT_THAT(frames, ElementsAre("SETTINGS", StartsWith("GOAWAY"))) << said;
    EXPECT_EQ(other.failure_of_connection(), "protocol_not_negotiated peer connection");
  }
}

TEST_P(client_in_cleartext, that_leaves_within_its_request_line_is_told_of) {
  EXPECT_THAT(say("GET / HT"), IsEmpty());
  us_->lost(errc::connection_lost, "end of file");
  EXPECT_EQ(us_.failure_of_connection(), "protocol_not_negotiated peer connection");
  EXPECT_THAT(message(), HasSubstr("\"GET / HT\""));
}

TEST_P(client_in_cleartext, that_leaves_within_the_preface_is_none) {
  EXPECT_THAT(say("PRI * HT"), IsEmpty());
  EXPECT_FALSE(us_->met_stranger());
}

TEST_P(client_in_cleartext, rfc9113_3_3_gets_our_settings_when_its_preface_is_there) {
  EXPECT_THAT(say(raw::preface.substr(0, 23)), IsEmpty());
  auto heard = say(std::string(raw::preface.substr(23)) + raw::settings());
  std::vector<std::string> names;
  for (const auto& f : raw::take_frames(heard)) names.push_back(f.text());
  ASSERT_FALSE(names.empty());
  EXPECT_THAT(names.front(), StartsWith("SETTINGS"));
  EXPECT_THAT(names, Contains("SETTINGS ack"));
}

TEST_P(client_in_cleartext, hears_of_a_shutdown_before_it_has_said_a_word) {
  us_->goaway(0, {});
  auto heard = listen();
  std::vector<std::string> names;
  for (const auto& f : raw::take_frames(heard)) names.push_back(f.text());
  EXPECT_THAT(names, Contains(StartsWith("GOAWAY")));
  EXPECT_TRUE(us_->finished());
}

class client_without_alpn : public strange_client {
 protected:
  client_without_alpn() : strange_client(client_speaks::other) {}
};
INSTANTIATE_TEST_SUITE_P(bytes_per_read, client_without_alpn, read_sizes(), name_of_read_size);

TEST_P(client_without_alpn, rfc9110_15_6_6_of_http_1_1_is_told_of_the_alpn_protocol) {
  const auto heard = say(http1_request);
  EXPECT_THAT(heard, StartsWith("HTTP/1.1 505 HTTP Version Not Supported\r\n"));
  EXPECT_TRUE(heard.ends_with("This port speaks HTTP/2 only, with the ALPN protocol h2.\n")) << heard;
  EXPECT_EQ(message(), "10.0.0.1:9 does not offer h2 by ALPN");
}

TEST_P(client_without_alpn, rfc9113_3_2_is_not_served_even_if_it_speaks_http_2) {
  EXPECT_THAT(say(std::string(raw::preface) + raw::settings()), IsEmpty());
  EXPECT_EQ(us_.failure_of_connection(), "protocol_not_negotiated peer connection");
  EXPECT_EQ(message(), "10.0.0.1:9 does not offer h2 by ALPN");
}

TEST_P(client_without_alpn, that_says_nothing_is_told_of_when_it_leaves) {
  us_->lost(errc::connection_lost, "end of file");
  EXPECT_EQ(us_.failure_of_connection(), "protocol_not_negotiated peer connection");
}

TEST_P(client_without_alpn, does_not_hold_up_a_shutdown) {
  us_->goaway(0, {});
  EXPECT_THAT(listen(), IsEmpty());
  EXPECT_TRUE(us_->finished());
}

}  // namespace
}  // namespace duplex::test
