#pragma once
// A connected stream that a user hands in: a socket, which is read and written as one that was dialed, or any other.

#include "net/dialer.hpp"

#include <duplex/h2/lower_stream.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <memory>

namespace duplex::net {

class handed_in {
 public:
  explicit handed_in(std::unique_ptr<h2::lower_stream> s);
  handed_in(handed_in&& other) noexcept;
  handed_in(const handed_in&) = delete;
  handed_in& operator=(const handed_in&) = delete;
  ~handed_in();

  [[nodiscard]] bool is_open() const noexcept { return open_; }
  /// Whether it needs the executor that it came with no more.
  [[nodiscard]] bool is_socket() const noexcept { return descriptor_ >= 0; }
  [[nodiscard]] const asio::any_io_executor& executor() const noexcept { return executor_; }
  /// Once, on the strand: what reads and writes it from now on, and who is at the other end, if that can be told.
  [[nodiscard]] dialed take(const strand& here);

 private:
  [[nodiscard]] dialed take_socket(const strand& here);

  asio::any_io_executor executor_;
  bool open_;
  int descriptor_;
  std::unique_ptr<h2::lower_stream> stream_;
};

}  // namespace duplex::net
