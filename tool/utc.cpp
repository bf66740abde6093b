// The time of the clock as text, in UTC.

#include "utc.hpp"

#include <array>
#include <cstdio>
#include <ctime>

namespace duplex::tool {

std::string to_iso(std::chrono::system_clock::time_point when) {
  const auto seconds = std::chrono::system_clock::to_time_t(when);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

std::string utc_now() {
  using std::chrono::floor;
  const auto now = floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const auto second = floor<std::chrono::seconds>(now);
  auto text = to_iso(second);
  std::array<char, 8> fraction{};
  std::snprintf(fraction.data(), fraction.size(), ".%03dZ", static_cast<int>((now - second).count()));
  text.replace(text.size() - 1, 1, fraction.data());
  return text;
}

}  // namespace duplex::tool
