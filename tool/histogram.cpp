// Latencies in buckets whose width is a fixed share of what they hold.

#include "histogram.hpp"

#include <boost/histogram/indexed.hpp>

#include <algorithm>
#include <cmath>

namespace duplex::tool {

void histogram::record(std::uint64_t value) {
  counts_(static_cast<double>(value));
  ++count_;
  max_ = std::max(max_, value);
  sum_ += static_cast<double>(value);
}

void histogram::merge(const histogram& other) {
  counts_ += other.counts_;
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
  sum_ += other.sum_;
}

double histogram::mean() const noexcept { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }

std::uint64_t histogram::percentile(double share) const {
  const auto wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_)));
  std::uint64_t seen = 0;
  for (const auto& bucket : boost::histogram::indexed(counts_, boost::histogram::coverage::all)) {
    seen += *bucket;
    if (seen == 0 || seen < wanted) continue;
    return std::min(static_cast<std::uint64_t>(std::min(bucket.bin(0).upper(), static_cast<double>(max_))), max_);
  }
  return max_;
}

}  // namespace duplex::tool
