#pragma once
// Whether a silent peer is still there: a PING, and anything at all in return (RFC 9113, section 6.7).
//
//   state      | due                            | bytes came  | nobody cares  | due is past
//   -----------+--------------------------------+-------------+---------------+------------------------
//   resting    | never                          | resting     |               |
//   listening  | last byte + keepalive_time     | listening   | resting       | `ping`: asked
//   asked      | PING + keepalive_timeout       | listening   | resting       | `dead`
//
// Somebody cares while streams are open, or always with keepalive_without_streams. Who begins to care after a long
// silence asks at once: the silence is counted from the last byte, not from the stream. So a stream on a connection
// that died meanwhile fails after keepalive_timeout, as with gRPC.

#include "core/deadlines.hpp"

#include <duplex/options.hpp>

#include <cstdint>
#include <optional>

namespace duplex::core {

class keepalive {
 public:
  enum class action { none, ping, dead };

  explicit keepalive(const options& opts) noexcept
      : time_(opts.keepalive_time), timeout_(opts.keepalive_timeout), always_(opts.keepalive_without_streams) {}

  /// What is known at `now`: the bytes that came so far, and whether streams are open.
  void observe(time_point now, std::uint64_t received, bool streams) noexcept {
    if (!time_) return;
    cares_ = streams || always_;
    if (received != received_ || !heard_) {
      received_ = received;
      heard_ = now;
      asked_.reset();
    }
    if (!cares_) asked_.reset();
  }

  [[nodiscard]] std::optional<time_point> deadline() const noexcept {
    if (!cares_ || !heard_) return std::nullopt;
    return asked_ ? after(*asked_, timeout_) : after(*heard_, *time_);
  }

  /// To be called behind `observe`. After `ping` one has to leave.
  [[nodiscard]] action expire(time_point now) noexcept {
    const auto due = deadline();
    if (!due || now < *due) return action::none;
    if (asked_) return action::dead;
    asked_ = now;
    return action::ping;
  }

 private:
  std::optional<options::duration> time_;
  options::duration timeout_;
  bool always_;
  bool cares_ = false;
  std::uint64_t received_ = 0;
  std::optional<time_point> heard_{};  // none before the first look
  std::optional<time_point> asked_{};
};

}  // namespace duplex::core
