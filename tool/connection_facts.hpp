#pragma once
// Facts about a connection, in words that -v and --json share.

#include <duplex/h2/connection.hpp>

#include <chrono>
#include <string>

namespace duplex::tool {

/// `2026-12-29T01:02:03Z`
[[nodiscard]] std::string to_iso(std::chrono::system_clock::time_point when);

/// `[::1]:8443 (Connection refused)`
[[nodiscard]] std::string told(const h2::dial_attempt& tried);

}  // namespace duplex::tool
