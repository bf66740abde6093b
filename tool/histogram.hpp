#pragma once
// Latencies in buckets whose width is a fixed share of what they hold, by Boost.Histogram.

#include <boost/histogram/axis/regular.hpp>
#include <boost/histogram/histogram.hpp>
#include <boost/histogram/storage_adaptor.hpp>

#include <cstdint>
#include <tuple>
#include <vector>

namespace duplex::tool {

/// Counts values in a fixed amount of memory; a percentile is at most 1 % above the true one.
class histogram {
 public:
  void record(std::uint64_t value);
  void merge(const histogram& other);

  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  [[nodiscard]] std::uint64_t max() const noexcept { return max_; }
  [[nodiscard]] double mean() const noexcept;
  /// What `share` of the values (0 to 1) do not exceed; 0 if there are none.
  [[nodiscard]] std::uint64_t percentile(double share) const;

 private:
  using buckets = boost::histogram::axis::regular<double, boost::histogram::axis::transform::log>;
  using counters = boost::histogram::storage_adaptor<std::vector<std::uint64_t>>;

  // As nanoseconds: to 10,000 s; what is above has the bucket behind the last.
  static constexpr double largest = 1e13;
  static constexpr unsigned bucket_count = 3009;  // ln(largest) / ln(1.01)

  boost::histogram::histogram<std::tuple<buckets>, counters> counts_{buckets(bucket_count, 1, largest)};
  std::uint64_t count_ = 0;
  std::uint64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace duplex::tool
