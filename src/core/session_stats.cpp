// What the session knows of itself, for whoever asks why nothing moves.

#include "core/session.hpp"
#include "core/session_engine.hpp"

#include <nghttp2/nghttp2.h>

namespace duplex::core {
namespace {

// RFC 9113, section 5.1.
std::string_view state_name(const stream& s) {
  if (s.closed || s.failed || s.complete()) return "closed";
  if (s.local == progress::ended) return "half-closed (local)";
  if (s.remote == progress::ended) return "half-closed (remote)";
  if (s.local == progress::head && s.remote == progress::head) return "idle";
  return "open";
}

std::chrono::milliseconds since(time_point then, time_point now) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(now - then);
}

}  // namespace

h2::stream_stats session::stats(const stream& s) const {
  h2::stream_stats out;
  out.id = s.id;
  out.state = state_name(s);
  if (!s.closed && !dead_) {
    out.send_window = nghttp2_session_get_stream_remote_window_size(engine_.get(), s.id);
    out.recv_window = nghttp2_session_get_stream_local_window_size(engine_.get(), s.id);
  }
  out.recv_window_size = static_cast<std::int64_t>(s.window);
  out.unread_bytes = s.in.bytes();
  out.unconsumed_bytes = s.ledger.owed();
  out.queued_bytes = s.out.bytes();
  out.bytes_sent = s.bytes_sent;
  out.bytes_received = s.ledger.received();
  return out;
}

h2::connection_stats session::stats(time_point now) const {
  const auto remote = [this](nghttp2_settings_id id) { return nghttp2_session_get_remote_settings(engine_.get(), id); };
  h2::connection_stats out;
  out.streams = active_;
  out.waiting_opens = waiting_.size();
  out.peer_max_concurrent_streams = remote(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
  out.peer_initial_window = remote(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE);
  out.peer_max_frame_size = remote(NGHTTP2_SETTINGS_MAX_FRAME_SIZE);
  out.send_window = nghttp2_session_get_remote_window_size(engine_.get());
  out.recv_window = nghttp2_session_get_local_window_size(engine_.get());
  out.unread_bytes = unread_;
  for (const auto& [id, s] : streams_) out.queued_bytes += s.out.bytes();
  out.bytes_sent = wire_.bytes_sent;
  out.bytes_received = wire_.bytes_received;
  out.frames_sent = wire_.frames_sent;
  out.frames_received = wire_.frames_received;
  if (settings_sent_) out.settings_unacknowledged = since(*settings_sent_, now);
  out.goaway_sent = drain_ != drain::no || terminated_by_us_;
  out.goaway_received = goaway_.received;
  return out;
}

}  // namespace duplex::core
