#pragma once
// How much of one stream's payload stands in a row in what was read (RFC 9113, section 6.1): a peer that sends 64 KiB
// sends four DATA frames, and one message can take them all.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace duplex::core {

/// Frames of at least this size are worth a look at what follows. Below it, what is saved is little, and the boundaries
/// of the peer's frames are often its messages.
inline constexpr std::size_t least_in_run = 4096;

/// `bytes` begin with a frame's head. The payload of the DATA frames of `stream` that they begin with, as far as it is
/// there, up to a small one: a read of nothing but these must not be gone through for each of them. A guess for the
/// allocator: nothing is checked here.
[[nodiscard]] inline std::size_t data_run(std::string_view bytes, std::int32_t stream) noexcept {
  constexpr std::size_t head_size = 9;  // RFC 9113, section 4.1
  constexpr std::uint32_t unpadded_data = 0;
  const auto octet = [&](std::size_t at) { return std::uint32_t{static_cast<std::uint8_t>(bytes[at])}; };
  std::size_t total = 0;
  while (bytes.size() > head_size) {
    const std::size_t size = octet(0) << 16U | octet(1) << 8U | octet(2);
    const auto kind = octet(3) << 8U | (octet(4) & 8U);  // its type, and whether it is padded
    const auto id = octet(5) << 24U | octet(6) << 16U | octet(7) << 8U | octet(8);
    if (kind != unpadded_data || id != static_cast<std::uint32_t>(stream)) break;
    bytes.remove_prefix(head_size);
    const auto here = size < bytes.size() ? size : bytes.size();
    total += here;
    if (size < least_in_run) break;
    bytes.remove_prefix(here);
  }
  return total;
}

}  // namespace duplex::core
