#pragma once
// The time of the clock as text, in UTC (RFC 3339).

#include <chrono>
#include <string>

namespace duplex::tool {

/// `2026-12-29T01:02:03Z`
[[nodiscard]] std::string to_iso(std::chrono::system_clock::time_point when);

/// Now: `2026-12-29T01:02:03.004Z`
[[nodiscard]] std::string utc_now();

}  // namespace duplex::tool
