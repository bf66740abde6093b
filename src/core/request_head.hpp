#pragma once
// A request with the parts of its URL that HTTP/2 sends (RFC 9113, section 8.3.1).

#include <duplex/fields.hpp>

#include <string>

namespace duplex::core {

struct request_head {
  std::string method{};
  std::string scheme{};
  std::string authority{};
  std::string path{};
  std::string protocol{};
  fields headers{};
  bool early_data = false;  // it may be, so there is no body
};

}  // namespace duplex::core
