#pragma once
// Waiting for what the peer announces.

#include <duplex/h2/connection.hpp>

#include <boost/asio/awaitable.hpp>

#include <chrono>

namespace duplex::tool {

namespace asio = boost::asio;

/// Returns when the peer's SETTINGS are known: streams above its limit would otherwise be opened, and refused.
/// `errc::timeout` if that takes too long, or what the connection failed with.
asio::awaitable<error_code> await_settings(h2::connection c, std::chrono::milliseconds timeout);

}  // namespace duplex::tool
