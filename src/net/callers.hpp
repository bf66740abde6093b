#pragma once
// The lock of a connection that is served by its callers, and how the one that leads waits.

#include "core/deadlines.hpp"
#include "net/leadership.hpp"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

namespace duplex::net {

class callers {
 public:
  struct caller : leadership::caller {
    std::condition_variable woken;
  };
  struct events {
    bool readable = false;
    bool writable = false;
  };

  callers();
  callers(const callers&) = delete;
  callers& operator=(const callers&) = delete;
  ~callers();

  void lock() {
    mutex_.lock();
    taken();
  }
  void unlock() {
    given();
    mutex_.unlock();
  }
  /// Whether the calling thread has the lock.
  [[nodiscard]] bool inside() const noexcept {
    return owner_.load(std::memory_order_relaxed) == std::this_thread::get_id();
  }
  /// Whether the calling thread has the lock of any connection, so that it must not wait for another's: two could wait
  /// for each other.
  [[nodiscard]] static bool inside_any() noexcept { return locks_held > 0; }

  // With the lock

  [[nodiscard]] leadership& who() noexcept { return who_; }
  /// Has `c` look again whether it is done, or leads.
  void wake(leadership::caller* c);
  /// Ends the wait of the one that leads, if it waits.
  void interrupt();
  /// Whether the one that leads waits.
  [[nodiscard]] bool waiting() const noexcept { return waiting_; }
  /// Whether it has to be interrupted so that it waits for this as well.
  [[nodiscard]] bool overlooks(bool room, const std::optional<core::time_point>& until) const;

  // Without the lock while they wait

  /// For one that leads: with `input` what comes on `fd`, with `room` room for output, an interrupt, or the time.
  events wait(int fd, bool input, bool room, const std::optional<core::time_point>& until);
  /// For one that follows: to be woken, or the time.
  void wait(caller& c, const std::optional<core::time_point>& until);

 private:
  void taken() noexcept {
    owner_.store(std::this_thread::get_id(), std::memory_order_relaxed);
    ++locks_held;
  }
  void given() noexcept {
    owner_.store({}, std::memory_order_relaxed);
    --locks_held;
  }

  static thread_local int locks_held;

  std::mutex mutex_;
  std::atomic<std::thread::id> owner_;
  leadership who_;
  int interrupt_;  // an eventfd
  bool waiting_ = false;
  bool room_ = false;
  std::optional<core::time_point> until_;
};

}  // namespace duplex::net
