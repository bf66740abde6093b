// The driver of one connection.

#include "net/connection.hpp"

#include "core/refusal.hpp"
#include "net/background.hpp"
#include "net/lifeline.hpp"
#include "net/scratch.hpp"
#include "net/stream.hpp"
#include "net/this_thread.hpp"

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/error.hpp>

#include <algorithm>
#include <utility>

namespace duplex::net {
namespace {

// What is done at a time before others on the same thread have their turn.
constexpr int reads_per_turn = 4;
constexpr int writes_per_turn = 4;
// Without a byte for so long, and at most twice so long, the transport gives back what it has ready for more.
constexpr std::chrono::milliseconds idle_after(1000);

// Completions that cause the next at once could go on for ever; then others have their turn.
constexpr int rounds_per_turn = 64;

std::span<std::string_view> drop_front(std::span<std::string_view> pieces, std::size_t size) {
  while (!pieces.empty() && size >= pieces.front().size()) {
    size -= pieces.front().size();
    pieces = pieces.subspan(1);
  }
  if (!pieces.empty()) pieces.front().remove_prefix(size);
  return pieces;
}

std::string describe(error_code ec) {
  if (ec == asio::error::eof) return "the peer closed the connection";
  if (ec == asio::ssl::error::stream_truncated) return "the peer closed the connection without ending TLS";
  return "the connection broke: " + ec.message();
}

}  // namespace

connection::connection(strand executor, std::unique_ptr<transport> link, core::session_config config,
                       h2::connection_info info, std::string origin, request_handler on_request)
    : strand_(std::move(executor)),
      outside_{strand_},
      home_(outside_.executor, strand_.get_inner_executor()),
      link_(std::move(link)),
      session_(config),
      options_(std::move(config.defaults)),
      info_(std::move(info)),
      origin_(std::move(origin)),
      on_request_(std::move(on_request)),
      timer_(strand_) {
  if (config.role == core::role::server || !is_background(strand_.get_inner_executor()) || link_->detach() < 0) return;
  callers_ = std::make_unique<callers>();
  home_.where = &outside_;
}

connection::~connection() = default;

bool connection::runs_on_this_thread() const {
  if (callers_) return callers_->inside() || in_background();
  return strand_.running_in_this_thread() || runs_here(strand_.get_inner_executor());
}

std::optional<failure> connection::why_failed() const {
  if (!failed_.load(std::memory_order_acquire)) return std::nullopt;
  return failure_;
}

void connection::drop_handle() {
  if (--handles_ > 0) return;
  submit([] {});  // the turn sees that nobody is left
}

void connection::start(std::optional<std::chrono::milliseconds> preface_timeout) {
  if (preface_timeout) {
    awaiting_preface_ = true;
    close_deadline_ = core::after(now(), *preface_timeout);
  }
  submit([this] { receive(); });  // what came behind the handshake, or with the connection
}

// Reading and writing

void connection::receive() {
  auto& buffer = scratch::here().plain;
  for (int i = 0; i < reads_per_turn && phase_ != phase::closed; ++i) {
    error_code ec;
    const auto n = link_->read_some(asio::buffer(buffer), ec);
    const bool ended = ec && !must_wait(ec);
    more_to_read_ = n == buffer.size() || (n > 0 && ended);  // what the last bytes lead to comes before the end
    if (n > 0) {
      session_.feed({buffer.data(), n});
      moved_ = true;
      if (output_ == output::stuck) go_on_writing();
    }
    if (n == 0 && ended) return lost(ec);
    if (ended || !more_to_read_) return;
  }
}

void connection::flush() {
  auto& frames = scratch::here().frames;
  for (int i = 0; phase_ == phase::open && output_ == output::idle; ++i) {
    frames.clear();
    if (!session_.pull(frames, now())) break;
    const bool full = frames.size() >= core::session::full_pull;
    write(frames.pieces());
    moved_ = true;
    if (!full) break;
    more_to_write_ = i == writes_per_turn;
    if (more_to_write_ && output_ == output::idle) return;
  }
  session_.settle_sends();
}

void connection::write(std::span<std::string_view> pieces) {
  error_code ec;
  do {
    pieces = drop_front(pieces, link_->write_pieces(pieces, ec));
  } while (!ec && !pieces.empty());
  if (!ec) return;
  if (must_wait(ec) || ec == needs_input) {
    output_ = must_wait(ec) ? output::waiting : output::stuck;
    for (const auto piece : pieces) unsent_ += piece;  // what was lent is given back
  } else {
    // What the peer sent before it stopped reading can still be read, so the read says the end.
    output_ = output::broken;
    close_by(core::after(now(), options_.close_timeout));
  }
}

void connection::go_on_writing() {
  if (output_ != output::waiting && output_ != output::stuck) return;
  output_ = output::idle;
  if (phase_ == phase::closing) return end_transport();
  const auto bytes = std::exchange(unsent_, {});
  error_code ec;
  link_->write_some({}, ec);  // what the transport still holds
  if (must_wait(ec)) {
    output_ = output::waiting;
    unsent_ = bytes;
  } else if (bytes.empty() && !ec) {
    return;
  } else {
    std::string_view rest = bytes;
    write({&rest, 1});
  }
}

// Turns

// Calls from outside share one turn: it is posted, because completions never run inside the initiating call.
void connection::schedule_turn() {
  if (in_turn_) {
    again_ = true;
    return;
  }
  if (turn_posted_) return;
  turn_posted_ = true;
  asio::post(strand_, [life = lifeline<connection>(shared_from_this())]() mutable {
    const auto self = life.release();
    self->enter_again([&] {
      self->turn_posted_ = false;
      self->turn();
    });
  });
}

void connection::turn(sends when) {
  if (in_turn_) return;
  // A handler that throws ends the turn; what it left is for the next one.
  struct guard {
    connection& self;
    bool finished = false;
    explicit guard(connection& c) : self(c) { self.in_turn_ = true; }
    guard(const guard&) = delete;
    guard& operator=(const guard&) = delete;
    ~guard() {
      self.in_turn_ = false;
      if (!finished) self.schedule_turn();
    }
  };
  {
    guard inside(*this);
    int rounds = 0;
    const auto more = [&] { return session_.has_events() || !ready_.empty(); };
    do {
      // All that is there comes first, and what it leads to: then it leaves in one write.
      do {
        route_events();
        ready_.run();
      } while (more() && ++rounds < rounds_per_turn);
      again_ = false;
      if (when == sends::now || !may_hold_back()) flush();
      report_frames();
    } while ((again_ || more()) && rounds < rounds_per_turn);
    inside.finished = !again_ && !more();
  }
  after_turn();
}

void connection::after_turn() {
  report_load();
  if (phase_ == phase::closed) return;
  if (phase_ == phase::open && handles_ == 0) {
    // Nobody is left to wait for a peer that does not take what it is sent.
    const bool drains = session_.active_streams() > 0;
    if (!close_deadline_) close_by(core::after(now(), drains ? options_.send_timeout : options_.close_timeout));
    if (!drains && !session_.finished()) {
      session_.goaway(0, {});
      flush();
    }
  }
  if (phase_ == phase::open && output_ == output::idle && session_.finished()) begin_close();
  // Looked at now and then: a deadline that moves with every byte would cost more.
  if (moved_ && !idle_deadline_) {
    idle_deadline_ = core::after(now(), idle_after);
    moved_ = false;
  }
  watch();
}

void connection::route_events() {
  std::vector<core::event> events = std::exchange(scratch::here().events, {});
  while (session_.has_events()) {
    events = session_.take_events(std::move(events));
    for (const auto& e : events) route(e);
  }
  scratch::here().events = std::move(events);
  report_frames();
}

void connection::report_frames() {
  if (!options_.on_frame) return;
  auto frames = session_.take_frames();
  if (frames.empty()) return;
  const auto report = [self = shared_from_this(), frames = std::move(frames)] {
    for (const auto& frame : frames) self->options_.on_frame(frame);
  };
  if (callers_) return run_outside(report);
  report();
}

const connection_load& connection::tell_load() {
  told_load_ = {phase_ == phase::open && session_.accepts_streams(), session_.active_streams(),
                session_.stream_limit()};
  return told_load_;
}

void connection::report_load() {
  if (!on_load_) return;
  const auto before = told_load_;
  if (tell_load() == before) return;
  on_load_(told_load_);
  if (!told_load_.in_service) on_load_ = nullptr;
}

void connection::route(const core::event& e) {
  using kind = core::event::kind;
  if (e.what == kind::request) {
    auto* s = session_.find(e.stream);
    if (!s) return;
    auto state = add_stream(e.stream, options_, false);
    ready_.hand_over(std::move(s->head), std::make_shared<stream_handle>(std::move(state)));
    return;
  }
  if (e.what == kind::pong) {
    const auto at = pings_.find(e.value);
    if (at == pings_.end()) return;
    const auto rtt = std::chrono::duration_cast<std::chrono::microseconds>(now() - at->second.sent);
    ready_.add([done = std::move(at->second.done), rtt]() mutable { done({}, rtt); });
    pings_.erase(at);
    return;
  }
  if (e.what == kind::opened) return on_opened(e);
  if (e.what == kind::not_opened) return fail_open(e.value, session_.why_not_opened());
  if (e.what == kind::timed_out && e.stream == 0) {
    return fail_open(e.value, core::refusal(errc::timeout, "the peer's limit of streams left no place in time"));
  }
  if (e.what == kind::settings) {
    if (std::exchange(awaiting_preface_, false)) close_deadline_.reset();
    return;
  }
  if (e.what == kind::failed) {
    publish_failure();
    fail_pings();
    return;
  }
  const auto at = streams_.find(e.stream);
  if (at == streams_.end()) return;
  const auto state = at->second;
  switch (e.what) {
    case kind::readable:
      return state->on_readable();
    case kind::sent:
      return state->on_sent(e.value);
    case kind::timed_out:
      return state->on_timed_out(e.value);
    case kind::closed:
      streams_.erase(at);
      return state->on_closed();
    default:
      return;
  }
}

void connection::answer(request head, h2::stream s) {
  if (on_request_) on_request_(std::move(head), std::move(s));
}

// Ending

void connection::close_by(core::time_point when) {
  awaiting_preface_ = false;
  if (!close_deadline_ || when < *close_deadline_) close_deadline_ = when;
  arm_timer();
}

void connection::begin_close() {
  phase_ = phase::closing;
  close_by(core::after(now(), options_.close_timeout));
  finish_close_waits();
  if (!ready_.empty()) schedule_turn();
  end_transport();
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

void connection::lost(error_code ec) {
  if (phase_ == phase::closed) return;
  session_.lost(errc::connection_lost, describe(ec));
  shut();
}

void connection::shut() {
  if (phase_ == phase::closed) return;
  session_.lost(errc::connection_lost, "the connection was closed here");
  phase_ = phase::closed;
  link_->close();
  if (callers_) callers_->interrupt();
  timer_.cancel();
  finish_close_waits();
  fail_pings();
  turn();
  on_request_ = nullptr;  // it may own streams, which own this
}

// The context is being destroyed: handlers are dropped, not called.
void connection::abandon() noexcept {
  phase_ = phase::closed;
  pings_.clear();
  const auto opens = std::exchange(opens_, {});
  close_waiters_.clear();
  const auto on_request = std::exchange(on_request_, nullptr);
  ready_.clear();
  const auto streams = std::exchange(streams_, {});
  for (const auto& [id, state] : streams) state->drop_operations();
}

void connection::publish_failure() {
  if (failed_ || !session_.failed()) return;
  failure_ = *session_.failed();
  failed_.store(true, std::memory_order_release);
}

void connection::fail_pings() {
  for (auto& [opaque, ping] : std::exchange(pings_, {})) {
    const error_code ec = session_.failed() ? session_.failed()->code : make_error_code(errc::closed);
    ready_.add([done = std::move(ping.done), ec]() mutable { done(ec, {}); });
  }
}

// Verbs

std::shared_ptr<stream_state> connection::add_stream(std::int32_t id, const options& opts, bool dedicated) {
  auto state = std::make_shared<stream_state>(shared_from_this(), id, opts, dedicated);
  streams_.emplace(id, state);
  return state;
}

std::shared_ptr<stream_state> connection::open_stream(const core::request_head& head, const options& opts,
                                                      bool dedicated) {
  if (phase_ != phase::open || !session_.accepts_streams()) return nullptr;
  const auto id = session_.open(head, opts);
  if (id == 0) return nullptr;
  auto state = add_stream(id, opts, dedicated);
  if (opts.active != active::off) state->set_active(opts.active, opts.on_message);
  return state;
}

void connection::open_when_possible(core::op_id op, core::request_head head, options opts,
                                    std::shared_ptr<connection_handle> keep, completion<error_code, h2::stream> done) {
  // Where nobody waits and there is a place, it needs neither a deadline nor a place in the queue.
  if (opens_.empty() && session_.has_place()) {
    if (auto state = open_stream(head, opts, false)) return tell_opened(std::move(state), std::move(done));
  }
  opens_.emplace(op, pending_open{std::move(done), opts, std::move(keep)});
  if (phase_ != phase::open) return fail_open(op, session_.why_not_opened());
  opts.on_message = nullptr;  // it may own a handle of this
  const auto deadline = core::after(now(), opts.connect_timeout);
  const auto ec = session_.open_when_possible(op, std::move(head), std::move(opts), deadline);
  if (ec == errc::limit_exceeded) {
    fail_open(op, core::refusal(errc::limit_exceeded, "more opens wait than max_pending_streams"));
  } else if (ec) {
    fail_open(op, session_.why_not_opened());
  }
}

void connection::on_opened(const core::event& e) {
  auto open = opens_.extract(e.value);
  if (open.empty()) return;
  auto& [done, opts, keep] = open.mapped();
  auto state = add_stream(e.stream, opts, false);
  if (opts.active != active::off) state->set_active(opts.active, std::move(opts.on_message));
  tell_opened(std::move(state), std::move(done));
}

void connection::tell_opened(std::shared_ptr<stream_state> state, completion<error_code, h2::stream> done) {
  ready_.complete(std::move(done), h2::stream(std::make_shared<stream_handle>(std::move(state))));
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

void connection::shutdown(std::chrono::milliseconds grace) {
  if (phase_ != phase::open) return;
  goaway(0, {});
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
  out.write_waits = output_ != output::idle;
  return out;
}

void connection::close() {
  grace_deadline_.reset();
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
  if (phase_ == phase::open) {
    close_waiters_.emplace(op, std::move(done));
  } else {
    ready_.complete(std::move(done));
  }
}

}  // namespace duplex::net
