// Latencies by the method of HdrHistogram: buckets as wide as a fixed share of what they hold.

#include "histogram.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace duplex::tool {
namespace {

// Every value is in a bucket that reaches up to it, is too narrow to be more than 1/128 off, and ends before the next.
constexpr bool holds(std::uint64_t value) {
  const auto bucket = histogram::bucket_of(value);
  const auto largest = histogram::largest_in(bucket);
  return largest >= value && largest - value <= value / 128 && histogram::bucket_of(largest) == bucket &&
         (largest == std::numeric_limits<std::uint64_t>::max() || histogram::bucket_of(largest + 1) == bucket + 1);
}

static_assert(holds(0) && holds(1) && holds(127) && holds(128) && holds(255) && holds(256) && holds(257));
static_assert(holds(511) && holds(512) && holds(1000) && holds(999'999'999) && holds(60'000'000'000));
static_assert(holds(std::uint64_t{1} << 63) && holds(std::numeric_limits<std::uint64_t>::max()));
static_assert(histogram::largest_in(histogram::bucket_of(255)) == 255);

}  // namespace

void histogram::record(std::uint64_t value) noexcept {
  ++counts_[bucket_of(value)];
  ++count_;
  max_ = std::max(max_, value);
  sum_ += static_cast<double>(value);
}

void histogram::merge(const histogram& other) noexcept {
  for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
  sum_ += other.sum_;
}

double histogram::mean() const noexcept { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }

std::uint64_t histogram::percentile(double share) const noexcept {
  const auto wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_)));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (seen > 0 && seen >= wanted) return std::min(largest_in(i), max_);
  }
  return max_;
}

}  // namespace duplex::tool
