// The driver of one connection.

#include "net/connection.hpp"

#include "core/no_memory.hpp"
#include "core/refusal.hpp"
#include "net/background.hpp"
#include "net/request_log.hpp"
#include "net/scratch.hpp"
#include "net/stream.hpp"
#include "net/this_thread.hpp"
#include "net/tls_failure.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>

#include <algorithm>
#include <new>
#include <utility>

namespace duplex::net {
namespace {

// What is done at a time before others on the same thread have their turn.
constexpr int writes_per_turn = 4;

// Where a read brings news to so many streams, less is read the next time: their states stay in the cache from the one
// step of the turn to the next.
constexpr std::size_t many_events = 256;
constexpr std::size_t little = 16384;

std::span<std::string_view> drop_front(std::span<std::string_view> pieces, std::size_t size) {
  while (!pieces.empty() && size >= pieces.front().size()) {
    size -= pieces.front().size();
    pieces = pieces.subspan(1);
  }
  if (!pieces.empty()) pieces.front().remove_prefix(size);
  return pieces;
}

}  // namespace

connection::connection(strand executor, std::unique_ptr<transport> link, core::session_config config,
                       h2::connection_info info, target origin, request_handler on_request)
    : strand_(std::move(executor)),
      outside_{strand_},
      home_(outside_.executor, strand_.get_inner_executor()),
      link_(std::move(link)),
      session_(std::move(config)),
      options_(session_.defaults()),
      info_(std::move(info)),
      origin_(std::move(origin)),
      on_request_(std::move(on_request)),
      timer_(strand_) {
  const bool client = session_.role() == core::role::client;
  if (!client || !is_background(strand_.get_inner_executor()) || link_->detach() < 0) return;
  callers_ = std::make_unique<callers>();
  home_.where = &outside_;
}

connection::~connection() = default;

void connection::keep_log(std::unique_ptr<request_log> log) { log_ = std::move(log); }

bool connection::runs_on_this_thread() const {
  if (callers_) return callers_->inside() || in_background();
  return strand_.running_in_this_thread() || runs_here(strand_.get_inner_executor());
}

std::optional<failure> connection::why_failed() const {
  if (!failed_.load(std::memory_order_acquire)) return std::nullopt;
  return failure_;
}

void connection::drop_handle() noexcept {
  if (--handles_ > 0) return;
  submit_at_last([] {});  // the turn sees that nobody is left
}

void connection::start(std::optional<std::chrono::milliseconds> preface_timeout) {
  if (preface_timeout) {
    awaiting_preface_ = true;
    close_deadline_ = core::after(now(), *preface_timeout);
  }
  submit([this] {
    within_memory([this] {
      if (info_.tls_early_data) flush();  // which the peer has, and may have answered
      receive();                          // what came behind the handshake, or with the connection
    });
  });
}

// Reading and writing

// One read at a time: what it brought is taken by its reader, and its memory used again, before the next.
void connection::receive() {
  if (phase_ == phase::closed || !wants_input()) return;
  // In cleartext a server's SETTINGS wait for the preface. They leave before the requests that came with it are told:
  // what their handlers do is not to be seen first.
  const bool greets_late = awaiting_preface_ && session_.role() == core::role::server && info_.tls_version.empty();
  const auto buffer = asio::buffer(scratch::here().plain, reads_little_ ? little : scratch::input_size);
  error_code ec;
  const auto n = link_->read_some(buffer, ec);
  const bool ended = ec && !must_wait(ec);
  more_to_read_ = n == buffer.size() || (n > 0 && ended)  // what the last bytes lead to comes before the end
                  || (n == 0 && !ec);
  if (n > 0) {
    session_.feed({scratch::here().plain.data(), n});
    reads_little_ = session_.waiting_events() > many_events;
    moved_ = true;
    if (greets_late) flush();
  }
  if ((n > 0 || !ec) && output_ == output::stuck) go_on_writing();
  if (n == 0 && ended) lost(ec);
}

void connection::flush() {
  auto at = now();
  write_frames(at);
  // Callers that only send never read: the credit that a send waits for may have come.
  const bool may_write = phase_ == phase::open && output_ == output::idle && !more_to_write_;
  if (callers_ && may_write && session_.sends_wait()) {
    receive();
    at = now();
    write_frames(at);
  }
  turned_at_ = at;
  // Otherwise `pull` was told the time.
  if (output_ != output::idle) session_.settle_budgets(at);
  session_.settle_sends(at);
}

void connection::write_frames(core::time_point at) {
  auto& frames = scratch::here().frames;
  for (int i = 0; phase_ == phase::open && output_ == output::idle; ++i) {
    frames.clear();
    if (!session_.pull(frames, at)) break;
    const bool full = frames.size() >= core::session::full_pull;
    write(frames.pieces());
    moved_ = true;
    if (!full) break;
    more_to_write_ = i == writes_per_turn;
    if (more_to_write_) break;
  }
}

// A peer that takes nothing could have us queue answers without end. Once it takes something, reading goes on.
bool connection::wants_input() const { return output_ != output::waiting || session_.wants_input(); }

void connection::write(std::span<std::string_view> pieces) {
  error_code ec;
  std::size_t taken = 0;
  do {
    const auto n = link_->write_pieces(pieces, ec);
    pieces = drop_front(pieces, n);
    taken += n;
  } while (!ec && !pieces.empty());
  const bool waits = must_wait(ec) || ec == needs_input;
  if (!waits || taken > 0) write_deadline_.reset();
  if (!ec) return;
  if (waits) {
    if (!write_deadline_) write_deadline_ = core::after(now(), options_.send_timeout);
    output_ = must_wait(ec) ? output::waiting : output::stuck;
    for (const auto piece : pieces) unsent_ += piece;  // what was lent is given back
  } else {
    // What the peer sent before it stopped reading can still be read, so the read says the end.
    output_ = output::broken;
    close_by(core::after(now(), options_.close_timeout));
  }
}

void connection::go_on_writing() {
  if (phase_ == phase::closed || (output_ != output::waiting && output_ != output::stuck)) return;
  output_ = output::idle;
  if (phase_ == phase::closing) return end_transport();
  const auto bytes = std::exchange(unsent_, {});
  error_code ec;
  link_->write_some({}, ec);  // what the transport still holds
  if (must_wait(ec)) {
    output_ = output::waiting;
    unsent_ = bytes;
  } else if (bytes.empty() && !ec) {
    write_deadline_.reset();
  } else {
    std::string_view rest = bytes;
    write({&rest, 1});
  }
}

// Ending

void connection::close_by(core::time_point when) {
  awaiting_preface_ = false;
  if (!close_deadline_ || when < *close_deadline_) close_deadline_ = when;
  arm_timer();
}

// There may have been no memory for the events of what has ended.
void connection::end_forgotten() {
  publish_failure();
  fail_pings();
  while (!opens_.empty()) fail_open(opens_.begin()->first, session_.why_not_opened());
  for (auto at = streams_.begin(); at != streams_.end();) {
    const auto state = at->second;
    const auto* s = session_.find(at->first);
    const auto here = at++;
    if (s && !s->closed) continue;
    state->on_closed();
    streams_.erase(here);
  }
}

void connection::begin_close() {
  if (session_.failed()) end_forgotten();
  phase_ = phase::closing;
  close_by(core::after(now(), options_.close_timeout));
  if (!closed_by_) closed_by_ = core::after(now(), options_.send_timeout);
  if (is_over()) finish_close_waits();
  if (!ready_.empty()) schedule_turn();
  end_transport();
  untaken_ = link_->untaken();
}

// To a client's user a connection is over that does nothing for him any more. A server may end its process then, and
// counts descriptors: to it one is over when its socket is closed, and nothing that was sent is lost by that.
bool connection::is_over() const noexcept {
  return phase_ == phase::closed || (phase_ == phase::closing && session_.role() == core::role::client);
}

// What the peer has not taken yet when the socket is closed, it never gets.
bool connection::is_still_read(core::time_point at) {
  const auto before = std::exchange(untaken_, link_->untaken());
  return untaken_ > 0 && untaken_ < before && at < closed_by_;
}

// The peer's end ends the connection; until then what it still sends is dropped.
void connection::end_transport() {
  const auto ec = link_->shutdown();
  if (must_wait(ec)) {
    output_ = output::waiting;
  } else if (ec) {
    shut();
  }
}

std::string connection::explain_loss(error_code ec) const {
  const auto& peer = session_.peer();
  const bool of_tls = ec == asio::ssl::error::stream_truncated || is_of_tls(ec);
  const bool is_client = session_.role() == core::role::client;
  if (of_tls) return explain_break(ec, is_client ? &options_.tls : nullptr, peer);
  auto text = ec == asio::error::eof ? peer + " closed the connection"
                                     : "the connection with " + peer + " broke: " + ec.message();
  // A server of TLS takes our preface for garbage.
  const bool silent = session_.stats(now()).bytes_received == 0;
  if (silent && is_client) {
    text += ", and it had said nothing";
    if (info_.tls_version.empty()) text += "; if it wants TLS, use https://";
  }
  return text;
}

void connection::lost(error_code ec) {
  if (phase_ == phase::closed) return;
  // Who wants nothing any more may go.
  const bool may_go = session_.active_streams() == 0 && !session_.failed() && !session_.met_stranger();
  if (may_go && !is_of_tls(ec)) on_failure_ = nullptr;
  const bool floods = ec == errc::limit_exceeded;
  session_.lost(floods ? errc::limit_exceeded : errc::connection_lost, explain_loss(ec),
                floods || is_alert(ec) ? origin::peer : origin::network);
  shut();
}

void connection::shut() {
  if (phase_ == phase::closed) return;
  if (!session_.failed()) on_failure_ = nullptr;  // it is we who end it
  session_.lost(errc::connection_lost, "the connection was closed here");
  phase_ = phase::closed;
  more_to_read_ = more_to_write_ = false;
  link_->close();
  if (callers_) callers_->interrupt();
  timer_.cancel();
  within_memory([this] { finish_close_waits(); });
  within_memory([this] { fail_pings(); });
  within_memory([this] {
    route_events();
    if (session_.failed()) end_forgotten();
  });
}

// The context is being destroyed: handlers are dropped, not called.
void connection::abandon() noexcept {
  phase_ = phase::closed;
  pings_.clear();
  const auto opens = std::exchange(opens_, {});
  close_waiters_.clear();
  const auto on_request = std::exchange(on_request_, nullptr);
  const auto on_failure = std::exchange(on_failure_, nullptr);
  const auto log = std::move(log_);
  ready_.clear();
  const auto streams = std::exchange(streams_, {});
  for (const auto& [id, state] : streams) state->drop_operations();
}

void connection::publish_failure() {
  if (failed_ || !session_.failed()) return;
  try {
    failure_ = *session_.failed();
  } catch (const std::bad_alloc&) {
    failure_ = core::no_memory();
  }
  failed_.store(true, std::memory_order_release);
}

void connection::fail_pings() {
  for (auto& [opaque, ping] : std::exchange(pings_, {})) {
    const error_code ec = session_.failed() ? session_.failed()->code : make_error_code(errc::closed);
    ready_.add([done = std::move(ping.done), ec]() mutable { done(ec, {}); });
  }
}

// Verbs

std::shared_ptr<stream_state> connection::add_stream(std::int32_t id, const read_options& reads, bool dedicated) {
  auto state = std::make_shared<stream_state>(shared_from_this(), id, reads, dedicated);
  // What is erased leaves marks where the table is crowded, and for many of them all of it is made anew.
  if (streams_.bucket_count() < 3 * (streams_.size() + 1) / 2) streams_.reserve(2 * (streams_.size() + 1));
  streams_.emplace(id, state);
  return state;
}

std::shared_ptr<stream_state> connection::open_stream(const core::request_head& head, const options& opts,
                                                      bool dedicated) {
  if (phase_ != phase::open || !session_.accepts_streams()) return nullptr;
  const auto id = session_.open(head, opts);
  if (id == 0) return nullptr;
  if (opts.max_time) session_.end_at(id, core::after(now(), *opts.max_time));
  auto state = add_stream(id, read_options(opts), dedicated);
  if (opts.active != active::off) state->set_active(opts.active, opts.on_message);
  return state;
}

void connection::open_when_possible(core::op_id op, core::request_head&& head, const options& opts,
                                    std::shared_ptr<connection_handle> keep, completion<error_code, h2::stream> done) {
  // Where nobody waits and there is a place, it needs neither a deadline nor a place in the queue.
  if (opens_.empty() && session_.has_place()) {
    if (auto state = open_stream(head, opts, false)) return tell_opened(std::move(state), std::move(done));
  }
  const auto ends_by = opts.max_time ? core::after(now(), *opts.max_time) : core::never;
  auto without_handler = opts;
  without_handler.on_message = nullptr;  // it may own a handle of this
  opens_.emplace(
      op, pending_open{std::move(done), read_options(opts), opts.active, opts.on_message, std::move(keep), ends_by});
  if (phase_ != phase::open) return fail_open(op, session_.why_not_opened());
  const auto deadline = std::min(core::after(now(), opts.connect_timeout), ends_by);
  const auto ec = session_.open_when_possible(op, std::move(head), std::move(without_handler), deadline);
  if (ec == errc::limit_exceeded) {
    fail_open(op, core::refusal(errc::limit_exceeded, "more opens wait than max_pending_streams"));
  } else if (ec) {
    fail_open(op, session_.why_not_opened());
  }
}

void connection::on_opened(const core::event& e) {
  auto open = opens_.extract(e.value);
  if (open.empty()) return;
  auto& [done, reads, mode, on_message, keep, ends_by] = open.mapped();
  if (ends_by != core::never) session_.end_at(e.stream, ends_by);
  auto state = add_stream(e.stream, reads, false);
  if (mode != active::off) state->set_active(mode, std::move(on_message));
  tell_opened(std::move(state), std::move(done));
}

void connection::tell_opened(std::shared_ptr<stream_state> state, completion<error_code, h2::stream> done) {
  ready_.complete(std::move(done), h2::stream(std::make_shared<stream_handle>(std::move(state))));
}

void connection::open_timed_out(core::op_id op) {
  const auto open = opens_.find(op);
  const bool ended = open != opens_.end() && open->second.ends_by <= now();
  fail_open(op, core::refusal(errc::timeout, "the limit of streams of " + session_.peer() + " left no place within " +
                                                 (ended ? "max_time" : "connect_timeout")));
}

void connection::fail_open(core::op_id op, failure why) {
  auto open = opens_.extract(op);
  if (open.empty()) return;
  ready_.add([done = std::move(open.mapped().done), why = std::move(why)]() mutable {
    const auto ec = why.code;
    done(ec, h2::stream(std::make_shared<stream_handle>(std::move(why))));
  });
}

void connection::cancel_open(core::op_id op, std::string message) {
  if (session_.cancel_open(op)) fail_open(op, core::refusal(errc::canceled, std::move(message)));
}

void connection::ping(core::op_id op, completion<error_code, std::chrono::microseconds> done) {
  if (phase_ != phase::open || session_.failed()) {
    ready_.add([done = std::move(done)]() mutable { done(errc::closed, {}); });
    return;
  }
  pings_.emplace(op, pending_ping{std::move(done), now()});
  session_.ping(op);
}

void connection::cancel_ping(core::op_id op) {
  const auto at = pings_.find(op);
  if (at == pings_.end()) return;
  ready_.add([done = std::move(at->second.done)]() mutable { done(errc::canceled, {}); });
  pings_.erase(at);
}

void connection::goaway(std::uint32_t http2_code, std::string_view debug_data) {
  if (phase_ == phase::open) session_.goaway(http2_code, debug_data);
}

void connection::drain() {
  if (phase_ != phase::open) return;
  session_.shut_down(now());
  arm_timer();
}

void connection::shutdown(std::chrono::milliseconds grace) {
  if (phase_ != phase::open) return;
  drain();
  const auto end = core::after(now(), grace);
  grace_deadline_ = std::min(grace_deadline_.value_or(end), end);
  arm_timer();
}

h2::connection_stats connection::stats() const {
  auto out = session_.stats(now());
  for (const auto& [opaque, ping] : pings_) {
    const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(now() - ping.sent);
    out.ping_unanswered = std::max(age, out.ping_unanswered.value_or(age));
  }
  out.write_waits = phase_ != phase::closed && output_ != output::idle;
  return out;
}

void connection::close() {
  grace_deadline_.reset();
  if (phase_ != phase::closed) closed_by_ = now();
  if (phase_ != phase::open) return;
  route_events();  // which may tell of streams that were opened just now
  for (const auto& [id, state] : std::map(streams_.begin(), streams_.end())) state->close_here();
  for (auto at = opens_.begin(); at != opens_.end();) cancel_open((at++)->first, "the connection was closed here");
  session_.goaway(0, {});
  close_by(core::after(now(), options_.close_timeout));
}

void connection::finish_close_waits() {
  for (auto& [op, waiter] : std::exchange(close_waiters_, {})) {
    ready_.complete(std::move(waiter));
  }
}

void connection::cancel_close_wait(core::op_id op) {
  auto waiter = close_waiters_.extract(op);
  if (waiter.empty()) return;
  ready_.complete(std::move(waiter.mapped()), errc::canceled);
}

void connection::when_closed(core::op_id op, completion<error_code> done) {
  if (is_over()) {
    ready_.complete(std::move(done));
  } else {
    close_waiters_.emplace(op, std::move(done));
  }
}

}  // namespace duplex::net
