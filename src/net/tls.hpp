#pragma once
// TLS by OpenSSL 3: contexts, ALPN h2 (RFC 9113, section 3.2), host-name verification (RFC 6125), key log.

#include <duplex/error.hpp>
#include <duplex/h2/connection.hpp>
#include <duplex/h2/server.hpp>
#include <duplex/options.hpp>

#include <boost/asio/ssl/context.hpp>

#include <memory>
#include <string>

namespace duplex::net {

namespace asio = boost::asio;

/// A client's context. Throws `boost::system::system_error` with `tls_failed` or `invalid_argument`, and a text that
/// names the file that is wrong.
[[nodiscard]] std::shared_ptr<asio::ssl::context> make_client_context(const tls_options& opts);

/// A server's context. Throws as above.
[[nodiscard]] std::shared_ptr<asio::ssl::context> make_server_context(const h2::server_options& opts);

/// The name that a client of `host` sends and verifies.
[[nodiscard]] const std::string& verified_name(const tls_options& opts, const std::string& host);

/// Before the handshake: the name to send and to verify. False if the name cannot be verified.
[[nodiscard]] bool prepare_client(SSL* ssl, const tls_options& opts, const std::string& host);

/// Why the handshake failed, in words.
[[nodiscard]] failure explain_handshake(SSL* ssl, error_code ec, const std::string& host);

/// What ALPN chose; empty if nothing.
[[nodiscard]] std::string chosen_protocol(const SSL* ssl);

void describe_session(const SSL* ssl, h2::connection_info& info);

}  // namespace duplex::net
