#pragma once
// How much memory the program holds, to see that a peer cannot make it hold much.

#include <malloc.h>

#include <cstddef>

namespace duplex::test {

/// Bytes that are allocated now; 0 under a sanitizer, which has an allocator of its own.
inline std::size_t heap_in_use() {
  const auto info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

/// What it grows by.
class heap_use {
 public:
  [[nodiscard]] std::size_t grown() const {
    const auto now = heap_in_use();
    return now > before_ ? now - before_ : 0;
  }

 private:
  std::size_t before_ = heap_in_use();
};

}  // namespace duplex::test
