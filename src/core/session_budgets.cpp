// What the peer may make us do (RFC 9113, section 10.5): beyond a budget the connection ends with ENHANCE_YOUR_CALM.

#include "core/session.hpp"
#include "core/session_engine.hpp"

#include <nghttp2/nghttp2.h>

#include <string>
#include <utility>

namespace duplex::core {
namespace {

// What a stream allows, generously: a legal peer does not get near.
constexpr std::size_t other_frames_of_a_stream = 10;  // PRIORITY, PRIORITY_UPDATE, ALTSVC, some that mean nothing
constexpr std::size_t empty_data_of_a_stream = 2;     // at its begin, and before trailers
constexpr std::size_t late_headers_of_a_stream = 4;   // 1xx, response and trailers that cross our RST_STREAM
constexpr std::size_t queued_control_factor = 4;
constexpr std::size_t resets_of_a_stream = 2;  // of a server: one that comes, and one that is provoked

}  // namespace

std::size_t most_queued(const peer_limits& limits) noexcept {
  const auto wanted = limits.max_queued_control;
  return wanted > infinity / queued_control_factor ? infinity : wanted * queued_control_factor;
}

// A client may not have us reset what it opens: that is the attack.
void session::earn_by_stream() {
  guard_.earn(spending::other_frames, other_frames_of_a_stream);
  guard_.earn(spending::empty_data, empty_data_of_a_stream);
  guard_.earn(spending::discarded_headers, late_headers_of_a_stream);
  if (config_.role == role::client) guard_.earn(spending::resets, resets_of_a_stream);
}

void session::settle_budgets(time_point now) try {
  if (const auto what = guard_.settle(now)) end_by(*what);
} catch (...) {
  out_of_memory();
}

bool session::wants_input() const {
  return dead_ || nghttp2_session_get_outbound_queue_size(engine_.get()) <= config_.defaults.limits.max_queued_control;
}

void session::check_queue() {
  // A client may have as many requests in it as it has streams, and those are not the peer's doing.
  const auto ours = config_.role == role::client ? active_ : 0;
  const auto queued = nghttp2_session_get_outbound_queue_size(engine_.get());
  if (queued > ours && queued - ours > most_queued(config_.defaults.limits)) end_by(queued_control);
}

void session::end_by(const excess& what) {
  if (failed_ || dead_) return;
  const auto option = "limits." + std::string(what.option);
  failure why;
  why.code = errc::limit_exceeded;
  why.message = config_.peer + " went above " + option + ": too many " + std::string(what.what);
  why.origin = origin::peer;
  why.http2_code = static_cast<std::uint32_t>(h2::code::enhance_your_calm);
  const auto debug = "too many " + std::string(what.what) + " (" + option + ")";
  checked(nghttp2_submit_goaway(engine_.get(), NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(engine_.get()), *why.http2_code,
                                reinterpret_cast<const std::uint8_t*>(debug.data()), debug.size()));
  drain_ = drain::begun;
  terminated_by_us_ = true;
  fail_connection(std::move(why));
}

}  // namespace duplex::core
