#pragma once
// What `duplex bench` prints.

#include "bench_meter.hpp"
#include "bench_settings.hpp"
#include "json.hpp"

#include <chrono>
#include <string>

namespace duplex::tool {

/// The outcome of a run.
struct bench_result {
  tally sums{};
  std::chrono::duration<double> elapsed{};
  /// User and system time of the process.
  std::chrono::duration<double> cpu{};
};

[[nodiscard]] std::string to_text(const bench_settings& settings, const bench_result& result);
/// One line.
[[nodiscard]] std::string to_json(const bench_settings& settings, const bench_result& result, const json_clock& clock);

/// User and system time of the process so far.
[[nodiscard]] std::chrono::duration<double> cpu_time();

/// A line on standard error that is written over, if that is a terminal.
class progress_line {
 public:
  progress_line();
  [[nodiscard]] bool is_shown() const noexcept { return shown_; }
  void show(const std::string& text) const;
  void erase() const;

 private:
  bool shown_;
};

}  // namespace duplex::tool
