#pragma once
// The certificate and key of a client: PEM (RFC 7468) or PKCS#12 (RFC 7292), perhaps encrypted.

#include <duplex/options.hpp>

#include <openssl/ssl.h>

namespace duplex::net {

/// Gives `context` what `cert_file` and `key_file` hold. Throws `boost::system::system_error` with `tls_failed` or
/// `invalid_argument`, and a text that names the member and the file that is wrong.
void use_identity(SSL_CTX* context, const tls_options& opts);

}  // namespace duplex::net
