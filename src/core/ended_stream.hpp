#pragma once
// What is left of a server's stream when it is over (RFC 9113, section 5.1), for whoever keeps a log.

#include <duplex/error.hpp>

#include <cstdint>
#include <memory>

namespace duplex::core {

struct ended_stream {
  std::int32_t stream = 0;
  /// Of the response; 0 if there was none.
  int status = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t bytes_sent = 0;
  /// Null if it did not fail.
  std::shared_ptr<const failure> why{};
};

}  // namespace duplex::core
