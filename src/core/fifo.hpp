#pragma once
// A queue that holds nothing while it is empty, and allocates nothing for one element after another: std::deque takes
// over half a kilobyte as soon as it exists, which is most of what an idle stream costs.

#include <cstddef>
#include <utility>
#include <vector>

namespace duplex::core {

template <class T>
class fifo {
 public:
  using iterator = typename std::vector<T>::iterator;
  using const_iterator = typename std::vector<T>::const_iterator;

  [[nodiscard]] bool empty() const noexcept { return head_ == items_.size(); }
  [[nodiscard]] std::size_t size() const noexcept { return items_.size() - head_; }
  [[nodiscard]] T& front() { return items_[head_]; }
  [[nodiscard]] T& back() { return items_.back(); }
  [[nodiscard]] iterator begin() noexcept { return items_.begin() + static_cast<std::ptrdiff_t>(head_); }
  [[nodiscard]] iterator end() noexcept { return items_.end(); }
  [[nodiscard]] const_iterator begin() const noexcept { return items_.begin() + static_cast<std::ptrdiff_t>(head_); }
  [[nodiscard]] const_iterator end() const noexcept { return items_.end(); }

  /// Moves the elements, at times.
  template <class... Args>
  void emplace_back(Args&&... args) {
    if (head_ > 0 && items_.size() == items_.capacity() && head_ >= items_.size() / 2) {
      items_.erase(items_.begin(), begin());
      head_ = 0;
    }
    items_.emplace_back(std::forward<Args>(args)...);
  }

  void push_back(T item) { emplace_back(std::move(item)); }

  [[nodiscard]] T pop_front() {
    T item = std::move(front());
    drop_front();
    return item;
  }
  void drop_front() {
    ++head_;
    if (empty()) clear();
  }

  /// The first leaves at once; behind another one all move up.
  void erase(iterator at) {
    if (at == begin()) {
      drop_front();
    } else {
      items_.erase(at);
    }
  }

  void clear() noexcept {
    items_.clear();
    head_ = 0;
    if (items_.capacity() > kept) items_ = std::vector<T>();
  }

 private:
  // A queue that was long gives its memory back; one that is emptied after every element keeps it.
  static constexpr std::size_t kept = 4;

  std::vector<T> items_;
  std::size_t head_ = 0;
};

}  // namespace duplex::core
