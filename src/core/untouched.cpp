// Pages of the kernel's.

#include "core/untouched.hpp"

#include <sys/mman.h>

namespace duplex::core {

untouched::untouched(std::size_t size) noexcept {
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
  if (data_) munmap(data_, size_);
}

}  // namespace duplex::core
