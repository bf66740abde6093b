// Facts about a connection.

#include "connection_facts.hpp"

namespace duplex::tool {

std::string told(const h2::dial_attempt& tried) {
  return tried.address + (tried.error.empty() ? "" : " (" + tried.error + ")");
}

}  // namespace duplex::tool
