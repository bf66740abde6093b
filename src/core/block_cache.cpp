// Blocks that were given back.

#include "core/block_cache.hpp"

#include <cstdlib>
#include <memory>
#include <utility>

#if __has_include(<sanitizer/asan_interface.h>)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(memory, size) static_cast<void>(memory)
#define ASAN_UNPOISON_MEMORY_REGION(memory, size) static_cast<void>(memory)
#endif

// NOLINTBEGIN(cppcoreguidelines-no-malloc,cppcoreguidelines-owning-memory)

namespace duplex::core {

void* block_cache::take(std::size_t size) noexcept {
  const auto which = class_of(size);
  if (which == 0) return std::malloc(size);
  auto*& first = kept_[which];
  if (!first) return std::malloc(size_of(which));
  auto* const memory = first;
  first = memory->next;
  ASAN_UNPOISON_MEMORY_REGION(memory, size_of(which));
  bytes_ -= size_of(which);
  return memory;
}

void block_cache::give_back(void* memory, size_class which) noexcept {
  if (which == 0 || bytes_ + size_of(which) > most_kept) return std::free(memory);
  auto* const kept = std::construct_at(static_cast<block*>(memory), kept_[which]);
  ASAN_POISON_MEMORY_REGION(kept + 1, size_of(which) - sizeof(block));  // who still uses it shall be found
  kept_[which] = kept;
  bytes_ += size_of(which);
}

void block_cache::rest() noexcept {
  for (auto*& first : kept_) {
    while (first) std::free(std::exchange(first, first->next));
  }
  bytes_ = 0;
}

// NOLINTEND(cppcoreguidelines-no-malloc,cppcoreguidelines-owning-memory)

}  // namespace duplex::core
