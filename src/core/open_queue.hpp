#pragma once
// Requests that wait for a place under the peer's limit of streams (RFC 9113, section 5.1.2): first come, first served.

#include "core/outbox.hpp"
#include "core/request_head.hpp"

#include <duplex/options.hpp>

#include <algorithm>
#include <cstddef>
#include <list>
#include <utility>
#include <vector>

namespace duplex::core {

class open_queue {
 public:
  struct entry {
    op_id op;
    request_head head;
    options opts;
  };

  /// `capacity`: most that may wait.
  explicit open_queue(std::size_t capacity) : capacity_(capacity) {}

  [[nodiscard]] bool full() const noexcept { return queue_.size() >= capacity_; }
  [[nodiscard]] bool empty() const noexcept { return queue_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return queue_.size(); }

  [[nodiscard]] const entry& front() const { return queue_.front(); }

  void push(entry e) { queue_.push_back(std::move(e)); }

  [[nodiscard]] entry pop() {
    auto first = std::move(queue_.front());
    queue_.pop_front();
    return first;
  }

  /// Whether `op` was waiting; it is not any more.
  bool remove(op_id op) {
    return std::erase_if(queue_, [op](const entry& e) { return e.op == op; }) > 0;
  }

  /// Forgets everything.
  void drop() noexcept { queue_.clear(); }

  /// Takes everything out: the operations, in order.
  [[nodiscard]] std::vector<op_id> clear() {
    std::vector<op_id> all(queue_.size());
    std::transform(queue_.begin(), queue_.end(), all.begin(), [](const entry& e) { return e.op; });
    queue_.clear();
    return all;
  }

 private:
  std::list<entry> queue_;
  std::size_t capacity_;
};

}  // namespace duplex::core
