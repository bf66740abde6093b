// The session's verbs (RFC 9113). What the engine tells us is in session_callbacks.cpp.

#include "core/session.hpp"

#include "core/session_engine.hpp"
#include "core/validate.hpp"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <utility>

namespace duplex::core {
namespace {

constexpr std::size_t max_debug_data = 16384 - 8;  // what fits into the smallest maximum frame beside the codes
constexpr std::string_view http1 = "HTTP/";
constexpr std::size_t longest_status_line = 256;
constexpr std::size_t preface_size = 24;          // RFC 9113, section 3.4
constexpr std::size_t least_frame_limit = 16384;  // RFC 9113, section 4.2
constexpr std::size_t spare_continuations = 8;    // a peer need not fill its frames

// As large as what a connection without SETTINGS offers, in a rounder number.
constexpr std::size_t first_window = std::size_t{64} << 10;

window_estimator make_estimator(const options& opts) noexcept {
  if (opts.stream_window) return {*opts.stream_window, *opts.stream_window};
  return {first_window, std::max(first_window, std::min(opts.connection_window, opts.max_recv_buffer))};
}

std::uint32_t raw(h2::code c) noexcept { return static_cast<std::uint32_t>(c); }

}  // namespace

void session::engine_deleter::operator()(nghttp2_session* engine) const noexcept { nghttp2_session_del(engine); }

session::session(session_config config)
    : config_(std::move(config)),
      engine_(make_engine(config_.role == role::server, this)),
      continuations_(spare_continuations + config_.defaults.max_header_bytes / least_frame_limit,
                     config_.role == role::server ? preface_size : 0),
      waiting_(config_.defaults.max_pending_streams),
      estimator_(make_estimator(config_.defaults)) {
  if (config_.role == role::client) nghttp2_session_set_next_stream_id(engine_.get(), config_.first_stream_id);
  submit_settings();
}

session::~session() = default;

void session::submit_settings() {
  const auto& opts = config_.defaults;
  std::vector<nghttp2_settings_entry> entries{
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, static_cast<std::uint32_t>(estimator_.first())},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(opts.max_header_bytes)},
  };
  if (config_.role == role::client) {
    entries.push_back({NGHTTP2_SETTINGS_ENABLE_PUSH, 0});
  } else {
    // Not as a client: the engine would then send one stream to its end before the next, and there is no call to tell
    // it otherwise. Without it, it gives every stream its turn.
    entries.push_back({NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1});
    entries.push_back({NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, config_.max_concurrent_streams});
  }
  nghttp2_submit_settings(engine_.get(), NGHTTP2_FLAG_NONE, entries.data(), entries.size());
  nghttp2_session_set_local_window_size(engine_.get(), NGHTTP2_FLAG_NONE, 0,
                                        static_cast<std::int32_t>(opts.connection_window));
}

// Bytes and time

void session::feed(std::string_view bytes) {
  if (dead_ || failed_) return;
  wire_.bytes_received += bytes.size();
  if (preface_checked_) return feed_engine(bytes);

  preface_.append(bytes);
  if (config_.role == role::client) {
    // A server of HTTP/1.1 answers the preface with a status line. No frame can begin like this: its length would be
    // above every limit that we announce.
    const auto begin = std::string_view(preface_).substr(0, http1.size());
    if (begin.size() < http1.size() && http1.starts_with(begin)) return;
    if (begin == http1) {
      // The whole line says more than its beginning.
      if (preface_.find('\n') == std::string::npos && preface_.size() < longest_status_line) return;
      return fail_http1();
    }
    preface_checked_ = true;
    return feed_engine(std::exchange(preface_, {}));
  }
  preface_checked_ = preface_.size() >= preface_size;
  feed_engine(bytes);
  preface_.resize(std::min(preface_.size(), preface_size));
}

void session::fail_http1() {
  failure why;
  why.code = errc::protocol_not_negotiated;
  why.message = "the peer answered with HTTP/1.x: " + quoted(preface_.substr(0, preface_.find_first_of("\r\n")));
  why.origin = origin::peer;
  dead_ = true;
  fail_connection(std::move(why));
}

void session::feed_engine(std::string_view bytes) {
  const auto size = continuations_.feed(bytes);
  const auto used = nghttp2_session_mem_recv(engine_.get(), reinterpret_cast<const std::uint8_t*>(bytes.data()), size);
  if (used < 0 || continuations_.exceeded()) {
    failure why;
    why.origin = origin::peer;
    if (used == NGHTTP2_ERR_BAD_CLIENT_MAGIC) {
      why.code = errc::protocol_not_negotiated;
      why.message = "the client's preface is not HTTP/2: " + quoted(preface_);
    } else {
      const bool too_much = continuations_.exceeded() || used == NGHTTP2_ERR_FLOODED;
      why.code = errc::protocol_error;
      why.message =
          continuations_.exceeded() ? "too many CONTINUATION frames" : nghttp2_strerror(static_cast<int>(used));
      why.http2_code = raw(too_much ? h2::code::enhance_your_calm : h2::code::protocol_error);
      nghttp2_session_terminate_session(engine_.get(), *why.http2_code);
    }
    terminated_by_us_ = true;
    fail_connection(std::move(why));
  }
  apply_recorded();
}

// Returns whether there may be a frame to send now.
bool session::apply_recorded() {
  if (const auto n = std::exchange(arrived_, 0); n > 0) nghttp2_session_consume_connection(engine_.get(), n);
  for (const auto id : std::exchange(to_share_, {})) {
    // Unless the client says otherwise, the streams of a server take turns (RFC 9218, section 10).
    const nghttp2_extpri turns{.urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 1};
    nghttp2_session_change_extpri_stream_priority(engine_.get(), id, &turns, 0);
  }
  const auto resets = std::exchange(to_reset_, {});
  for (const auto& [id, code] : resets) nghttp2_submit_rst_stream(engine_.get(), NGHTTP2_FLAG_NONE, id, code);
  for (const auto id : std::exchange(to_erase_, {})) {
    if (auto* s = find(id)) erase_if_over(*s);
  }
  const bool widened = widen_begun();
  const bool opened = open_waiting();
  return opened || widened || !resets.empty();
}

bool session::pull(outgoing& out, time_point now) {
  if (dead_) return false;
  measure(now);
  const auto before = out.size();
  to_ = &out;
  full_at_ = before + full_pull;
  for (bool more = true; more && out.size() < full_at_;) {
    stop_uploads();
    while (out.size() < full_at_) {
      // DATA is appended by a callback, which also ends this when there is enough.
      const std::uint8_t* bytes = nullptr;
      const auto n = nghttp2_session_mem_send(engine_.get(), &bytes);
      if (n <= 0) break;  // below zero only out of memory: the frames that are left stay queued
      out.append({reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(n)});
    }
    more = apply_recorded();
    more = submit_due_trailers() || more || !to_stop_.empty();
  }
  to_ = nullptr;

  wire_.bytes_sent += out.size() - before;
  if (!settings_sent_ && !settings_acknowledged_ && out.size() > before) settings_sent_ = now;

  for (const auto id : progressed_) {
    auto* s = find(id);
    if (!s) continue;
    watch_stall(*s, now);
    if (s->out.waits()) unsettled_.push_back({id, 0, {}});
  }
  progressed_.clear();
  return out.size() > before;
}

// Only right before it can leave: once it is submitted, the engine ignores the client's end of the stream, and counts
// the stream although the client may open another in its place.
void session::stop_uploads() {
  for (const auto id : std::exchange(to_stop_, {})) {
    const auto* s = find(id);
    if (s && !s->closed && s->remote != progress::ended) {
      nghttp2_submit_rst_stream(engine_.get(), NGHTTP2_FLAG_NONE, id, raw(h2::code::no_error));
    }
  }
}

// The engine wants the trailers after the last DATA was framed, but not from inside its callback.
bool session::submit_due_trailers() {
  const auto due = std::exchange(due_trailers_, {});
  for (const auto id : due) {
    auto* s = find(id);
    // A fin that was due may have gone out as DATA, when the window opened before this.
    if (!s || s->failed || s->local == progress::ended) continue;
    const auto trailing = s->out.take_trailers();
    if (trailing.empty() && s->out.has_trailers()) continue;  // taken before: they may become due in two ways
    name_values list(trailing.size());
    list.add(trailing);
    nghttp2_submit_trailer(engine_.get(), id, list.data(), list.size());
  }
  return !due.empty();
}

bool session::finished() const {
  if (dead_) return true;
  const bool writes = nghttp2_session_want_write(engine_.get()) != 0;
  if (terminated_by_us_ || failed_) return !writes;
  return !writes && nghttp2_session_want_read(engine_.get()) == 0;
}

std::optional<time_point> session::next_deadline() {
  settle_stalls();
  return deadlines_.next();
}

void session::handle_timeout(time_point now) {
  settle_stalls();
  for (const auto& due : deadlines_.expire(now)) {
    if (due.what == waiting::open) {
      if (waiting_.remove(due.op)) emit(event::kind::timed_out, 0, due.op);
    } else if (due.what == waiting::recv) {
      emit(event::kind::timed_out, due.stream, due.op);
    } else {
      reset(due.stream, raw(h2::code::cancel), errc::timeout, "the peer did not take the data within send_timeout");
    }
  }
}

// Streams

stream& session::add_stream(std::int32_t id, const options& opts) {
  ++active_;
  auto& s = streams_.try_emplace(id, id, opts).first->second;
  s.window = estimator_.first();
  granted_ += s.window;
  return s;
}

stream* session::find(std::int32_t id) noexcept {
  if (last_found_ && last_found_->id == id) return last_found_;
  const auto at = streams_.find(id);
  if (at == streams_.end()) return nullptr;
  return last_found_ = &at->second;
}

error_code session::may_send(const stream* s) const {
  if (!s || s->orphan) return errc::closed;
  if (s->send_end) return s->send_end;
  if (s->out.closed()) return errc::send_closed;
  return {};
}

error_code session::respond(std::int32_t id, op_id op, const response& head, bool end) {
  auto* s = find(id);
  if (const auto ec = may_send(s)) return ec;
  if (config_.role == role::client || s->local != progress::head) return errc::invalid_argument;

  const auto status = std::to_string(head.status);
  name_values list(1 + head.headers.size());
  list.add(":status", status);
  list.add(head.headers);
  const auto source = payload_source();
  if (nghttp2_submit_response(engine_.get(), id, list.data(), list.size(), end ? nullptr : &source) != 0) {
    return errc::limit_exceeded;
  }
  s->local = progress::body;
  s->header_ops.push_back(op);
  if (end) s->out.close();
  return {};
}

error_code session::inform(std::int32_t id, op_id op, const informational& head) {
  auto* s = find(id);
  if (const auto ec = may_send(s)) return ec;
  if (config_.role == role::client || s->local != progress::head) return errc::invalid_argument;

  const auto status = std::to_string(head.status);
  name_values list(1 + head.headers.size());
  list.add(":status", status);
  list.add(head.headers);
  nghttp2_submit_headers(engine_.get(), NGHTTP2_FLAG_NONE, id, nullptr, list.data(), list.size(), nullptr);
  s->header_ops.push_back(op);
  return {};
}

error_code session::send(std::int32_t id, op_id op, std::span<const std::string_view> parts, bool end, outbox::kind how,
                         time_point now) {
  auto* s = find(id);
  if (const auto ec = may_send(s)) return ec;
  if (config_.role == role::server && s->local == progress::head) return errc::invalid_argument;

  const bool lent_before = s->out.lends();
  s->out.push(op, parts, end, how, completed_);
  if (config_.role == role::server && end && s->out.bytes() == 0 && !has_window(id)) {
    // The engine frames DATA only within a window, even when it is empty. Trailers without a field end the stream as
    // well, and a client that grants window only after the end is not waited for. Not from a client: gRPC's servers
    // take a second HEADERS for a broken stream id.
    outgoing nothing;
    s->out.read(nothing, 0, completed_);
    complete_sends(*s);
    due_trailers_.push_back(id);
    return {};
  }
  if (!complete_sends(*s, op)) {
    if (how == outbox::kind::buffered) {
      unsettled_.push_back({id, op, after(now, s->send_timeout)});
    } else if (!lent_before) {
      watch_stall(*s, now);
    }
  }
  nghttp2_session_resume_data(engine_.get(), id);
  return {};
}

error_code session::send_trailers(std::int32_t id, op_id op, const fields& list, time_point now) {
  // Without a field there is no HEADERS frame to send: the end of the data says the same.
  if (list.empty()) return send(id, op, {}, true, outbox::kind::borrowed, now);
  auto* s = find(id);
  if (const auto ec = may_send(s)) return ec;
  if (config_.role == role::server && s->local == progress::head) return errc::invalid_argument;
  const bool lent_before = s->out.lends();
  s->out.push_trailers(list);
  s->header_ops.push_back(op);
  if (!lent_before) watch_stall(*s, now);
  // Behind no data they need no window, so they do not wait for one (RFC 9113, section 6.9).
  if (s->out.at_end() && s->local == progress::body) {
    due_trailers_.push_back(id);
  } else {
    nghttp2_session_resume_data(engine_.get(), id);
  }
  return {};
}

bool session::has_window(std::int32_t id) const {
  return nghttp2_session_get_remote_window_size(engine_.get()) > 0 &&
         nghttp2_session_get_stream_remote_window_size(engine_.get(), id) > 0;
}

// Says which sends are complete, and returns whether `op` is one of them.
bool session::complete_sends(stream& s, op_id op) {
  bool found = false;
  for (const auto completed : completed_) {
    if (s.timed_sends > 0 && deadlines_.clear({s.id, waiting::buffered_send, completed})) --s.timed_sends;
    emit(event::kind::sent, s.id, completed);
    found = found || completed == op;
  }
  completed_.clear();
  return found;
}

void session::settle_sends() {
  for (const auto& [id, op, deadline] : unsettled_) {
    auto* s = find(id);
    if (!s) continue;
    s->out.keep_what_fits(completed_);
    if (complete_sends(*s, op) || !s->out.waits(op)) continue;
    deadlines_.set({id, waiting::buffered_send, op}, deadline);
    ++s->timed_sends;
  }
  unsettled_.clear();
}

void session::watch_stall(stream& s, time_point now) {
  // Nobody waits for what an orphan left, so the time-out is all that ends it; trailers wait for what is before them.
  const bool watched = s.out.lends() || (s.out.bytes() > 0 && (s.orphan || s.out.has_trailers()));
  if (!watched && s.stalls_at == never) return;
  s.stalls_at = watched ? after(now, s.send_timeout) : never;
  stalls_.push_back(s.id);
}

// Most sends are framed in the turn that they were made in: they never get a deadline.
void session::settle_stalls() {
  for (const auto id : stalls_) {
    auto* s = find(id);
    if (!s || s->stalls_at == s->told_stalls_at) continue;
    s->told_stalls_at = s->stalls_at;
    const deadline_key key{id, waiting::borrowed_sends, 0};
    if (s->stalls_at != never) {
      deadlines_.set(key, s->stalls_at);
    } else {
      deadlines_.clear(key);
    }
  }
  stalls_.clear();
}

void session::clear_send_deadlines(stream& s) {
  deadlines_.clear({s.id, waiting::buffered_send, 0}, {s.id, waiting::borrowed_sends, 1});
  s.timed_sends = 0;
  s.stalls_at = s.told_stalls_at = never;
}

std::optional<message> session::receive(std::int32_t id) {
  auto* s = find(id);
  if (!s) return std::nullopt;
  auto m = s->in.take();
  if (!m) return m;
  if (const auto* d = std::get_if<data>(&*m)) {
    unread_ -= d->bytes.size();
    return_credit(*s, s->ledger.deliver(d->bytes.size()));
  }
  assert(s->ledger.balanced(s->in.bytes()));
  return m;
}

void session::consume(std::int32_t id, std::size_t bytes) {
  if (auto* s = find(id)) return_credit(*s, s->ledger.consume(bytes));
}

void session::reset(std::int32_t id, std::uint32_t http2_code, error_code why, std::string message) {
  auto* s = find(id);
  if (!s || s->closed || s->failed || s->complete()) return;
  failure f;
  f.code = why;
  f.message = std::move(message);
  f.http2_code = http2_code;
  fail(*s, std::move(f));
  if (!dead_) nghttp2_submit_rst_stream(engine_.get(), NGHTTP2_FLAG_NONE, id, http2_code);
}

void session::abandon(std::int32_t id, std::uint32_t http2_code, error_code why, std::string message) {
  reset(id, http2_code, why, std::move(message));
  if (auto* s = find(id)) {
    drop_unread(*s, errc::closed);
    s->send_end = errc::closed;
  }
}

void session::release(std::int32_t id, time_point now) {
  auto* s = find(id);
  if (!s) return;
  s->orphan = true;
  const bool finishing = s->out.closed() && (config_.role == role::server || s->remote == progress::ended);
  if (!finishing) reset(id, raw(h2::code::cancel), errc::canceled, "the last handle of the stream went away");
  drop_unread(*s, errc::closed);
  if (!s->failed) watch_stall(*s, now);
  if (finishing && s->local == progress::ended && s->remote != progress::ended && !s->closed && !dead_) {
    to_stop_.push_back(id);
  }
  erase_if_over(*s);
}

void session::drop_unread(stream& s, error_code why) {
  unread_ -= s.in.bytes();
  s.in.abort(why);
  s.ledger = credit(flow_control::automatic);
}

// Linear in the number of streams, but it ends one.
void session::drop_greediest() {
  const auto most = std::max_element(streams_.begin(), streams_.end(), [](const auto& a, const auto& b) {
    return a.second.in.bytes() < b.second.in.bytes();
  });
  auto& s = most->second;
  failure why;
  why.code = errc::recv_buffer_overflow;
  why.message = "the unread bytes of the connection are above max_connection_buffer, and most are this stream's";
  why.http2_code = raw(h2::code::cancel);
  if (!s.closed && !s.failed) {
    fail(s, why);
    to_reset_.emplace_back(s.id, *why.http2_code);
  }
  if (!s.failed) s.failed = std::make_unique<failure>(std::move(why));
  drop_unread(s, errc::recv_buffer_overflow);
  emit(event::kind::readable, s.id);
}

void session::erase_if_over(stream& s) {
  if (!s.orphan || !s.closed) return;
  last_found_ = nullptr;
  streams_.erase(s.id);
}

// Requests that still wait for the peer's stream limit when its GOAWAY comes: the engine would keep them.
void session::refuse_unsent() {
  for (auto& [id, s] : streams_) {
    if (config_.role != role::client || s.local != progress::head || s.failed) continue;
    fail(s, stream_failure(s, goaway_.code));
  }
}

// Failing

void session::fail(stream& s, failure why) {
  if (s.failed || s.closed) return;
  why.bytes_sent = s.bytes_sent;
  // Never written, so it cannot have been processed (RFC 9113, section 8.7).
  if (config_.role == role::client && s.local == progress::head) {
    why.retry_safe = true;
    if (why.code == errc::goaway) why.code = errc::refused;
  }
  clear_send_deadlines(s);
  s.out.clear();
  s.header_ops.clear();
  s.send_end = why.code;
  s.in.end(why.code);
  s.failed = std::make_unique<failure>(std::move(why));
  emit(event::kind::readable, s.id);
  emit(event::kind::closed, s.id);
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

void session::lost(error_code why, std::string message) {
  if (dead_ && failed_) return;
  if (config_.role == role::client && preface_.starts_with(http1)) fail_http1();
  const bool orderly =
      (goaway_.received || terminated_by_us_ || nghttp2_session_want_read(engine_.get()) == 0) && active_ == 0;
  failure f;
  f.code = why;
  f.message = std::move(message);
  f.origin = origin::network;
  if (goaway_.received) {
    f.code = errc::goaway;
    f.origin = origin::peer;
    f.http2_code = goaway_.code;
    f.last_stream_id = goaway_.last_stream_id;
    f.debug_data = goaway_.debug_data;
    f.message = "the peer ended the connection with GOAWAY " + h2::code_name(goaway_.code);
  }
  dead_ = true;
  if (!orderly) fail_connection(std::move(f));
  refuse_waiting();
  for (auto at = streams_.begin(); at != streams_.end();) {
    if (!std::exchange(at->second.closed, true)) emit(event::kind::closed, at->first);
    at = at->second.orphan ? streams_.erase(at) : std::next(at);
  }
  last_found_ = nullptr;
  active_ = 0;
  granted_ = 0;
}

// The connection

void session::ping(std::uint64_t opaque) {
  if (dead_) return;
  std::array<std::uint8_t, 8> bytes{};
  std::memcpy(bytes.data(), &opaque, bytes.size());
  nghttp2_submit_ping(engine_.get(), NGHTTP2_FLAG_NONE, bytes.data());
}

void session::goaway(std::uint32_t http2_code, std::string_view debug_data) {
  const bool graceful = http2_code == raw(h2::code::no_error);
  if (dead_ || terminated_by_us_ || (graceful && draining_)) return;
  draining_ = true;
  const auto last = nghttp2_session_get_last_proc_stream_id(engine_.get());
  if (config_.role == role::server) last_accepted_ = last;
  debug_data = debug_data.substr(0, max_debug_data);
  nghttp2_submit_goaway(engine_.get(), NGHTTP2_FLAG_NONE, last, http2_code,
                        reinterpret_cast<const std::uint8_t*>(debug_data.data()), debug_data.size());
  refuse_waiting();
  if (graceful) return;
  terminated_by_us_ = true;
  failure why;
  why.code = errc::canceled;
  why.message = "the connection was ended here with GOAWAY " + h2::code_name(http2_code);
  why.http2_code = http2_code;
  fail_connection(std::move(why));
}

bool session::accepts_streams() const noexcept {
  return !dead_ && !failed_ && !draining_ && nghttp2_session_check_request_allowed(engine_.get()) != 0;
}

}  // namespace duplex::core
