#pragma once
// Durations and sizes as they are written on the command line and in scripts.

#include <chrono>
#include <cstddef>
#include <optional>
#include <string_view>

namespace duplex::tool {

/// `250ms`, `5s`, `2m`, `1h`; a plain number is in seconds, as with curl. Fractions are accepted.
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

/// `4096`, `64K`, `1M`, `2G` (powers of 1024) or `infinity`.
[[nodiscard]] std::optional<std::size_t> parse_size(std::string_view text);

/// A decimal number without a sign.
[[nodiscard]] std::optional<std::size_t> parse_count(std::string_view text);

/// `text` without spaces and tabs at both ends.
[[nodiscard]] std::string_view trim(std::string_view text);

}  // namespace duplex::tool
