#pragma once
// Waiting until a descriptor can be read or written, without changing it.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <optional>

namespace duplex::tool {

namespace asio = boost::asio;

/// Says when a descriptor of somebody else is ready.
///
/// Asio would make the descriptor itself non-blocking. That flag belongs to everybody who shares it: the shell, or the
/// next program in the pipeline, which then reads EAGAIN. So the descriptor goes into an epoll of its own, and Asio
/// waits for that one. What epoll refuses (regular files, /dev/null) is always ready.
class readiness {
 public:
  enum class event { readable, writable };

  readiness(const asio::any_io_executor& executor, int descriptor, event what);

  /// Whether it never has to be waited for.
  [[nodiscard]] bool always() const noexcept { return !watch_; }

  /// Whether it is ready now.
  [[nodiscard]] bool now() const;

  /// Returns when it is ready, or after `cancel`. Not to be called if `always`.
  asio::awaitable<void> wait();
  void cancel();

 private:
  int descriptor_;
  event event_;
  std::optional<asio::posix::stream_descriptor> watch_;
};

}  // namespace duplex::tool
