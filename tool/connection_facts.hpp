#pragma once
// Facts about a connection, in words that -v and --json share.

#include <duplex/h2/connection.hpp>

#include <string>

namespace duplex::tool {

/// `[::1]:8443 (Connection refused)`
[[nodiscard]] std::string told(const h2::dial_attempt& tried);

}  // namespace duplex::tool
