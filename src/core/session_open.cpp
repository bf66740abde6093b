// Opening streams, within the peer's limit (RFC 9113, section 5.1.2).

#include "core/no_memory.hpp"
#include "core/session.hpp"
#include "core/session_engine.hpp"

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <string>
#include <utility>

namespace duplex::core {
namespace {

constexpr std::size_t most_pseudo_fields = 5;

}  // namespace

// An extended CONNECT only after the peer has said that it knows it (RFC 8441, section 3). It says so in its first
// SETTINGS or never, as far as we wait for it.
bool session::is_decided(const request_head& head) const { return settings_seen_ || head.protocol.empty(); }

bool session::may_say(const request_head& head) const {
  return head.protocol.empty() ||
         nghttp2_session_get_remote_settings(engine_.get(), NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
}

std::int32_t session::open(const request_head& head, const options& opts) try {
  name_values list(most_pseudo_fields + head.headers.size() + 1);  // perhaps with a priority
  list.add(":method", head.method);
  // A plain CONNECT has neither (RFC 9113, section 8.5), an extended one has both (RFC 8441, section 4).
  if (head.method != "CONNECT" || !head.protocol.empty()) {
    list.add(":scheme", head.scheme);
    list.add(":path", head.path);
  }
  list.add(":authority", head.authority);
  if (!head.protocol.empty()) list.add(":protocol", head.protocol);
  list.add(head.headers);
  std::string priority;
  if (opts.priority && !head.headers.contains("priority")) {
    priority = "u=" + std::to_string(opts.priority->urgency) + (opts.priority->incremental ? ", i" : "");
    list.add("priority", priority);
  }

  constexpr std::int32_t next_stream = -1;
  const auto flags = head.early_data ? NGHTTP2_FLAG_END_STREAM : NGHTTP2_FLAG_NONE;
  const auto id = accepts_streams() && may_say(head)
                      ? checked(nghttp2_submit_headers(engine_.get(), flags, next_stream, nullptr, list.data(),
                                                       list.size(), nullptr))
                      : -1;
  if (id < 0) return 0;
  auto& s = add_stream(id, opts);
  s.head_bytes = list.bytes();
  if (head.early_data) s.out.close();
  return id;
} catch (...) {
  out_of_memory();
  return 0;
}

error_code session::open_when_possible(op_id op, request_head head, options opts, time_point deadline) try {
  if (!accepts_streams()) return errc::refused;
  if (is_decided(head) && !may_say(head)) return errc::protocol_not_negotiated;
  const bool waits = !waiting_.empty() || !has_place() || !is_decided(head);
  if (waits && waiting_.full()) return errc::limit_exceeded;
  waiting_.push({op, std::move(head), std::move(opts)});
  deadlines_.set({0, waiting::open, op}, deadline);
  open_waiting();
  return {};
} catch (...) {
  return out_of_memory();
}

bool session::cancel_open(op_id op) {
  deadlines_.clear({0, waiting::open, op});
  return waiting_.remove(op);
}

std::optional<std::uint32_t> session::stream_limit() const {
  if (!settings_seen_) return std::nullopt;
  return nghttp2_session_get_remote_settings(engine_.get(), NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

// Until the peer's SETTINGS are there, the engine takes its limit to be 100.
bool session::has_place() const {
  return active_ < nghttp2_session_get_remote_settings(engine_.get(), NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

// What had to wait until the head of a stream was framed, or received. Returns whether there may be a frame to send.
bool session::settle_begun() {
  bool any = false;
  for (const auto id : std::exchange(begun_, {})) {
    auto* s = find(id);
    if (!s || s->closed || s->failed) continue;
    any = widen_begun(*s) || any;
    any = offer(*s) || any;
  }
  return any;
}

// Returns whether a stream was opened.
bool session::open_waiting() {
  bool opened = false;
  while (!waiting_.empty() && accepts_streams() && has_place() && is_decided(waiting_.front().head)) {
    const auto next = waiting_.pop();
    deadlines_.clear({0, waiting::open, next.op});
    const auto id = open(next.head, next.opts);
    emit(id == 0 ? event::kind::not_opened : event::kind::opened, id, next.op);
    opened = opened || id != 0;
  }
  if (!waiting_.empty() && !accepts_streams()) refuse_waiting();
  return opened;
}

void session::refuse_waiting() {
  for (const auto op : waiting_.clear()) {
    deadlines_.clear({0, waiting::open, op});
    emit(event::kind::not_opened, 0, op);
  }
}

// Nothing of it was written, so the peer cannot have processed it.
failure session::why_not_opened() const try {
  failure why;
  why.code = errc::refused;
  why.message = "the connection with " + config_.peer + " takes no more streams";
  if (failed_) {
    why = *failed_;
    if (why.code == errc::goaway) why.code = errc::refused;
  } else if (goaway_.received) {
    why.origin = origin::peer;
    why.http2_code = goaway_.code;
    why.last_stream_id = goaway_.last_stream_id;
    why.debug_data = goaway_.debug_data;
    why.message = explain_goaway() + " before this stream";
  } else if (accepts_streams()) {
    // Then it was not the connection: all that it may not take is an extended CONNECT.
    why.code = errc::protocol_not_negotiated;
    why.origin = origin::peer;
    why.message = config_.peer + " does not take extended CONNECT (RFC 8441): its SETTINGS do not offer it";
    why.scope = scope::stream;
    why.retry_safe = true;
    return why;
  }
  why.scope = scope::connection;
  why.bytes_sent = 0;
  why.retry_safe = true;
  return why;
} catch (...) {
  auto why = no_memory();
  why.retry_safe = true;
  return why;
}

}  // namespace duplex::core
