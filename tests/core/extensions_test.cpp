// What a legal peer may say besides: extensions that we do not speak (RFC 9113, section 5.5), PRIORITY, empty frames,
// padding and informational replies. Nothing of it disturbs a stream.

#include "session_test.hpp"

namespace duplex::test {
namespace {

using raw::end_headers;
using raw::end_stream;
using raw::none;

constexpr std::uint8_t type_altsvc = 0xa;     // RFC 7838, section 4
constexpr std::uint8_t type_origin = 0xc;     // RFC 8336, section 2
constexpr std::uint8_t priority_flag = 0x20;  // RFC 9113, section 6.2

class extensions : public session_test {
 protected:
  /// Says the response in pieces, with `between` around and inside of it.
  static void expect_undisturbed(std::size_t bytes_per_read, const std::string& between) {
    scripted_peer p(role::client, bytes_per_read);
    p.greet();
    const auto id = p.open();
    (void)p.heard();
    p.say(between + raw::response(id) + between + raw::data(id, "ab") + between + raw::data(id, "c") + between);
    p.say(raw::headers(id, {{"a", "b"}}, end_stream) + between);
    EXPECT_EQ(p.us.story(id), "response 200, data abc, trailers {a: b}, done, closed");
    EXPECT_EQ(p.us.failure_of_connection(), "none");
    for (const auto& frame : p.heard()) EXPECT_THAT(frame, AllOf(Not(HasSubstr("RST")), Not(HasSubstr("GOAWAY"))));
  }
};
INSTANTIATE_TEST_SUITE_P(bytes_per_read, extensions, read_sizes(), name_of_read_size);

TEST_P(extensions, rfc7838_4_altsvc_is_ignored) {
  const std::string service = "h2=\":8000\"; ma=60";
  const auto origin_size = raw::u16(11);
  expect_undisturbed(GetParam(), raw::frame(type_altsvc, none, 0, origin_size + "http://peer" + service));
  expect_undisturbed(GetParam(), raw::frame(type_altsvc, none, 1, raw::u16(0) + service));
  expect_undisturbed(GetParam(), raw::frame(type_altsvc, none, 0, "\xff"));
}

TEST_P(extensions, rfc8336_2_origin_is_ignored) {
  expect_undisturbed(GetParam(), raw::frame(type_origin, none, 0, raw::u16(11) + "http://peer"));
  expect_undisturbed(GetParam(), raw::frame(type_origin, none, 1, raw::u16(11) + "http://peer"));
  expect_undisturbed(GetParam(), raw::frame(type_origin, none, 0, ""));
}

TEST_P(extensions, rfc9113_5_3_2_priority_of_any_stream_is_ignored) {
  for (const std::int32_t id : {1, 2, 99}) {
    expect_undisturbed(GetParam(), raw::frame(raw::type_priority, none, id, raw::u32(0) + "\x10"));
  }
}

TEST_P(extensions, rfc9113_5_3_2_priority_inside_of_headers_is_ignored) {
  scripted_peer p(role::server, GetParam());
  p.greet();
  const auto block =
      raw::block({{":method", "POST"}, {":scheme", "http"}, {":authority", "peer"}, {":path", "/"}, {"a", "b"}});
  p.say(raw::frame(raw::type_headers, end_headers | end_stream | priority_flag | raw::padded, 1,
                   "\x05" + raw::u32(0x80000000U) + "\xff" + block + std::string(5, '\0')));
  ASSERT_THAT(p.us.requests(), ElementsAre(1));
  EXPECT_EQ(describe(p.us.stream(1).head->headers), "{a: b}");
  EXPECT_EQ(p.us.story(1), "done, closed");
}

TEST_P(extensions, rfc9113_6_5_and_6_7_settings_and_ping_amid_data_are_answered_and_change_nothing) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  (void)p.heard();
  p.say(raw::response(id));
  for (int i = 0; i < 10; ++i) {
    p.say(raw::data(id, "x") + raw::ping("abcdefgh") + raw::settings({{raw::initial_window_size, 70000}}));
  }
  EXPECT_EQ(p.us.story(id), "response 200, data xxxxxxxxxx");
  const auto heard = p.heard();
  EXPECT_EQ(std::count(heard.begin(), heard.end(), "PING ack"), 10);
  EXPECT_EQ(std::count(heard.begin(), heard.end(), "SETTINGS ack"), 10);
  EXPECT_EQ(p.frames().back().kind == raw::type_ping ? p.frames().back().payload : "abcdefgh", "abcdefgh");
}

TEST_P(extensions, rfc9113_6_1_empty_data_and_padding_carry_nothing) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  p.say(raw::response(id));
  const auto woken = p.us.count(kind::readable, id);
  for (int i = 0; i < 30; ++i) p.say(raw::data(id, "") + raw::padded_data(id, "", 0) + raw::padded_data(id, "", 255));
  EXPECT_EQ(p.us.count(kind::readable, id), woken) << "a reader was woken for nothing";
  p.say(raw::padded_data(id, "abc", 255) + raw::padded_data(id, "", 7, end_stream));
  EXPECT_EQ(p.us.story(id), "response 200, data abc, done, closed");
}

TEST_P(extensions, rfc9113_6_2_padding_of_headers_is_no_field) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  const auto padded = [&](const raw::list& fields, std::uint8_t flags) {
    return raw::frame(raw::type_headers, flags | raw::padded | end_headers, id,
                      "\x09" + raw::block(fields) + std::string(9, '\0'));
  };
  p.say(padded({{":status", "200"}, {"a", "b"}}, none) + padded({{"c", "d"}}, end_stream));
  EXPECT_EQ(p.us.story(id), "response 200 {a: b}, trailers {c: d}, done, closed");
}

TEST_P(extensions, rfc9110_15_2_a_hundred_informational_replies_may_come_before_the_response) {
  for (const bool wanted : {false, true}) {
    options opts;
    opts.informational = wanted;
    scripted_peer p(role::client, GetParam(), opts);
    p.greet();
    const auto id = p.open();
    std::string story;
    for (int i = 0; i < 100; ++i) {
      p.say(raw::headers(id, {{":status", i % 2 == 0 ? "100" : "103"}, {"n", std::to_string(i)}}));
      if (wanted)
        story += "informational " + std::string(i % 2 == 0 ? "100" : "103") + " {n: " + std::to_string(i) + "}, ";
    }
    p.say(raw::response(id, end_stream));
    EXPECT_EQ(p.us.story(id), story + "response 200, done, closed");
  }
}

TEST_P(extensions, rfc9113_6_4_and_7_codes_that_nobody_knows_are_told_as_they_are) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto a = p.open();
  const auto b = p.open();
  p.say(raw::rst_stream(b, static_cast<h2::code>(0xabc)) + raw::goaway(a, static_cast<h2::code>(0xdef), "why"));
  EXPECT_EQ(p.us.failure_of(b), "stream_reset peer stream 0xabc");
  p.us->lost(errc::connection_lost, "end of file");
  EXPECT_EQ(p.us.failure_of(a), "goaway peer connection 0xdef last=1 debug=why");
}

// They may have been on their way (RFC 9113, section 5.1).
TEST_P(extensions, data_of_a_stream_that_we_reset_is_ignored_and_its_window_is_returned) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  p.say(raw::response(id));
  p.us.reset(id, h2::code::cancel);
  p.us.release(id);
  constexpr std::size_t piece = 16000;
  const std::size_t window = p.session_options.connection_window;
  std::size_t said = 0;
  const auto bytes = raw::data(id, pattern(piece));
  // Whole: 20 MB by single bytes take long and show no more.
  for (; said < 2 * window; said += piece) {
    p.us->feed(bytes);
    p.listen();
    ASSERT_LE(said + piece, window + p.credit(0)) << "the window of the connection leaks";
  }
  EXPECT_EQ(p.us.failure_of_connection(), "none");
}

}  // namespace
}  // namespace duplex::test
