#pragma once
// What an operator asks `duplex serve` for: metrics and health, below a path of its own.

#include "exchange.hpp"

#include <duplex/h2/server_options.hpp>

#include <string>

namespace duplex::tool {

/// In the text format of Prometheus, version 0.0.4.
[[nodiscard]] std::string to_metrics(const h2::server_stats& stats);

/// Answers `metrics` and `healthz`, which is what `page` may be. A server that `drains` is not healthy.
asio::awaitable<void> administrate(exchange& x, std::string page, h2::server_stats stats, bool drains);

}  // namespace duplex::tool
