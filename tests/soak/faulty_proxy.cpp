// Carries TCP connections, not well.

#include "faulty_proxy.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <utility>

namespace duplex::soak {
namespace {

using asio::ip::tcp;
using namespace std::chrono_literals;
constexpr auto token = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t most_at_once = 16384;

// The first four pass, behind the others nothing comes.
enum class wrong { nothing, split, delay, pause, swallow, truncate, half_close, reset };
constexpr std::array names{"none", "split", "delay", "pause", "swallow", "truncate", "half_close", "reset"};
constexpr std::size_t kinds_that_pass = 4;

void drop(tcp::socket& s, bool reset) {
  boost::system::error_code ignored;
  if (reset) s.set_option(asio::socket_base::linger(true, 0), ignored);
  s.close(ignored);
}

void end_sending(tcp::socket& s) {
  boost::system::error_code ignored;
  s.shutdown(tcp::socket::shutdown_send, ignored);
}

}  // namespace

struct faulty_proxy::fault {
  wrong what;
  std::size_t at;  // bytes of its way
  std::size_t piece;
  std::chrono::milliseconds time;
};

struct faulty_proxy::link {
  explicit link(tcp::socket accepted) : ends{std::move(accepted), tcp::socket(accepted.get_executor())} {}

  void drop_both(bool reset) {
    for (auto& end : ends) drop(end, reset);
  }

  std::array<tcp::socket, 2> ends;
  int open_ways = 2;
};

faulty_proxy::faulty_proxy(asio::io_context& io, std::uint16_t to, std::uint64_t seed, report& report)
    : acceptor_(io, {asio::ip::address_v4::loopback(), 0}),
      to_(asio::ip::address_v4::loopback(), to),
      choice_(seed),
      report_(report) {
  asio::co_spawn(io, accept(), asio::detached);
}

void faulty_proxy::close() {
  acceptor_.close();
  for (const auto& both : links_) both->drop_both(true);
}

// What goes wrong next, on a way that has carried so much.
faulty_proxy::fault faulty_proxy::choose(std::size_t carried) {
  constexpr std::size_t longest = 22;  // binary digits: 4 MiB
  fault next{};
  const auto kind = choice_.below(kinds_that_pass) + (choice_.one_in(4) ? kinds_that_pass : 0);
  next.what = static_cast<wrong>(kind);
  next.at = carried + choice_.size(longest);
  next.piece = 1 + choice_.size(8);
  next.time = std::chrono::milliseconds(1 + choice_.size(5));
  if (next.what == wrong::pause) next.time *= 40;
  return next;
}

asio::awaitable<void> faulty_proxy::accept() {
  for (;;) {
    auto [ec, socket] = co_await acceptor_.async_accept(token);
    if (!acceptor_.is_open()) co_return;
    if (ec) continue;
    auto both = std::make_shared<link>(std::move(socket));
    report_.count("connection");
    links_.insert(both);
    asio::co_spawn(acceptor_.get_executor(), carry(std::move(both)), asio::detached);
  }
}

asio::awaitable<void> faulty_proxy::carry(std::shared_ptr<link> both) {
  auto [ec] = co_await both->ends[1].async_connect(to_, token);
  if (ec) {
    both->drop_both(true);
    links_.erase(both);
    co_return;
  }
  for (auto& end : both->ends) {
    boost::system::error_code ignored;
    end.set_option(tcp::no_delay(true), ignored);
  }
  const auto over = [this, both](const std::exception_ptr&) {
    if (--both->open_ways == 0) {
      both->drop_both(false);
      links_.erase(both);
    }
  };
  for (const int way : {0, 1}) asio::co_spawn(acceptor_.get_executor(), pump(both, way), over);
}

// From one end to the other, until there is no more.
asio::awaitable<void> faulty_proxy::pump(std::shared_ptr<link> both, int way) {
  constexpr std::size_t slow_for = 3000;
  auto& from = both->ends.at(static_cast<std::size_t>(way));
  auto& to = both->ends.at(static_cast<std::size_t>(1 - way));
  asio::steady_timer timer(from.get_executor());
  std::array<char, most_at_once> buffer{};
  std::size_t carried = 0;
  bool swallows = false;
  auto next = choose(0);
  const auto count = [&] { report_.count(std::string("fault ") + names.at(static_cast<std::size_t>(next.what))); };
  for (;;) {
    auto [ec, n] = co_await from.async_read_some(asio::buffer(buffer), token);
    if (ec == asio::error::eof) {
      end_sending(to);
      // Who was not told waits for ever; so an end behind it ends all.
      if (swallows) both->drop_both(false);
      co_return;
    }
    if (ec) co_return both->drop_both(true);

    for (std::size_t at = 0; at < n && !swallows;) {
      auto size = n - at;
      if (carried < next.at) {
        size = std::min(size, next.at - carried);
      } else {
        if (carried == next.at) count();
        const bool slow = next.what == wrong::split || next.what == wrong::delay;
        if (next.what == wrong::reset || next.what == wrong::truncate) {
          co_return both->drop_both(next.what == wrong::reset);
        }
        if (next.what == wrong::half_close) end_sending(to);
        swallows = next.what == wrong::half_close || next.what == wrong::swallow;
        if (swallows) break;
        if (slow) size = std::min(size, next.what == wrong::split ? next.piece : 10 * next.piece);
        if (next.what == wrong::delay || next.what == wrong::pause) {
          timer.expires_after(next.time);
          co_await timer.async_wait(token);
        }
        if (!slow || carried + size >= next.at + slow_for) next = choose(carried + size);
      }
      auto [failed, sent] = co_await asio::async_write(to, asio::buffer(buffer.data() + at, size), token);
      if (failed) co_return both->drop_both(true);
      at += size;
      carried += size;
    }
  }
}

}  // namespace duplex::soak
