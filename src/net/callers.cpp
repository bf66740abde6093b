// Waiting: on the socket for the thread that leads, on a condition for those that follow.

#include "net/callers.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <system_error>

namespace duplex::net {
namespace {

timespec left_until(core::time_point when) {
  using namespace std::chrono;
  const auto left = std::max(when - steady_clock::now(), steady_clock::duration(0));
  const auto whole = duration_cast<seconds>(left);
  return {static_cast<time_t>(whole.count()), static_cast<long>(duration_cast<nanoseconds>(left - whole).count())};
}

}  // namespace

thread_local int callers::locks_held = 0;

callers::callers() : interrupt_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (interrupt_ < 0) throw std::system_error(errno, std::system_category(), "eventfd");
}

callers::~callers() { ::close(interrupt_); }

void callers::wake(leadership::caller* c) {
  if (!c) return;
  if (who_.leader() == c) interrupt();
  static_cast<caller*>(c)->woken.notify_one();
}

void callers::interrupt() {
  if (!waiting_) return;
  waiting_ = false;
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(interrupt_, &one, sizeof one);  // never full: it is read every time
}

bool callers::overlooks(bool room, const std::optional<core::time_point>& until) const {
  return (room && !room_) || (until && (!until_ || *until < *until_));
}

callers::events callers::wait(int fd, bool input, bool room, const std::optional<core::time_point>& until) {
  const auto wanted = static_cast<short>((input ? POLLIN : 0) | (room ? POLLOUT : 0));
  std::array<pollfd, 2> polled{pollfd{fd, wanted, 0}, pollfd{interrupt_, POLLIN, 0}};
  waiting_ = true;
  room_ = room;
  until_ = until;
  unlock();
  timespec left{};
  if (until) left = left_until(*until);
  const auto n = ::ppoll(polled.data(), polled.size(), until ? &left : nullptr, nullptr);
  lock();
  waiting_ = false;
  if (n <= 0) return {};
  if (polled[1].revents != 0) {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto got = ::read(interrupt_, &count, sizeof count);
  }
  constexpr short ended = POLLERR | POLLHUP | POLLNVAL;
  return {(polled[0].revents & (POLLIN | ended)) != 0, (polled[0].revents & (POLLOUT | ended)) != 0};
}

void callers::wait(caller& c, const std::optional<core::time_point>& until) {
  std::unique_lock held(mutex_, std::adopt_lock);
  given();
  if (until) {
    c.woken.wait_until(held, *until);
  } else {
    c.woken.wait(held);
  }
  taken();
  (void)held.release();
}

}  // namespace duplex::net
