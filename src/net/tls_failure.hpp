#pragma once
// Why TLS failed, in words that a person can act on: alerts (RFC 8446, section 6), certificates (RFC 5280, section 6),
// names (RFC 6125), ALPN (RFC 7301), and what is no TLS at all.

#include <duplex/error.hpp>
#include <duplex/options.hpp>

#include <openssl/ssl.h>

#include <string>

namespace duplex::net {

/// Why a client's handshake with `peer`, as people call it, failed. `host` is the URL's.
[[nodiscard]] failure explain_handshake(SSL* ssl, error_code ec, const tls_options& opts, const std::string& host,
                                        const std::string& peer);

/// Why a server's handshake with the client `peer` failed; or, without an error, why it is of no use: ALPN chose
/// nothing.
[[nodiscard]] failure explain_client(const SSL* ssl, error_code ec, const std::string& peer);

/// How an open TLS connection with `peer` broke. In TLS 1.3 a server judges the client's certificate when the client
/// has done its part already, so that this may be its verdict; `opts` are the client's, null on a server.
[[nodiscard]] std::string explain_break(error_code ec, const tls_options* opts, const std::string& peer);

/// Whether `ec` is of the peer's TLS: an alert, or what we make of its bytes. Not the end of them.
[[nodiscard]] bool is_of_tls(error_code ec);

/// Whether `ec` is an alert of the peer.
[[nodiscard]] bool is_alert(error_code ec);

/// A text of TLS with a proxy of https://, whose options are `proxy.tls`; all others here call them `tls`.
[[nodiscard]] std::string of_proxy(std::string text);

}  // namespace duplex::net
