// Latencies in buckets whose width is a fixed share of what they hold.

#include "histogram.hpp"

#include <algorithm>
#include <cmath>

namespace duplex::tool {
namespace {

// What is too small has a bucket of its own, and what is too large has the one behind the last. By index, because GCC
// 12 warns of the library's iterator when sanitizers are on.
constexpr int below_first = -1;

}  // namespace

void histogram::record(std::uint64_t value) {
  counts_(static_cast<double>(value));
  ++count_;
  max_ = std::max(max_, value);
  sum_ += static_cast<double>(value);
}

void histogram::merge(const histogram& other) {
  for (int bucket = below_first; bucket <= counts_.axis().size(); ++bucket)
    counts_.at(bucket) += other.counts_.at(bucket);
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
  sum_ += other.sum_;
}

double histogram::mean() const noexcept { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }

std::uint64_t histogram::percentile(double share) const {
  const auto wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_)));
  std::uint64_t seen = 0;
  const auto& axis = counts_.axis();
  for (int bucket = below_first; bucket <= axis.size(); ++bucket) {
    seen += counts_.at(bucket);
    if (seen == 0 || seen < wanted) continue;
    return static_cast<std::uint64_t>(std::min(axis.value(bucket + 1), static_cast<double>(max_)));
  }
  return max_;
}

}  // namespace duplex::tool
