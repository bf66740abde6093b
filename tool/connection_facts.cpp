// Facts about a connection.

#include "connection_facts.hpp"

#include <array>
#include <ctime>

namespace duplex::tool {

std::string to_iso(std::chrono::system_clock::time_point when) {
  const auto seconds = std::chrono::system_clock::to_time_t(when);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

std::string told(const h2::dial_attempt& tried) {
  return tried.address + (tried.error.empty() ? "" : " (" + tried.error + ")");
}

}  // namespace duplex::tool
