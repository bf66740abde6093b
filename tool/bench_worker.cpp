// One thread of `duplex bench` with its connections.

#include "bench_worker.hpp"

#include "peer_settings.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include <utility>

namespace duplex::tool {
namespace {
constexpr auto no_throw = asio::as_tuple(asio::deferred);
}

void bench_worker::connect(std::size_t connections, std::function<void()> ready) {
  ready_ = std::move(ready);
  pending_ = connections;
  for (std::size_t i = 0; i < connections; ++i) {
    auto& attempt = attempts_.emplace_back();
    asio::co_spawn(io_, make_connection(),
                   asio::bind_cancellation_slot(attempt.slot(), [this](const std::exception_ptr&) { connected(); }));
  }
  thread_ = std::jthread([this] { io_.run(); });
}

asio::awaitable<void> bench_worker::make_connection() {
  auto [ec, c] = co_await h2::connection::async_connect(io_.get_executor(), plan_.settings.head.url,
                                                        plan_.settings.options, no_throw);
  if (ec) {
    meter_.failed(problem(ec, c.failure(), operation::open));
    co_return;
  }
  const auto failed = co_await await_settings(c, plan_.settings.options.connect_timeout);
  if (failed) {
    meter_.failed(problem(failed, c.failure(), operation::open));
    c.close();
  } else if (stopped_) {
    c.close();  // what was on its way to us could not be canceled
  } else {
    connections_.push_back(std::move(c));
  }
}

void bench_worker::connected() {
  if (--pending_ == 0) ready_();
}

void bench_worker::run(std::function<void()> finished) {
  asio::post(io_, [this, finished = std::move(finished)]() mutable {
    finished_ = std::move(finished);
    begin();
  });
}

void bench_worker::begin() {
  pending_ = connections_.size() * plan_.settings.streams;
  if (pending_ == 0) return finished_();
  for (const auto& c : connections_) {
    for (std::size_t i = 0; i < plan_.settings.streams; ++i) {
      // On the connection's own executor completions come without a detour.
      asio::co_spawn(c.get_executor(), run_slot(c, plan_, meter_), [this](const std::exception_ptr&) { ended(); });
    }
  }
}

void bench_worker::ended() {
  if (--pending_ == 0) finished_();
}

void bench_worker::measure() {
  asio::post(io_, [this] { meter_.start(); });
}

void bench_worker::stop() {
  asio::post(io_, [this] {
    stopped_ = true;
    meter_.stop();
    for (auto& attempt : attempts_) attempt.emit(asio::cancellation_type::terminal);
    for (auto& c : connections_) c.close();
    connections_.clear();
    work_.reset();
  });
}

void bench_worker::join() {
  if (thread_.joinable()) thread_.join();
}

}  // namespace duplex::tool
