#pragma once
// Why something of a stream is over, in a byte. An `error_code` has three words, and every stream keeps two of them.

#include <duplex/error.hpp>

#include <cassert>
#include <cstdint>

namespace duplex::core {

/// An `errc`, or none.
class reason {
 public:
  reason() noexcept = default;
  reason(errc why) noexcept : why_(static_cast<std::uint8_t>(why)) {}  // NOLINT(google-explicit-constructor)
  /// Of the category of `errc`.
  explicit reason(error_code why) noexcept : why_(static_cast<std::uint8_t>(why.value())) {
    assert(!why || why.category() == make_error_code(errc::closed).category());
  }

  explicit operator bool() const noexcept { return why_ != 0; }
  operator error_code() const noexcept {  // NOLINT(google-explicit-constructor)
    return why_ == 0 ? error_code() : make_error_code(static_cast<errc>(why_));
  }
  friend bool operator==(reason, reason) noexcept = default;

 private:
  std::uint8_t why_ = 0;
};

}  // namespace duplex::core
