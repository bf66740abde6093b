// How a connection waits, for its socket and for the time: by its executor, or by the threads inside it.

#include "net/connection.hpp"

#include "net/lifeline.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <utility>

namespace duplex::net {
namespace {

// Without a caller for so long, the keeper serves. A caller that comes later has to stop it, which costs a few system
// calls; until then nobody answers a PING.
constexpr std::chrono::milliseconds quiet(5);
// Before that, a caller that does not have to wait looks after the connection.
constexpr std::chrono::milliseconds neglect(2);

// What is looked for may be behind what has come for others.
constexpr int reads_to_catch_up = 16;

}  // namespace

// What a thread that waits for the socket itself has found.
void connection::serve(const callers::events& what) {
  served_at_ = now();
  within_memory([&] {
    if (what.readable || more_to_read_) receive();
    if (what.writable) go_on_writing();
    expire(served_at_);
  });
  turn(sends::later);
}

// As much as can be done without waiting.
void connection::look_after() {
  served_at_ = now();
  within_memory([&] {
    catch_up();
    go_on_writing();
    expire(served_at_);
  });
  turn(sends::later);
}

bool connection::is_neglected() const { return turned_at_ - served_at_ >= neglect; }

// What has come in the meantime counts, however long nobody could look.
void connection::catch_up() {
  for (int i = 0; i == 0 || (more_to_read_ && i < reads_to_catch_up); ++i) receive();
}

// Has the executor wake us when there is something to do.
void connection::watch() {
  if (phase_ == phase::closed) return;
  if (callers_) {
    auto& who = callers_->who();
    if (who.busy()) {
      if (!callers_->waiting()) return;
      const bool more = more_to_write_ || (more_to_read_ && wants_input());
      if (more || callers_->overlooks(output_ == output::waiting, next_deadline())) callers_->interrupt();
      return;
    }
    if (who.state() != leadership::keeper::serving && !is_awaited()) return rest();
    who.serve();
  }
  arm_timer();
  if (std::exchange(more_to_write_, false)) schedule_turn();
  // What was left unread need not wake anybody: the descriptor may have nothing more, and a wait that began before may
  // have been for what was read since.
  auto watching = more_to_read_ ? &connection::reading_on_ : &connection::watching_input_;
  if (!(this->*watching) && wants_input()) {
    this->*watching = true;
    auto handler = [life = lifeline<connection>(shared_from_this()), number = watch_,
                    watching](error_code = {}) mutable {
      const auto self = life.release();
      self->enter_again([&] { self->on_woken(number, (*self).*watching, &connection::receive); });
    };
    if (more_to_read_) {
      asio::post(strand_, std::move(handler));
    } else {
      link_->async_wait(direction::reading, std::move(handler));
    }
  }
  if (output_ == output::waiting && !watching_output_) {
    watching_output_ = true;
    link_->async_wait(direction::writing, [self = shared_from_this(), number = watch_](error_code) {
      self->enter_again([&] { self->on_woken(number, self->watching_output_, &connection::go_on_writing); });
    });
  }
}

// A wait that failed leaves it to the attempt to say why.
void connection::on_woken(std::uint64_t number, bool& watching, void (connection::*go_on)()) {
  if (number != watch_) return;
  watching = false;
  within_memory([&] { (this->*go_on)(); });
  turn();
}

void connection::unwatch() {
  ++watch_;
  watching_input_ = reading_on_ = watching_output_ = false;
  timer_.cancel();
  armed_.reset();
}

// Whether anything waits for the peer that is not a caller inside, and cannot wait for the next one. What a full socket
// has not taken can: there is enough for the peer to read.
bool connection::is_awaited() const {
  const bool writes = more_to_write_ || (output_ != output::idle && output_ != output::waiting);
  return outside_.waiting > 0 || writes || phase_ != phase::open || handles_ == 0;
}

// Whether what there is to be sent can leave together with what the next verb sends.
bool connection::may_hold_back() const {
  return callers_ && callers_->who().patient() && output_ == output::idle && !is_awaited() && !session_.failed();
}

void connection::rest() {
  if (callers_->who().rest()) arm_timer_at(core::after(now(), quiet));
}

// Time

std::optional<core::time_point> connection::next_deadline() {
  if (phase_ == phase::closed) return std::nullopt;
  auto next = session_.next_deadline();
  for (const auto& other : {close_deadline_, grace_deadline_, idle_deadline_, write_deadline_}) {
    if (other && (!next || *other < *next)) next = other;
  }
  return next;
}

void connection::arm_timer() {
  if (callers_ && callers_->who().state() != leadership::keeper::serving) return;
  const auto next = next_deadline();
  // An earlier wake-up than needed is harmless, and cheaper than moving the timer with every operation.
  if (next && (!armed_ || *next < *armed_)) arm_timer_at(*next);
}

void connection::arm_timer_at(core::time_point when) {
  armed_ = when;
  timer_.expires_at(when);
  timer_.async_wait([weak = weak_from_this()](error_code ec) {
    const auto self = weak.lock();
    if (!ec && self) self->enter_again([&] { self->on_time(); });
  });
}

void connection::on_time() {
  armed_.reset();
  if (callers_) {
    auto& who = callers_->who();
    const bool rested = who.state() == leadership::keeper::resting;
    who.on_quiet();
    if (who.state() == leadership::keeper::resting) return arm_timer_at(core::after(now(), quiet));
    if (who.state() == leadership::keeper::off) return;
    // Nobody was there: what is late may be so for want of one who looked.
    if (rested) return look_after();
  }
  within_memory([this] { expire(now()); });
  turn();
}

void connection::expire(core::time_point at) {
  const auto next = next_deadline();
  if (!next || *next > at) return;
  if (awaiting_preface_ && close_deadline_ && *close_deadline_ <= at) {
    catch_up();
    route_events();  // which ends the wait, if it has come
  }
  if (close_deadline_ && *close_deadline_ <= at) {
    if (awaiting_preface_) session_.lost(errc::timeout, session_.peer() + " sent no SETTINGS in time");
    if (phase_ != phase::closing || !is_still_read(at)) return shut();
    close_deadline_ = core::after(at, options_.close_timeout);
  }
  if (grace_deadline_ && *grace_deadline_ <= at) close();
  if (idle_deadline_ && *idle_deadline_ <= at) {
    idle_deadline_.reset();
    if (moved_) {
      idle_after_ = std::min(2 * idle_after_, last_idle_after);
    } else {
      link_->rest();
      ready_.rest();
      session_.rest();
      if (streams_.empty()) streams_ = {};
    }
  }
  if (write_deadline_ && *write_deadline_ <= at) {
    session_.lost(errc::timeout, session_.peer() + " read nothing within send_timeout");
    return shut();
  }
  const auto due = session_.next_deadline();
  if (!due || *due > at) return;
  catch_up();
  if (phase_ != phase::closed) session_.handle_timeout(at);
}

}  // namespace duplex::net
