// Many streams on one connection, and the verbs of the connection itself.

#include "raw_peer.hpp"
#include "support.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>

namespace duplex::test {
namespace {

using h2::fin;
using testing::AnyOf;
using testing::ElementsAre;

// A connection of its own thread to a server that the test drives.
struct linked {
  explicit linked(options opts = bounded(), h2::server_options server_opts = cleartext())
      : server(std::move(server_opts)),
        link(std::get<1>(
            get(h2::connection::async_connect(threads.executor(), server.url(), std::move(opts), as_future)))) {}

  h2::stream open(options opts = bounded(), const std::string& path = "/") {
    auto [ec, s] = get(link.async_open_stream({.url = server.url(path)}, std::move(opts), as_future));
    EXPECT_FALSE(ec);
    return s;
  }

  context_threads threads;
  peer server;
  h2::connection link;
};

TEST(connection, carries_many_streams_each_routed_to_its_own_handle) {
  linked l;
  constexpr int count = 50;
  std::vector<h2::stream> near;
  std::vector<h2::stream> far;
  for (int i = 0; i < count; ++i) {
    near.push_back(l.open(bounded(), "/" + std::to_string(i)));
    auto arrived = l.server.accept();
    EXPECT_EQ(arrived.head.path(), "/" + std::to_string(i));
    far.push_back(std::move(arrived.stream));
  }
  for (auto i = near.size(); i-- > 0;) {
    EXPECT_EQ(near[i].id(), far[i].id());
    EXPECT_EQ(near[i].id(), static_cast<std::int32_t>(2 * i + 1));
    near[i].send("to " + std::to_string(i), fin);
    far[i].send_response({200, {{"number", std::to_string(i)}}});
    far[i].send("from " + std::to_string(i), fin);
  }
  for (std::size_t i = 0; i < near.size(); ++i) {
    const auto n = std::to_string(i);
    EXPECT_THAT(transcript(near[i]), ElementsAre("response 200 number=" + n, "data from " + n, "done"));
    EXPECT_THAT(transcript(far[i]), ElementsAre("data to " + n, "done"));
  }
}

TEST(connection, a_streams_reset_leaves_the_others_alone) {
  linked l;
  auto first = l.open();
  auto first_far = l.server.accept().stream;
  auto second = l.open();
  auto second_far = l.server.accept().stream;
  first_far.reset(0x2);
  EXPECT_EQ(recv_error(first), "stream_reset");
  second_far.send_response({200, {}}, fin);
  EXPECT_THAT(transcript(second), ElementsAre("response 200", "done"));
  EXPECT_FALSE(l.link.failure());
}

TEST(connection, streams_have_options_of_their_own) {
  linked l;
  auto opts = bounded();
  opts.recv_timeout = 1ms;
  auto hasty = l.open(opts);
  auto hasty_far = l.server.accept().stream;
  EXPECT_EQ(recv_error(hasty), "timeout");
  opts = bounded();
  opts.informational = true;
  auto curious = l.open(opts);
  auto curious_far = l.server.accept().stream;
  curious_far.send_informational({103, {}});
  hasty_far.send_informational({103, {}});
  EXPECT_EQ(describe(curious.recv()), "informational 103");
}

TEST(connection, has_facts_about_itself) {
  linked l;
  const auto info = l.link.info();
  EXPECT_EQ("http://" + info.peer, l.server.url(""));
  EXPECT_TRUE(info.tls_version.empty());
  EXPECT_TRUE(info.tls_cipher.empty());
  EXPECT_TRUE(info.peer_certificate.empty());
}

TEST(connection, ping_measures_the_round_trip) {
  linked l;
  const auto [ec, rtt] = get(l.link.async_ping(as_future));
  EXPECT_FALSE(ec);
  EXPECT_GT(rtt.count(), 0);
  EXPECT_LT(rtt, patience);
}

TEST(connection, pings_may_overlap) {
  linked l;
  std::vector<std::future<std::tuple<error_code, std::chrono::microseconds>>> pings;
  for (int i = 0; i < 10; ++i) pings.push_back(l.link.async_ping(as_future));
  for (auto& p : pings) EXPECT_EQ(outcome(std::move(p)), "ok");
}

TEST(connection, that_is_lost_ends_a_ping_that_waits) {
  raw_peer server;
  context_threads threads;
  auto link = std::get<1>(get(h2::connection::async_connect(threads.executor(), server.url(), bounded(), as_future)));
  server.accept_http2();
  auto ping = link.async_ping(as_future);
  server.close();
  EXPECT_EQ(outcome(std::move(ping)), "connection_lost");
  EXPECT_EQ(outcome(link.async_ping(as_future)), "closed");
}

TEST(goaway, of_the_peer_that_covers_the_stream_does_not_end_it) {
  frame_log frames;
  auto opts = bounded();
  opts.on_frame = frames.recorder();
  both_ends ends(opts);
  ends.remote.send_response({200, {}});
  ends.remote.connection().goaway();
  ASSERT_TRUE(frames.wait_received("GOAWAY NO_ERROR last_stream_id=1"));

  ends.client.send("still ");
  EXPECT_EQ(receive(ends.remote, 6), "still ");
  ends.client.send("going", fin);
  EXPECT_THAT(transcript(ends.remote), ElementsAre("data going", "done"));
  ends.remote.send("both ways");
  ends.remote.send_trailers({{"grpc-status", "0"}});
  EXPECT_THAT(transcript(ends.client), ElementsAre("response 200", "data both ways", "trailers grpc-status=0", "done"));
  EXPECT_FALSE(ends.client.failure());
}

TEST(goaway, of_the_peer_lets_no_new_stream_begin) {
  frame_log frames;
  auto opts = bounded();
  opts.on_frame = frames.recorder();
  linked l(opts);
  auto running = l.open();
  auto far = l.server.accept().stream;
  far.connection().goaway();
  ASSERT_TRUE(frames.wait_received("GOAWAY"));
  const auto [ec, s] = get(l.link.async_open_stream({.url = l.server.url()}, bounded(), as_future));
  EXPECT_EQ(ec, errc::refused);
  ASSERT_TRUE(s.failure());
  EXPECT_TRUE(s.failure()->retry_safe);
  far.send_response({200, {}}, fin);
  EXPECT_THAT(transcript(running), ElementsAre("response 200", "done"));
}

TEST(goaway, of_ours_lets_running_streams_finish_and_then_the_connection_closes) {
  raw_peer server;
  context_threads threads;
  auto link = std::get<1>(get(h2::connection::async_connect(threads.executor(), server.url(), bounded(), as_future)));
  server.accept_http2();
  auto s = std::get<1>(get(link.async_open_stream({.url = server.url()}, bounded(), as_future)));
  link.goaway(0, "enough");
  server.read_until("enough");
  EXPECT_EQ(outcome(link.async_open_stream({.url = server.url()}, bounded(), as_future)), "refused");
  server.write(raw::ok(1, raw::end_stream));
  s.send("", fin);
  EXPECT_THAT(transcript(s), ElementsAre("response 200", "done"));
  server.read_to_end();
  EXPECT_FALSE(link.failure());
}

TEST(goaway, of_ours_with_an_error_ends_every_stream_at_once) {
  both_ends ends;
  ends.client.connection().goaway(0xb, "calm down");
  EXPECT_EQ(recv_error(ends.client), "canceled");
  ASSERT_TRUE(ends.client.failure());
  EXPECT_EQ(ends.client.failure()->origin, origin::local);
  EXPECT_EQ(ends.client.failure()->scope, scope::connection);
  EXPECT_EQ(ends.client.failure()->http2_code, 0xbU);
  EXPECT_EQ(recv_error(ends.remote), "goaway");
  EXPECT_EQ(ends.remote.failure()->http2_code, 0xbU);
  EXPECT_EQ(ends.remote.failure()->debug_data, "calm down");
}

TEST(connection_close, resets_what_runs_with_cancel_says_goaway_and_closes) {
  raw_peer server;
  context_threads threads;
  auto link = std::get<1>(get(h2::connection::async_connect(threads.executor(), server.url(), bounded(), as_future)));
  server.accept_http2();
  auto first = std::get<1>(get(link.async_open_stream({.url = server.url()}, bounded(), as_future)));
  auto second = std::get<1>(get(link.async_open_stream({.url = server.url()}, bounded(), as_future)));
  auto waiting = first.async_recv(as_future);
  link.close();
  EXPECT_EQ(outcome(std::move(waiting)), "canceled");
  server.read_until(raw::frame(raw::rst_stream, raw::none, 1, raw::number(0x8)));
  server.read_until(raw::frame(raw::rst_stream, raw::none, 3, raw::number(0x8)));
  server.read_until(raw::frame(raw::goaway, raw::none, 0, raw::number(0) + raw::number(0)));
  server.read_to_end();
  EXPECT_EQ(recv_error(second), "closed");
  EXPECT_THAT(outcome(link.async_open_stream({.url = server.url()}, bounded(), as_future)), AnyOf("refused", "closed"));
  EXPECT_FALSE(link.failure());
}

TEST(connection_close, from_the_servers_side_reaches_the_client) {
  both_ends ends;
  ends.remote.connection().close();
  EXPECT_THAT(recv_error(ends.client), AnyOf("stream_reset", "goaway", "refused"));
  EXPECT_TRUE(ends.client.failure());
}

TEST(connection, empty_handle_is_closed) {
  h2::connection nothing;
  EXPECT_FALSE(nothing);
  EXPECT_EQ(outcome(nothing.async_ping(as_future)), "closed");
  EXPECT_EQ(outcome(nothing.async_open_stream({.url = "http://127.0.0.1:1/"}, options(), as_future)), "closed");
  EXPECT_FALSE(nothing.failure());
  EXPECT_TRUE(nothing.info().peer.empty());
  nothing.goaway();
  nothing.close();
  EXPECT_FALSE(h2::stream().connection());
}

TEST(connection, reaches_a_server_by_a_unix_socket) {
  // No server of ours listens on one: the peer is made by hand.
  const auto path = temporary_file("") + ".sock";
  asio::io_context io;
  asio::local::stream_protocol::acceptor acceptor(io, path);
  auto opts = bounded();
  opts.unix_socket = path;
  auto s = h2::open({.url = "http://localhost/"}, opts);
  EXPECT_EQ(s.connection().info().peer, path);
  asio::local::stream_protocol::socket socket(io);
  acceptor.accept(socket);
  asio::write(socket, asio::buffer(raw::frame(raw::settings, raw::none, 0, "") + raw::ok(1, raw::end_stream)));
  EXPECT_THAT(transcript(s), ElementsAre("response 200", "done"));
}

}  // namespace
}  // namespace duplex::test
