#pragma once
// Follows frames in pieces of any size (RFC 9113, section 4.1), without the engine: what it tells is the wire's word.

#include "core/raw_frames.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace duplex::fuzz {

struct frame_head {
  std::size_t size = 0;
  std::uint8_t kind = 0;
  std::uint8_t flags = 0;
  std::int32_t id = 0;

  [[nodiscard]] bool has(test::raw::flag f) const noexcept { return (flags & f) != 0; }
};

class frame_reader {
 public:
  /// `skip`: bytes before the first frame.
  explicit frame_reader(std::size_t skip = 0) noexcept : skip_(skip) {}

  /// Calls `see(head, at, piece)` for every piece of payload, `at` being its place; once for a frame without any.
  template <class See>
  void feed(std::string_view bytes, See see) {
    while (!bytes.empty()) {
      if (skip_ > 0) {
        const auto n = std::min(skip_, bytes.size());
        skip_ -= n;
        bytes.remove_prefix(n);
      } else if (have_ < raw_.size()) {
        raw_.at(have_++) = static_cast<std::uint8_t>(bytes.front());
        bytes.remove_prefix(1);
        if (have_ == raw_.size()) begin();
        if (have_ == raw_.size() && head_.size == 0) end(see, {});
      } else {
        const auto piece = bytes.substr(0, head_.size - at_);
        bytes.remove_prefix(piece.size());
        end(see, piece);
      }
    }
  }

  /// Whether a frame may begin here that is no CONTINUATION.
  [[nodiscard]] bool between_frames() const noexcept { return skip_ == 0 && have_ == 0 && !in_block_; }

 private:
  void begin() noexcept {
    const auto octet = [this](std::size_t i) { return std::uint32_t{raw_.at(i)}; };
    head_ = {octet(0) << 16U | octet(1) << 8U | octet(2), raw_[3], raw_[4],
             static_cast<std::int32_t>((octet(5) & 0x7fU) << 24U | octet(6) << 16U | octet(7) << 8U | octet(8))};
    at_ = 0;
    const bool opens = head_.kind == test::raw::type_headers || head_.kind == test::raw::type_push_promise;
    if (opens || head_.kind == test::raw::type_continuation) in_block_ = !head_.has(test::raw::end_headers);
  }
  template <class See>
  void end(See& see, std::string_view piece) {
    const auto at = at_;
    at_ += piece.size();
    if (at_ == head_.size) have_ = 0;
    see(head_, at, piece);
  }

  std::size_t skip_;
  std::array<std::uint8_t, 9> raw_{};
  std::size_t have_ = 0;
  frame_head head_{};
  std::size_t at_ = 0;
  bool in_block_ = false;
};

}  // namespace duplex::fuzz
