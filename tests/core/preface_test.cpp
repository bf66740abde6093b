// A peer that does not speak HTTP/2 at all (RFC 9113, section 3.4).

#include "session_test.hpp"

namespace duplex::test {
namespace {

using ::testing::EndsWith;

class preface : public session_test {};
INSTANTIATE_TEST_SUITE_P(bytes_per_read, preface, read_sizes(), name_of_read_size);

TEST_P(preface, an_http_1_1_answer_is_protocol_not_negotiated_and_says_what_it_was) {
  scripted_peer p(role::client, GetParam());
  const auto id = p.open();
  p.say("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(p.us.failure_of_connection(), "protocol_not_negotiated peer connection");
  EXPECT_EQ(p.us.failure_of(id), "protocol_not_negotiated peer connection");
  EXPECT_EQ(p.us.story(id), "protocol_not_negotiated");
  EXPECT_EQ(name(p.us.send(id, "x")), "protocol_not_negotiated");
  EXPECT_THAT(p.us.stream(id).failed->message, HasSubstr("HTTP/1"));
  EXPECT_TRUE(p.us->finished());
  EXPECT_EQ(p.us.count(kind::failed), 1U);
}

TEST_P(preface, an_http_1_1_answer_gets_no_frame_in_return) {
  scripted_peer p(role::client, GetParam());
  p.open();
  (void)p.heard();
  p.say("HTTP/1.0 200 OK\r\n\r\nhello");
  EXPECT_THAT(p.heard(), IsEmpty());
  p.us->lost(errc::connection_lost, "end of file");
  EXPECT_EQ(p.us.failure_of_connection(), "protocol_not_negotiated peer connection") << "the first reason stays";
}

TEST(preface_text, names_the_status_line_of_an_http_1_1_answer) {
  scripted_peer p(role::client, whole);
  p.open();
  p.say("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
  EXPECT_THAT(p.us->failed()->message, AllOf(HasSubstr("\"HTTP/1.1 400 Bad Request\""), Not(HasSubstr("Length"))));
}

TEST(preface_text, rfc9113_3_1_says_that_the_upgrade_is_no_more) {
  for (const std::string_view answer :
       {"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        "HTTP/1.1 426 Upgrade Required\r\n\r\n", "HTTP/1.1 400 Bad Request\r\nUpgrade: h2c\r\n\r\n"}) {
    scripted_peer p(role::client, whole);
    p.open();
    p.say(answer);
    EXPECT_EQ(p.us.failure_of_connection(), "protocol_not_negotiated peer connection");
    EXPECT_THAT(p.us->failed()->message,
                EndsWith("; RFC 9113 dropped the upgrade to h2c, and http:// speaks HTTP/2 from the first byte (prior "
                         "knowledge)"));
  }
}

// Found by a fuzzer.
TEST_P(preface, an_http_1_1_answer_leaves_no_stream_active) {
  scripted_peer p(role::client, GetParam());
  const auto id = p.open();
  p.say("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(p.us->active_streams(), 0U);
  EXPECT_GT(p.us.count(kind::closed, id), 0U);
  p.us.release(id);
  EXPECT_FALSE(p.us.knows(id));
}

TEST_P(preface, the_end_within_the_first_bytes_is_connection_lost) {
  for (const std::string_view start : {"", "H", "HTTP", "\0\0"}) {
    scripted_peer p(role::client, GetParam());
    const auto id = p.open();
    p.say(start);
    p.us->lost(errc::connection_lost, "end of file");
    EXPECT_EQ(p.us.failure_of(id), "connection_lost network connection");
  }
}

TEST_P(preface, other_text_is_protocol_not_negotiated_and_quoted) {
  for (const std::string line : {"SSH-2.0-OpenSSH_9.2p1 Debian-2", "220 mail.example ESMTP", "HTTPS is not HTTP"}) {
    scripted_peer p(role::client, GetParam());
    const auto id = p.open();
    (void)p.heard();
    p.say(line + "\r\nand more\r\n");
    EXPECT_EQ(p.us.failure_of_connection(), "protocol_not_negotiated peer connection");
    EXPECT_THAT(p.us->failed()->message, EndsWith(": it answered the preface with \"" + line + "\""));
    EXPECT_EQ(p.us.story(id), "protocol_not_negotiated");
    EXPECT_THAT(p.heard(), IsEmpty());
  }
}

TEST_P(preface, other_text_that_ends_within_its_line_is_quoted) {
  scripted_peer p(role::client, GetParam());
  p.open();
  p.say("-ERR what");
  p.us->lost(errc::connection_lost, "end of file");
  EXPECT_EQ(p.us.failure_of_connection(), "protocol_not_negotiated peer connection");
  EXPECT_THAT(p.us->failed()->message, EndsWith("\"-ERR what\""));
}

TEST_P(preface, bytes_that_are_neither_text_nor_frames_are_a_protocol_error) {
  scripted_peer p(role::client, GetParam());
  const auto id = p.open();
  p.say("\x01\x02 is not HTTP/2, and this is long enough for a frame header");
  EXPECT_EQ(p.us.story(id), "protocol_error");
}

TEST_P(preface, an_http_1_1_request_is_protocol_not_negotiated_at_a_server) {
  scripted_peer p(role::server, GetParam());
  p.say("GET / HTTP/1.1\r\nHost: peer\r\n\r\n");
  EXPECT_EQ(p.us.failure_of_connection(), "protocol_not_negotiated peer connection");
  EXPECT_THAT(p.us->failed()->message, HasSubstr("\"G"));
  EXPECT_TRUE(p.us->finished());
}

TEST(preface_text, names_what_a_client_said_instead) {
  scripted_peer p(role::server, whole);
  p.say("GET / HTTP/1.1\r\nHost: peer\r\n\r\n");
  EXPECT_THAT(p.us->failed()->message, HasSubstr("GET / HTTP/1.1"));
}

TEST_P(preface, a_preface_with_one_wrong_byte_is_protocol_not_negotiated) {
  std::string wrong(raw::preface);
  wrong.back() = 'x';
  scripted_peer p(role::server, GetParam());
  p.say(wrong + raw::settings());
  EXPECT_EQ(p.us.failure_of_connection(), "protocol_not_negotiated peer connection");
}

TEST_P(preface, of_a_client_is_followed_by_its_settings) {
  scripted_peer p(role::server, GetParam());
  EXPECT_EQ(p.us.count(kind::settings), 0U);
  p.say(std::string(raw::preface) + raw::settings());
  EXPECT_EQ(p.us.count(kind::settings), 1U);
  EXPECT_THAT(p.heard(), Contains("SETTINGS ack"));
  p.say(raw::settings());
  EXPECT_EQ(p.us.count(kind::settings), 1U) << "only the first is news";
}

}  // namespace
}  // namespace duplex::test
