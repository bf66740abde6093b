// How streams fail, and the connection with all of them (RFC 9113, section 5.4). Also when there is no memory left,
// which must not take any.

#include "core/no_memory.hpp"
#include "core/session.hpp"
#include "core/session_engine.hpp"
#include "core/session_memory.hpp"
#include "core/stranger.hpp"

#include <nghttp2/nghttp2.h>

#include <iterator>
#include <memory>
#include <utility>

namespace duplex::core {

// Requests that still wait for the peer's stream limit when its GOAWAY comes: the engine would keep them.
void session::refuse_unsent() {
  for (auto& [id, s] : streams_) {
    if (config_.role != role::client || s.local != progress::head || s.failed) continue;
    fail(s, stream_failure(s, goaway_.code));
  }
}

void session::fail(stream& s, failure why) {
  if (s.failed || s.closed) return;
  why.bytes_sent = s.bytes_sent;
  // Never written, so it cannot have been processed (RFC 9113, section 8.7).
  if (config_.role == role::client && s.local == progress::head) {
    why.retry_safe = true;
    if (why.code == errc::goaway) why.code = errc::refused;
  }
  end(s, std::make_shared<const failure>(std::move(why)));
  emit(event::kind::readable, s.id);
  emit(event::kind::closed, s.id);
}

void session::end(stream& s, std::shared_ptr<const failure> why) noexcept {
  clear_deadlines(s);
  s.out.clear();
  s.header_ops.clear();
  s.send_end = reason(why->code);
  s.in.end(s.send_end);
  s.failed = std::move(why);
}

void session::fail_connection(failure why) {
  if (failed_) return;
  why.scope = scope::connection;
  for (auto& [id, s] : streams_) {
    if (!s.complete()) fail(s, why);
  }
  failed_ = std::move(why);
  emit(event::kind::failed);
  refuse_waiting();
}

// What the engine passes over. A stream that is over has nothing more to fail.
void session::answer(const breach& what) {
  if (what.stream != 0) {
    to_reset_.emplace_back(what.stream, static_cast<std::uint32_t>(what.code));
    guard_.spend(spending::resets);
    return;
  }
  const auto queued = nghttp2_session_get_outbound_queue_size(engine_.get());
  checked(nghttp2_session_terminate_session(engine_.get(), static_cast<std::uint32_t>(what.code)));
  // The engine may have found another fault in the same frame: that is the one that the peer is told.
  if (nghttp2_session_get_outbound_queue_size(engine_.get()) == queued) return;
  failure why;
  why.code = errc::protocol_error;
  why.message = config_.peer + " broke HTTP/2: " + std::string(what.what);
  why.origin = origin::peer;
  give_up(what.code, std::move(why));
}

void session::lost(error_code why, std::string message, origin from) try {
  if (dead_ && failed_) return;
  if (const auto who = judge_answer(preface_); config_.role == role::client && !preface_.empty()) {
    if (who == stranger::http1 || who == stranger::other) fail_stranger(who);
  }
  if (met_stranger()) refuse_client(stranger::none);
  const bool orderly =
      (goaway_.received || terminated_by_us_ || nghttp2_session_want_read(engine_.get()) == 0) && active_ == 0;
  failure f;
  f.code = why;
  f.message = std::move(message);
  f.origin = from;
  if (goaway_.received) {
    f.code = errc::goaway;
    f.origin = origin::peer;
    f.http2_code = goaway_.code;
    f.last_stream_id = goaway_.last_stream_id;
    f.debug_data = goaway_.debug_data;
    f.message = explain_goaway();
  }
  if (!orderly) fail_connection(std::move(f));
  refuse_waiting();
  close_all();
} catch (...) {
  out_of_memory();
}

void session::record_end(const stream& s) {
  if (!config_.tell_ended || s.remote == progress::head) return;  // nobody has heard of its beginning
  ended_.push_back({s.id, s.status, s.ledger.received(), s.bytes_sent, s.failed});
}

// The engine is not asked any more, so nobody else says that the streams are over.
void session::close_all() {
  dead_ = true;
  to_offer_.clear();
  for (auto at = streams_.begin(); at != streams_.end();) {
    if (!std::exchange(at->second.closed, true)) {
      record_end(at->second);
      emit(event::kind::closed, at->first);
    }
    clear_deadlines(at->second);
    at = at->second.orphan ? streams_.erase(at) : std::next(at);
  }
  last_found_ = nullptr;
  active_ = 0;
  granted_ = 0;
}

// May be called while others are at work on the streams: it erases nothing.
error_code session::out_of_memory() noexcept {
  dead_ = true;  // in whatever state the engine is
  memory_->give_up();
  to_ = nullptr;
  to_offer_.clear();
  try {
    fail_connection(no_memory());
  } catch (...) {  // then without events
    if (!failed_) failed_ = no_memory();
  }
  for (auto& [id, s] : streams_) {
    if (!s.closed && !s.failed && !s.complete()) end(s, {std::shared_ptr<void>(), &no_memory()});
    s.closed = true;
  }
  waiting_.drop();
  active_ = 0;
  granted_ = 0;
  return errc::out_of_memory;
}

}  // namespace duplex::core
