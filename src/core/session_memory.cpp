// The memory of one engine.

#include "core/session_memory.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>

// The engine's interface is that of malloc, and wants its `realloc`.
// NOLINTBEGIN(cppcoreguidelines-no-malloc,cppcoreguidelines-owning-memory)

namespace duplex::core {

engine_memory::~engine_memory() {
  for (auto* block = all_.behind; block != &all_;) {
    auto* const next = block->behind;
    std::free(block);
    block = next;
  }
}

void* engine_memory::add(link* block) noexcept {
  if (!block) {
    orderly_ = false;
    return nullptr;
  }
  block->before = &all_;
  block->behind = all_.behind;
  all_.behind->before = block;
  all_.behind = block;
  return block + 1;
}

void engine_memory::unlink(link* block) noexcept {
  block->before->behind = block->behind;
  block->behind->before = block->before;
}

void* engine_memory::take_frame_buffer(std::size_t size) noexcept {
  if (size < least_frame_buffer || frame_buffer_.data()) return nullptr;
  frame_buffer_ = untouched(size);
  return frame_buffer_.data();
}

void* engine_memory::allocate(std::size_t size, void* self) noexcept {
  if (auto* const pages = static_cast<engine_memory*>(self)->take_frame_buffer(size)) return pages;
  return static_cast<engine_memory*>(self)->add(static_cast<link*>(std::malloc(sizeof(link) + size)));
}

void* engine_memory::allocate_zeroed(std::size_t n, std::size_t size, void* self) noexcept {
  const bool fits = size == 0 || n <= (std::numeric_limits<std::size_t>::max() - sizeof(link)) / size;
  return static_cast<engine_memory*>(self)->add(fits ? static_cast<link*>(std::calloc(1, sizeof(link) + n * size))
                                                     : nullptr);
}

void engine_memory::release(void* memory, void* self) noexcept {
  if (!memory) return;
  if (auto& pages = static_cast<engine_memory*>(self)->frame_buffer_; memory == pages.data()) {
    pages = {};
    return;
  }
  auto* const block = static_cast<link*>(memory) - 1;
  unlink(block);
  std::free(block);
}

void* engine_memory::resize(void* memory, std::size_t size, void* self) noexcept {
  if (!memory) return allocate(size, self);
  if (const auto& pages = static_cast<engine_memory*>(self)->frame_buffer_; memory == pages.data()) {
    auto* const moved = allocate(size, self);
    if (moved) {
      std::memcpy(moved, memory, std::min(size, pages.size()));
      release(memory, self);
    }
    return moved;
  }
  auto* const old = static_cast<link*>(memory) - 1;
  unlink(old);
  auto* const block = static_cast<link*>(std::realloc(old, sizeof(link) + size));
  auto* const result = static_cast<engine_memory*>(self)->add(block);
  if (!block) static_cast<engine_memory*>(self)->add(old);
  return result;
}

// NOLINTEND(cppcoreguidelines-no-malloc,cppcoreguidelines-owning-memory)

}  // namespace duplex::core
