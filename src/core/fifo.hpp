#pragma once
// A queue of one word, because every stream has several and most of them have never held anything. Then it holds no
// memory; afterwards it keeps what a few elements take, so that one after another costs no allocation. std::deque takes
// over half a kilobyte as soon as it exists, std::vector three words.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace duplex::core {

template <class T>
class fifo {
 public:
  using iterator = T*;
  using const_iterator = const T*;

  fifo() noexcept = default;
  fifo(fifo&& other) noexcept = default;
  fifo& operator=(fifo&& other) noexcept = default;
  fifo(const fifo&) = delete;
  fifo& operator=(const fifo&) = delete;
  ~fifo() = default;

  [[nodiscard]] bool empty() const noexcept { return !block_ || block_->first == block_->behind; }
  [[nodiscard]] std::size_t size() const noexcept { return block_ ? block_->behind - block_->first : 0; }
  [[nodiscard]] T& front() noexcept { return *block_->begin(); }
  [[nodiscard]] T& back() noexcept { return *(block_->end() - 1); }
  [[nodiscard]] iterator begin() noexcept { return block_ ? block_->begin() : nullptr; }
  [[nodiscard]] iterator end() noexcept { return block_ ? block_->end() : nullptr; }
  [[nodiscard]] const_iterator begin() const noexcept { return block_ ? block_->begin() : nullptr; }
  [[nodiscard]] const_iterator end() const noexcept { return block_ ? block_->end() : nullptr; }

  /// Moves the elements, at times.
  template <class... Args>
  void emplace_back(Args&&... args) {
    if (!block_ || block_->behind == block_->capacity) make_room();
    std::construct_at(block_->end(), std::forward<Args>(args)...);
    ++block_->behind;
  }

  void push_back(T item) { emplace_back(std::move(item)); }

  [[nodiscard]] T pop_front() {
    T item = std::move(front());
    drop_front();
    return item;
  }
  void drop_front() noexcept {
    std::destroy_at(&front());
    ++block_->first;
    if (empty()) clear();
  }

  /// The first leaves at once; behind another one all move up.
  void erase(iterator at) {
    if (at == begin()) {
      drop_front();
    } else {
      std::move(at + 1, end(), at);
      std::destroy_at(&back());
      --block_->behind;
    }
  }

  void clear() noexcept {
    if (!block_) return;
    std::destroy(begin(), end());
    block_->first = block_->behind = 0;
    if (block_->capacity > kept) block_.reset();
  }

  /// Empty, and will be for long: keeps no memory.
  void rest() noexcept {
    if (empty()) block_.reset();
  }

 private:
  // A queue that was long gives its memory back; one that is emptied after every element keeps it.
  static constexpr std::size_t kept = 4;

  // In front of the elements.
  struct alignas(std::uint64_t) block {
    std::uint32_t capacity;
    std::uint32_t first = 0;
    std::uint32_t behind = 0;

    [[nodiscard]] T* items() noexcept { return static_cast<T*>(static_cast<void*>(this + 1)); }
    [[nodiscard]] T* begin() noexcept { return items() + first; }
    [[nodiscard]] T* end() noexcept { return items() + behind; }
  };
  struct deleter {
    void operator()(block* b) const noexcept {
      std::destroy(b->begin(), b->end());
      ::operator delete(b);
    }
  };
  using block_ptr = std::unique_ptr<block, deleter>;

  static block_ptr make(std::size_t capacity) {
    static_assert(alignof(T) <= alignof(block) && std::is_nothrow_move_constructible_v<T>);
    auto* const memory = ::operator new(sizeof(block) + capacity * sizeof(T));
    return block_ptr(std::construct_at(static_cast<block*>(memory), static_cast<std::uint32_t>(capacity)));
  }

  void make_room() {
    if (!block_) {
      block_ = make(1);
    } else if (block_->first > 0 && block_->first >= block_->behind / 2) {
      move_to(*block_);
    } else {
      auto larger = make(2 * std::size_t{block_->capacity});
      move_to(*larger);
      block_ = std::move(larger);
    }
  }

  // To its begin, which may be further in front in the same memory.
  void move_to(block& other) noexcept {
    auto* to = other.items();
    for (auto* from = block_->begin(); from != block_->end(); ++from, ++to) {
      std::construct_at(to, std::move(*from));
      std::destroy_at(from);
    }
    block_->first = block_->behind = 0;
    other.behind = static_cast<std::uint32_t>(to - other.items());
  }

  block_ptr block_;
};

}  // namespace duplex::core
