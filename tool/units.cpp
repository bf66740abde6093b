// Durations and sizes as they are written on the command line and in scripts.

#include "units.hpp"

#include <duplex/options.hpp>

#include <charconv>
#include <cmath>
#include <limits>
#include <system_error>

namespace duplex::tool {
namespace {

// Splits a number from the unit behind it. None if there is no number.
template <class Number>
std::optional<std::pair<Number, std::string_view>> split(std::string_view text) {
  Number number{};
  const char* const end = text.data() + text.size();
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc()) return std::nullopt;
  return std::pair(number, std::string_view(rest, static_cast<std::size_t>(end - rest)));
}

}  // namespace

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  constexpr double longest = 1e12;  // some thirty years; a time_point still holds it
  const auto parts = split<double>(text);
  if (!parts) return std::nullopt;
  double milliseconds = parts->first;
  const auto unit = parts->second;
  if (unit.empty() || unit == "s") {
    milliseconds *= 1e3;
  } else if (unit == "m") {
    milliseconds *= 60e3;
  } else if (unit == "h") {
    milliseconds *= 3600e3;
  } else if (unit != "ms") {
    return std::nullopt;
  }
  if (!(milliseconds <= longest)) return std::nullopt;
  return std::chrono::milliseconds(std::llround(milliseconds));
}

std::optional<std::size_t> parse_size(std::string_view text) {
  if (text == "infinity") return infinity;
  const auto parts = split<std::size_t>(text);
  if (!parts) return std::nullopt;
  const auto unit = parts->second;
  unsigned shift = 0;
  if (unit == "K" || unit == "k") {
    shift = 10;
  } else if (unit == "M" || unit == "m") {
    shift = 20;
  } else if (unit == "G" || unit == "g") {
    shift = 30;
  } else if (!unit.empty()) {
    return std::nullopt;
  }
  if (parts->first > std::numeric_limits<std::size_t>::max() >> shift) return std::nullopt;
  return parts->first << shift;
}

std::optional<std::size_t> parse_count(std::string_view text) {
  const auto parts = split<std::size_t>(text);
  if (!parts || !parts->second.empty()) return std::nullopt;
  return parts->first;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view blanks = " \t";
  const auto first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

}  // namespace duplex::tool
