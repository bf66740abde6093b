#pragma once
// What an operator asks `duplex serve` for: metrics and health, below a path of its own.

#include "exchange.hpp"
#include "metrics.hpp"

#include <duplex/h2/server.hpp>

#include <string>

namespace duplex::tool {

/// Answers `metrics` and `healthz`, which is what `page` may be. A server that `drains` is not healthy.
asio::awaitable<void> administrate(exchange& x, std::string page, const h2::server& server,
                                   const request_metrics& requests, bool drains);

}  // namespace duplex::tool
