// The snapshots that say why nothing moves.

#include "session_test.hpp"

namespace duplex::test {
namespace {

h2::stream_stats of(endpoint& e, std::int32_t id) { return e->stats(e.stream(id)); }

TEST(stats, of_a_stream_name_its_state) {
  memory_peers p;
  const auto id = p.client.open(p.client_options);
  EXPECT_EQ(of(p.client, id).state, "idle");
  p.pump();
  EXPECT_EQ(of(p.client, id).state, "open");
  EXPECT_EQ(of(p.server, id).state, "open");
  p.client.send(id, "abc", true);
  p.pump();
  EXPECT_EQ(of(p.client, id).state, "half-closed (local)");
  EXPECT_EQ(of(p.server, id).state, "half-closed (remote)");
  p.server.respond(id, 200, {}, true);
  p.pump();
  EXPECT_EQ(of(p.client, id).state, "closed");
  EXPECT_EQ(of(p.client, id).id, id);
}

TEST(stats, of_a_stream_show_a_sender_without_window) {
  options narrow;
  narrow.stream_window = 10;
  memory_peers p(whole, {}, narrow);
  const auto id = p.open();
  p.client.send(id, "0123456789abcde");
  p.pump();
  const auto ours = of(p.client, id);
  EXPECT_EQ(ours.send_window, 0);
  EXPECT_EQ(ours.queued_bytes, 5U);
  EXPECT_EQ(ours.bytes_sent, 10U);
  const auto theirs = of(p.server, id);
  EXPECT_EQ(theirs.recv_window, 0);
  EXPECT_EQ(theirs.unread_bytes, 10U);
  EXPECT_EQ(theirs.bytes_received, 10U);
  EXPECT_EQ(p.client->stats(p.now).queued_bytes, 5U);
  EXPECT_EQ(p.server->stats(p.now).unread_bytes, 10U);
}

TEST(stats, of_a_stream_show_what_was_delivered_and_not_consumed) {
  options manual;
  manual.flow = flow_control::manual;
  memory_peers p(whole, manual);
  const auto id = p.open();
  p.server.respond(id);
  p.server.send(id, "0123456789");
  p.pump();
  p.client.body(id);
  EXPECT_EQ(of(p.client, id).unconsumed_bytes, 10U);
  p.client.consume(id, 4);
  EXPECT_EQ(of(p.client, id).unconsumed_bytes, 6U);
}

TEST(stats, of_a_stream_count_what_came_also_after_it_was_dropped) {
  memory_peers p;
  const auto id = p.open();
  p.server.respond(id);
  p.server.send(id, "twelve bytes");
  p.pump();
  EXPECT_EQ(p.client->stats(p.client.stream(id)).bytes_received, 12U);
  p.client.abandon(id, h2::code::cancel);
  EXPECT_EQ(p.client->stats(p.client.stream(id)).bytes_received, 12U);
}

TEST(stats, of_a_connection_show_the_limits_that_the_peer_announced) {
  scripted_peer p(role::client, whole);
  EXPECT_EQ(p.us->stats(p.now).peer_max_concurrent_streams, 100U) << "taken to be, before it has said so";
  p.greet({{raw::max_concurrent_streams, 7}, {0x4, 1234}, {0x5, 20000}});
  const auto s = p.us->stats(p.now);
  EXPECT_EQ(s.peer_max_concurrent_streams, 7U);
  EXPECT_EQ(s.peer_initial_window, 1234U);
  EXPECT_EQ(s.peer_max_frame_size, 20000U);
}

TEST(stats, of_a_connection_show_settings_that_are_not_acknowledged) {
  scripted_peer p(role::client, whole);
  p.advance(1500ms);
  EXPECT_EQ(p.us->stats(p.now).settings_unacknowledged, 1500ms);
  p.greet();
  EXPECT_FALSE(p.us->stats(p.now).settings_unacknowledged);
}

TEST(stats, of_a_connection_count_streams_and_waiting_opens) {
  scripted_peer p(role::client, whole);
  p.greet({{raw::max_concurrent_streams, 2}});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(name(p.us.open_when_possible(p.session_options)), "ok");
  EXPECT_EQ(p.us->stats(p.now).streams, 2U);
  EXPECT_EQ(p.us->stats(p.now).waiting_opens, 3U);
  p.say(raw::goaway(3, h2::code::no_error));
  EXPECT_TRUE(p.us->stats(p.now).goaway_received);
  EXPECT_EQ(p.us->stats(p.now).waiting_opens, 0U);
  EXPECT_FALSE(p.us->stats(p.now).goaway_sent);
  p.us->goaway(0, {});
  EXPECT_TRUE(p.us->stats(p.now).goaway_sent);
}

TEST(stats, of_a_connection_count_bytes_and_frames_of_both_ways_alike) {
  memory_peers p;
  const auto id = p.open();
  p.server.respond(id);
  p.client.send(id, "abc", true);
  p.server.send(id, "defg", true);
  p.pump();
  const auto client = p.client->stats(p.now);
  const auto server = p.server->stats(p.now);
  EXPECT_GT(client.bytes_sent, 0U);
  EXPECT_EQ(client.bytes_sent, server.bytes_received);
  EXPECT_EQ(server.bytes_sent, client.bytes_received);
  EXPECT_GE(client.frames_sent, 4U);
  EXPECT_EQ(client.frames_sent, server.frames_received);
  EXPECT_EQ(server.frames_sent, client.frames_received);
}

TEST(stats, of_a_connection_show_its_windows) {
  options opts;
  opts.connection_window = 100000;
  memory_peers p(whole, {}, opts);
  const auto id = p.open();
  EXPECT_EQ(p.client->stats(p.now).send_window, 100000);
  p.client.send(id, std::string(1000, 'x'));
  std::string bytes;
  p.client.pull(bytes, p.now);
  EXPECT_EQ(p.client->stats(p.now).send_window, 99000);
}

}  // namespace
}  // namespace duplex::test
