// The awaitable operators: `a || b` cancels the one that loses, `a && b` runs both.

#include "support.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <variant>

namespace duplex::test {
namespace {

using h2::fin;
using namespace boost::asio::experimental::awaitable_operators;
using asio::use_awaitable;
using testing::ElementsAre;

constexpr auto blink = 5ms;
constexpr std::size_t window = 1000;

asio::awaitable<h2::stream> open(const peer& server) {
  request head{.url = server.url()};
  auto s = co_await h2::async_open(co_await asio::this_coro::executor, std::move(head), bounded(), use_awaitable);
  co_await s.connection().async_ping(use_awaitable);  // the request has arrived
  co_return s;
}

TEST(awaitable_or, a_timer_that_wins_cancels_the_recv_and_loses_nothing) {
  peer server;
  asio::io_context io;
  run(io, [](peer& srv) -> asio::awaitable<void> {
    auto s = co_await open(srv);
    auto far = srv.accept().stream;
    for (int i = 0; i < 3; ++i) {
      asio::steady_timer timer(co_await asio::this_coro::executor, blink);
      const auto first = co_await (s.async_recv(use_awaitable) || timer.async_wait(use_awaitable));
      // A message is a variant, whose alternatives the operator adds to its own: the timer's is the one without value.
      EXPECT_TRUE(std::holds_alternative<std::monostate>(first));
    }
    EXPECT_FALSE(s.failure());
    far.send_response({200, {}});
    far.send("abc", fin);
    EXPECT_EQ(describe(co_await s.async_recv(use_awaitable)), "response 200");
    EXPECT_EQ(describe(co_await s.async_recv(use_awaitable)), "data abc");
    EXPECT_EQ(describe(co_await s.async_recv(use_awaitable)), "done");
  }(server));
}

TEST(awaitable_or, a_recv_that_wins_cancels_the_timer) {
  peer server;
  asio::io_context io;
  run(io, [](peer& srv) -> asio::awaitable<void> {
    auto s = co_await open(srv);
    srv.accept().stream.send_response({200, {}}, fin);
    asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::hours(1));
    const auto first = co_await (s.async_recv(use_awaitable) || timer.async_wait(use_awaitable));
    EXPECT_EQ(describe(std::get<response>(first)), "response 200");
  }(server));
}

TEST(awaitable_or, a_timer_that_wins_over_a_send_resets_the_stream_which_says_so) {
  auto opts = cleartext();
  opts.stream.stream_window = window;
  peer server(opts);
  asio::io_context io;
  run(io, [](peer& srv) -> asio::awaitable<void> {
    auto s = co_await open(srv);
    auto far = srv.accept().stream;
    const auto sent = pattern(2 * window);
    asio::steady_timer timer(co_await asio::this_coro::executor, blink);
    const auto first = co_await (s.async_send(sent, use_awaitable) || timer.async_wait(use_awaitable));
    EXPECT_EQ(first.index(), 1);
    const auto [ec, m] = co_await s.async_recv(as_value);
    EXPECT_EQ(ec, errc::canceled);
    EXPECT_TRUE(s.failure());
    co_await s.connection().async_ping(use_awaitable);
    EXPECT_EQ(transcript(far).back(), "error stream_reset");
  }(server));
}

TEST(awaitable_or, a_timer_that_wins_over_an_open_ends_the_attempt) {
  asio::io_context io;
  asio::ip::tcp::acceptor silent(io, {asio::ip::address_v4::loopback(), 0});
  run(io, [](std::uint16_t port) -> asio::awaitable<void> {
    const auto executor = co_await asio::this_coro::executor;
    request head{.url = "https://127.0.0.1:" + std::to_string(port)};
    asio::steady_timer timer(executor, blink);
    const auto first = co_await (h2::async_open(executor, std::move(head), bounded(), use_awaitable) ||
                                 timer.async_wait(use_awaitable));
    EXPECT_EQ(first.index(), 1);
  }(silent.local_endpoint().port()));
}

TEST(awaitable_and, sends_and_receives_at_the_same_time) {
  auto opts = cleartext();
  opts.stream.stream_window = window;
  service server(
      [](request, h2::stream s) -> asio::awaitable<void> {
        co_await s.async_send_response({200, {}}, use_awaitable);
        for (auto m = co_await s.async_recv(use_awaitable); !std::holds_alternative<done>(m);
             m = co_await s.async_recv(use_awaitable)) {
          if (auto* d = std::get_if<data>(&m)) co_await s.async_send(d->bytes, use_awaitable);
        }
        co_await s.async_send("", fin, use_awaitable);
      },
      opts);
  asio::io_context io;
  run(io, [](std::string url) -> asio::awaitable<void> {
    request head{.url = std::move(url)};
    auto s = co_await h2::async_open(co_await asio::this_coro::executor, std::move(head), bounded(), use_awaitable);
    const auto sent = pattern(100 * window);
    const auto up = [&]() -> asio::awaitable<void> {
      for (std::size_t at = 0; at < sent.size(); at += window) {
        co_await s.async_send(std::string_view(sent).substr(at, window), use_awaitable);
      }
      co_await s.async_send("", fin, use_awaitable);
    };
    const auto down = [&]() -> asio::awaitable<std::string> {
      std::string all;
      for (auto m = co_await s.async_recv(use_awaitable); !std::holds_alternative<done>(m);
           m = co_await s.async_recv(use_awaitable)) {
        if (auto* d = std::get_if<data>(&m)) all += d->bytes;
      }
      co_return all;
    };
    const auto received = co_await (up() && down());
    EXPECT_EQ(received, sent);
  }(server.url()));
}

TEST(awaitable_and, a_reset_ends_both_sides) {
  auto opts = cleartext();
  opts.stream.stream_window = window;
  peer server(opts);
  asio::io_context io;
  run(io, [](peer& srv) -> asio::awaitable<void> {
    auto s = co_await open(srv);
    auto far = srv.accept().stream;
    const auto sent = pattern(2 * window);
    far.reset(0x2);
    const auto both = co_await (s.async_send(sent, as_value) && s.async_recv(as_value));
    const auto& [send_error, received] = both;
    EXPECT_EQ(name(send_error), "stream_reset");
    EXPECT_EQ(name(std::get<0>(received)), "stream_reset");
  }(server));
}

}  // namespace
}  // namespace duplex::test
