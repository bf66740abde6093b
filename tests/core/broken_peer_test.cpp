// A peer that breaks HTTP/2 ends the connection: GOAWAY with the code of the RFC, and protocol_error at every stream.

#include "breaches.hpp"
#include "session_test.hpp"

namespace duplex::test {
namespace {

using raw::end_headers;
using raw::end_stream;
using raw::frame;
using raw::none;

class broken_peer : public ::testing::TestWithParam<breach> {
 protected:
  static const breach& what() { return GetParam(); }
  static void expect_the_end(scripted_peer& p, std::int32_t id) {
    EXPECT_THAT(p.heard(), Contains(StartsWith("GOAWAY " + what().code + " ")));
    EXPECT_EQ(p.us.failure_of_connection(), "protocol_error peer connection " + what().code);
    EXPECT_EQ(p.us.failure_of(id), "protocol_error peer connection " + what().code);
    EXPECT_THAT(p.us.story(id), HasSubstr("protocol_error"));
    EXPECT_EQ(p.us.count(kind::failed), 1U);
    EXPECT_TRUE(p.us->finished()) << "the driver may close";
    EXPECT_FALSE(p.us->accepts_streams());
    p.us->lost(errc::connection_lost, "end of file");
    p.us.release(id);
    EXPECT_FALSE(p.us.knows(id));
  }
};

std::string name_of_breach(const ::testing::TestParamInfo<breach>& info) { return info.param.name; }

// Servers

class broken_server : public broken_peer {};

TEST_P(broken_server, ends_the_connection_with_its_code) {
  for (const auto bytes_per_read : every_read_size) {
    SCOPED_TRACE(read_size_name(bytes_per_read) + " bytes per read");
    scripted_peer p(role::client, bytes_per_read);
    p.greet();
    const auto id = p.open();
    (void)p.heard();
    p.say(what().frames);
    expect_the_end(p, id);
  }
}

TEST_P(broken_server, does_not_take_back_what_had_arrived) {
  for (const auto bytes_per_read : every_read_size) {
    SCOPED_TRACE(read_size_name(bytes_per_read) + " bytes per read");
    scripted_peer p(role::client, bytes_per_read);
    p.greet();
    const auto id = p.open();
    const auto complete = p.open();
    p.say(raw::response(complete) + raw::data(complete, "abc", end_stream) + what().frames);
    EXPECT_EQ(p.us.story(complete), "response 200, data abc, done, closed");
    EXPECT_THAT(p.us.story(id), HasSubstr("protocol_error"));
  }
}

INSTANTIATE_TEST_SUITE_P(rfc9113, broken_server, ::testing::ValuesIn(breaches_of_a_server()), name_of_breach);
INSTANTIATE_TEST_SUITE_P(rfc9113_before_the_response, broken_server,
                         ::testing::Values(breach{"8_1_data", "PROTOCOL_ERROR", raw::data(1, "abc")},
                                           breach{"8_1_the_end", "PROTOCOL_ERROR", raw::data(1, "", end_stream)}),
                         name_of_breach);

// Clients

class broken_client : public broken_peer {};

TEST_P(broken_client, ends_the_connection_with_its_code) {
  for (const auto bytes_per_read : every_read_size) {
    SCOPED_TRACE(read_size_name(bytes_per_read) + " bytes per read");
    scripted_peer p(role::server, bytes_per_read);
    p.greet();
    p.say(raw::request(1));
    (void)p.heard();
    p.say(what().frames);
    expect_the_end(p, 1);
  }
}

INSTANTIATE_TEST_SUITE_P(rfc9113, broken_client, ::testing::ValuesIn(breaches_of_a_client()), name_of_breach);

// The beginning

class first_frame : public session_test {};
INSTANTIATE_TEST_SUITE_P(bytes_per_read, first_frame, read_sizes(), name_of_read_size);

TEST_P(first_frame, rfc9113_3_4_of_a_server_is_settings) {
  scripted_peer p(role::client, GetParam());
  const auto id = p.open();
  p.say(raw::ping("12345678"));
  EXPECT_THAT(p.heard(), Contains(StartsWith("GOAWAY PROTOCOL_ERROR")));
  EXPECT_EQ(p.us.failure_of(id), "protocol_error peer connection PROTOCOL_ERROR");
}

TEST_P(first_frame, rfc9113_3_4_of_a_client_is_settings) {
  scripted_peer p(role::server, GetParam());
  p.say(std::string(raw::preface) + raw::request(1));
  EXPECT_THAT(p.heard(), Contains(StartsWith("GOAWAY PROTOCOL_ERROR")));
  EXPECT_EQ(p.us.failure_of_connection(), "protocol_error peer connection PROTOCOL_ERROR");
  EXPECT_THAT(p.us.requests(), IsEmpty());
}

// Errors of one stream

class broken_stream : public session_test {};
INSTANTIATE_TEST_SUITE_P(bytes_per_read, broken_stream, read_sizes(), name_of_read_size);

TEST_P(broken_stream, rfc9113_6_9_1_a_stream_window_above_2_to_the_31_fails_the_stream_alone) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  const auto other = p.open();
  (void)p.heard();
  p.say(raw::window_update(id, 0x7fffffff));
  EXPECT_THAT(p.heard(), ElementsAre("RST_STREAM 1 FLOW_CONTROL_ERROR"));
  EXPECT_EQ(p.us.failure_of(id), "protocol_error peer stream FLOW_CONTROL_ERROR");
  EXPECT_EQ(p.us.story(id), "protocol_error");
  p.say(raw::response(other, end_stream));
  EXPECT_EQ(p.us.story(other), "response 200, done, closed");
}

// The RFC wants a connection error here (section 6.9.2); the engine resets the streams whose windows overflow.
TEST_P(broken_stream, an_initial_window_that_takes_a_stream_above_2_to_the_31_fails_the_stream) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  p.say(raw::window_update(id, 0x7fffffff - 65535) + raw::settings({{raw::initial_window_size, 65536}}));
  EXPECT_THAT(p.heard(), Contains("RST_STREAM 1 FLOW_CONTROL_ERROR"));
  EXPECT_EQ(p.us.story(id), "protocol_error");
}

TEST_P(broken_stream, rfc9113_6_9_a_window_update_by_0_is_a_protocol_error) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  (void)p.heard();
  p.say(raw::window_update(id, 0));
  EXPECT_THAT(p.heard(), Contains(HasSubstr("PROTOCOL_ERROR")));
  EXPECT_EQ(name(p.us.stream(id).failed->code), "protocol_error");
}

TEST_P(broken_stream, rfc9113_5_1_data_after_the_end_is_stream_closed) {
  scripted_peer p(role::server, GetParam());
  p.greet();
  p.say(raw::request(1) + raw::data(1, "abc", end_stream));
  (void)p.heard();
  p.say(raw::data(1, "more"));
  EXPECT_THAT(p.heard(), Contains(HasSubstr("STREAM_CLOSED")));
  EXPECT_EQ(p.us.story(1), "data abc, done, closed") << "what was complete stays complete";
  EXPECT_EQ(name(p.us.respond(1)), "protocol_error");
}

// What is to be ignored

class odd_peer : public session_test {};
INSTANTIATE_TEST_SUITE_P(bytes_per_read, odd_peer, read_sizes(), name_of_read_size);

TEST_P(odd_peer, rfc9113_5_5_unknown_frames_and_settings_are_ignored) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  (void)p.heard();
  for (std::uint8_t type = 0xa; type < 0x14; ++type) {
    p.say(frame(type, 0xff, 0, "whatever") + frame(type, 0xff, id, "") + frame(type, 0, 99, std::string(100, 'x')));
  }
  p.say(raw::settings({{0xabcd, 1}}));
  p.say(raw::response(id, end_stream));
  EXPECT_EQ(p.us.story(id), "response 200, done, closed");
  EXPECT_THAT(p.heard(), ElementsAre("SETTINGS ack"));
}

TEST_P(odd_peer, rfc9113_5_3_2_priority_is_ignored) {
  scripted_peer p(role::server, GetParam());
  p.greet();
  p.say(frame(raw::type_priority, none, 9, raw::u32(3) + "x") + raw::request(1, end_stream));
  EXPECT_THAT(p.us.requests(), ElementsAre(1));
  EXPECT_EQ(p.us.failure_of_connection(), "none");
}

TEST_P(odd_peer, rfc9113_5_1_late_frames_of_a_stream_that_we_reset_are_ignored) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  p.us.reset(id, h2::code::cancel);
  p.us.release(id);
  (void)p.heard();
  p.say(raw::response(id) + raw::data(id, "abc") + raw::window_update(id, 5) +
        raw::headers(id, {{"a", "b"}}, end_stream));
  EXPECT_THAT(p.heard(), IsEmpty());
  EXPECT_EQ(p.us.failure_of_connection(), "none");
  const auto next = p.open();
  p.say(raw::response(next, end_stream));
  EXPECT_EQ(p.us.story(next), "response 200, done, closed");
}

TEST_P(odd_peer, rfc9113_4_1_reserved_bits_and_undefined_flags_are_ignored) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  p.say(frame(raw::type_headers, end_headers | 0x80 | 0x40, static_cast<std::int32_t>(0x80000001U),
              raw::block({{":status", "200"}})));
  p.say(frame(raw::type_data, end_stream | 0x80, id, "abc"));
  EXPECT_EQ(p.us.story(id), "response 200, data abc, done, closed");
}

}  // namespace
}  // namespace duplex::test
