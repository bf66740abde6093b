#pragma once
// What has arrived on one stream and was not yet taken, in order, and how it ends (RFC 9113, section 8.1).

#include "core/fifo.hpp"
#include "core/reason.hpp"

#include <duplex/error.hpp>
#include <duplex/message.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace duplex::core {

class inbox {
 public:
  /// `limit`: most bytes of data that may wait.
  explicit inbox(std::size_t limit) noexcept
      : limit_(static_cast<std::uint32_t>(std::min<std::size_t>(limit, UINT32_MAX))) {}  // and a window has 31 bits

  /// Appends a message that is neither data nor `done`.
  void push(message&& m);

  /// Appends data. False, and nothing is taken, if that would exceed the limit. `more`: bytes that are known to follow
  /// at once; large pieces are joined then, in memory that is allocated once.
  [[nodiscard]] bool push_data(std::string_view bytes, std::size_t more = 0);

  /// Appends `done`, behind which the end is `errc::closed`.
  void finish() noexcept;

  /// What follows the last message, unless an end is already set: what was buffered is delivered before an error.
  void end(reason why) noexcept;

  /// Drops everything that waits, and ends.
  void abort(reason why) noexcept;

  [[nodiscard]] std::optional<message> take();

  [[nodiscard]] bool empty() const noexcept { return queue_.empty() && !done_waits_; }
  /// The error to report once the queue is empty; none while more may come.
  [[nodiscard]] reason end() const noexcept { return end_; }
  /// Whether `take` or `end` has an answer for a reader.
  [[nodiscard]] bool readable() const noexcept { return !empty() || end_; }
  [[nodiscard]] std::size_t limit() const noexcept { return limit_; }
  /// Bytes of data that wait.
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

 private:
  fifo<message> queue_;
  std::uint32_t bytes_ = 0;
  std::uint32_t limit_;
  reason end_;
  bool done_waits_ = false;  // behind the queue
};

}  // namespace duplex::core
