#pragma once
// TLS by OpenSSL 3: contexts, ALPN h2 (RFC 9113, section 3.2), host-name verification (RFC 6125), key log.

#include <duplex/error.hpp>
#include <duplex/h2/connection.hpp>
#include <duplex/h2/server_options.hpp>
#include <duplex/options.hpp>

#include <boost/asio/ssl/context.hpp>

#include <memory>
#include <string>

namespace duplex::net {

namespace asio = boost::asio;

/// A client's context. Throws `boost::system::system_error` with `tls_failed` or `invalid_argument`, and a text that
/// names the file that is wrong.
[[nodiscard]] std::shared_ptr<asio::ssl::context> make_client_context(const tls_options& opts);

/// A server's context with this certificate. Throws as above.
[[nodiscard]] std::shared_ptr<asio::ssl::context> make_server_context(const h2::server_options& opts,
                                                                      const h2::server_certificate& cert);

/// The name that a client of `host` verifies, and sends unless `sni` has another.
[[nodiscard]] std::string verified_name(const tls_options& opts, const std::string& host);

/// Before the handshake: the name to send and to verify. False if the name cannot be verified.
[[nodiscard]] bool prepare_client(SSL* ssl, const tls_options& opts, const std::string& host);

/// Before the handshake with a proxy: HTTP/1.1 by ALPN, behind the context's h2 or in place of it.
void offer_http1(SSL* ssl, bool and_http2);

/// What ALPN chose; empty if nothing.
[[nodiscard]] std::string chosen_protocol(const SSL* ssl);

void describe_session(const SSL* ssl, h2::connection_info& info);

}  // namespace duplex::net
