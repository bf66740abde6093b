#pragma once
// Public keys that a peer must have (RFC 7469, section 2.4), in curl's notation.

#include <openssl/ssl.h>

#include <optional>
#include <string>
#include <vector>

namespace duplex::net {

/// The hashes of `sha256//BASE64;sha256//BASE64...`, as they are written. Throws `boost::system::system_error` with
/// `invalid_argument`, and the member's name.
[[nodiscard]] std::vector<std::string> parse_pins(const std::string& text);

/// `sha256//BASE64` of the public key of the peer's certificate; empty if it has none.
[[nodiscard]] std::string pin_of_peer(const SSL* ssl);

/// After the handshake, or `resume_session`: what is wrong with the peer's key; none if it is one of `pins`, or there
/// are none.
[[nodiscard]] std::optional<std::string> check_pins(const SSL* ssl, const std::string& pins);

}  // namespace duplex::net
