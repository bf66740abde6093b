#pragma once
// What the layers above a stream see of it beside its verbs.

#include "net/stream.hpp"

#include <duplex/h2/stream.hpp>

#include <memory>

namespace duplex::h2 {

struct stream_access {
  /// Null if it was never opened.
  [[nodiscard]] static std::shared_ptr<net::stream_state> state(const stream& s) {
    return s.handle_ ? s.handle_->get() : nullptr;
  }
};

}  // namespace duplex::h2
