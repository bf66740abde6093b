#pragma once
// What a fuzzer chose, read from the front: a seed can be written by hand, and a shorter input is the beginning of the
// same walk.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace duplex::fuzz {

class input {
 public:
  input(const std::uint8_t* data, std::size_t size) noexcept : rest_(reinterpret_cast<const char*>(data), size) {}

  [[nodiscard]] bool empty() const noexcept { return rest_.empty(); }
  /// 0 behind the end.
  std::uint8_t byte() noexcept {
    const auto taken = bytes(1);
    return taken.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(taken.front());
  }
  bool coin() noexcept { return (byte() & 1U) != 0; }
  std::size_t below(std::size_t n) noexcept { return byte() % n; }
  /// 16 bits.
  std::size_t number() noexcept {
    const std::size_t high = byte();
    return high * 256 + byte();
  }
  std::string_view bytes(std::size_t n) noexcept {
    const auto taken = rest_.substr(0, n);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  std::string_view all() noexcept { return bytes(rest_.size()); }

 private:
  std::string_view rest_;
};

/// What must hold; otherwise the fuzzer keeps the input.
inline void require(bool holds) {
  if (!holds) __builtin_trap();
}

}  // namespace duplex::fuzz
