#pragma once
// Counts the CONTINUATION frames of one header block (RFC 9113, section 6.10) as they come, whether the engine looks at
// the block or discards it: an endless one costs the peer little and us much (CVE-2024-27316 and its kin).

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace duplex::core {

inline constexpr std::size_t frame_head_size = 9;  // RFC 9113, section 4.1

class continuation_guard {
 public:
  /// `limit`: most CONTINUATION frames of a block. `preface`: bytes before the first frame.
  continuation_guard(std::size_t limit, std::size_t preface) noexcept : limit_(limit), payload_left_(preface) {}

  /// Follows the frames in `bytes`, in pieces of any size. Returns how many of the bytes may be used: fewer than there
  /// are if a block exceeds the limit.
  std::size_t feed(std::string_view bytes) noexcept {
    std::size_t at = 0;
    while (at < bytes.size()) {
      if (payload_left_ > 0) {
        const auto n = std::min(payload_left_, bytes.size() - at);
        payload_left_ -= n;
        at += n;
        continue;
      }
      head_[have_++] = static_cast<std::uint8_t>(bytes[at++]);
      if (have_ < head_.size()) continue;
      have_ = 0;
      payload_left_ = (std::size_t{head_[0]} << 16U) | (std::size_t{head_[1]} << 8U) | head_[2];
      constexpr std::uint8_t continuation = 9;
      seen_ = head_[3] == continuation ? seen_ + 1 : 0;
      if (seen_ > limit_) return at;
    }
    return at;
  }
  [[nodiscard]] bool exceeded() const noexcept { return seen_ > limit_; }

 private:
  std::size_t limit_;
  std::size_t payload_left_;
  std::size_t seen_ = 0;
  std::array<std::uint8_t, frame_head_size> head_{};
  std::size_t have_ = 0;
};

}  // namespace duplex::core
