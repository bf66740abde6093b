#pragma once
// Standard input: a terminal, a pipe, a socket, a file or nothing.

#include "readiness.hpp"

#include <string>

namespace duplex::tool {

/// Reads only when asked to, so that whoever fills the pipe feels when the peer is slow.
class input {
 public:
  input(const asio::any_io_executor& executor, int descriptor);

  /// What is there, at most 64 KiB; waits for the first byte. Empty at the end, or after `stop`.
  /// Throws `problem` (26) if it cannot be read.
  asio::awaitable<std::string> read();

  /// Ends a `read` that waits, and all later ones.
  void stop();
  [[nodiscard]] bool stopped() const noexcept { return stopped_; }

  [[nodiscard]] bool is_terminal() const;

 private:
  int descriptor_;
  readiness ready_;
  bool stopped_ = false;
};

}  // namespace duplex::tool
