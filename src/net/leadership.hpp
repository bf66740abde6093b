#pragma once
// Who serves a connection: a thread that waits inside one of its blocking verbs, or the keeper.
//
//   inside    who serves
//   nobody    the keeper; at once if something waits for the peer, otherwise after a while without any caller
//   one       that thread, which waits for the socket itself
//   several   the one that leads; the others follow: they wait until they are done, or have to lead
//
// Nobody is stranded: whoever leaves while nobody leads names a successor, if there is one that is not done. Values and
// choices only; the lock and the waiting are in callers.hpp.

#include <algorithm>
#include <vector>

namespace duplex::net {

class leadership {
 public:
  struct caller {
    bool done = false;
    bool patient = false;  // what it leaves to be sent may wait for the next verb
  };
  enum class keeper { off, resting, serving };

  void arrive(caller& c) { inside_.push_back(&c); }

  /// Of a caller that is not done: whether it leads, and the keeper does not serve any more; otherwise it follows.
  [[nodiscard]] bool leads(caller& c) {
    if (!leader_) leader_ = &c;
    if (leader_ != &c) return false;
    led();
    if (keeper_ == keeper::serving) keeper_ = keeper::off;
    return true;
  }

  /// Somebody has looked after the connection, as one that leads does.
  void led() noexcept { served_ = true; }

  /// Who has to be woken in order to lead.
  [[nodiscard]] caller* leave(caller& c) {
    std::erase(inside_, &c);
    if (leader_ == &c) leader_ = nullptr;
    if (leader_) return nullptr;
    const auto next = std::find_if(inside_.begin(), inside_.end(), [](const caller* other) { return !other->done; });
    return next == inside_.end() ? nullptr : *next;
  }

  [[nodiscard]] bool busy() const noexcept { return !inside_.empty(); }
  [[nodiscard]] caller* leader() const noexcept { return leader_; }

  /// Whether nobody needs what there is to be sent to leave: whoever comes next sends it, or before long the keeper.
  [[nodiscard]] bool patient() const noexcept {
    return keeper_ != keeper::serving &&
           std::all_of(inside_.begin(), inside_.end(), [](const caller* c) { return c->done && c->patient; });
  }

  // The keeper

  [[nodiscard]] keeper state() const noexcept { return keeper_; }
  void serve() noexcept { keeper_ = keeper::serving; }
  /// Returns whether it was off, so that somebody has to call `on_quiet` after a while.
  [[nodiscard]] bool rest() noexcept {
    if (keeper_ != keeper::off) return false;
    keeper_ = keeper::resting;
    served_ = false;
    return true;
  }
  /// After a while of rest. Callers inside end it; one that led meanwhile has served, and prolongs it; otherwise the
  /// keeper serves, also those who come and go and never wait.
  void on_quiet() noexcept {
    if (keeper_ != keeper::resting) return;
    if (busy()) {
      keeper_ = keeper::off;
    } else if (!served_) {
      keeper_ = keeper::serving;
    }
    served_ = false;
  }

 private:
  std::vector<caller*> inside_;
  caller* leader_ = nullptr;
  keeper keeper_ = keeper::off;
  bool served_ = false;  // somebody has led since the keeper looked last
};

}  // namespace duplex::net
