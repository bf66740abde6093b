#pragma once
// The pieces of JSON that events and logs share. Boost.JSON does the encoding.

#include <duplex/fields.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>

#include <chrono>
#include <string>
#include <string_view>

namespace duplex::tool {

/// Whether `bytes` are well-formed UTF-8 (RFC 3629).
[[nodiscard]] bool is_utf8(std::string_view bytes);

/// RFC 4648, section 4.
[[nodiscard]] std::string base64(std::string_view bytes);

/// `bytes` if they are UTF-8, otherwise each byte taken as a character of ISO 8859-1: for field values and messages.
[[nodiscard]] boost::json::string json_text(std::string_view bytes);

/// `[["name","value"],…]`.
[[nodiscard]] boost::json::array json_fields(const fields& list);

/// Makes lines of JSON, each with `t`: the seconds since this object was made. A terminal finds no control character
/// in them.
class json_clock {
 public:
  [[nodiscard]] std::string line(const boost::json::object& event) const;

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace duplex::tool
