#pragma once
// Points in time at which something is due. No clock here: the driver says what time it is.

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace duplex::core {

using time_point = std::chrono::steady_clock::time_point;

/// `now + wait`, where a wait without end is one of ten years.
inline constexpr time_point never = time_point::max();

[[nodiscard]] inline time_point after(time_point now, std::chrono::milliseconds wait) {
  constexpr std::chrono::milliseconds longest = std::chrono::hours(24 * 3650);
  return now + std::min(wait, longest);
}

template <class Key>
class deadlines {
 public:
  /// Sets or moves the deadline of `key`.
  void set(const Key& key, time_point when) {
    clear(key);
    when_.emplace(key, when);
    order_.emplace(when, key);
  }

  /// Returns whether there was one.
  bool clear(const Key& key) {
    const auto at = when_.find(key);
    if (at == when_.end()) return false;
    order_.erase({at->second, key});
    when_.erase(at);
    return true;
  }

  /// Clears every key from `first` up to, not including, `last`.
  void clear(const Key& first, const Key& last) {
    auto at = when_.lower_bound(first);
    for (; at != when_.end() && at->first < last; at = when_.erase(at)) order_.erase({at->second, at->first});
  }

  [[nodiscard]] std::optional<time_point> next() const {
    if (order_.empty()) return std::nullopt;
    return order_.begin()->first;
  }

  /// Takes out what is due at `now`, the earliest first.
  std::vector<Key> expire(time_point now) {
    std::vector<Key> due;
    while (!order_.empty() && order_.begin()->first <= now) {
      due.push_back(order_.begin()->second);
      clear(due.back());
    }
    return due;
  }

 private:
  std::map<Key, time_point> when_;
  std::set<std::pair<time_point, Key>> order_;
};

}  // namespace duplex::core
