#pragma once
// The failure of whatever found no memory. It takes none itself.

#include <duplex/error.hpp>

namespace duplex::core {

/// Its words are few, so that a string holds them, and a copy of them, without allocating.
[[nodiscard]] inline const failure& no_memory() noexcept {
  static const failure why{.code = errc::out_of_memory, .message = "out of memory", .scope = scope::connection};
  return why;
}

}  // namespace duplex::core
