// PING, and what a log is told of the frames (RFC 9113, section 6.7).

#include "session_test.hpp"

namespace duplex::test {
namespace {

class connection : public session_test {};
INSTANTIATE_TEST_SUITE_P(bytes_per_read, connection, read_sizes(), name_of_read_size);

TEST_P(connection, a_ping_is_answered_and_told) {
  memory_peers p(GetParam());
  p.client->ping(0x0123456789abcdef);
  p.client->ping(42);
  p.pump();
  std::vector<std::uint64_t> pongs;
  for (const auto& e : p.client.events()) {
    if (e.what == kind::pong) pongs.push_back(e.value);
  }
  EXPECT_THAT(pongs, ElementsAre(0x0123456789abcdefU, 42U));
  EXPECT_EQ(p.server.count(kind::pong), 0U);
}

TEST_P(connection, rfc9113_6_7_the_pings_of_the_peer_are_answered_with_their_bytes) {
  scripted_peer p(role::server, GetParam());
  p.greet();
  p.say(raw::ping("12345678"));
  EXPECT_THAT(p.heard(), ElementsAre("PING ack"));
  EXPECT_EQ(p.frames().back().payload, "12345678");
}

TEST_P(connection, the_frames_are_told_to_a_log_in_both_directions) {
  const time_point now{};
  session_config config;
  config.trace = true;
  endpoint us(config, now);
  fields headers{{"plain", "value"}};
  headers.add("authorization", "token", true);
  const auto id = us.open({}, headers);
  EXPECT_EQ(name(us.send(id, "abc", true)), "ok");
  std::string out;
  while (us.pull(out, now)) continue;
  const auto answer = raw::settings({{raw::initial_window_size, 5}}) + raw::response(id, raw::none, {{"a", "b"}}) +
                      raw::data(id, "defg") + raw::rst_stream(id, h2::code::no_error);
  for (std::string_view rest = answer; !rest.empty(); rest.remove_prefix(std::min(GetParam(), rest.size()))) {
    us->feed(rest.substr(0, GetParam()));
  }

  std::string log;
  for (const auto& f : us->take_frames()) {
    log += (f.sent ? "> " : "< ") + std::to_string(f.stream_id) + " " + f.text + "\n";
  }
  EXPECT_THAT(log, HasSubstr("> 0 SETTINGS "));
  EXPECT_THAT(log, HasSubstr("> 1 HEADERS\n"));
  EXPECT_THAT(log, HasSubstr("\nplain: value\n"));
  EXPECT_THAT(log, HasSubstr("\nauthorization: (sensitive)\n"));
  EXPECT_THAT(log, Not(HasSubstr("token")));
  EXPECT_THAT(log, HasSubstr("> 1 DATA end_stream\n"));
  EXPECT_THAT(log, HasSubstr("< 0 SETTINGS INITIAL_WINDOW_SIZE=5\n"));
  EXPECT_THAT(log, HasSubstr("< 1 HEADERS\n:status: 200\na: b\n"));
  EXPECT_THAT(log, HasSubstr("< 1 DATA\n"));
  EXPECT_THAT(log, HasSubstr("< 1 RST_STREAM NO_ERROR\n"));
  EXPECT_TRUE(us->take_frames().empty());
}

TEST_P(connection, no_frame_is_recorded_unless_asked_for) {
  memory_peers p(GetParam());
  p.open();
  EXPECT_TRUE(p.client->take_frames().empty());
  EXPECT_TRUE(p.server->take_frames().empty());
}

TEST_P(connection, the_streams_that_run_are_counted) {
  memory_peers p(GetParam());
  EXPECT_EQ(p.client->active_streams(), 0U);
  const auto a = p.open();
  const auto b = p.open();
  EXPECT_EQ(p.client->active_streams(), 2U);
  EXPECT_EQ(p.server->active_streams(), 2U);
  p.client.reset(a, h2::code::cancel);
  p.pump();
  EXPECT_EQ(p.client->active_streams(), 1U);
  EXPECT_EQ(p.server->active_streams(), 1U);
  p.client.release(b);
  p.pump();
  EXPECT_EQ(p.client->active_streams(), 0U);
  EXPECT_EQ(p.server->active_streams(), 0U);
}

}  // namespace
}  // namespace duplex::test
