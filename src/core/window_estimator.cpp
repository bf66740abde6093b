// The size of the receive windows.

#include "core/window_estimator.hpp"

#include <algorithm>

namespace duplex::core {
namespace {

using seconds = std::chrono::duration<double>;
using namespace std::chrono_literals;

// Below it, memory saved is not worth a wrong guess: the round trips of a fast path vary more than windows do.
constexpr std::size_t small = std::size_t{1} << 20;

// As long as the window is the limit, doubling it brings one and a half times as much; what is far from that is noise.
constexpr double growth = 1.25;

// How long not to measure after a sample that changed nothing, doubled with every such sample.
constexpr auto first_rest = 100ms;
constexpr auto longest_rest = 10000ms;

}  // namespace

bool window_estimator::begin_sample(time_point now) noexcept {
  if (began_ || read_ < window_ / 2 || window_ >= most_ || now < rests_until_) return false;
  began_ = now;
  read_ = 0;
  return true;
}

void window_estimator::end_sample(time_point now) noexcept {
  if (!began_) return;
  if (may_double(now - *began_)) {
    window_ = std::min(2 * window_, most_);
    rest_ = 0ms;
  } else {
    rest_ = std::clamp<std::chrono::milliseconds>(2 * rest_, first_rest, longest_rest);
    rests_until_ = now + rest_;
  }
  began_.reset();
  read_ = 0;
}

bool window_estimator::may_double(seconds round_trip) noexcept {
  if (read_ < window_ / (window_ < small ? 4 : 2)) return false;
  // What several streams brought together, or a reader that was behind, says nothing about one window.
  const auto bytes = static_cast<double>(std::min(read_, window_));
  const auto bandwidth = bytes / std::max(round_trip, seconds(1us)).count();
  if (window_ >= small && bandwidth < growth * bandwidth_) return false;
  bandwidth_ = bandwidth;
  return true;
}

}  // namespace duplex::core
