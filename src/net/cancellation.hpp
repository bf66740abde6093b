#pragma once
// A cancellation slot of a user's, and the operation inside its owner, a connection, a pool or a dial, that it is for.
//
// Both are handed over to the owner, each from a thread of its own choice, and the cancellation may come first: an
// operation that was started elsewhere waits for the strand, while a cancellation on the strand is there at once.

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/dispatch.hpp>

#include <memory>
#include <utility>

namespace duplex::net {

namespace asio = boost::asio;

/// Hands over to an owner that has a strand, `here`.
constexpr auto on_its_strand = [](auto& owner, auto f) { asio::dispatch(owner.here, std::move(f)); };

/// How an operation is cancelled: `cancel(owner)`.
template <class Cancel>
class cancellation {
 public:
  /// Has the operation cancelled inside `owner` when the slot of `handler` fires; `hand_over(owner, f)` runs `f` there.
  template <class Handler, class Owner, class HandOver>
  cancellation(const Handler& handler, const std::shared_ptr<Owner>& owner, HandOver hand_over, Cancel cancel)
      : cancel_(std::move(cancel)) {
    auto slot = asio::get_associated_cancellation_slot(handler);
    if (!slot.is_connected()) return;
    fired_ = std::make_shared<bool>(false);
    slot.assign([weak = std::weak_ptr(owner), fired = fired_, hand_over, cancel = cancel_](asio::cancellation_type) {
      const auto o = weak.lock();
      if (!o) return;
      hand_over(*o, [o, fired, cancel] {
        *fired = true;
        cancel(*o);
      });
    });
  }

  /// Inside, when the operation has begun: cancels what was to be cancelled before.
  template <class Owner>
  void catch_up(Owner& owner) const {
    if (fired_ && *fired_) cancel_(owner);
  }

 private:
  Cancel cancel_;
  std::shared_ptr<bool> fired_{};  // written and read inside; none: it cannot be cancelled
};

}  // namespace duplex::net
