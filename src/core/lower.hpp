#pragma once
// Lower case of ASCII: names of fields, hosts and schemes know no other letters (RFC 9110, section 5.1; RFC 3986,
// section 3.1 and 3.2.2), and the locale must not matter, so not std::tolower.

#include <algorithm>
#include <string>

namespace duplex::core {

[[nodiscard]] constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

[[nodiscard]] inline std::string lower(std::string text) {
  for (char& c : text) c = lower(c);
  return text;
}

}  // namespace duplex::core
