// The pieces of one write.

#include "core/outgoing.hpp"

namespace duplex::core {

void outgoing::lend(std::string_view bytes) {
  if (bytes.size() < least_lent) return append(bytes);
  lent_.push_back({own_.size(), bytes});
  lent_bytes_ += bytes.size();
}

std::span<std::string_view> outgoing::pieces() {
  pieces_.clear();
  const std::string_view own = own_;
  std::size_t done = 0;
  for (const auto& each : lent_) {
    if (each.behind > done) pieces_.push_back(own.substr(done, each.behind - done));
    pieces_.push_back(each.bytes);
    done = each.behind;
  }
  if (own.size() > done) pieces_.push_back(own.substr(done));
  return pieces_;
}

void outgoing::clear() noexcept {
  own_.clear();
  lent_.clear();
  lent_bytes_ = 0;
}

}  // namespace duplex::core
