#pragma once
// The certificates of a server: which of them a client gets (RFC 6066, section 3).

#include <duplex/h2/server_options.hpp>

#include <boost/asio/ssl/context.hpp>

#include <memory>

namespace duplex::net {

namespace asio = boost::asio;

/// A context that changes to another one of the server's certificates for clients that ask for one of its names.
/// Throws `boost::system::system_error` with `tls_failed` or `invalid_argument`, and a text that names what is wrong.
[[nodiscard]] std::shared_ptr<asio::ssl::context> make_server_contexts(const h2::server_options& opts);

}  // namespace duplex::net
