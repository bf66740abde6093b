// The pieces of JSON that events and logs share.

#include "json.hpp"

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <array>
#include <cstdint>
#include <cstdio>

namespace duplex::tool {
namespace {

// The length of the sequence that starts with `lead`, and the range of its second byte: this is what keeps out
// overlong forms, surrogates and what lies above U+10FFFF (RFC 3629, section 4).
struct sequence {
  std::size_t length;
  unsigned char least;
  unsigned char most;
};

sequence sequence_of(unsigned char lead) {
  if (lead < 0x80) return {1, 0, 0};
  if (lead < 0xc2) return {0, 0, 0};
  if (lead < 0xe0) return {2, 0x80, 0xbf};
  if (lead == 0xe0) return {3, 0xa0, 0xbf};
  if (lead == 0xed) return {3, 0x80, 0x9f};
  if (lead < 0xf0) return {3, 0x80, 0xbf};
  if (lead == 0xf0) return {4, 0x90, 0xbf};
  if (lead < 0xf4) return {4, 0x80, 0xbf};
  if (lead == 0xf4) return {4, 0x80, 0x8f};
  return {0, 0, 0};
}

// JSON leaves U+007F to U+009F as they are.
std::string escape_controls(std::string json) {
  if (json.find_first_of("\x7f\xc2") == std::string::npos) return json;
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < json.size(); ++i) {
    auto byte = static_cast<unsigned char>(json[i]);
    if (byte == 0xc2 && static_cast<unsigned char>(json[i + 1]) < 0xa0) {
      byte = static_cast<unsigned char>(json[++i]);
    } else if (byte != 0x7f) {
      out += json[i];
      continue;
    }
    out.append("\\u00").append({digits[byte >> 4U], digits[byte & 0xfU]});
  }
  return out;
}

}  // namespace

bool is_utf8(std::string_view bytes) {
  const auto at = [bytes](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  for (std::size_t i = 0; i < bytes.size();) {
    const auto [length, least, most] = sequence_of(at(i));
    if (length == 0 || bytes.size() - i < length) return false;
    if (length > 1 && (at(i + 1) < least || at(i + 1) > most)) return false;
    for (std::size_t k = 2; k < length; ++k) {
      if ((at(i + k) & 0xc0U) != 0x80) return false;
    }
    i += length;
  }
  return true;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto group = bytes.substr(i, 3);
    std::uint32_t bits = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      bits = bits << 8U | (k < group.size() ? static_cast<unsigned char>(group[k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      out += k <= group.size() ? digits[bits >> (18 - 6 * k) & 0x3fU] : '=';
    }
  }
  return out;
}

boost::json::string json_text(std::string_view bytes) {
  if (is_utf8(bytes)) return boost::json::string(bytes.data(), bytes.size());
  boost::json::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      out.push_back(c);
    } else {
      out.push_back(static_cast<char>(0xc0U | byte >> 6U));
      out.push_back(static_cast<char>(0x80U | (byte & 0x3fU)));
    }
  }
  return out;
}

boost::json::array json_fields(const fields& list) {
  boost::json::array out;
  for (const auto& f : list) out.push_back(boost::json::array{json_text(f.name), json_text(f.value)});
  return out;
}

std::string json_clock::line(const boost::json::object& event) const {
  const std::chrono::duration<double> since = std::chrono::steady_clock::now() - start_;
  // Boost.JSON writes 1.5E-3; people and sed read 0.001500 more easily.
  std::array<char, 48> t{};
  const int length = std::snprintf(t.data(), t.size(), "%s\"t\":%.6f}\n", event.empty() ? "" : ",", since.count());
  std::string out = escape_controls(boost::json::serialize(event));
  out.pop_back();
  return out.append(t.data(), static_cast<std::size_t>(length));
}

}  // namespace duplex::tool
