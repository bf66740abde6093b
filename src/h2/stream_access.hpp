#pragma once
// What the layers above a stream see of it beside its verbs.

#include "net/stream.hpp"

#include <duplex/h2/stream.hpp>

#include <memory>
#include <span>
#include <string_view>

namespace duplex::h2 {

struct stream_access {
  /// Null if it was never opened.
  [[nodiscard]] static std::shared_ptr<net::stream_state> state(const stream& s) {
    return s.handle_ ? s.handle_->get() : nullptr;
  }
  /// Whether its reader returns what was delivered to the peer's window.
  [[nodiscard]] static bool consumes(const stream& s) {
    const auto of = state(s);
    return of && of->consumes();
  }
  /// Blocking, of several pieces.
  static void send(stream& s, std::span<const std::string_view> pieces, error_code& ec) {
    s.send_parts(pieces, false, ec);
  }
};

}  // namespace duplex::h2
