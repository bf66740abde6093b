#pragma once
// Streams that the peer itself has closed for what it sends (RFC 9113, section 5.1): by END_STREAM, by RST_STREAM, or,
// as a client, by passing over their identifiers (section 5.1.1). Only what the peer said counts, in its order: frames
// that cross a RST_STREAM of ours are legal however late they come, so what we said means nothing here.
//
// Of a bounded size: where the peer has closed more, the older ones are forgotten, and their frames are ignored.

#include <array>
#include <cstddef>
#include <cstdint>

namespace duplex::core {

/// What DATA or HEADERS would be on a stream; `answered`: as `after_reset`, and the peer was told.
enum class use : std::uint8_t { legal, after_reset, answered, after_end, passed_over };

class closed_streams {
 public:
  /// Of the last identifiers in a row, so many are remembered.
  static constexpr std::size_t most = 128;
  static constexpr std::size_t most_gaps = 16;

  void end(std::uint32_t id) noexcept { set(id, use::after_end); }
  void reset(std::uint32_t id) noexcept { set(id, use::after_reset); }
  void answer(std::uint32_t id) noexcept { set(id, use::answered); }

  /// HEADERS of a client, whether they open the stream or belong to one that is open.
  void open(std::uint32_t id) noexcept {
    if (id % 2 == 0 || id < next_) return;
    if (id > next_) gaps_[oldest_gap_++ % most_gaps] = {next_, id};
    next_ = id + 2;
  }

  [[nodiscard]] use judge(std::uint32_t id) const noexcept {
    const auto at = place(id);
    return ids_[at] == id ? uses_[at] : use::legal;
  }
  /// As `judge`, of HEADERS of a client.
  [[nodiscard]] use judge_headers(std::uint32_t id) const noexcept {
    if (id % 2 != 0 && id < next_) {
      for (const auto& [first, behind] : gaps_) {
        if (first <= id && id < behind) return use::passed_over;
      }
    }
    return judge(id);
  }

 private:
  struct gap {
    std::uint32_t first = 0;
    std::uint32_t behind = 0;
  };

  // Identifiers of one side are two apart. Those of a place replace each other.
  static constexpr std::size_t place(std::uint32_t id) noexcept { return (id >> 1U) % most; }
  void set(std::uint32_t id, use how) noexcept {
    const auto at = place(id);
    ids_[at] = id;
    uses_[at] = how;
  }

  std::array<std::uint32_t, most> ids_{};
  std::array<use, most> uses_{};
  std::array<gap, most_gaps> gaps_{};
  std::size_t oldest_gap_ = 0;
  std::uint32_t next_ = 1;  // above every identifier of the client
};

}  // namespace duplex::core
