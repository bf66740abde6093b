// Names of HTTP/2 error codes (RFC 9113, section 7).

#include <duplex/h2/code.hpp>

#include <algorithm>
#include <array>
#include <charconv>

namespace duplex::h2 {
namespace {

constexpr std::array<std::string_view, 14> names{"NO_ERROR",
                                                 "PROTOCOL_ERROR",
                                                 "INTERNAL_ERROR",
                                                 "FLOW_CONTROL_ERROR",
                                                 "SETTINGS_TIMEOUT",
                                                 "STREAM_CLOSED",
                                                 "FRAME_SIZE_ERROR",
                                                 "REFUSED_STREAM",
                                                 "CANCEL",
                                                 "COMPRESSION_ERROR",
                                                 "CONNECT_ERROR",
                                                 "ENHANCE_YOUR_CALM",
                                                 "INADEQUATE_SECURITY",
                                                 "HTTP_1_1_REQUIRED"};

char upper(char c) noexcept { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

}  // namespace

std::string code_name(std::uint32_t value) {
  if (value < names.size()) return std::string(names.at(value));
  std::array<char, 8> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value, 16).ptr;
  return "0x" + std::string(digits.data(), end);
}

std::optional<std::uint32_t> parse_code(std::string_view text) {
  const auto found = std::find_if(names.begin(), names.end(), [&](std::string_view name) {
    return std::equal(name.begin(), name.end(), text.begin(), text.end(), [](char a, char b) { return a == upper(b); });
  });
  if (found != names.end()) return static_cast<std::uint32_t>(found - names.begin());

  const bool hex = text.starts_with("0x") || text.starts_with("0X");
  if (hex) text.remove_prefix(2);
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, hex ? 16 : 10);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace duplex::h2
