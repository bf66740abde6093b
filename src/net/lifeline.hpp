#pragma once
// Travels with a handler of ours that is always outstanding. If its context is destroyed, it goes without being called;
// then nothing will ever complete, and users' handlers that own a handle of the owner must be let go.

#include <memory>
#include <utility>

namespace duplex::net {

/// `Owner::abandon()` does that.
template <class Owner>
class lifeline {
 public:
  explicit lifeline(std::shared_ptr<Owner> owner) noexcept : owner_(std::move(owner)) {}
  lifeline(lifeline&&) noexcept = default;
  lifeline& operator=(lifeline&&) noexcept = default;
  ~lifeline() {
    if (owner_) owner_->abandon();
  }
  /// The handler was called.
  std::shared_ptr<Owner> release() noexcept { return std::move(owner_); }

 private:
  std::shared_ptr<Owner> owner_;
};

}  // namespace duplex::net
