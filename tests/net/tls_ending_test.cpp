// How a connection over TLS ends: close_notify tells an end from a cut (RFC 8446, section 6.1).

#include "peers.hpp"

#include <boost/asio/ssl/error.hpp>

namespace duplex::test {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

class tls_ending : public ::testing::Test {
 protected:
  opened open_to(tls_peer& peer, std::chrono::milliseconds close_timeout = 5000ms) {
    options opts;
    opts.tls.verify = false;
    opts.close_timeout = close_timeout;
    auto s = open_now(io_, peer.url(), opts);
    EXPECT_EQ(name(s.ec), "ok") << s.message;
    return s;
  }
  asio::io_context io_;
};

asio::awaitable<void> respond_and_begin(tls_socket& tls) {
  std::string said;
  co_await read_frame(tls, 1, said);
  co_await say(tls, server_greeting() + ok_response(1) + make_frame(0, 0, 1, "part"));
}

TEST_F(tls_ending, without_close_notify_in_the_middle_is_a_lost_connection) {
  tls_peer peer(io_, {}, [](tls_socket& tls) -> asio::awaitable<void> {
    co_await respond_and_begin(tls);
    tls.next_layer().shutdown(tcp::socket::shutdown_send);
    co_await read_to_end(tls);
  });
  auto s = open_to(peer);
  EXPECT_EQ(std::get<response>(receive_now(io_, s.stream).got).status, 200);
  EXPECT_EQ(std::get<data>(receive_now(io_, s.stream).got).bytes, "part") << "what arrived comes first";
  EXPECT_EQ(name(receive_now(io_, s.stream).ec), "connection_lost");
  EXPECT_THAT(s.stream.failure().value().message, HasSubstr("without ending TLS"));
  EXPECT_EQ(s.stream.failure().value().origin, origin::network);
}

TEST_F(tls_ending, with_close_notify_in_the_middle_of_a_stream_is_a_lost_connection_too) {
  tls_peer peer(io_, {}, [](tls_socket& tls) -> asio::awaitable<void> {
    co_await respond_and_begin(tls);
    co_await tls.async_shutdown(as_value);
  });
  auto s = open_to(peer);
  EXPECT_EQ(std::get<response>(receive_now(io_, s.stream).got).status, 200);
  EXPECT_EQ(std::get<data>(receive_now(io_, s.stream).got).bytes, "part");
  EXPECT_EQ(name(receive_now(io_, s.stream).ec), "connection_lost");
}

TEST_F(tls_ending, in_the_middle_of_a_record_is_a_lost_connection) {
  tls_peer peer(io_, {}, [](tls_socket& tls) -> asio::awaitable<void> {
    co_await respond_and_begin(tls);
    // A record's head that promises more than follows.
    co_await say(tls.next_layer(), std::string("\x17\x03\x03\x01\x00half", 9));
    tls.next_layer().shutdown(tcp::socket::shutdown_send);
    co_await read_to_end(tls);
  });
  auto s = open_to(peer);
  EXPECT_EQ(std::get<response>(receive_now(io_, s.stream).got).status, 200);
  EXPECT_EQ(std::get<data>(receive_now(io_, s.stream).got).bytes, "part");
  EXPECT_EQ(name(receive_now(io_, s.stream).ec), "connection_lost");
}

TEST_F(tls_ending, in_garbage_is_a_lost_connection_that_says_what_tls_made_of_it) {
  tls_peer peer(io_, {}, [](tls_socket& tls) -> asio::awaitable<void> {
    co_await respond_and_begin(tls);
    co_await say(tls.next_layer(), std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x'));
    co_await read_to_end(tls);
  });
  auto s = open_to(peer);
  EXPECT_EQ(std::get<response>(receive_now(io_, s.stream).got).status, 200);
  EXPECT_EQ(std::get<data>(receive_now(io_, s.stream).got).bytes, "part");
  EXPECT_EQ(name(receive_now(io_, s.stream).ec), "connection_lost");
  EXPECT_THAT(s.stream.failure().value().message, HasSubstr("bad record mac"));
}

TEST_F(tls_ending, of_ours_says_goaway_then_close_notify) {
  std::optional<error_code> end;
  std::vector<std::string> said;
  tls_peer peer(io_, {}, [&](tls_socket& tls) -> asio::awaitable<void> {
    co_await respond_and_begin(tls);
    auto [all, ec] = co_await read_to_end(tls);
    said = frame_names(all);
    end = ec;
  });
  auto s = open_to(peer);
  EXPECT_EQ(std::get<response>(receive_now(io_, s.stream).got).status, 200);
  s.stream.async_close([](error_code) {});
  EXPECT_TRUE(run_until(io_, [&] { return end.has_value(); }));
  EXPECT_EQ(*end, asio::error::eof) << "stream_truncated would be a cut: " << end->message();
  ASSERT_FALSE(said.empty());
  EXPECT_EQ(said.back(), "GOAWAY");
  EXPECT_THAT(said, Contains("RST_STREAM"));
}

// The peer ends TLS, and keeps its socket.
TEST_F(tls_ending, of_ours_is_over_with_the_peers_close_notify) {
  std::vector<tls_socket> held;
  std::optional<error_code> end;
  tls_peer peer(io_, {}, [&](tls_socket& tls) -> asio::awaitable<void> {
    co_await respond_and_begin(tls);
    co_await read_to_end(tls);
    co_await say(tls, make_frame(0, 0, 1, std::string(60000, 'x')));  // of no use any more
    co_await tls.async_shutdown(as_value);
    char none = 0;
    auto [ec, n] = co_await tls.next_layer().async_read_some(asio::buffer(&none, 1), as_value);
    end = ec;
    held.push_back(std::move(tls));
  });
  auto s = open_to(peer, 10min);
  EXPECT_EQ(std::get<response>(receive_now(io_, s.stream).got).status, 200);
  s.stream.async_close([](error_code) {});
  s.stream = {};
  peer.stop();
  EXPECT_TRUE(run_until_idle(io_)) << "it waits for close_timeout";
  EXPECT_EQ(end, error_code(asio::error::eof));
  EXPECT_EQ(held.size(), 1U);
}

// Both in one segment, and nothing that would wake the client comes after them.
TEST_F(tls_ending, is_seen_when_it_comes_with_the_last_bytes) {
  std::vector<tls_socket> held;
  tls_peer peer(io_, {}, [&](tls_socket& tls) -> asio::awaitable<void> {
    co_await respond_and_begin(tls);
    const std::string last = make_frame(0, 0, 1, "last");
    SSL_write(tls.native_handle(), last.data(), static_cast<int>(last.size()));  // leaves with what follows
    co_await tls.async_shutdown(as_value);
    held.push_back(std::move(tls));
  });
  auto s = open_to(peer);
  EXPECT_EQ(std::get<response>(receive_now(io_, s.stream).got).status, 200);
  std::string all;
  auto next = receive_now(io_, s.stream);
  for (; !next.ec; next = receive_now(io_, s.stream)) all += std::get<data>(next.got).bytes;
  EXPECT_EQ(name(next.ec), "connection_lost");
  EXPECT_EQ(all, "partlast");
}

// What the peer was still saying must not turn our orderly end into a reset, which could take our last frames away.
TEST_F(tls_ending, of_ours_is_orderly_while_the_peer_still_talks) {
  std::optional<error_code> end;
  std::optional<error_code> last_write;
  tls_peer peer(io_, {}, [&](tls_socket& tls) -> asio::awaitable<void> {
    co_await respond_and_begin(tls);
    auto [all, ec] = co_await read_to_end(tls);
    end = ec;
    for (int i = 0; i < 64 && !last_write; ++i) {
      const auto failed = co_await say(tls, make_frame(0, 0, 1, std::string(8192, 'x')));
      if (failed) last_write = failed;
    }
  });
  auto s = open_to(peer);
  EXPECT_EQ(std::get<response>(receive_now(io_, s.stream).got).status, 200);
  s.stream.async_close([](error_code) {});
  s.stream = {};
  peer.stop();
  EXPECT_TRUE(run_until_idle(io_));
  EXPECT_EQ(end, error_code(asio::error::eof));
  EXPECT_EQ(last_write, std::nullopt) << "reset under the peer's hands";
}

}  // namespace
}  // namespace duplex::test
