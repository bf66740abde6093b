#pragma once
// Counts the frames of a peer as they come (RFC 9113, section 4.1), before the engine sees them and whether it looks at
// them or passes them over: what costs the peer little and us much has a budget (section 10.5).
//
//   frame                                        | budget
//   ---------------------------------------------+---------------------------------------------
//   RST_STREAM                                   | resets
//   PING                                         | pings
//   SETTINGS                                     | settings
//   PRIORITY, GOAWAY, what is not in RFC 9113    | other_frames
//   DATA without a byte or an end                | empty_data, and max_empty_data_in_a_row
//   WINDOW_UPDATE                                | window_updates
//   HEADERS                                      | discarded_headers, given back for those that are not
//   CONTINUATION                                 | max_continuations, of one block
//
// A rate is judged by `settle`, which knows the time; a number at once.
//
// It also finds what a peer may not send and the engine passes over, because it keeps nothing of streams that are over
// (ADR 23):
//
//   frame                                        | error
//   ---------------------------------------------+---------------------------------------------
//   DATA, HEADERS after the peer's RST_STREAM    | STREAM_CLOSED, of the stream, once (section 5.1)
//   DATA, HEADERS after the peer's END_STREAM    | STREAM_CLOSED (section 5.1)
//   HEADERS of a stream that a client passed over| PROTOCOL_ERROR (section 5.1.1)
//   PRIORITY on stream 0                         | PROTOCOL_ERROR (section 6.3)

#include "core/budget.hpp"
#include "core/closed_streams.hpp"

#include <duplex/h2/code.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace duplex::core {

inline constexpr std::size_t frame_head_size = 9;  // RFC 9113, section 4.1

/// What has a budget. In the order in which they are judged.
enum class spending : std::uint8_t {
  resets,
  pings,
  settings,
  other_frames,
  empty_data,
  window_updates,
  discarded_headers,
};

/// What a peer did too often, and the member of `peer_limits` that says so.
struct excess {
  std::string_view what;
  std::string_view option;
};

/// A frame that the peer may not send: an error of `stream`, or of the connection (0).
struct breach {
  std::string_view what;
  h2::code code = h2::code::protocol_error;
  std::int32_t stream = 0;
};

class frame_guard {
 public:
  /// `continuations`: most of a block. `preface`: bytes before the first frame, which only a client sends.
  frame_guard(const peer_limits& limits, std::size_t continuations, std::size_t preface) noexcept;

  /// Follows the frames in `bytes`, in pieces of any size. Returns how many of the bytes may be used before the rest is
  /// fed: fewer than there are if there is an excess or a breach.
  std::size_t feed(std::string_view bytes) noexcept;
  [[nodiscard]] std::optional<excess> exceeded() const noexcept;
  /// The last of the bytes that were fed begin a frame that the peer may not send.
  [[nodiscard]] const std::optional<breach>& breached() const noexcept { return breach_; }

  /// Frames that have begun.
  [[nodiscard]] std::uint64_t frames() const noexcept { return frames_; }
  /// Bytes that the last of them lacks, or the head of the next.
  [[nodiscard]] std::size_t missing() const noexcept { return have_ > 0 ? frame_head_size - have_ : payload_left_; }

  void spend(spending what) noexcept {
    ++spent_[index(what)];
    unsettled_ = true;
  }
  void earn(spending what, std::size_t times) noexcept { spent_[index(what)] -= static_cast<std::int64_t>(times); }

  /// Judges what was spent until now.
  [[nodiscard]] std::optional<excess> settle(time_point now) noexcept;

 private:
  static constexpr std::size_t kinds = 7;
  static constexpr std::size_t index(spending what) noexcept { return static_cast<std::size_t>(what); }

  void see(const std::uint8_t* head) noexcept;
  void see_data(std::uint8_t flags) noexcept;
  void see_use(std::uint32_t id, use how, std::uint8_t flags) noexcept;
  void see_empty() noexcept;

  std::array<budget, kinds> budgets_;
  std::array<std::int64_t, kinds> spent_{};  // less what was earned
  bool unsettled_ = false;
  std::size_t max_continuations_;
  std::size_t max_empty_in_a_row_;
  std::size_t continuations_ = 0;
  std::size_t empty_in_a_row_ = 0;
  std::size_t payload_left_;
  bool awaits_padding_ = false;  // the length of the padding decides whether the DATA is empty
  std::array<std::uint8_t, frame_head_size> head_{};
  std::size_t have_ = 0;
  std::uint64_t frames_ = 0;
  bool of_client_;
  closed_streams closed_;
  std::optional<breach> breach_;
};

}  // namespace duplex::core
