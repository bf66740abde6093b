#pragma once
// Bytes that say where they belong: each place of each content has its own.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace duplex::soak {

class content {
 public:
  explicit content(std::uint64_t seed) noexcept : seed_(seed) {}

  [[nodiscard]] std::string piece(std::size_t at, std::size_t size) const {
    std::string bytes(size, '\0');
    for (std::size_t i = 0; i < size; ++i) bytes[i] = byte(at + i);
    return bytes;
  }
  [[nodiscard]] bool has(std::size_t at, std::string_view bytes) const noexcept {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      if (bytes[i] != byte(at + i)) return false;
    }
    return true;
  }

 private:
  [[nodiscard]] char byte(std::size_t at) const noexcept {
    constexpr std::uint64_t golden = 0x9e3779b97f4a7c15;
    const auto mixed = (seed_ ^ (at + 1)) * golden;
    return static_cast<char>(mixed >> 56U);
  }

  std::uint64_t seed_;
};

}  // namespace duplex::soak
