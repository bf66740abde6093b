#pragma once
// How large a stream's receive window should be (RFC 9113, section 5.2): what the path holds, its bandwidth times its
// delay. A PING marks one round trip, as in gRPC; what readers took meanwhile is the sample.
//
//   window   |
//   ---------+--------------------------------------------------------------------------------------
//   small    |  doubles with a sample of a quarter of it and more
//   large    |  doubles with half, if more came in a second than at the last time: otherwise a queue grew, not the flow
//   most     |  is not measured any more
//
// Half, because the engine returns credit by halves of the window: one that is twice what the path holds fills it.
//
// A PING costs the peer something, so that one leaves only for half a window of what was read since the last: none on
// an idle connection, and never one without DATA in between, which servers count as abuse.

#include "core/deadlines.hpp"

#include <chrono>
#include <cstddef>
#include <optional>

namespace duplex::core {

class window_estimator {
 public:
  /// Windows of `first` to `most` bytes; the same for one that stays.
  window_estimator(std::size_t first, std::size_t most) noexcept : first_(first), most_(most), window_(first) {}

  [[nodiscard]] std::size_t first() const noexcept { return first_; }
  [[nodiscard]] std::size_t window() const noexcept { return window_; }

  /// `n` bytes went to a reader, and back to the peer as credit.
  void read(std::size_t n) noexcept { read_ += n; }

  /// Whether a PING should leave now. If so, its sample has begun.
  [[nodiscard]] bool begin_sample(time_point now) noexcept;

  /// The PING was answered. Without one under way it means nothing.
  void end_sample(time_point now) noexcept;

 private:
  [[nodiscard]] bool may_double(std::chrono::duration<double> round_trip) noexcept;

  std::size_t first_;
  std::size_t most_;
  std::size_t window_;
  std::size_t read_ = 0;               // in this sample, or since the last
  std::optional<time_point> began_{};  // while a sample is under way
  double bandwidth_ = 0;               // bytes in a second, at the last growth
  time_point rests_until_{};
  std::chrono::milliseconds rest_{0};
};

}  // namespace duplex::core
