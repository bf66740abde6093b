// The flow-control ledger (RFC 9113, section 5.2).

#include "core/credit.hpp"

#include <algorithm>

namespace duplex::core {

std::size_t credit::deliver(std::size_t n) noexcept {
  unread_ -= static_cast<std::uint32_t>(n);
  if (mode_ == flow_control::manual) {
    owed_ += n;
    return 0;
  }
  returned_ += n;
  return n;
}

std::size_t credit::consume(std::size_t n) noexcept {
  const auto now = static_cast<std::size_t>(std::min<std::uint64_t>(n, owed_));
  owed_ -= now;
  returned_ += now;
  return now;
}

void credit::drop() noexcept {
  returned_ = received();
  owed_ = unread_ = 0;
}

}  // namespace duplex::core
