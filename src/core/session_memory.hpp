#pragma once
// The memory of one engine. One that found none, or whose callback failed, may leave what it has in disorder (ADR 19),
// so it is not asked to tidy up: all of it is known here, and given back at once.

#include "core/block_cache.hpp"
#include "core/untouched.hpp"

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>

namespace duplex::core {

class engine_memory {
 public:
  engine_memory() noexcept = default;
  engine_memory(const engine_memory&) = delete;
  engine_memory& operator=(const engine_memory&) = delete;
  ~engine_memory();

  /// What the engine is to allocate with. Lives as long as this.
  [[nodiscard]] nghttp2_mem* allocator() noexcept { return &functions_; }

  /// Small blocks that are at hand.
  [[nodiscard]] block_cache& cache() noexcept { return cache_; }

  /// Whether no allocation has failed, and nobody has said otherwise.
  [[nodiscard]] bool orderly() const noexcept { return orderly_; }
  void give_up() noexcept { orderly_ = false; }

 private:
  // In front of every block; the list is a ring. What aligned pointers have at their end is left for the size.
  class alignas(std::max_align_t) link {
   public:
    link* before = this;

    explicit link(block_cache::size_class size = 0) noexcept : behind_(begin_of(this) + size) {}
    [[nodiscard]] link* behind() const noexcept { return reinterpret_cast<link*>(behind_ - size()); }
    [[nodiscard]] block_cache::size_class size() const noexcept {
      return static_cast<block_cache::size_class>(reinterpret_cast<std::uintptr_t>(behind_) % alignof(link));
    }
    void put_behind(link* other) noexcept { behind_ = begin_of(other) + size(); }

   private:
    static std::byte* begin_of(link* block) noexcept { return reinterpret_cast<std::byte*>(block); }

    std::byte* behind_;  // of which, so many bytes behind its beginning as say the size
  };
  static_assert(block_cache::classes <= alignof(link));

  static void* allocate(std::size_t size, void* self) noexcept;
  static void release(void* memory, void* self) noexcept;
  static void* allocate_zeroed(std::size_t n, std::size_t size, void* self) noexcept;
  static void* resize(void* memory, std::size_t size, void* self) noexcept;
  void* add(void* memory, block_cache::size_class size) noexcept;
  void* add(link* block) noexcept;
  static void unlink(link* block) noexcept;
  void* take_frame_buffer(std::size_t size) noexcept;

  // Above all others in size. The engine makes one with the session, and puts a frame of ours into it, but for payload:
  // hardly ever more than a page.
  static constexpr std::size_t least_frame_buffer = 16384;

  block_cache cache_;
  link all_;
  untouched frame_buffer_;
  nghttp2_mem functions_{this, allocate, release, allocate_zeroed, resize};
  bool orderly_ = true;
};

}  // namespace duplex::core
