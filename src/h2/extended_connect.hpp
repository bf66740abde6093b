#pragma once
// An extended CONNECT on a connection of its own (RFC 8441). It has to wait for the peer's SETTINGS, which say whether
// it is taken; the opens of a shared connection can wait.

#include <duplex/h2/connection.hpp>

namespace duplex::h2 {

/// As `detail::start_open`, for a request that has a `protocol` and was checked.
void start_extended_connect(const asio::any_io_executor& executor, const request& head, options opts,
                            connection::open_handler handler);

}  // namespace duplex::h2
