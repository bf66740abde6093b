#pragma once
// Running a context until something is so, without sleeping and without hanging.

#include <duplex/duplex.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <exception>
#include <string>
#include <utility>

namespace duplex::test {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using namespace std::chrono_literals;

/// Errors are values here, not exceptions.
inline constexpr auto as_value = asio::as_tuple(asio::use_awaitable);

/// The bound on what must not take long, whatever else the machine does.
inline constexpr auto patience = 20s;

/// Runs `io` until `ready()`, and returns whether it was within `limit`.
template <class Predicate>
[[nodiscard]] bool run_until(asio::io_context& io, Predicate ready, std::chrono::milliseconds limit = patience) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!ready()) {
    io.restart();
    if (io.run_one_until(end) == 0) return ready();
  }
  return true;
}

/// Runs `io` until it has nothing left to do, and returns whether it was within `limit`.
[[nodiscard]] inline bool run_until_idle(asio::io_context& io, std::chrono::milliseconds limit = patience) {
  io.restart();
  io.run_for(limit);
  return io.stopped();
}

/// Everything that needs no waiting.
inline void settle(asio::io_context& io) {
  do {
    io.restart();
  } while (io.poll() > 0);
}

/// Runs a coroutine to its end.
[[nodiscard]] inline bool run(asio::io_context& io, asio::awaitable<void> script,
                              std::chrono::milliseconds limit = patience) {
  bool over = false;
  asio::co_spawn(io, std::move(script), [&over](const std::exception_ptr& error) {
    over = true;
    if (error) std::rethrow_exception(error);
  });
  return run_until(
      io, [&over] { return over; }, limit);
}

/// Runs a coroutine beside the others.
inline void spawn(asio::io_context& io, asio::awaitable<void> script) {
  asio::co_spawn(io, std::move(script), [](const std::exception_ptr& error) {
    if (error) std::rethrow_exception(error);
  });
}

/// `ok`, or the identifier of a duplex error, or the text of another.
inline std::string name(error_code ec) {
  if (!ec) return "ok";
  return ec.category() == error_category() ? std::string(to_string(static_cast<errc>(ec.value()))) : ec.message();
}

inline tcp::endpoint loopback(std::uint16_t port = 0) { return {asio::ip::address_v4::loopback(), port}; }

}  // namespace duplex::test
