// Waiting until a descriptor can be read or written, without changing it.

#include "readiness.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>

#include <poll.h>
#include <sys/epoll.h>

#include <cerrno>
#include <system_error>

namespace duplex::tool {

readiness::readiness(const asio::any_io_executor& executor, int descriptor, event what)
    : descriptor_(descriptor), event_(what) {
  const int watch = ::epoll_create1(EPOLL_CLOEXEC);
  if (watch < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
  watch_.emplace(executor, watch);
  epoll_event wanted{};
  wanted.events = event_ == event::readable ? EPOLLIN : EPOLLOUT;
  // EPERM: it cannot be waited for. Any other error shows itself when the descriptor is used.
  if (::epoll_ctl(watch, EPOLL_CTL_ADD, descriptor, &wanted) != 0) watch_.reset();
}

bool readiness::now() const {
  if (always()) return true;
  pollfd wanted{};
  wanted.fd = descriptor_;
  wanted.events = event_ == event::readable ? POLLIN : POLLOUT;
  return ::poll(&wanted, 1, 0) > 0;
}

asio::awaitable<void> readiness::wait() {
  co_await watch_->async_wait(asio::posix::stream_descriptor::wait_read, asio::as_tuple(asio::deferred));
}

void readiness::cancel() {
  if (watch_) watch_->cancel();
}

}  // namespace duplex::tool
