// What must be true of a session whatever its peer sends.

#include "fuzz/witness.hpp"

#include "core/raw_frames.hpp"
#include "fuzz/input.hpp"

#include <algorithm>

namespace duplex::fuzz {
namespace raw = test::raw;
namespace {

constexpr std::size_t largest_frame = 16384;  // that we announce

std::size_t preface_of(core::role peer) { return peer == core::role::client ? raw::preface.size() : 0; }

core::role other(core::role r) { return r == core::role::client ? core::role::server : core::role::client; }

// The engine gives credit back once it is half of the window (or there is none to halve). Of a window of `full` bytes
// that lacks `missing`, none of them lost, and `kept` of them not told to the engine: how many more are half of it?
std::size_t until_returned(std::int64_t full, std::int64_t missing, std::int64_t kept = 0) {
  require(missing >= kept && (missing == kept || missing - kept < full / 2));
  return static_cast<std::size_t>(std::max<std::int64_t>(1, full / 2 - missing));
}

}  // namespace

witness::witness(test::endpoint& us, core::role role, const options& opts)
    : us_(us), role_(role), options_(opts), in_(preface_of(other(role))), out_(preface_of(role)) {}

// The wire

void witness::feed(std::string_view bytes) {
  if (!us_->failed()) {
    in_.feed(bytes, [this](const auto& head, auto at, auto piece) { see_incoming(head, at, piece); });
  }
  us_->feed(bytes);
  us_.collect();
}

void witness::see_incoming(const frame_head& head, std::size_t at, std::string_view piece) {
  const bool whole = at + piece.size() == head.size;
  if (head.kind == raw::type_headers) {
    if (whole && head.has(raw::end_stream)) streams_[head.id].ended = true;
    return;
  }
  if (head.kind == raw::type_settings && head.has(raw::ack)) acknowledged_ = true;
  if (head.kind != raw::type_data) return;

  auto& s = streams_[head.id];
  connection_window_ -= static_cast<std::int64_t>(piece.size());
  if (s.ended) return;
  if (head.has(raw::padded) && at == 0 && !piece.empty()) {
    padding_ = static_cast<unsigned char>(piece.front());
    piece.remove_prefix(1);
    at = 1;
  }
  const auto end = head.size - std::min<std::size_t>(head.size, head.has(raw::padded) ? padding_ : 0);
  if (at < end) s.payload += piece.substr(0, end - at);
  s.ended = whole && head.has(raw::end_stream);
}

void witness::pull(core::time_point now) {
  for (std::string bytes; us_.pull(bytes, now); bytes.clear()) {
    out_.feed(bytes, [this](const frame_head& head, std::size_t at, std::string_view piece) {
      if (head.kind != raw::type_window_update || head.id != 0) return;
      if (at == 0) update_.clear();
      update_ += piece;
      if (update_.size() == head.size) {
        connection_window_ += raw::seen{head.kind, head.flags, head.id, update_}.number();
        require(connection_window_ <= 0x7fffffff);
      }
    });
    us_.collect();
  }
  check_arrival();
}

// Once an answer to a broken frame would have been sent: nothing that arrived is missing.
void witness::check_arrival() {
  if (!alive()) return;
  for (const auto& [id, s] : streams_) {
    if (s.dropped || !us_.knows(id)) continue;
    const auto& inside = us_.stream(id);
    if (inside.failed || inside.closed || inside.in.end()) continue;
    require(s.payload.size() == s.delivered + inside.in.bytes());
    require(inside.ledger.received() == s.payload.size());
  }
}

// The user

void witness::take(std::int32_t id) {
  for (const auto& m : us_.take(id)) see_message(id, m);
  if (us_.knows(id)) check_ledger(id, streams_[id]);
}

void witness::see_message(std::int32_t id, const message& m) {
  auto& s = streams_[id];
  require(s.at != place::done && !s.dropped);
  if (const auto* d = std::get_if<data>(&m)) {
    require(!d->bytes.empty() && s.at != place::trailers);
    require(role_ == core::role::server || s.at == place::body);
    require(std::string_view(s.payload).substr(s.delivered, d->bytes.size()) == d->bytes);
    s.delivered += d->bytes.size();
  } else if (std::holds_alternative<informational>(m)) {
    require(role_ == core::role::client && options_.informational && s.at == place::head);
  } else if (std::holds_alternative<response>(m)) {
    require(role_ == core::role::client && s.at == place::head);
    s.at = place::body;
  } else if (std::holds_alternative<trailers>(m)) {
    require(s.at == place::body || (role_ == core::role::server && s.at == place::head));
    s.at = place::trailers;
  } else {
    require(s.ended && s.delivered == s.payload.size());
    require(role_ == core::role::server || s.at != place::head);
    s.at = place::done;
  }
}

void witness::consume(std::int32_t id, std::size_t bytes) {
  us_.consume(id, bytes);
  if (!us_.knows(id)) return;
  auto& s = streams_[id];
  s.consumed += std::min(bytes, s.delivered - s.consumed);
  check_ledger(id, s);
}

void witness::consume_all(std::int32_t id) { consume(id, streams_[id].delivered); }

void witness::check_ledger(std::int32_t id, const stream& s) {
  const auto& inside = us_.stream(id);
  const bool overflowed = inside.failed && inside.failed->code == errc::recv_buffer_overflow;
  if (s.dropped || overflowed) return;  // the ledger has ended with the stream
  const auto& ledger = inside.ledger;
  require(ledger.balanced(inside.in.bytes()));
  require(ledger.owed() + ledger.returned() == s.delivered);
  require(ledger.owed() == (options_.flow == flow_control::manual ? s.delivered - s.consumed : 0));
}

// The end

void witness::check_windows(core::time_point now) {
  pull(now);
  if (!alive() || !in_.between_frames()) return;
  for (const auto id : ids()) {
    take(id);
    consume_all(id);
  }
  pull(now);
  check_connection_window(now);
  for (const auto id : ids()) check_stream_window(id, now);
}

std::vector<std::int32_t> witness::ids() const {
  std::vector<std::int32_t> all;
  for (const auto& [id, s] : streams_) all.push_back(id);
  return all;
}

void witness::use_up(std::int32_t id, std::size_t bytes) {
  for (; bytes > 0 && alive(); bytes -= std::min(bytes, largest_frame)) {
    feed(raw::data(id, std::string(std::min(bytes, largest_frame), 'w')));
  }
}

void witness::check_connection_window(core::time_point now) {
  if (us_->stats(now).recv_window != connection_window_) {
    require(!alive());
    return;
  }
  const auto id = closed_stream(now);
  if (id == 0 || !alive()) return;
  const auto full = static_cast<std::int64_t>(options_.connection_window);
  use_up(id, until_returned(full, full - connection_window_));
  pull(now);
  require(!alive() || connection_window_ == full);
}

// One that the session must discard DATA of (RFC 9113, section 5.1).
std::int32_t witness::closed_stream(core::time_point now) {
  constexpr std::int32_t last = 0x7fffffff;
  const auto known = streams_.empty() ? 0 : streams_.rbegin()->first;
  if (role_ == core::role::server && known > last - 2) return 0;
  const auto id = role_ == core::role::client ? us_.open(options_) : (known + 1) | 1;
  if (role_ == core::role::server) feed(raw::request(id));
  pull(now);
  if (id == 0 || !us_.knows(id)) return 0;
  us_.abandon(id, h2::code::cancel);
  drop(id);
  pull(now);
  return us_.knows(id) && us_.stream(id).closed ? id : 0;
}

void witness::check_stream_window(std::int32_t id, core::time_point now) {
  // Until the peer has acknowledged our SETTINGS, the size of its windows is not the one that we asked for.
  if (!alive() || !acknowledged_ || !us_.knows(id) || streams_[id].dropped) return;
  const auto& s = us_.stream(id);
  const auto is_open = [&] {
    return alive() && s.remote == core::progress::body && !s.failed && !s.closed && !s.in.end();
  };
  if (!is_open()) return;
  const auto window = static_cast<std::int64_t>(s.window);
  const auto kept_at_most = window / 8;  // by the session, of a stream whose credit returns by itself
  require(s.to_return <= kept_at_most);
  const auto wanted = until_returned(window, window - us_->stats(s).recv_window, s.to_return);
  if (connection_window_ < static_cast<std::int64_t>(wanted) + kept_at_most) return;
  const auto read = [&](std::size_t bytes) {
    use_up(id, bytes);
    take(id);
    consume_all(id);
    pull(now);
  };
  // Its content-length may forbid it; or it grows, and halves are not what they were.
  const auto is_as_it_was = [&] { return is_open() && static_cast<std::int64_t>(s.window) == window; };
  read(wanted);
  if (is_as_it_was() && s.to_return > 0) {
    require(s.to_return < kept_at_most);
    read(static_cast<std::size_t>(kept_at_most) - s.to_return);
  }
  if (is_as_it_was()) require(us_->stats(s).recv_window == window);
}

void witness::check_end() {
  for (const auto id : ids()) {
    if (!us_.knows(id)) continue;
    const auto& s = streams_[id];
    require(us_.count(core::event::kind::closed, id) > 0);
    take(id);
    require(static_cast<bool>(us_.stream(id).in.end()));  // or a reader would wait for ever
    require(us_.stream(id).in.end() != errc::closed || s.dropped || s.at == place::done);
  }
  require(us_->active_streams() == 0 && us_->finished() && !us_->next_deadline());
}

}  // namespace duplex::fuzz
