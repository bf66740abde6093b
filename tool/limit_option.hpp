#pragma once
// --limit: how often a peer may do what costs it little.

#include <duplex/limits.hpp>

#include <CLI/App.hpp>

namespace duplex::tool {

/// `--limit NAME=N[+PER_SECOND]`, repeated, where NAME is a member of `peer_limits`.
void add_limit_option(CLI::App& app, peer_limits& limits);

}  // namespace duplex::tool
