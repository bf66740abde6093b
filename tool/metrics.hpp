#pragma once
// What a server has done, in the text format of Prometheus, version 0.0.4.

#include <duplex/h2/server_options.hpp>

#include <array>
#include <cstdint>
#include <mutex>
#include <string>

namespace duplex::tool {

/// Requests that are over, by their status and by how long they took. From any thread.
class request_metrics {
 public:
  void count(const h2::request_report& r);

  [[nodiscard]] std::string text() const;

 private:
  /// Seconds. Streams may be of a moment, or of hours.
  static constexpr std::array bounds{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,   0.25,   0.5,
                                     1.0,   2.5,    5.0,   10.0, 30.0,  60.0, 300.0, 1800.0, 3600.0};
  static constexpr std::size_t classes = 6;  // of status codes, by their first digit; 0 if there was no response

  mutable std::mutex mutex_;
  std::array<std::uint64_t, classes> of_class_{};
  /// Each with those up to its bound and above the one before; the last one has the rest. By exact bounds, which
  /// `histogram` has not: its buckets are a fixed share wide.
  std::array<std::uint64_t, bounds.size() + 1> of_duration_{};
  double seconds_ = 0;
};

[[nodiscard]] std::string to_metrics(const h2::server_stats& stats, const request_metrics& requests, bool drains);

}  // namespace duplex::tool
