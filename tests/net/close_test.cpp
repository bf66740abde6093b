// The end of a connection: GOAWAY, FIN, and then the peer's end, for which it waits at most close_timeout.

#include "peers.hpp"

#include <boost/asio/post.hpp>

#include <thread>

namespace duplex::test {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using clock = std::chrono::steady_clock;

class close_sequence : public ::testing::Test {
 protected:
  // Answers the first request, then reads to the end; what follows is the test's.
  tcp_peer::script answering(tcp_peer::script then = [](tcp::socket&) -> asio::awaitable<void> { co_return; }) {
    return [this, then](tcp::socket& socket) -> asio::awaitable<void> {
      std::string said;
      co_await read_frame(socket, 1, said);
      co_await say(socket, server_greeting() + ok_response(1));
      auto [rest, ec] = co_await read_to_end(socket);
      heard_ = frame_names(rest);
      end_ = ec;
      co_await then(socket);
    };
  }
  opened open_to(const tcp_peer& peer, std::chrono::milliseconds close_timeout) {
    auto s = open_now(io_, peer.url(), {.close_timeout = close_timeout});
    EXPECT_EQ(std::get<response>(receive_now(io_, s.stream).got).status, 200);
    return s;
  }

  asio::io_context io_;
  std::vector<std::string> heard_;
  std::optional<error_code> end_;
};

TEST_F(close_sequence, is_reset_goaway_and_the_end_of_the_stream_of_bytes) {
  tcp_peer peer(io_, answering());
  auto s = open_to(peer, 20000ms);
  std::optional<error_code> closed;
  const auto begin = clock::now();
  s.stream.async_close([&](error_code ec) { closed = ec; });
  s.stream = {};
  peer.stop();
  EXPECT_TRUE(run_until_idle(io_));
  EXPECT_LT(clock::now() - begin, 10s) << "the peer ended, so nothing waits for the time-out";
  EXPECT_EQ(closed, error_code());
  EXPECT_EQ(end_, error_code(asio::error::eof)) << "FIN, not a reset";
  ASSERT_GE(heard_.size(), 2U);
  EXPECT_THAT(std::vector(heard_.end() - 2, heard_.end()), ElementsAre("RST_STREAM", "GOAWAY"));
}

TEST_F(close_sequence, does_not_wait_longer_than_close_timeout_for_a_peer_that_never_ends) {
  std::vector<tcp::socket> held;
  tcp_peer peer(io_, answering([&](tcp::socket& socket) -> asio::awaitable<void> {
                  held.push_back(std::move(socket));
                  co_return;
                }));
  auto s = open_to(peer, 50ms);
  std::optional<clock::time_point> closed;
  const auto begin = clock::now();
  s.stream.async_close([&](error_code) { closed = clock::now(); });
  s.stream = {};
  peer.stop();
  EXPECT_TRUE(run_until_idle(io_)) << "the connection is still there";
  EXPECT_GE(clock::now() - begin, 50ms) << "the peer had its time";
  ASSERT_TRUE(closed);
  EXPECT_EQ(held.size(), 1U);
}

TEST_F(close_sequence, takes_what_the_peer_still_says) {
  // More than the windows of the sockets hold: who stops reading, or closes, resets it.
  bool all_taken = false;
  tcp_peer peer(io_, answering([&](tcp::socket& socket) -> asio::awaitable<void> {
                  for (int i = 0; i < 512; ++i) {
                    if (co_await say(socket, make_frame(0, 0, 1, std::string(16000, 'x')))) co_return;
                  }
                  all_taken = true;
                }));
  auto s = open_to(peer, 20000ms);
  s.stream.async_close([](error_code) {});
  s.stream = {};
  peer.stop();
  EXPECT_TRUE(run_until_idle(io_));
  EXPECT_TRUE(all_taken);
}

TEST_F(close_sequence, of_an_abandoned_stream_is_the_same) {
  tcp_peer peer(io_, answering());
  auto s = open_to(peer, 20000ms);
  s.stream = {};
  peer.stop();
  EXPECT_TRUE(run_until_idle(io_));
  EXPECT_EQ(end_, error_code(asio::error::eof));
  EXPECT_THAT(heard_, Contains("RST_STREAM"));
  EXPECT_EQ(heard_.back(), "GOAWAY");
}

TEST_F(close_sequence, is_bounded_when_the_peer_reads_nothing) {
  std::vector<tcp::socket> held;
  tcp_peer peer(io_, [&](tcp::socket& socket) -> asio::awaitable<void> {
    std::string said;
    co_await read_frame(socket, 1, said);
    // Windows wide open, and then not a byte is read.
    co_await say(socket, make_frame(4, 0, 0, std::string("\0\4\x7f\xff\xff\xff", 6)) + make_frame(4, 1, 0) +
                             make_frame(8, 0, 0, std::string("\x7f\0\0\0", 4)) + ok_response(1));
    held.push_back(std::move(socket));
  });
  auto s = open_to(peer, 50ms);
  const std::string flood(std::size_t{64} << 20, 'x');  // above what loopback buffers
  std::optional<error_code> sent;
  std::optional<error_code> closed;
  s.stream.async_send(flood, [&](error_code ec) { sent = ec; });
  settle(io_);
  EXPECT_FALSE(sent) << "it was taken whole";
  s.stream.async_close([&](error_code ec) { closed = ec; });
  s.stream = {};
  peer.stop();
  EXPECT_TRUE(run_until_idle(io_)) << "the connection is still there";
  EXPECT_EQ(name(sent.value_or(error_code())), "canceled");
  EXPECT_EQ(closed, error_code());
}

TEST_F(close_sequence, of_a_blocking_close_ends_with_close_timeout) {
  std::vector<tcp::socket> held;
  tcp_peer peer(io_, [&](tcp::socket& socket) -> asio::awaitable<void> {
    std::string said;
    co_await read_frame(socket, 1, said);
    co_await say(socket, server_greeting() + ok_response(1));
    held.push_back(std::move(socket));
  });
  std::thread peers([&] { io_.run(); });
  auto s = h2::open({.url = peer.url()}, {.close_timeout = 50ms});
  EXPECT_EQ(std::get<response>(s.recv(patience)).status, 200);
  const auto begin = clock::now();
  s.close();
  EXPECT_LT(clock::now() - begin, 10s);
  error_code ec;
  s.recv(ec);
  EXPECT_EQ(ec, errc::closed);
  s = {};
  asio::post(io_, [&] { peer.stop(); });
  peers.join();
}

}  // namespace
}  // namespace duplex::test
