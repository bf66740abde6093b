// Pages of the kernel's.

#include "core/untouched.hpp"

#include <sys/mman.h>

#include <atomic>

namespace duplex::core {
namespace {

// The last that was given back, with its size at its beginning: who makes one connection after the other maps one once.
std::atomic<void*> spare = nullptr;

void unmap(void* pages) noexcept { munmap(pages, *static_cast<const std::size_t*>(pages)); }

}  // namespace

untouched::untouched(std::size_t size) noexcept {
  if (void* const pages = spare.exchange(nullptr)) {
    if (*static_cast<const std::size_t*>(pages) == size) {
      data_ = pages;
      size_ = size;
      return;
    }
    unmap(pages);
  }
  // NOLINTNEXTLINE(hicpp-signed-bitwise): of the system's header
  void* const pages = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return;
  data_ = pages;
  size_ = size;
#ifdef MADV_NOHUGEPAGE
  // The mappings of many connections lie side by side. Where every memory is given huge pages, they would be joined.
  (void)madvise(pages, size, MADV_NOHUGEPAGE);
#endif
}

untouched::~untouched() {
  if (!data_) return;
  *static_cast<std::size_t*>(data_) = size_;
  if (void* const other = spare.exchange(data_)) unmap(other);
}

}  // namespace duplex::core
