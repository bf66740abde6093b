#pragma once
// What the streams of one thread of `duplex bench` have done.

#include "exit_status.hpp"
#include "histogram.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace duplex::tool {

/// The sums. A value.
struct tally {
  std::uint64_t messages = 0;
  /// Payload.
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  /// Nanoseconds.
  histogram latency{};
  /// How often, by name.
  std::map<std::string, std::uint64_t> errors{};
  std::optional<problem> first_error{};
  /// Streams that waited for a place under the peer's limit to the end.
  std::uint64_t never_opened = 0;
  /// When the last message ended, or had arrived.
  std::chrono::steady_clock::time_point last{};

  void merge(const tally& other);
};

/// How many messages may still begin, on all threads together.
using message_budget = std::atomic<std::int64_t>;

/// Counts for one thread, which calls everything but `progress`.
class bench_meter {
 public:
  using clock = std::chrono::steady_clock;

  /// A message that has begun.
  struct message {
    clock::time_point began;
    // It began after the warm-up.
    bool counts;
  };
  /// What a progress line says.
  struct seen {
    std::uint64_t messages;
    std::uint64_t errors;
  };

  /// Without a budget messages begin until `stop`.
  explicit bench_meter(message_budget* budget) : budget_(budget) {}

  /// What came before was warm-up.
  void start() noexcept { measuring_ = true; }
  /// What comes after does not count.
  void stop() noexcept;
  [[nodiscard]] bool stopped() const noexcept { return stopped_; }

  /// None if it was the last message before.
  [[nodiscard]] std::optional<message> begin() noexcept;
  void end(const message& m) noexcept;
  /// What was sent has arrived only now.
  void arrived() noexcept;
  void sent(std::size_t bytes) noexcept;
  void received(std::size_t bytes) noexcept;
  void failed(const problem& p);

  /// A stream waits for its first place under the peer's limit, and has it, or an error.
  void begin_wait() noexcept { ++waiting_; }
  void end_wait() noexcept { --waiting_; }

  [[nodiscard]] const tally& sums() const noexcept { return sums_; }
  /// From any thread.
  [[nodiscard]] seen progress() const noexcept;

 private:
  message_budget* budget_;
  tally sums_;
  std::uint64_t waiting_ = 0;
  bool measuring_ = false;
  bool stopped_ = false;
  std::atomic<std::uint64_t> seen_messages_ = 0;
  std::atomic<std::uint64_t> seen_errors_ = 0;
};

}  // namespace duplex::tool
