#pragma once
// What to do next in a talk with a proxy: its codecs know no I/O, and are values.

#include <cstddef>
#include <string>

namespace duplex::net {

/// First send, then read exactly so many bytes and give them to the codec. Both are nothing: the tunnel is there, and
/// the next byte is the other end's.
struct proxy_step {
  std::string send{};
  std::size_t read = 0;
  /// Why the proxy does not connect us, for a person; empty: it may yet.
  std::string refused{};

  [[nodiscard]] bool over() const noexcept { return read == 0; }

  static proxy_step refuse(std::string why) { return {.refused = std::move(why)}; }
};

}  // namespace duplex::net
