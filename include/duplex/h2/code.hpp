#pragma once
// Error codes of RST_STREAM and GOAWAY (RFC 9113, section 7).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace duplex::h2 {

enum class code : std::uint32_t {
  no_error = 0x0,
  protocol_error = 0x1,
  internal_error = 0x2,
  flow_control_error = 0x3,
  settings_timeout = 0x4,
  stream_closed = 0x5,
  frame_size_error = 0x6,
  refused_stream = 0x7,
  cancel = 0x8,
  compression_error = 0x9,
  connect_error = 0xa,
  enhance_your_calm = 0xb,
  inadequate_security = 0xc,
  http_1_1_required = 0xd,
};

/// The name in the RFC (`CANCEL`), or hexadecimal for an unknown code.
[[nodiscard]] std::string code_name(std::uint32_t value);

/// The code for a name in any case (`cancel`, `CANCEL`) or a number (`8`, `0x8`); none if it is neither.
[[nodiscard]] std::optional<std::uint32_t> parse_code(std::string_view text);

}  // namespace duplex::h2
