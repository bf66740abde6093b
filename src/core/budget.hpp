#pragma once
// A token bucket: how often a peer may do something (RFC 9113, section 10.5). Knows no clock; it is told the time.

#include "core/deadlines.hpp"

#include <duplex/limits.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace duplex::core {

class budget {
 public:
  explicit budget(const rate_limit& limit) noexcept
      : burst_(static_cast<double>(limit.burst)),
        per_second_(static_cast<double>(limit.per_second)),
        left_(burst_),
        endless_(limit.burst == infinity) {}

  /// Takes what was spent, less what was earned, since the last call. Returns whether it was there. What is earned may
  /// be saved without a bound, the time not above the burst.
  [[nodiscard]] bool settle(std::int64_t spent, time_point now) noexcept {
    if (endless_) return true;
    const std::chrono::duration<double> passed = now - settled_at_;
    if (left_ < burst_ && passed.count() > 0) left_ = std::min(burst_, left_ + passed.count() * per_second_);
    settled_at_ = std::max(settled_at_, now);
    left_ -= static_cast<double>(spent);
    return left_ >= 0;
  }

 private:
  double burst_;
  double per_second_;
  double left_;
  bool endless_;
  time_point settled_at_{};  // a bucket begins full, so that its first time does not matter
};

}  // namespace duplex::core
