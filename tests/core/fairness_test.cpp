// Streams of one connection share it: nobody who sends or reads much, or not at all, stops the others.

#include "session_test.hpp"

#include <map>
#include <set>

namespace duplex::test {
namespace {

constexpr std::size_t plenty = std::size_t{1} << 20;

options with_windows(std::size_t stream, std::size_t connection) {
  options opts;
  opts.stream_window = stream;
  opts.connection_window = connection;
  return opts;
}

// The streams whose DATA one write has, in order.
std::vector<std::int32_t> data_in_one_write(endpoint& from, time_point now) {
  std::string bytes;
  from.pull(bytes, now);
  std::vector<std::int32_t> ids;
  for (const auto& f : raw::take_frames(bytes)) {
    if (f.kind == raw::type_data) ids.push_back(f.id);
  }
  return ids;
}

TEST(fairness, a_client_that_uploads_much_on_one_stream_sends_the_others_in_between) {
  memory_peers p(whole, {}, with_windows(16 * plenty, 64 * plenty));
  const auto bulk = p.open();
  const auto small = p.open();
  p.client.send(bulk, std::string(16 * plenty, 'x'));
  EXPECT_THAT(data_in_one_write(p.client, p.now), Contains(bulk));
  p.client.send(small, "ping");
  EXPECT_THAT(data_in_one_write(p.client, p.now), Contains(small)) << "it need not wait for the end of the other";
}

TEST(fairness, a_server_that_sends_much_on_one_stream_sends_the_others_in_between) {
  memory_peers p(whole, with_windows(16 * plenty, 64 * plenty));
  const auto bulk = p.open();
  const auto small = p.open();
  p.server.respond(bulk);
  p.server.respond(small);
  p.pump();
  p.server.send(bulk, std::string(16 * plenty, 'x'));
  EXPECT_THAT(data_in_one_write(p.server, p.now), Contains(bulk));
  p.server.send(small, "ping");
  EXPECT_THAT(data_in_one_write(p.server, p.now), Contains(small));
}

TEST(fairness, many_that_send_little_leave_in_one_write_beside_one_that_sends_much) {
  for (const bool bulk_is_first : {true, false}) {
    memory_peers p(whole, {}, with_windows(16 * plenty, 64 * plenty));
    const auto bulk = p.open();
    std::vector<std::int32_t> ids;
    for (int i = 0; i < 20; ++i) ids.push_back(p.open());
    if (bulk_is_first) {
      p.client.send(bulk, std::string(16 * plenty, 'x'));
      EXPECT_THAT(data_in_one_write(p.client, p.now), Each(bulk));
    }
    for (const auto id : ids) p.client.send(id, "ping");
    if (!bulk_is_first) p.client.send(bulk, std::string(16 * plenty, 'x'));
    const auto written = data_in_one_write(p.client, p.now);
    EXPECT_THAT(written, ::testing::IsSupersetOf(ids)) << (bulk_is_first ? "behind it" : "before it");
    EXPECT_THAT(written, Contains(bulk));
  }
}

TEST(fairness, equal_streams_take_turns_frame_by_frame) {
  for (const bool at_server : {false, true}) {
    memory_peers p(whole, with_windows(16 * plenty, 64 * plenty), with_windows(16 * plenty, 64 * plenty));
    std::vector<std::int32_t> ids;
    for (int i = 0; i < 4; ++i) ids.push_back(p.open());
    auto& from = at_server ? p.server : p.client;
    for (const auto id : ids) {
      if (at_server) p.server.respond(id);
    }
    p.pump();
    for (const auto id : ids) from.send(id, std::string(plenty, 'x'));
    std::map<std::int32_t, int> frames;
    for (int writes = 0; writes < 10; ++writes) {
      for (const auto id : data_in_one_write(from, p.now)) ++frames[id];
    }
    const auto [least, most] =
        std::minmax_element(frames.begin(), frames.end(), [](auto a, auto b) { return a.second < b.second; });
    EXPECT_EQ(frames.size(), 4U);
    EXPECT_LE(most->second - least->second, 1) << (at_server ? "server" : "client");
  }
}

TEST(fairness, a_reader_that_sleeps_does_not_stop_the_others) {
  memory_peers p(whole, with_windows(plenty, plenty));
  const auto sleeps = p.open();
  const auto reads = p.open();
  p.server.respond(sleeps);
  p.server.respond(reads);
  p.server.send(sleeps, std::string(plenty, 's'));
  p.server.send(reads, std::string(4 * plenty, 'r'));
  std::size_t seen = 0;
  for (int i = 0; i < 64 && seen < 4 * plenty; ++i) {
    p.pump();
    seen += p.client.body(reads).size();
  }
  EXPECT_EQ(seen, 4 * plenty) << "though the sleeper holds as many bytes as the connection's window";
  EXPECT_EQ(p.client.body(sleeps).size(), plenty);
}

TEST(fairness, rfc9218_the_clients_urgency_decides_what_a_server_sends_first) {
  memory_peers p(whole, with_windows(16 * plenty, 64 * plenty));
  auto opts = p.client_options;
  opts.priority = priority{.urgency = 6};
  const auto later = p.client.open(opts);
  opts.priority = priority{.urgency = 1, .incremental = true};
  const auto sooner = p.client.open(opts);
  p.pump();
  EXPECT_EQ(p.server.stream(later).head->headers.value_or("priority", ""), "u=6");
  EXPECT_EQ(p.server.stream(sooner).head->headers.value_or("priority", ""), "u=1, i");
  p.server.respond(later);
  p.server.respond(sooner);
  p.pump();
  p.server.send(later, std::string(plenty, 'x'));
  p.server.send(sooner, std::string(plenty, 'x'));
  EXPECT_THAT(data_in_one_write(p.server, p.now), Each(sooner));
}

TEST(fairness, rfc9218_the_clients_urgency_decides_also_where_all_of_it_is_little) {
  memory_peers p(whole);
  auto opts = p.client_options;
  std::vector<std::int32_t> by_urgency;
  for (std::uint8_t urgency = 0; urgency < 6; ++urgency) {
    opts.priority = priority{.urgency = urgency};
    by_urgency.push_back(p.client.open(opts));
  }
  p.pump();
  for (const auto id : by_urgency) p.server.respond(id);
  p.pump();
  for (auto id = by_urgency.rbegin(); id != by_urgency.rend(); ++id) p.server.send(*id, "ping");
  EXPECT_EQ(data_in_one_write(p.server, p.now), by_urgency);
}

TEST(fairness, rfc9218_a_priority_in_the_headers_is_not_said_twice) {
  memory_peers p;
  auto opts = p.client_options;
  opts.priority = priority{};
  const auto id = p.client.open(opts, {{"priority", "u=0"}});
  p.pump();
  EXPECT_EQ(describe(p.server.stream(id).head->headers), "{priority: u=0}");
}

TEST(fairness, rfc9218_7_1_a_priority_update_moves_a_running_stream) {
  scripted_peer p(role::server, whole);
  p.greet();
  p.say(raw::request(1) + raw::request(3) + raw::window_update(0, 16 * plenty) + raw::window_update(1, 16 * plenty) +
        raw::window_update(3, 16 * plenty));
  p.us.respond(1);
  p.us.respond(3);
  p.us.send(1, std::string(4 * plenty, 'x'));
  p.us.send(3, std::string(4 * plenty, 'x'));
  p.us->feed(raw::frame(0x10, 0, 0, raw::u32(3) + "u=0"));
  const auto ids = data_in_one_write(p.us, p.now);
  EXPECT_THAT(std::set(ids.begin(), ids.end()), ElementsAre(3));
}

TEST(fairness, rfc9218_7_1_a_priority_update_counts_with_its_request_and_before_it) {
  for (const bool before : {true, false}) {
    SCOPED_TRACE(before);
    scripted_peer p(role::server, whole);
    p.greet();
    const auto update = raw::frame(0x10, 0, 0, raw::u32(3) + "u=0");
    p.us->feed(raw::request(1) + (before ? update + raw::request(3) : raw::request(3) + update) +
               raw::window_update(0, 16 * plenty) + raw::window_update(1, 16 * plenty) +
               raw::window_update(3, 16 * plenty));
    p.listen();
    p.us.respond(1);
    p.us.respond(3);
    p.us.send(1, std::string(4 * plenty, 'x'));
    p.us.send(3, std::string(4 * plenty, 'x'));
    const auto ids = data_in_one_write(p.us, p.now);
    EXPECT_THAT(std::set(ids.begin(), ids.end()), ElementsAre(3));
  }
}

// The budget of the connection

TEST(connection_buffer, above_its_limit_resets_the_stream_with_most_unread_bytes_and_frees_them) {
  auto opts = with_windows(plenty, 16 * plenty);
  opts.max_connection_buffer = plenty;
  memory_peers p(whole, opts);
  const auto greedy = p.open();
  const auto modest = p.open();
  for (const auto id : {greedy, modest}) p.server.respond(id);
  p.server.send(greedy, std::string(plenty - 20000, 'g'));
  p.pump();
  p.server.send(modest, std::string(60000, 'm'));
  EXPECT_EQ(p.client.story(modest), "response 200");
  p.pump();
  EXPECT_EQ(p.client.story(greedy), "recv_buffer_overflow");
  EXPECT_EQ(p.client.failure_of(greedy), "recv_buffer_overflow local stream CANCEL");
  EXPECT_THAT(p.client.stream(greedy).failed->message, HasSubstr("max_connection_buffer"));
  EXPECT_EQ(p.client->stats(p.now).unread_bytes, 60000U);
  EXPECT_EQ(p.client.body(modest).size(), 60000U) << "the others lose nothing";
  EXPECT_EQ(p.server.failure_of(greedy), "stream_reset peer stream CANCEL");
}

TEST(connection_buffer, counts_what_is_read_dropped_and_forgotten) {
  memory_peers p;
  const auto unread = [&] { return p.client->stats(p.now).unread_bytes; };
  const auto a = p.open();
  const auto b = p.open();
  const auto c = p.open();
  for (const auto id : {a, b, c}) {
    p.server.respond(id);
    p.server.send(id, "12345");
  }
  p.pump();
  EXPECT_EQ(unread(), 15U);
  p.client.body(a);
  EXPECT_EQ(unread(), 10U);
  p.client.abandon(b, h2::code::cancel);
  EXPECT_EQ(unread(), 5U);
  p.client.release(c);
  p.pump();
  EXPECT_EQ(unread(), 0U);
}

}  // namespace
}  // namespace duplex::test
