#pragma once
// How a command line names a certificate and the password of its key.

#include <string>
#include <string_view>

namespace duplex::tool {

struct certificate_argument {
  std::string file{};
  std::string password{};
};

/// Of `FILE[:PASSWORD]`, where `\:` is a colon of the file's name, as with curl.
[[nodiscard]] certificate_argument parse_certificate(std::string_view text);

}  // namespace duplex::tool
