// Waiting for what the peer announces.

#include "peer_settings.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <chrono>
#include <variant>

namespace duplex::tool {
namespace {

constexpr auto no_throw = asio::as_tuple(asio::deferred);

// SETTINGS are the first frame (RFC 9113, section 3.4), so the answer to a PING comes behind them.
asio::awaitable<error_code> round_trip(h2::connection c) {
  const auto [ec, took] = co_await c.async_ping(no_throw);
  if (ec == errc::closed) co_return error_code();  // by GOAWAY: what is opened next says why
  co_return ec;
}

asio::awaitable<void> wait_for(std::chrono::milliseconds timeout) {
  constexpr std::chrono::milliseconds long_enough = std::chrono::hours(24 * 365);  // above, the clock may overflow
  asio::steady_timer timer(co_await asio::this_coro::executor, std::min(timeout, long_enough));
  co_await timer.async_wait(no_throw);
}

}  // namespace

asio::awaitable<error_code> await_settings(h2::connection c, std::chrono::milliseconds timeout) {
  using namespace asio::experimental::awaitable_operators;
  const auto first = co_await (round_trip(c) || wait_for(timeout));
  co_return first.index() == 0 ? std::get<0>(first) : make_error_code(errc::timeout);
}

}  // namespace duplex::tool
