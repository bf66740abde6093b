#pragma once
// How a failure reaches the user: in a stream that was never opened, or as an exception.

#include "net/stream.hpp"

#include <duplex/h2/stream.hpp>

#include <boost/system/system_error.hpp>

#include <memory>
#include <optional>
#include <utility>

namespace duplex::h2 {

[[nodiscard]] inline stream failed_stream(failure why) {
  return stream(std::make_shared<net::stream_handle>(std::move(why)));
}

/// The text of the exception says why, where the error code alone would not.
[[noreturn]] inline void raise(const std::optional<failure>& why, error_code ec) {
  const bool says_more = why && why->code == ec && why->message != ec.message();
  throw says_more ? boost::system::system_error(ec, why->message) : boost::system::system_error(ec);
}

}  // namespace duplex::h2
