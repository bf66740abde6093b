#pragma once
// Memory that takes none where it was never written: pages of its own, which the kernel brings at the first touch. What
// the allocator gives may have been in use before, and is then there whether it is needed or not.

#include <cstddef>
#include <utility>

namespace duplex::core {

class untouched {
 public:
  untouched() noexcept = default;
  /// None, if the system has no more of it. What was given back last is given again, as it is.
  explicit untouched(std::size_t size) noexcept;
  untouched(untouched&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  untouched& operator=(untouched&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~untouched();

  [[nodiscard]] void* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace duplex::core
