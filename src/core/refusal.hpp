#pragma once
// Failures of which the peer has heard nothing, so that a retry is safe.

#include <duplex/error.hpp>

#include <string>
#include <utility>

namespace duplex::core {

[[nodiscard]] inline failure refusal(errc code, std::string message) {
  failure why;
  why.code = code;
  why.message = std::move(message);
  why.retry_safe = true;
  return why;
}

}  // namespace duplex::core
