#pragma once
// A certificate made in memory, for tests and demonstrations.

#include <string>
#include <vector>

namespace duplex {

/// A certificate and its key, both PEM.
struct certificate {
  std::string certificate_pem{};
  std::string key_pem{};
};

/// Makes a self-signed P-256 certificate for `names` (host names or IP addresses, as subjectAltName), valid for
/// 30 days. Throws `boost::system::system_error` if OpenSSL fails. Thread-safe.
[[nodiscard]] certificate make_self_signed(const std::vector<std::string>& names = {"localhost", "127.0.0.1", "::1"});

}  // namespace duplex
