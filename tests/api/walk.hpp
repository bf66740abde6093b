#pragma once
// Two sides on two contexts, of which one is walked: it runs a handler at a time, and the other all that it has in
// between. So that something can be done at every point of what the walked side does.

#include "support.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace duplex::test {

/// Both contexts. They are destroyed last.
class walk {
 public:
  walk() = default;
  walk(const walk&) = delete;
  walk& operator=(const walk&) = delete;

  [[nodiscard]] asio::io_context& walked() noexcept { return *walked_; }
  [[nodiscard]] asio::io_context& other() noexcept { return *other_; }

  /// Everything that the other side has to do, and then one handler of the walked side. Whether there was one: not if
  /// it has nothing left to do, or none came in time.
  bool step() {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (std::chrono::steady_clock::now() < end) {
      settle_other();
      if (walked_->stopped()) walked_->restart();
      if (walked_->poll_one() > 0) return true;
      if (walked_->stopped()) return false;
      if (walked_->run_one_for(std::chrono::milliseconds(1)) > 0) return true;
    }
    return false;
  }

  /// Whether `ready()` after at most so many steps as that takes.
  template <class Predicate>
  [[nodiscard]] bool until(Predicate ready) {
    while (!ready()) {
      if (!step()) return ready();
    }
    return true;
  }

  /// Whether the walked side has nothing left to do before long. It is shorter than every time-out of these tests, so
  /// that a timer that was left behind shows.
  [[nodiscard]] bool runs_out() {
    constexpr auto soon = std::chrono::seconds(4);
    const auto end = std::chrono::steady_clock::now() + soon;
    while (std::chrono::steady_clock::now() < end) {
      if (!step_until(end)) return walked_->stopped();
    }
    return false;
  }

  /// Whether `ready()` after some time in which the walked side, if it is still there, runs as the other does.
  template <class Predicate>
  [[nodiscard]] bool other_until(Predicate ready) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!ready() && std::chrono::steady_clock::now() < end) {
      if (walked_) {
        if (walked_->stopped()) walked_->restart();
        walked_->poll();
      }
      settle_other();
      if (!ready()) other_->run_one_for(std::chrono::milliseconds(1));
    }
    return ready();
  }
  /// Whether the other side has nothing left to do before long.
  [[nodiscard]] bool other_runs_out() {
    return other_until([this] { return other_->stopped(); });
  }

  /// Destroys the walked side's context, with everything that waits there.
  void destroy() { walked_.reset(); }

 private:
  void settle_other() {
    if (other_->stopped()) other_->restart();
    other_->poll();
  }
  bool step_until(std::chrono::steady_clock::time_point end) {
    while (std::chrono::steady_clock::now() < end) {
      settle_other();
      if (walked_->stopped()) walked_->restart();
      if (walked_->poll_one() > 0) return true;
      if (walked_->stopped()) return false;
      walked_->run_one_for(std::chrono::milliseconds(1));
    }
    return false;
  }

  std::unique_ptr<asio::io_context> other_ = std::make_unique<asio::io_context>(1);
  std::unique_ptr<asio::io_context> walked_ = std::make_unique<asio::io_context>(1);
};

/// How an operation that may be cancelled ends: how often, with what, and whether its handler was let go.
class ending {
 public:
  /// Takes a result of any kind; `keep(values...)` may look at what comes behind the error.
  template <class Keep>
  auto handler(Keep keep) {
    return asio::bind_cancellation_slot(
        signal_.slot(),
        [this, keep = std::move(keep), own = std::exchange(own_, nullptr)](error_code ec, auto... values) {
          ++count_;
          result_ = name(ec);
          keep(std::move(values)...);
        });
  }
  auto handler() {
    return handler([](auto&&...) {});
  }
  void cancel(asio::cancellation_type type) { signal_.emit(type); }

  [[nodiscard]] bool over() const noexcept { return count_ > 0; }
  [[nodiscard]] int count() const noexcept { return count_; }
  [[nodiscard]] const std::string& result() const noexcept { return result_; }
  /// Whether the handler is gone, and with it what it owned.
  [[nodiscard]] bool let_go() const noexcept { return watch_.expired(); }

 private:
  asio::cancellation_signal signal_;
  std::shared_ptr<int> own_ = std::make_shared<int>(0);
  std::weak_ptr<int> watch_ = own_;
  int count_ = 0;
  std::string result_;
};

}  // namespace duplex::test
