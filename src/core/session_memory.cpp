// The memory of one engine.

#include "core/session_memory.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>

// The engine's interface is that of malloc, and wants its `realloc`.
// NOLINTBEGIN(cppcoreguidelines-no-malloc,cppcoreguidelines-owning-memory)

namespace duplex::core {

engine_memory::~engine_memory() {
  for (auto* block = all_.behind(); block != &all_;) {
    auto* const next = block->behind();
    std::free(block);
    block = next;
  }
}

void* engine_memory::add(void* memory, block_cache::size_class size) noexcept {
  if (!memory) {
    orderly_ = false;
    return nullptr;
  }
  return add(std::construct_at(static_cast<link*>(memory), size));
}

void* engine_memory::add(link* block) noexcept {
  block->before = &all_;
  block->put_behind(all_.behind());
  all_.behind()->before = block;
  all_.put_behind(block);
  return block + 1;
}

void engine_memory::unlink(link* block) noexcept {
  block->before->put_behind(block->behind());
  block->behind()->before = block->before;
}

void* engine_memory::take_frame_buffer(std::size_t size) noexcept {
  if (size < least_frame_buffer || frame_buffer_.data()) return nullptr;
  frame_buffer_ = untouched(size);
  return frame_buffer_.data();
}

void* engine_memory::allocate(std::size_t size, void* self) noexcept {
  auto& all = *static_cast<engine_memory*>(self);
  if (auto* const pages = all.take_frame_buffer(size)) return pages;
  const auto whole = sizeof(link) + size;
  return all.add(all.cache_.take(whole), block_cache::class_of(whole));
}

void* engine_memory::allocate_zeroed(std::size_t n, std::size_t size, void* self) noexcept {
  const bool fits = size == 0 || n <= (std::numeric_limits<std::size_t>::max() - sizeof(link)) / size;
  return static_cast<engine_memory*>(self)->add(fits ? std::calloc(1, sizeof(link) + n * size) : nullptr, 0);
}

void engine_memory::release(void* memory, void* self) noexcept {
  if (!memory) return;
  auto& all = *static_cast<engine_memory*>(self);
  if (auto& pages = all.frame_buffer_; memory == pages.data()) {
    pages = {};
    return;
  }
  auto* const block = static_cast<link*>(memory) - 1;
  unlink(block);
  all.cache_.give_back(block, block->size());
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
  auto& all = *static_cast<engine_memory*>(self);
  auto* const block = std::realloc(old, sizeof(link) + size);
  auto* const result = all.add(block, 0);
  if (!block) all.add(old);
  return result;
}

// NOLINTEND(cppcoreguidelines-no-malloc,cppcoreguidelines-owning-memory)

}  // namespace duplex::core
