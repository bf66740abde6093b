#pragma once
// The paths of `duplex serve`.

#include "exchange.hpp"

namespace duplex::tool {

/// Answers one request by its path. Throws what ends the stream early.
asio::awaitable<void> handle(exchange& x);

/// The paths in words, for --help.
extern const char* const path_help;

}  // namespace duplex::tool
