// Standard output, or the file of -o.

#include "output.hpp"

#include "exit_status.hpp"

#include <boost/asio/deferred.hpp>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

namespace duplex::tool {

namespace {

int open_for_writing(const std::string& path) {
  if (path.empty() || path == "-") return STDOUT_FILENO;
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0) throw problem(exit_status::write, "write_failed", path + ": " + std::strerror(errno));
  return descriptor;
}

}  // namespace

output_file::output_file(const std::string& path) : descriptor_(open_for_writing(path)) {}

output_file::~output_file() {
  if (descriptor_ != STDOUT_FILENO) ::close(descriptor_);
}

output::output(const asio::any_io_executor& executor, int descriptor)
    : descriptor_(descriptor), ready_(executor, descriptor, readiness::event::writable), turn_(executor, 1) {}

asio::awaitable<void> output::write(std::string bytes) {
  if (bytes.empty()) co_return;
  if (!turn_.try_send(error_code())) co_await turn_.async_send(error_code(), asio::deferred);
  struct turn {
    output& owner;
    ~turn() {
      owner.turn_.try_receive([](error_code) {});
    }
  } mine{*this};
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
