#pragma once
// Latencies by the method of HdrHistogram: buckets as wide as a fixed share of what they hold.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace duplex::tool {

/// Counts values of any size in a fixed amount of memory; a percentile is at most 1/128 above the true one.
class histogram {
 public:
  void record(std::uint64_t value) noexcept;
  void merge(const histogram& other) noexcept;

  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  [[nodiscard]] std::uint64_t max() const noexcept { return max_; }
  [[nodiscard]] double mean() const noexcept;
  /// What `share` of the values (0 to 1) do not exceed; 0 if there are none.
  [[nodiscard]] std::uint64_t percentile(double share) const noexcept;

  /// The bucket of a value, and the largest value that has this bucket.
  static constexpr std::size_t bucket_of(std::uint64_t value) noexcept {
    const auto shift = shift_of(value);
    return (shift << precision) + static_cast<std::size_t>(value >> shift);
  }
  static constexpr std::uint64_t largest_in(std::size_t bucket) noexcept {
    if (bucket < 2 * steps) return bucket;
    const auto shift = (bucket >> precision) - 1;
    return (((bucket & (steps - 1)) + steps + 1) << shift) - 1;
  }

 private:
  // Each power of two is cut into this many steps; what is smaller has a bucket for itself.
  static constexpr unsigned precision = 7;
  static constexpr std::size_t steps = std::size_t{1} << precision;

  static constexpr std::size_t shift_of(std::uint64_t value) noexcept {
    const auto width = static_cast<std::size_t>(std::bit_width(value));
    return width > precision + 1 ? width - precision - 1 : 0;
  }

  std::array<std::uint64_t, (64 - precision - 1) * steps + 2 * steps> counts_{};
  std::uint64_t count_ = 0;
  std::uint64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace duplex::tool
