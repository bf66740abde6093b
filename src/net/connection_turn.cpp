// A connection's turn: what has happened is routed to whom it concerns, users are told, and what that leads to leaves
// in one write.

#include "net/connection.hpp"

#include "net/lifeline.hpp"
#include "net/request_log.hpp"
#include "net/scratch.hpp"
#include "net/stream.hpp"

#include <boost/asio/post.hpp>

#include <utility>
#include <vector>

namespace duplex::net {
namespace {

// Completions that cause the next at once could go on for ever; then others have their turn.
constexpr int rounds_per_turn = 64;

}  // namespace

// Calls from outside share one turn: it is posted, because completions never run inside the initiating call.
void connection::schedule_turn() {
  if (in_turn_) {
    again_ = true;
    return;
  }
  if (turn_posted_) return;
  asio::post(strand_, [life = lifeline<connection>(shared_from_this())]() mutable {
    const auto self = life.release();
    self->enter_again([&] {
      self->turn_posted_ = false;
      self->turn();
    });
  });
  turn_posted_ = true;
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
      if (!finished) self.within_memory([this] { self.schedule_turn(); });
    }
  };
  {
    guard inside(*this);
    int rounds = 0;
    const auto more = [&] { return session_.has_events() || !ready_.empty(); };
    do {
      // All that is there comes first, and what it leads to: then it leaves in one write.
      do {
        within_memory([this] { route_events(); });
        run_ready();
      } while (more() && ++rounds < rounds_per_turn);
      again_ = false;
      within_memory([&] {
        if (when == sends::now || !may_hold_back()) flush();
        report_frames();
      });
    } while ((again_ || more()) && rounds < rounds_per_turn);
    inside.finished = !again_ && !more();
  }
  after_turn();
}

// The only place where users' code runs; not even here where callers serve, for there it is posted.
void connection::run_ready() {
  if (!callers_) return ready_.run();
  within_memory([this] { ready_.run(); });
}

void connection::after_turn() {
  within_memory([this] { report_load(); });
  if (log_) log_->carried(session_.payload());
  if (phase_ == phase::closed) {
    on_request_ = nullptr;  // it may own streams, which own this
    on_failure_ = nullptr;
    log_.reset();
    return;
  }
  stay_awake([this] { prepare_next(); });
}

void connection::prepare_next() {
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
    idle_deadline_ = core::after(now(), idle_after_);
    moved_ = false;
  }
  watch();
}

void connection::route_events() {
  report_frames();  // before what they lead to
  std::vector<core::event> events = std::exchange(scratch::here().events, {});
  while (session_.has_events()) {
    events = session_.take_events(std::move(events));
    for (const auto& e : events) route(e);
  }
  scratch::here().events = std::move(events);
  report_ended();
  report_failures();
}

void connection::report_frames() {
  if (!options_.on_frame) return;
  auto frames = session_.take_frames();
  if (frames.empty()) return;
  if (callers_) {
    return run_outside([self = shared_from_this(), frames = std::move(frames)] {
      for (const auto& frame : frames) self->options_.on_frame(frame);
    });
  }
  for (auto& frame : frames) {
    ready_.add([this, frame = std::move(frame)] { options_.on_frame(frame); });
  }
}

const connection_load& connection::tell_load() {
  told_load_ = {phase_ == phase::open && session_.accepts_streams(), session_.active_streams(), session_.stream_limit(),
                session_.told_too_many_pings()};
  return told_load_;
}

void connection::report_load() {
  if (!on_load_) return;
  const auto before = told_load_;
  if (tell_load() == before) return;
  on_load_(told_load_);
  if (!told_load_.in_service) on_load_ = nullptr;
}

// What ends the connection says enough of the requests that came with it.
void connection::report_failures() {
  if (!on_failure_) return;
  for (auto& why : session_.take_rejected()) {
    if (failed_) break;
    ready_.add([this, why = std::move(why)] {
      if (on_failure_) on_failure_(info_, *why);
    });
  }
  if (!failed_) return;
  ready_.add([this, tell = std::exchange(on_failure_, nullptr)] { tell(info_, failure_); });
}

void connection::report_ended() {
  if (!log_) return;
  auto ended = session_.take_ended(std::exchange(scratch::here().ended, {}));
  if (!ended.empty()) log_->carried(session_.payload());
  for (const auto& each : ended) {
    if (auto tell = log_->end(each, now(), info_)) ready_.add(std::move(tell));
  }
  ended.clear();
  scratch::here().ended = std::move(ended);
}

void connection::begin_request(std::int32_t id) {
  auto* s = session_.find(id);
  if (!s) return;
  if (log_ && !log_->begin(id, *s->head, now())) {
    session_.reset(id, static_cast<std::uint32_t>(h2::code::refused_stream), errc::limit_exceeded,
                   "more requests are under way than max_streams");
    return session_.release(id);
  }
  if (options_.max_time) session_.end_at(id, core::after(now(), *options_.max_time));
  auto state = add_stream(id, read_options(options_), false);
  ready_.hand_over(std::move(s->head), std::make_shared<stream_handle>(std::move(state)));
}

void connection::route(const core::event& e) {
  using kind = core::event::kind;
  if (e.what == kind::request) return begin_request(e.stream);
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
  if (e.what == kind::timed_out && e.stream == 0) return open_timed_out(e.value);
  if (e.what == kind::settings) {
    if (std::exchange(awaiting_preface_, false)) close_deadline_.reset();
    return;
  }
  if (e.what == kind::failed) {
    // Even if the peer reads nothing any more, and does not take our GOAWAY.
    if (phase_ == phase::open) close_by(core::after(now(), options_.close_timeout));
    publish_failure();
    fail_pings();
    return;
  }
  const auto at = streams_.find(e.stream);
  if (at == streams_.end()) return;
  const auto& state = at->second;
  switch (e.what) {
    case kind::readable:
      return state->on_readable();
    case kind::sent:
      return state->on_sent(e.value);
    case kind::timed_out:
      return state->on_timed_out(e.value);
    case kind::closed:
      state->on_closed();
      streams_.erase(at);
      return;
    default:
      return;
  }
}

// A request that the user's handler cannot answer concerns its client alone.
void connection::answer(request head, const std::shared_ptr<stream_handle>& handle) {
  if (!on_request_) return;
  try {
    on_request_(std::move(head), h2::stream(handle));
  } catch (...) {
    handle->get()->give_up();
  }
}

}  // namespace duplex::net
