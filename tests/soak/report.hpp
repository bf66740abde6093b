#pragma once
// What happened, from all threads: counts, and defects, of which one is enough to fail.

#include <duplex/error.hpp>

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace duplex::soak {

class report {
 public:
  void count(const std::string& what, std::uint64_t n = 1) {
    const std::scoped_lock lock(mutex_);
    counts_[what] += n;
  }
  void moved(std::size_t bytes) noexcept { bytes_ += bytes; }

  /// Something that must never happen. The first hundred are kept.
  void defect(std::string what);

  /// An exchange came to this error. Faults of the path explain some errors, and only those that say what happened.
  void failed(const std::string& whose, error_code ec, const std::optional<failure>& why);

  /// A send came to this; who receives on the stream says why.
  void sender(error_code ec) {
    if (ec && ec.category() != error_category()) defect("a send failed with an error of others: " + ec.message());
  }

  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::map<std::string, std::uint64_t> counts() const {
    const std::scoped_lock lock(mutex_);
    return counts_;
  }
  [[nodiscard]] std::vector<std::string> defects() const {
    const std::scoped_lock lock(mutex_);
    return defects_;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::uint64_t> counts_;
  std::vector<std::string> defects_;
  std::atomic<std::uint64_t> bytes_{0};
};

}  // namespace duplex::soak
