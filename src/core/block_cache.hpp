#pragma once
// Small blocks that were given back, for the next of the same size. A stream takes and gives back the same few, and
// where many begin and end together the allocator is slow: they are more than it keeps at hand, and larger than what it
// does not join with their neighbours.

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>

namespace duplex::core {

class block_cache {
 public:
  /// Of sizes that are served alike; 0: of blocks that are not kept.
  using size_class = std::uint8_t;
  static constexpr std::size_t classes = 16;

  block_cache() noexcept = default;
  block_cache(const block_cache&) = delete;
  block_cache& operator=(const block_cache&) = delete;
  ~block_cache() { rest(); }

  [[nodiscard]] static constexpr size_class class_of(std::size_t size) noexcept {
    if (size <= word || size > size_of(classes - 1)) return 0;
    return static_cast<size_class>((size - word + step - 1) / step);
  }

  /// As malloc.
  [[nodiscard]] void* take(std::size_t size) noexcept;
  /// `which`: of the size that it was taken with.
  void give_back(void* memory, size_class which) noexcept;
  /// Keeps nothing.
  void rest() noexcept;

 private:
  // Those of the allocator, which has a word in front of each block: rounding costs nothing that way.
  static constexpr std::size_t step = 16;
  static constexpr std::size_t word = 8;
  [[nodiscard]] static constexpr std::size_t size_of(std::size_t which) noexcept { return which * step + word; }

  static constexpr std::size_t most_kept = std::size_t{128} << 10;

  struct block {
    block* next;
  };
  std::array<block*, classes> kept_{};
  std::size_t bytes_ = 0;  // of those
};

/// For containers whose elements have memory of their own.
template <class T>
struct cached_allocator {
  using value_type = T;
  static constexpr std::size_t size = sizeof(T);  // NOLINT(bugprone-sizeof-expression): of a pointer as well

  explicit cached_allocator(block_cache& blocks) noexcept : cache(&blocks) {}
  template <class U>
  cached_allocator(const cached_allocator<U>& other) noexcept : cache(other.cache) {}  // NOLINT: as containers want it

  [[nodiscard]] T* allocate(std::size_t n) {
    static_assert(alignof(T) <= alignof(std::max_align_t));
    if (n > SIZE_MAX / size) throw std::bad_alloc();
    auto* const memory = cache->take(n * size);
    if (!memory) throw std::bad_alloc();
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, std::size_t n) noexcept { cache->give_back(memory, block_cache::class_of(n * size)); }

  friend bool operator==(const cached_allocator&, const cached_allocator&) = default;

  block_cache* cache;
};

}  // namespace duplex::core
