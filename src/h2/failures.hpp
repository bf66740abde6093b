#pragma once
// How a failure reaches the user: in a stream that was never opened, or as an exception.

#include "net/connection.hpp"
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

/// As well, because its connection was never made; `info` has what is known of the attempt.
[[nodiscard]] inline stream failed_stream(failure why, connection_info info) {
  const auto never_made = std::make_shared<net::connection_handle>(why, std::move(info));
  return stream(std::make_shared<net::stream_handle>(std::move(why), never_made));
}

/// The text of the exception says why, where the error code alone would not.
[[noreturn]] inline void raise(const std::optional<failure>& why, error_code ec) {
  const bool says_more = why && why->code == ec && why->message != ec.message();
  throw says_more ? boost::system::system_error(ec, why->message) : boost::system::system_error(ec);
}

}  // namespace duplex::h2
