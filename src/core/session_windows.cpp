// The receive windows of the streams (RFC 9113, section 5.2 and 6.9): what goes back to the peer, and how they grow.
// The connection's window needs no care: its credit returns on arrival.

#include "core/session.hpp"
#include "core/session_engine.hpp"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <utility>

namespace duplex::core {
namespace {

constexpr std::size_t most_unread = std::size_t{1} << 20;  // what a new stream may get before it was read

}  // namespace

// After the peer's end no window is needed any more.
void session::return_credit(stream& s, std::size_t bytes) try {
  if (bytes == 0 || dead_ || s.closed || s.failed || s.remote == progress::ended) return;
  // The engine looks the stream up, and tells the peer by halves of a window: it need not know of every byte. What it
  // keeps back itself, as it does with padding, and what is kept back here is never all of a window. Who returns it by
  // hand may wait for a whole message first, for which half a window is there at least.
  s.to_return += static_cast<std::uint32_t>(bytes);
  if (s.ledger.manual() || s.to_return >= s.window / 8) {
    checked(nghttp2_session_consume_stream(engine_.get(), s.id, std::exchange(s.to_return, 0)));
  }
  estimator_.read(bytes);
  // Never above four times what was read: a stream that nobody reads does not get more.
  if (s.window < estimator_.window() && s.ledger.returned() >= s.window / 2) widen(s, 2 * std::size_t{s.window});
} catch (...) {
  out_of_memory();
}

bool session::widen(stream& s, std::size_t window) {
  window = std::min({window, estimator_.window(), s.in.limit()});
  if (window <= s.window) return false;
  // An honest peer must never be able to reach `drop_greediest`. What the closed streams have left counts as well.
  const auto more = window - s.window;
  const auto budget = config_.defaults.max_connection_buffer;
  if (more > budget || granted_ + unread_ > budget - more) return false;
  if (checked(nghttp2_session_set_local_window_size(engine_.get(), NGHTTP2_FLAG_NONE, s.id,
                                                    static_cast<std::int32_t>(window))) != 0) {
    return false;
  }
  s.window = static_cast<std::uint32_t>(window);
  granted_ += more;
  return true;
}

// A stream begins with some of what the connection has learnt, so that a short one need not wait for its own reader.
bool session::widen_begun(stream& s) { return s.remote != progress::ended && widen(s, most_unread); }

// Time is known when the driver asks for what to send, which it does after every read.
void session::measure(time_point now) {
  if (std::exchange(measured_, false)) estimator_.end_sample(now);
  if (drain_ == drain::no && estimator_.begin_sample(now)) ping(window_ping);
}

}  // namespace duplex::core
