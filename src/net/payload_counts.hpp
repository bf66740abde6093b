#pragma once
// The payload of all connections of a server. Each keeps its own part, by which counting is as cheap as a variable of
// its own; only who asks for the sum goes through them all.

#include "core/session.hpp"

#include <boost/intrusive/list.hpp>

#include <atomic>
#include <cstdint>
#include <mutex>

namespace duplex::net {

class payload_counts {
 public:
  /// One connection's, which is in the sum from its beginning, and stays there when it has gone.
  class part : public boost::intrusive::list_base_hook<> {
   public:
    explicit part(payload_counts& all) : all_(all) {
      const std::lock_guard lock(all_.mutex_);
      all_.parts_.push_back(*this);
    }
    part(const part&) = delete;
    part& operator=(const part&) = delete;
    ~part() {
      const std::lock_guard lock(all_.mutex_);
      all_.parts_.erase(parts::s_iterator_to(*this));
      all_.add(all_.past_, *this);
    }

    /// By the connection alone.
    void set(const core::payload& now) noexcept {
      received_.store(now.received, std::memory_order_relaxed);
      sent_.store(now.sent, std::memory_order_relaxed);
    }

   private:
    friend class payload_counts;

    payload_counts& all_;
    std::atomic<std::uint64_t> received_ = 0;
    std::atomic<std::uint64_t> sent_ = 0;
  };

  /// From any thread.
  [[nodiscard]] core::payload sum() const {
    const std::lock_guard lock(mutex_);
    auto out = past_;
    for (const auto& each : parts_) add(out, each);
    return out;
  }

 private:
  using parts = boost::intrusive::list<part>;

  static void add(core::payload& to, const part& what) noexcept {
    to.received += what.received_.load(std::memory_order_relaxed);
    to.sent += what.sent_.load(std::memory_order_relaxed);
  }

  mutable std::mutex mutex_;
  parts parts_;
  core::payload past_;
};

}  // namespace duplex::net
