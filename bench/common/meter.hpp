#pragma once
// Counts messages for a while, after a warm-up, and prints one line of JSON. Both last until every stream could have
// one.

#include "plan.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace bench {

class meter {
 public:
  explicit meter(const plan& p);

  /// One message is complete. False when time is over.
  bool add(std::size_t bytes) {
    bytes_ += bytes;
    ++messages_;
    // A look at the clock is a tenth of the cheapest message.
    return messages_ % 16 != 0 || look();
  }
  [[nodiscard]] bool over() const noexcept { return over_; }

  /// {"messages":…,"bytes":…,"seconds":…,"cpu":…,"rss_kb":…}
  void report() const;

 private:
  using clock = std::chrono::steady_clock;
  struct point {
    std::uint64_t messages = 0;
    std::uint64_t bytes = 0;
    clock::time_point when{};
    double cpu = 0;
  };
  bool look();
  [[nodiscard]] point here() const;

  std::uint64_t messages_ = 0;
  std::uint64_t bytes_ = 0;
  clock::time_point warm_;
  std::uint64_t streams_;
  clock::duration length_;
  point began_;
  point ended_;
  bool warming_up_ = true;
  bool over_ = false;
};

/// The memory of `things` idle streams or connections: resident kB before and with them, here and in the server.
class memory_meter {
 public:
  explicit memory_meter(const plan& p);
  /// {"things":…,"kb_each":…,"server_kb_each":…}
  void report() const;

 private:
  [[nodiscard]] std::array<double, 2> resident() const;

  const plan& plan_;
  std::array<double, 2> before_;
};

}  // namespace bench
