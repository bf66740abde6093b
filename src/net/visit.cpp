// Leading and following.

#include "net/visit.hpp"

#include <utility>

namespace duplex::net {

visit::visit(std::shared_ptr<connection> link, bool patient) : link_(std::move(link)), callers_(*link_->callers_) {
  me_.patient = patient;
  callers_.lock();
  callers_.who().arrive(me_);
}

visit::~visit() {
  auto* next = callers_.who().leave(me_);
  callers_.wake(next);
  if (!next) link_->stay_awake([this] { link_->watch(); });
  callers_.unlock();
}

void visit::look() {
  if (callers_.who().leader()) return;
  link_->within_memory([this] { link_->catch_up(); });
  link_->turn(sends::later);
}

void visit::turn() {
  link_->turn(sends::later);
  look_after();
}

void visit::look_after() {
  auto& who = callers_.who();
  if (who.leader() || who.state() == leadership::keeper::serving || !link_->is_neglected()) return;
  who.led();
  link_->look_after();
}

bool visit::wait(const std::optional<core::time_point>& until) {
  link_->turn(sends::later);  // what was started
  if (me_.done) look_after();
  while (!me_.done) {
    if (until && *until <= connection::now()) return false;
    const bool kept = callers_.who().state() == leadership::keeper::serving;
    if (!callers_.who().leads(me_)) {
      callers_.wait(me_, until);
    } else {
      if (kept) link_->unwatch();
      lead(until);
    }
  }
  return true;
}

void visit::lead(const std::optional<core::time_point>& until) {
  const bool reads = link_->wants_input();
  const int descriptor = link_->link_->detach();
  if ((reads && link_->more_to_read_) || link_->more_to_write_) {
    link_->more_to_write_ = false;
    return link_->serve({.readable = reads});
  }
  auto wake_up = link_->next_deadline();
  if (until && (!wake_up || *until < *wake_up)) wake_up = until;
  link_->serve(callers_.wait(descriptor, reads, link_->output_ == connection::output::waiting, wake_up));
}

void visit::finish() {
  me_.done = true;
  callers_.wake(&me_);
}

}  // namespace duplex::net
