#pragma once
// Budgets for what a peer may do that costs it little and us much (RFC 9113, section 10.5). docs/limits.md has them
// all.

#include <cstddef>
#include <limits>

namespace duplex {

/// No bound.
inline constexpr std::size_t infinity = std::numeric_limits<std::size_t>::max();

/// How often something may happen: `burst` times at once, and `per_second` times a second in the long run. 0 a second:
/// `burst` times and never again.
struct rate_limit {
  /// At least 1; `infinity`: as often as it likes.
  std::size_t burst;
  std::size_t per_second;

  friend bool operator==(const rate_limit&, const rate_limit&) = default;
};

/// What a peer may do on one connection. Beyond any of it the connection ends with GOAWAY (ENHANCE_YOUR_CALM), and
/// every stream of it with `errc::limit_exceeded`.
///
/// Some of it a busy peer does often. It then earns more than the rate, by what it does that is of use: see the
/// members.
struct peer_limits {
  /// RST_STREAM that comes, or that what comes makes us send. To a client every stream that it opens allows two more.
  rate_limit resets{1000, 33};
  /// PING, answers included. Every PING of ours and every DATA frame that we send allows one more.
  rate_limit pings{1000, 33};
  rate_limit settings{1000, 33};
  /// PRIORITY, PRIORITY_UPDATE, GOAWAY and types that we do not know. Every stream allows ten more.
  rate_limit other_frames{1000, 33};
  /// DATA without a byte, padding aside, that does not end the stream. Every stream allows two more.
  rate_limit empty_data{1000, 33};
  /// As many of them without DATA or HEADERS in between; `infinity` for no bound.
  std::size_t max_empty_data_in_a_row = 100;
  /// WINDOW_UPDATE. Every byte that we send allows two more: the peer may return each by itself, twice.
  rate_limit window_updates{100000, 10000};
  /// HEADERS of streams that are over. Every stream allows four more.
  rate_limit discarded_headers{1000, 33};
  /// CONTINUATION frames of one header block, beside the full ones that `options::max_header_bytes` needs.
  std::size_t max_continuations = 8;
  /// Frames that wait to be sent, other than DATA. Above it nothing more is read until they are out; at four times as
  /// many the connection ends.
  std::size_t max_queued_control = 1000;
};

}  // namespace duplex
