// How a command line names a certificate and the password of its key.

#include "certificate_argument.hpp"

namespace duplex::tool {

certificate_argument parse_certificate(std::string_view text) {
  certificate_argument out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escaped = text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == ':' || text[i + 1] == '\\');
    if (!escaped && text[i] == ':') {
      out.password = text.substr(i + 1);
      break;
    }
    out.file += text[escaped ? ++i : i];
  }
  return out;
}

}  // namespace duplex::tool
