// What is due, and when: the deadlines of operations, and those of a peer that owes us something (RFC 9113, sections
// 6.5.3, 6.7 and 10.5). Time is known when the driver asks for what to send, which it does after every read, and here.

#include "core/session.hpp"
#include "core/session_engine.hpp"

#include <nghttp2/nghttp2.h>

#include <chrono>
#include <string>
#include <utility>

namespace duplex::core {
namespace {

std::uint32_t raw(h2::code c) noexcept { return static_cast<std::uint32_t>(c); }

failure late(std::string message) {
  failure why;
  why.code = errc::timeout;
  why.message = std::move(message);
  why.origin = origin::peer;
  return why;
}

// What a peer may take for a frame beside what `min_rate` gives it.
constexpr std::chrono::seconds frame_grace(5);

std::optional<time_point> later(const std::optional<time_point>& since, std::optional<options::duration> wait) {
  if (!since || !wait) return std::nullopt;
  return after(*since, *wait);
}

void note(std::optional<time_point>& since, bool is_so, time_point now) noexcept {
  if (!is_so) {
    since.reset();
  } else if (!since) {
    since = now;
  }
}

bool is_due(const std::optional<time_point>& deadline, time_point now) noexcept { return deadline && *deadline <= now; }

}  // namespace

void session::end_at(std::int32_t id, time_point when) try {
  const auto* s = find(id);
  if (s && !s->closed && !s->failed) deadlines_.set({id, waiting::end, 0}, when);
} catch (...) {
  out_of_memory();
}

void session::watch_stall(stream& s, time_point now) {
  // Nobody waits for what an orphan left, so the time-out is all that ends it; trailers wait for what is before them.
  const bool ends = s.out.closed() && s.local != progress::ended;
  const bool waits = s.out.bytes() > 0 && (s.orphan || s.out.has_trailers());
  const bool watched = s.out.lends() || waits || (s.orphan && ends);
  if (!watched) return end_stall(s);
  // A byte now and then is no progress: a peer could hold what we have for it as long as it likes.
  const auto sent = static_cast<std::uint32_t>(s.bytes_sent);
  if (s.stalls && sent - s.stall_began_at < s.stall_bytes) return;
  deadlines_.set({s.id, waiting::borrowed_sends, 0}, after(now, s.send_timeout));
  s.stall_began_at = sent;
  s.stalls = true;
}

void session::end_stall(stream& s) {
  if (s.stalls) deadlines_.clear({s.id, waiting::borrowed_sends, 0});
  s.stalls = false;
}

void session::clear_deadlines(stream& s) {
  deadlines_.clear({s.id, waiting::buffered_send, 0}, {s.id, waiting::end, 1});
  s.timed_sends = 0;
  s.stalls = false;
}

void session::watch_peer(time_point now) {
  if (!wants_input()) {  // what we do not read is not late
    owed_ = {};
    return;
  }
  keepalive_.observe(now, wire_.bytes_received, active_ > 0);
  note(owed_.block_since, block_.stream != 0, now);
  if (config_.role == role::client) return;
  note(owed_.idle_since, active_ == 0 && settings_seen_ && drain_ == drain::no, now);
  watch_frame(now);
}

// Its deadline is known when it begins: five seconds, and as long as it takes at the least rate.
void session::watch_frame(time_point now) {
  const auto rate = config_.defaults.min_rate;
  const auto missing = guard_.missing();
  if (missing == 0 || rate == 0 || !preface_checked_) return owed_.frame_due.reset();
  if (owed_.frame_due && owed_.frame == guard_.frames()) return;
  owed_.frame = guard_.frames();
  owed_.frame_due = now + frame_grace + std::chrono::milliseconds(1000 * missing / rate);
}

std::optional<time_point> session::next_deadline() try {
  auto next = deadlines_.next();
  if (dead_ || failed_ || !wants_input()) return next;
  const auto& opts = config_.defaults;
  for (const auto& other : {keepalive_.deadline(), later(settings_sent_, opts.settings_timeout),
                            later(owed_.block_since, opts.header_timeout), owed_.frame_due,
                            later(owed_.idle_since, config_.idle_timeout)}) {
    if (other && (!next || *other < *next)) next = other;
  }
  return next;
} catch (...) {
  out_of_memory();
  return std::nullopt;
}

void session::handle_timeout(time_point now) try {
  for (const auto& due : deadlines_.expire(now)) {
    switch (due.what) {
      case waiting::open:
        if (waiting_.remove(due.op)) emit(event::kind::timed_out, 0, due.op);
        break;
      case waiting::recv:
        emit(event::kind::timed_out, due.stream, due.op);
        break;
      case waiting::buffered_send:
      case waiting::borrowed_sends:
        reset(due.stream, raw(h2::code::cancel), errc::timeout,
              config_.peer + " did not take the data within send_timeout");
        break;
      case waiting::end:
        reset(due.stream, raw(h2::code::cancel), errc::timeout,
              "the stream with " + config_.peer + " was not over within max_time");
        break;
      case waiting::drain_answer:
        goaway(raw(h2::code::no_error), {});
        break;
    }
  }
  if (dead_ || failed_ || !wants_input()) return;
  watch_peer(now);
  expect_from_peer(now);
} catch (...) {
  out_of_memory();
}

void session::expect_from_peer(time_point now) {
  const auto& opts = config_.defaults;
  if (is_due(later(settings_sent_, opts.settings_timeout), now)) {
    return give_up(h2::code::settings_timeout,
                   late(config_.peer + " did not acknowledge SETTINGS within settings_timeout"));
  }
  if (is_due(later(owed_.block_since, opts.header_timeout), now)) {
    return give_up(h2::code::enhance_your_calm,
                   late(config_.peer + " did not end a header section within header_timeout"));
  }
  if (is_due(owed_.frame_due, now)) {
    return give_up(h2::code::enhance_your_calm, late(config_.peer + " sends a frame more slowly than min_rate"));
  }
  if (is_due(later(owed_.idle_since, config_.idle_timeout), now)) goaway(raw(h2::code::no_error), {});
  const auto next = keepalive_.expire(now);
  if (next == keepalive::action::ping) ping(keepalive_ping);
  if (next != keepalive::action::dead) return;
  auto why = late(config_.peer + " did not answer a PING within keepalive_timeout");
  why.code = errc::keepalive_timeout;
  why.origin = origin::network;
  give_up(h2::code::no_error, std::move(why));
}

bool session::told_too_many_pings() const noexcept {
  return goaway_.received && goaway_.code == raw(h2::code::enhance_your_calm) && goaway_.debug_data == "too_many_pings";
}

// The connection ends with a GOAWAY that the peer may never read.
void session::give_up(h2::code code, failure why) {
  if (code != h2::code::no_error) why.http2_code = raw(code);
  checked(nghttp2_session_terminate_session(engine_.get(), raw(code)));
  terminated_by_us_ = true;
  fail_connection(std::move(why));
}

}  // namespace duplex::core
