// The flow-control ledger (RFC 9113, section 5.2).

#include "core/credit.hpp"

#include <algorithm>

namespace duplex::core {

std::size_t credit::deliver(std::size_t n) noexcept {
  delivered_ += n;
  if (mode_ == flow_control::manual) return 0;
  returned_ += n;
  return n;
}

std::size_t credit::consume(std::size_t n) noexcept {
  const auto now = static_cast<std::size_t>(std::min<std::uint64_t>(n, owed()));
  returned_ += now;
  return now;
}

bool credit::balanced(std::size_t inbox_bytes) const noexcept {
  return returned_ <= delivered_ && delivered_ <= received_ && unread() == inbox_bytes;
}

}  // namespace duplex::core
