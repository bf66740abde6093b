#pragma once
// Frames as seen by a log (RFC 9113, section 4.1). Not needed for sending or receiving.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace duplex {

/// The header of one frame that was sent or received, and its contents in words.
struct frame_info {
  bool sent = false;
  std::uint8_t type = 0;
  std::uint8_t flags = 0;
  std::int32_t stream_id = 0;
  std::size_t length = 0;
  /// For a person: `SETTINGS ack`, `HEADERS end_stream :status: 200 …`. Sensitive values are left out.
  std::string text{};
};

/// Called on the connection's executor.
using frame_handler = std::function<void(const frame_info&)>;

}  // namespace duplex
