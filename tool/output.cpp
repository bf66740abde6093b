// Standard output, or the file of -o.

#include "output.hpp"

#include "exit_status.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

namespace duplex::tool {

output::output(const asio::any_io_executor& executor, int descriptor)
    : descriptor_(descriptor), ready_(executor, descriptor, readiness::event::writable) {}

asio::awaitable<void> output::write(std::string bytes) {
  pending_ = std::move(bytes);
  written_ = 0;
  while (written_ < pending_.size()) {
    if (!ready_.now() || !write_some()) co_await ready_.wait();
  }
}

bool output::write_some() {
  // The descriptor may be blocking. A pipe that is ready takes PIPE_BUF bytes without blocking, but not more.
  const std::size_t left = pending_.size() - written_;
  const auto most = ready_.always() ? left : std::min(left, std::size_t{PIPE_BUF});
  const auto put = ::write(descriptor_, pending_.data() + written_, most);
  if (put >= 0) {
    written_ += static_cast<std::size_t>(put);
    return true;
  }
  if (errno == EINTR) return ready_.always();  // otherwise through the event loop, which looks at the signal
  if (errno == EAGAIN && !ready_.always()) return false;
  if (errno == EPIPE) throw problem::broken_pipe();
  throw problem(exit_status::write, "write_failed", std::string("cannot write the output: ") + std::strerror(errno));
}

void output::write_last(std::string bytes) {
  constexpr int patience = 1000;
  pending_ = pending_.substr(written_) + std::move(bytes);
  written_ = 0;
  try {
    while (written_ < pending_.size()) {
      pollfd wanted{};
      wanted.fd = descriptor_;
      wanted.events = POLLOUT;
      if (::poll(&wanted, 1, patience) <= 0 || !write_some()) return;
    }
  } catch (const problem&) {
    // There is nobody left to tell.
    written_ = pending_.size();
  }
}

}  // namespace duplex::tool
