#pragma once
// Standard output, or the file of -o.

#include "readiness.hpp"

#include <duplex/error.hpp>

#include <boost/asio/experimental/channel.hpp>

#include <cstddef>
#include <string>

namespace duplex::tool {

/// A file to write, or standard output.
class output_file {
 public:
  /// Empty or `-` is standard output. Throws `problem` (23).
  explicit output_file(const std::string& path);
  ~output_file();
  output_file(const output_file&) = delete;
  output_file& operator=(const output_file&) = delete;

  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }

 private:
  int descriptor_;
};

/// Writes without a buffer of its own: a `write` that has returned has left the program.
class output {
 public:
  output(const asio::any_io_executor& executor, int descriptor);

  /// Returns when every byte was taken, so that a slow reader slows down the stream. Writes take turns.
  /// Throws `problem` (23), which is quiet if the reader has left.
  asio::awaitable<void> write(std::string bytes);

  /// For the last words: first what a cancelled `write` left behind, then `bytes`. Blocks at most a second, and
  /// says nothing of what goes wrong.
  void write_last(std::string bytes);

 private:
  // Writes what can be written now; false if that was nothing.
  bool write_some();

  int descriptor_;
  readiness ready_;
  // Holds one item while a write is under way.
  asio::experimental::channel<void(error_code)> turn_;
  std::string pending_;
  std::size_t written_ = 0;
};

}  // namespace duplex::tool
