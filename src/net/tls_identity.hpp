#pragma once
// A certificate and its key: PEM (RFC 7468) or PKCS#12 (RFC 7292), perhaps encrypted. Nobody is asked for a password on
// a terminal.

#include <duplex/h2/server_options.hpp>
#include <duplex/options.hpp>

#include <openssl/ssl.h>

#include <string>

namespace duplex::net {

/// Gives `context` what `cert_file` and `key_file` hold. Throws `boost::system::system_error` with `tls_failed` or
/// `invalid_argument`, and a text that names the member, behind `prefix`, and the file that is wrong.
void use_identity(SSL_CTX* context, const tls_options& opts, const std::string& prefix = "tls.");

/// As well, of a server.
void use_identity(SSL_CTX* context, const h2::server_certificate& of);

}  // namespace duplex::net
