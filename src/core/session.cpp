// The session's verbs (RFC 9113). What the engine tells us is in session_callbacks.cpp.

#include "core/session.hpp"

#include "core/session_engine.hpp"
#include "core/session_memory.hpp"
#include "core/stranger.hpp"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <utility>

namespace duplex::core {
namespace {

constexpr std::size_t max_debug_data = 16384 - 8;  // what fits into the smallest maximum frame beside the codes
constexpr std::size_t longest_status_line = 256;
constexpr std::size_t preface_size = 24;          // RFC 9113, section 3.4
constexpr std::size_t least_frame_limit = 16384;  // RFC 9113, section 4.2

// As large as what a connection without SETTINGS offers, in a rounder number.
constexpr std::size_t first_window = std::size_t{64} << 10;

window_estimator make_estimator(const options& opts) noexcept {
  if (opts.stream_window) return {*opts.stream_window, *opts.stream_window};
  return {first_window, std::max(first_window, std::min(opts.connection_window, opts.max_recv_buffer))};
}

std::uint32_t raw(h2::code c) noexcept { return static_cast<std::uint32_t>(c); }

// Of one header block. A peer need not fill its frames.
std::size_t most_continuations(const options& opts) noexcept {
  const auto full = opts.max_header_bytes / least_frame_limit;
  const auto others = opts.limits.max_continuations;
  return others > infinity - full ? infinity : others + full;
}

}  // namespace

void session::engine_deleter::operator()(nghttp2_session* engine) const noexcept {
  if (memory->orderly()) nghttp2_session_del(engine);
}

session::session(session_config config)
    : config_(std::move(config)),
      memory_(std::make_unique<engine_memory>()),
      engine_(make_engine(config_.role == role::server, config_.defaults.limits, this, *memory_), {memory_.get()}),
      guard_(config_.defaults.limits, most_continuations(config_.defaults),
             config_.role == role::server ? preface_size : 0),
      waiting_(config_.defaults.max_pending_streams),
      streams_(stream_allocator(memory_->cache())),
      estimator_(make_estimator(config_.defaults)),
      keepalive_(config_.defaults) {
  if (config_.role == role::client) nghttp2_session_set_next_stream_id(engine_.get(), config_.first_stream_id);
  submit_settings();
}

session::~session() = default;

void session::rest() noexcept { memory_->cache().rest(); }

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
    if (config_.extended_connect) entries.push_back({NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1});
  }
  checked(nghttp2_submit_settings(engine_.get(), NGHTTP2_FLAG_NONE, entries.data(), entries.size()));
  checked(nghttp2_session_set_local_window_size(engine_.get(), NGHTTP2_FLAG_NONE, 0,
                                                static_cast<std::int32_t>(opts.connection_window)));
}

// Bytes and time

void session::feed(std::string_view bytes) try {
  if (dead_ || failed_) return;
  wire_.bytes_received += bytes.size();
  if (preface_checked_) return feed_engine(bytes);
  if (config_.role == role::server) return hear_client(bytes);

  preface_.append(bytes);
  const auto who = judge_answer(preface_);
  if (who == stranger::perhaps) return;
  // The whole line says more than its beginning.
  const bool ends = std::ranges::any_of(preface_, [](char c) { return c < ' ' || c > '~'; });
  const bool says_more = !ends && preface_.size() < longest_status_line;
  if (says_more && (who == stranger::http1 || who == stranger::other)) return;
  if (who != stranger::none) return fail_stranger(who);
  preface_checked_ = true;
  feed_engine(std::exchange(preface_, {}));
} catch (...) {
  out_of_memory();
}

void session::feed_engine(std::string_view bytes) {
  do {
    const auto size = guard_.feed(bytes);
    feed_guarded(bytes.substr(0, size));
    bytes.remove_prefix(size);
  } while (!bytes.empty() && !failed_ && !dead_);
}

void session::feed_guarded(std::string_view bytes) {
  fed_ = bytes;
  const auto used =
      nghttp2_session_mem_recv(engine_.get(), reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  if (used == NGHTTP2_ERR_NOMEM || ran_out_) throw std::bad_alloc();
  if (used == NGHTTP2_ERR_FLOODED) {
    end_by(queued_control);
  } else if (used < 0) {
    failure why;
    why.origin = origin::peer;
    if (used == NGHTTP2_ERR_BAD_CLIENT_MAGIC) {
      why.code = errc::protocol_not_negotiated;
      why.message = explain_preface();
    } else {
      why.code = errc::protocol_error;
      why.message = nghttp2_strerror(static_cast<int>(used));
      why.http2_code = raw(h2::code::protocol_error);
      checked(nghttp2_session_terminate_session(engine_.get(), *why.http2_code));
    }
    terminated_by_us_ = true;
    fail_connection(std::move(why));
  } else if (const auto what = guard_.exceeded()) {
    end_by(*what);
  } else if (const auto& breach = guard_.breached()) {
    answer(*breach);
  }
  apply_recorded();
  check_queue();
}

std::string_view session::behind(std::string_view part) const noexcept {
  const auto* begin = part.data() + part.size();
  const auto* end = fed_.data() + fed_.size();
  if (begin < fed_.data() || begin > end) return {};  // the engine has made a copy
  return {begin, static_cast<std::size_t>(end - begin)};
}

// Returns whether there may be a frame to send now.
bool session::apply_recorded() {
  if (const auto n = std::exchange(arrived_, 0); n > 0) checked(nghttp2_session_consume_connection(engine_.get(), n));
  for (const auto id : std::exchange(to_share_, {})) {
    // Unless the client says otherwise, the streams of a server take turns (RFC 9218, section 10).
    const nghttp2_extpri turns{.urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 1};
    checked(nghttp2_session_change_extpri_stream_priority(engine_.get(), id, &turns, 0));
  }
  const auto resets = std::exchange(to_reset_, {});
  for (const auto& [id, code] : resets) checked(nghttp2_submit_rst_stream(engine_.get(), NGHTTP2_FLAG_NONE, id, code));
  for (const auto id : std::exchange(to_erase_, {})) {
    if (auto* s = find(id)) erase_if_over(*s);
  }
  const bool drains = go_on_draining();
  const bool begun = settle_begun();
  const bool opened = open_waiting();
  return drains || opened || begun || !resets.empty();
}

bool session::go_on_draining() {
  const auto due = std::exchange(drain_due_, drain_step::none);
  if (due == drain_step::ping) ping(drain_ping);
  if (due == drain_step::goaway) goaway(raw(h2::code::no_error), {});
  if (due == drain_step::none) return false;
  if (dead_) throw std::bad_alloc();  // they have told of it, but who called is about to ask the engine again
  return true;
}

bool session::pull(outgoing& out, time_point now) try {
  if (!refusal_.empty()) {
    out.append(std::exchange(refusal_, {}));
    return true;
  }
  if (dead_ || holds_back()) return false;
  settle_budgets(now);
  watch_peer(now);
  measure(now);
  if (dead_) return false;
  const auto before = out.size();
  to_ = &out;
  full_at_ = before + full_pull;
  for (bool more = true; more && out.size() < full_at_;) {
    stop_uploads();
    frame_offered();
    more = apply_recorded();
    more = submit_due_trailers() || more || !to_stop_.empty();
  }
  to_ = nullptr;

  wire_.bytes_sent += out.size() - before;
  if (!settings_sent_ && !settings_acknowledged_ && out.size() > before) settings_sent_ = now;
  return out.size() > before;
} catch (...) {
  out_of_memory();
  return !out.empty();
}

void session::frame() {
  while (to_->size() < full_at_) {
    // DATA is appended by a callback, which also ends this when there is enough.
    const std::uint8_t* bytes = nullptr;
    const auto n = nghttp2_session_mem_send(engine_.get(), &bytes);
    if (n < 0 || ran_out_) throw std::bad_alloc();
    if (n == 0) break;
    to_->append({reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(n)});
  }
}

// The engine shares what there is room for among the streams, by their priorities. Where there is room for all of it,
// that would be for nothing: streams that have little to say are framed a few at a time, as long as nothing waits in
// the engine that would fill the write instead, and no client has asked for an order (RFC 9218).
void session::frame_offered() {
  constexpr std::size_t little = 1024;
  constexpr std::size_t few = 4;
  std::size_t given = 0;
  bool shares = ordered_ || (to_offer_.size() > few && nghttp2_session_want_write(engine_.get()) != 0);
  for (auto* s : to_offer_) {
    shares = shares || s->out.bytes() > little || to_->size() >= full_at_;
    hand_over(*s);
    if (++given % few == 0 && !shares) frame();
  }
  frame();
  for (const auto* s : to_offer_) {
    if (s->offered) unsettled_.push_back({s->id, 0});
  }
  to_offer_.clear();
}

// Only right before it can leave: once it is submitted, the engine ignores the client's end of the stream, and counts
// the stream although the client may open another in its place.
void session::stop_uploads() {
  for (const auto id : std::exchange(to_stop_, {})) {
    const auto* s = find(id);
    if (s && !s->closed && s->remote != progress::ended) {
      checked(nghttp2_submit_rst_stream(engine_.get(), NGHTTP2_FLAG_NONE, id, raw(h2::code::no_error)));
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
    checked(nghttp2_submit_trailer(engine_.get(), id, list.data(), list.size()));
  }
  return !due.empty();
}

bool session::finished() const {
  if (dead_) return true;
  const bool reads = !terminated_by_us_ && !failed_ && nghttp2_session_want_read(engine_.get()) != 0;
  return !reads && to_offer_.empty() && nghttp2_session_want_write(engine_.get()) == 0;
}

// Streams

stream& session::add_stream(std::int32_t id, const options& opts) {
  ++active_;
  auto& s = streams_.try_emplace(id, id, opts).first->second;
  s.window = static_cast<std::uint32_t>(estimator_.first());
  granted_ += s.window;
  earn_by_stream();
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

error_code session::respond(std::int32_t id, op_id op, const response& head, bool end) try {
  auto* s = find(id);
  if (const auto ec = may_send(s)) return ec;
  if (config_.role == role::client || s->local != progress::head) return errc::invalid_argument;

  const auto status = std::to_string(head.status);
  name_values list(1 + head.headers.size());
  list.add(":status", status);
  list.add(head.headers);
  const auto flags = end ? NGHTTP2_FLAG_END_STREAM : NGHTTP2_FLAG_NONE;
  if (checked(nghttp2_submit_headers(engine_.get(), flags, id, nullptr, list.data(), list.size(), nullptr)) != 0) {
    return errc::limit_exceeded;
  }
  s->local = progress::body;
  s->status = static_cast<std::uint16_t>(head.status);
  s->header_ops.push_back(op);
  if (end) s->out.close();
  return {};
} catch (...) {
  return out_of_memory();
}

error_code session::inform(std::int32_t id, op_id op, const informational& head) try {
  auto* s = find(id);
  if (const auto ec = may_send(s)) return ec;
  if (config_.role == role::client || s->local != progress::head) return errc::invalid_argument;

  const auto status = std::to_string(head.status);
  name_values list(1 + head.headers.size());
  list.add(":status", status);
  list.add(head.headers);
  checked(nghttp2_submit_headers(engine_.get(), NGHTTP2_FLAG_NONE, id, nullptr, list.data(), list.size(), nullptr));
  s->header_ops.push_back(op);
  return {};
} catch (...) {
  return out_of_memory();
}

error_code session::send(std::int32_t id, op_id op, std::span<const std::string_view> parts, bool end,
                         outbox::kind how) try {
  auto* s = find(id);
  if (const auto ec = may_send(s)) {
    const bool is_empty = std::ranges::all_of(parts, &std::string_view::empty);
    if (!end || !is_empty || ec == errc::closed || !s->stopped()) return ec;
    end_unsent(*s);
    emit(event::kind::sent, id, op);
    return {};
  }
  if (config_.role == role::server && s->local == progress::head) return errc::invalid_argument;

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
  const bool complete = complete_sends(*s, op);
  const bool waited = !offer(*s);  // otherwise it is seen when it is framed whether something is left
  if (!complete && (waited || how == outbox::kind::buffered)) unsettled_.push_back({id, op});
  return {};
} catch (...) {
  return out_of_memory();
}

// Returns whether there may be a frame to send now.
bool session::offer(stream& s) {
  // Behind the head: `settle_begun`.
  if (s.offered || !s.out.ready() || s.local != progress::body) return false;
  to_offer_.push_back(&s);
  s.offered = true;
  return true;
}

// The engine gets a DATA frame for what there is, and is done with it once it has framed that: a stream on which we say
// nothing has none.
void session::hand_over(stream& s) {
  const auto source = payload_source(s);
  s.offered = !s.closed && !s.failed && s.out.ready() &&
              checked(nghttp2_submit_data(engine_.get(), NGHTTP2_FLAG_END_STREAM, s.id, &source)) == 0;
}

// The peer has ended the stream before we could: who has nothing left to say has lost nothing by it.
void session::end_unsent(stream& s) {
  s.out.close();
  s.send_end = errc::send_closed;
}

error_code session::send_trailers(std::int32_t id, op_id op, const fields& list) try {
  // Without a field there is no HEADERS frame to send: the end of the data says the same.
  if (list.empty()) return send(id, op, {}, true, outbox::kind::borrowed);
  auto* s = find(id);
  if (const auto ec = may_send(s)) return ec;
  if (config_.role == role::server && s->local == progress::head) return errc::invalid_argument;
  s->out.push_trailers(list);
  s->header_ops.push_back(op);
  unsettled_.push_back({id, op});
  // Behind no data they need no window, so they do not wait for one (RFC 9113, section 6.9).
  if (s->out.at_end() && s->local == progress::body) {
    due_trailers_.push_back(id);
  } else {
    offer(*s);
  }
  return {};
} catch (...) {
  return out_of_memory();
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

void session::settle_sends(time_point now) try {
  for (auto* s : to_offer_) {
    hand_over(*s);
    unsettled_.push_back({s->id, 0});
  }
  to_offer_.clear();
  for (const auto& [id, op] : unsettled_) {
    auto* s = find(id);
    if (!s) continue;
    watch_stall(*s, now);
    if (!s->out.waits()) continue;
    s->out.keep_what_fits(completed_);
    if (complete_sends(*s, op) || !s->out.waits(op)) continue;
    deadlines_.set({id, waiting::buffered_send, op}, after(now, s->send_timeout));
    ++s->timed_sends;
  }
  unsettled_.clear();
} catch (...) {
  out_of_memory();
}

bool session::sends_wait() noexcept {
  return std::ranges::any_of(unsettled_, [this](const auto& each) {
    const auto* s = find(each.stream);
    return s && s->out.waits();
  });
}

std::optional<message> session::receive(std::int32_t id) {
  auto* s = find(id);
  auto m = s ? s->in.take() : std::nullopt;
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

void session::reset(std::int32_t id, std::uint32_t http2_code, error_code why, std::string message) try {
  auto* s = find(id);
  if (!s || s->closed || s->failed || s->complete()) return;
  failure f;
  f.code = why;
  f.message = std::move(message);
  f.http2_code = http2_code;
  fail(*s, std::move(f));
  if (!dead_) checked(nghttp2_submit_rst_stream(engine_.get(), NGHTTP2_FLAG_NONE, id, http2_code));
} catch (...) {
  out_of_memory();
}

void session::abandon(std::int32_t id, std::uint32_t http2_code, error_code why, std::string message) {
  reset(id, http2_code, why, std::move(message));
  if (auto* s = find(id)) {
    drop_unread(*s, errc::closed);
    s->send_end = errc::closed;
  }
}

void session::release(std::int32_t id) try {
  auto* s = find(id);
  if (!s) return;
  s->orphan = true;
  const bool finishing = s->out.closed() && (config_.role == role::server || s->remote == progress::ended);
  if (!finishing) reset(id, raw(h2::code::cancel), errc::canceled, "the last handle of the stream went away");
  drop_unread(*s, errc::closed);
  if (!s->failed) unsettled_.push_back({id, 0});
  if (finishing && s->local == progress::ended && s->remote != progress::ended && !s->closed && !dead_) {
    to_stop_.push_back(id);
  }
  erase_if_over(*s);
} catch (...) {
  out_of_memory();
}

void session::drop_unread(stream& s, reason why) {
  unread_ -= s.in.bytes();
  s.in.abort(why);
  s.ledger.drop();
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
  if (!s.failed) s.failed = std::make_shared<const failure>(std::move(why));
  drop_unread(s, errc::recv_buffer_overflow);
  emit(event::kind::readable, s.id);
}

void session::erase_if_over(stream& s) {
  if (!s.orphan || !s.closed) return;
  if (s.offered) std::erase(to_offer_, &s);
  last_found_ = nullptr;
  streams_.erase(s.id);
}

// The connection

void session::ping(std::uint64_t opaque) try {
  if (dead_) return;
  std::array<std::uint8_t, 8> bytes{};
  std::memcpy(bytes.data(), &opaque, bytes.size());
  guard_.earn(spending::pings, 1);  // its answer
  checked(nghttp2_submit_ping(engine_.get(), NGHTTP2_FLAG_NONE, bytes.data()));
} catch (...) {
  out_of_memory();
}

void session::goaway(std::uint32_t http2_code, std::string_view debug_data) try {
  const bool graceful = http2_code == raw(h2::code::no_error);
  if (dead_ || terminated_by_us_ || (graceful && drain_ == drain::begun)) return;
  drain_ = drain::begun;
  deadlines_.clear({0, waiting::drain_answer, 0});
  const auto last = nghttp2_session_get_last_proc_stream_id(engine_.get());
  if (config_.role == role::server) last_accepted_ = last;
  debug_data = debug_data.substr(0, max_debug_data);
  checked(nghttp2_submit_goaway(engine_.get(), NGHTTP2_FLAG_NONE, last, http2_code,
                                reinterpret_cast<const std::uint8_t*>(debug_data.data()), debug_data.size()));
  refuse_waiting();
  if (config_.speaks == client_speaks::other) return close_all();  // it is told nothing
  if (graceful) return;
  terminated_by_us_ = true;
  failure why;
  why.code = errc::canceled;
  why.message = "the connection was ended here with GOAWAY " + h2::code_name(http2_code);
  why.http2_code = http2_code;
  fail_connection(std::move(why));
} catch (...) {
  out_of_memory();
}

void session::shut_down(time_point now) try {
  // A client opens what is served, and who has not begun has nothing under way.
  if (config_.role == role::client || !settings_seen_) return goaway(raw(h2::code::no_error), {});
  if (dead_ || failed_ || drain_ != drain::no) return;
  drain_ = drain::announced;
  checked(nghttp2_submit_shutdown_notice(engine_.get()));
  deadlines_.set({0, waiting::drain_answer, 0}, after(now, config_.defaults.close_timeout));
} catch (...) {
  out_of_memory();
}

bool session::accepts_streams() const noexcept {
  return !dead_ && !failed_ && drain_ == drain::no && nghttp2_session_check_request_allowed(engine_.get()) != 0;
}

}  // namespace duplex::core
