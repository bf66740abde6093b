#pragma once
// Snapshots that answer "why does nothing move?".

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace duplex::h2 {

/// One stream at one moment. Sizes are bytes of payload; a window at 0 or below is what a sender waits for.
struct stream_stats {
  std::int32_t id = 0;
  /// `idle`, `open`, `half-closed (local)`, `half-closed (remote)` or `closed` (RFC 9113, section 5.1).
  std::string_view state = "idle";
  /// What the peer lets us send, and what we let it send, before the next WINDOW_UPDATE (RFC 9113, section 5.2).
  std::int64_t send_window = 0;
  std::int64_t recv_window = 0;
  /// How much `recv_window` is when all that arrived has been read; it grows unless `options::stream_window` is set.
  std::int64_t recv_window_size = 0;
  /// Received, not yet taken by a `recv` or a handler.
  std::size_t unread_bytes = 0;
  /// Delivered, not yet consumed (`flow_control::manual`): the window that `consume` would return.
  std::size_t unconsumed_bytes = 0;
  /// Given to `send`, not yet framed.
  std::size_t queued_bytes = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  /// Whether a `recv` waits.
  bool recv_waits = false;
  /// Sends that are not complete.
  std::size_t sends_waiting = 0;
};

/// One connection at one moment.
struct connection_stats {
  /// Streams that are not closed, and opens that wait for the peer's limit.
  std::size_t streams = 0;
  std::size_t waiting_opens = 0;
  /// What the peer announced (RFC 9113, section 6.5.2).
  std::uint32_t peer_max_concurrent_streams = 0;
  std::uint32_t peer_initial_window = 0;
  std::uint32_t peer_max_frame_size = 0;
  /// As for a stream, of the whole connection.
  std::int64_t send_window = 0;
  std::int64_t recv_window = 0;
  std::size_t unread_bytes = 0;
  std::size_t queued_bytes = 0;
  /// On the wire, frames with their headers.
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t frames_sent = 0;
  std::uint64_t frames_received = 0;
  /// How long our SETTINGS and the oldest PING wait for the peer's answer.
  std::optional<std::chrono::milliseconds> settings_unacknowledged{};
  std::optional<std::chrono::milliseconds> ping_unanswered{};
  /// Whether the transport has not yet taken the last write.
  bool write_waits = false;
  bool goaway_sent = false;
  bool goaway_received = false;
};

}  // namespace duplex::h2
