#pragma once
// The flow-control ledger of one stream's receiving side (RFC 9113, section 5.2).
//
//   received  =  unread (inbox)  +  owed (manual, waiting for consume)  +  returned (WINDOW_UPDATE)
//
// Only payload is counted: padding is invisible to the user, so the engine returns it by itself.

#include <duplex/options.hpp>

#include <cstdint>

namespace duplex::core {

class credit {
 public:
  explicit credit(flow_control mode) noexcept : mode_(mode) {}

  /// `n` bytes came from the peer into the inbox.
  void arrive(std::size_t n) noexcept { unread_ += static_cast<std::uint32_t>(n); }

  /// `n` bytes went from the inbox to the user. Returns how many to give back to the peer now.
  std::size_t deliver(std::size_t n) noexcept;

  /// The user is done with `n` bytes. Returns how many to give back now: never more than is owed.
  std::size_t consume(std::size_t n) noexcept;

  /// The inbox was emptied, and nobody will be: all counts as returned.
  void drop() noexcept;

  [[nodiscard]] std::uint64_t received() const noexcept { return unread_ + owed_ + returned_; }
  [[nodiscard]] std::uint64_t unread() const noexcept { return unread_; }
  /// Delivered, not yet returned.
  [[nodiscard]] std::uint64_t owed() const noexcept { return owed_; }
  [[nodiscard]] std::uint64_t returned() const noexcept { return returned_; }

  [[nodiscard]] bool manual() const noexcept { return mode_ == flow_control::manual; }

  /// With the inbox, for debug builds and tests.
  [[nodiscard]] bool balanced(std::size_t inbox_bytes) const noexcept { return unread_ == inbox_bytes; }

 private:
  std::uint64_t returned_ = 0;
  std::uint64_t owed_ = 0;
  std::uint32_t unread_ = 0;  // a window has 31 bits
  flow_control mode_;
};

}  // namespace duplex::core
