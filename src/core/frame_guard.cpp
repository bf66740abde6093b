// The peer's frames, counted.

#include "core/frame_guard.hpp"

#include <algorithm>
#include <cstring>

namespace duplex::core {
namespace {

// RFC 9113, section 6.
enum type : std::uint8_t {
  data = 0,
  headers = 1,
  priority = 2,
  rst_stream = 3,
  settings = 4,
  push_promise = 5,
  ping = 6,
  window_update = 8,
  continuation = 9,
};
constexpr std::uint8_t end_stream = 0x1;
constexpr std::uint8_t padded = 0x8;
constexpr std::size_t longest_padding = 256;  // with its length

// As `spending`.
constexpr std::array<excess, 7> excesses{{
    {"RST_STREAM frames, or frames that are answered with one", "resets"},
    {"PING frames", "pings"},
    {"SETTINGS frames", "settings"},
    {"PRIORITY, GOAWAY or unknown frames", "other_frames"},
    {"empty DATA frames", "empty_data"},
    {"WINDOW_UPDATE frames", "window_updates"},
    {"HEADERS frames of streams that are over", "discarded_headers"},
}};

// RFC 9113, section 4.1, without the reserved bit.
std::uint32_t stream_of(const std::uint8_t* head) noexcept {
  return (head[5] & 0x7fU) << 24U | std::uint32_t{head[6]} << 16U | std::uint32_t{head[7]} << 8U | head[8];
}

}  // namespace

frame_guard::frame_guard(const peer_limits& limits, std::size_t continuations, std::size_t preface) noexcept
    : budgets_{budget(limits.resets),           budget(limits.pings),      budget(limits.settings),
               budget(limits.other_frames),     budget(limits.empty_data), budget(limits.window_updates),
               budget(limits.discarded_headers)},
      max_continuations_(continuations),
      max_empty_in_a_row_(limits.max_empty_data_in_a_row),
      payload_left_(preface),
      of_client_(preface > 0) {}

std::size_t frame_guard::feed(std::string_view bytes) noexcept {
  std::size_t at = 0;
  breach_.reset();
  while (at < bytes.size()) {
    if (payload_left_ > 0) {
      if (awaits_padding_) {
        awaits_padding_ = false;
        const bool empty = static_cast<std::uint8_t>(bytes[at]) + std::size_t{1} >= payload_left_;
        empty ? see_empty() : void(empty_in_a_row_ = 0);
      }
      const auto n = std::min(payload_left_, bytes.size() - at);
      payload_left_ -= n;
      at += n;
    } else {
      const auto n = std::min(frame_head_size - have_, bytes.size() - at);
      std::memcpy(head_.data() + have_, bytes.data() + at, n);
      have_ += n;
      at += n;
      if (have_ < frame_head_size) return at;
      have_ = 0;
      ++frames_;
      see(head_.data());
      if (breach_) return at;
    }
    if (continuations_ > max_continuations_ || empty_in_a_row_ > max_empty_in_a_row_) return at;
  }
  return at;
}

void frame_guard::see(const std::uint8_t* head) noexcept {
  payload_left_ = (std::size_t{head[0]} << 16U) | (std::size_t{head[1]} << 8U) | head[2];
  const auto type = head[3];
  const auto id = stream_of(head);
  if (type == continuation) {
    ++continuations_;
    return;
  }
  continuations_ = 0;
  switch (type) {
    case data:
      see_use(id, closed_.judge(id), head[4]);
      return see_data(head[4]);
    case headers:
      empty_in_a_row_ = 0;
      see_use(id, of_client_ ? closed_.judge_headers(id) : closed_.judge(id), head[4]);
      if (of_client_) closed_.open(id);
      return spend(spending::discarded_headers);
    case priority:
      if (id == 0) breach_ = {"PRIORITY on stream 0"};
      return spend(spending::other_frames);
    case rst_stream:
      closed_.reset(id);
      return spend(spending::resets);
    case settings:
      return spend(spending::settings);
    case push_promise:
      return;  // the engine refuses it
    case ping:
      return spend(spending::pings);
    case window_update:
      return spend(spending::window_updates);
    default:
      return spend(spending::other_frames);
  }
}

void frame_guard::see_use(std::uint32_t id, use how, std::uint8_t flags) noexcept {
  switch (how) {
    case use::legal:
      if ((flags & end_stream) != 0) closed_.end(id);
      return;
    case use::after_reset:
      // Once: nobody may be made to answer every frame.
      closed_.answer(id);
      breach_ = {"a frame after its RST_STREAM", h2::code::stream_closed, static_cast<std::int32_t>(id)};
      return;
    case use::answered:
      return;
    case use::after_end:
      breach_ = {"a frame after its END_STREAM", h2::code::stream_closed};
      return;
    case use::passed_over:
      breach_ = {"HEADERS of a stream below one that it has opened"};
      return;
  }
}

void frame_guard::see_data(std::uint8_t flags) noexcept {
  if ((flags & end_stream) == 0) {
    if (payload_left_ == 0) return see_empty();
    awaits_padding_ = (flags & padded) != 0 && payload_left_ <= longest_padding;
  }
  if (!awaits_padding_) empty_in_a_row_ = 0;
}

void frame_guard::see_empty() noexcept {
  ++empty_in_a_row_;
  spend(spending::empty_data);
}

std::optional<excess> frame_guard::exceeded() const noexcept {
  if (continuations_ > max_continuations_) return excess{"CONTINUATION frames in a header block", "max_continuations"};
  if (empty_in_a_row_ > max_empty_in_a_row_) return excess{"empty DATA frames in a row", "max_empty_data_in_a_row"};
  return std::nullopt;
}

std::optional<excess> frame_guard::settle(time_point now) noexcept {
  if (!unsettled_) return std::nullopt;
  unsettled_ = false;
  std::optional<excess> first;
  for (std::size_t i = 0; i < kinds; ++i) {
    if (spent_[i] == 0) continue;
    if (!budgets_[i].settle(spent_[i], now) && !first) first = excesses[i];
    spent_[i] = 0;
  }
  return first;
}

}  // namespace duplex::core
