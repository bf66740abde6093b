#pragma once
// One thread of `duplex bench` with its connections.

#include "bench_meter.hpp"
#include "bench_slot.hpp"

#include <duplex/h2/connection.hpp>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <functional>
#include <list>
#include <thread>
#include <vector>

namespace duplex::tool {

/// Connects, and runs the streams when it is told to. The verbs are for the thread that made it; the handlers are
/// called on the worker's own.
class bench_worker {
 public:
  bench_worker(const bench_plan& plan, message_budget* budget) : plan_(plan), meter_(budget) {}

  /// Tries to make so many connections; `ready` when each has been made or has failed, which the meter knows.
  void connect(std::size_t connections, std::function<void()> ready);
  /// Opens the streams; `finished` when the last has ended.
  void run(std::function<void()> finished);
  /// Begins to count.
  void measure();
  /// Ends everything early, and counts no more.
  void stop();
  /// Waits for the end, after `stop`.
  void join();

  /// After `join`, except for `progress`.
  [[nodiscard]] const bench_meter& meter() const noexcept { return meter_; }

 private:
  asio::awaitable<void> make_connection();
  void connected();
  void begin();
  void ended();

  const bench_plan& plan_;
  bench_meter meter_;
  std::list<asio::cancellation_signal> attempts_;  // their slots are in what the context keeps
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  std::vector<h2::connection> connections_;
  bool stopped_ = false;
  // Connections that are being made, or streams that run.
  std::size_t pending_ = 0;
  std::function<void()> ready_;
  std::function<void()> finished_;
  std::jthread thread_;
};

}  // namespace duplex::tool
