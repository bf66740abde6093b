// Standard input: a terminal, a pipe, a socket, a file or nothing.

#include "input.hpp"

#include "exit_status.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace duplex::tool {
namespace {
constexpr std::size_t most_at_once = std::size_t{64} << 10;
}

input::input(const asio::any_io_executor& executor, int descriptor)
    : descriptor_(descriptor), ready_(executor, descriptor, readiness::event::readable) {}

asio::awaitable<std::string> input::read() {
  std::string bytes(most_at_once, '\0');
  for (;;) {
    if (stopped_) co_return std::string();
    if (!ready_.now()) {
      co_await ready_.wait();
      continue;
    }
    const auto got = ::read(descriptor_, bytes.data(), bytes.size());
    if (got >= 0) {
      bytes.resize(static_cast<std::size_t>(got));
      co_return bytes;
    }
    // A signal is looked at by the event loop, so one more wait.
    if (errno == EINTR || errno == EAGAIN) continue;
    throw problem(exit_status::read, "read_failed", std::string("cannot read the input: ") + std::strerror(errno));
  }
}

void input::stop() {
  stopped_ = true;
  ready_.cancel();
}

bool input::is_terminal() const { return ::isatty(descriptor_) == 1; }

}  // namespace duplex::tool
