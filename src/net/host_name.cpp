// Names in any script.

#include "net/host_name.hpp"

#include <boost/url/pct_string_view.hpp>

#include <idn2.h>

#include <algorithm>
#include <memory>

namespace duplex::net {
namespace {

bool is_ascii(unsigned char c) { return c < 0x80; }

// Percent-encoding and mapping must not smuggle in what has a meaning in a URL or around a host.
bool may_be_in_name(unsigned char c) {
  constexpr std::string_view delimiters = "/?#@\\:[]%<>\"^`{|}";
  return c > ' ' && c < 0x7f && delimiters.find(static_cast<char>(c)) == std::string_view::npos;
}

std::variant<std::string, bad_host> checked(std::string name) {
  if (!name.empty() && std::all_of(name.begin(), name.end(), may_be_in_name)) return name;
  return bad_host{"a host that is no name"};
}

std::string encode_above_ascii(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (is_ascii(byte)) {
      out += c;
    } else {
      out.append({'%', digits[byte >> 4U], digits[byte & 0xfU]});
    }
  }
  return out;
}

}  // namespace

plain_authority make_plain(std::string_view authority) {
  plain_authority out;
  const auto host_at = std::min(authority.rfind('@') + 1, authority.size());
  const auto host = authority.substr(host_at);
  const auto end = host.find(']');
  const auto zone_at = host.find('%');
  if (!host.starts_with('[') || end == std::string_view::npos || zone_at >= end) {
    out.text = encode_above_ascii(authority);
    return out;
  }
  auto zone = host.substr(zone_at, end - zone_at);
  zone.remove_prefix(zone.starts_with("%25") ? 3 : 1);
  if (zone.empty()) return {std::string(authority), {}};  // which is no authority
  const auto decoded = boost::urls::make_pct_string_view({zone.data(), zone.size()});
  out.zone = decoded ? decoded->decode() : std::string(zone);
  out.text = encode_above_ascii(std::string(authority.substr(0, host_at + zone_at)) + std::string(host.substr(end)));
  return out;
}

std::variant<std::string, bad_host> to_ascii_name(const std::string& decoded) {
  if (std::all_of(decoded.begin(), decoded.end(), is_ascii)) return checked(decoded);
  // What is ASCII in it must be right before it is mapped; NUL would end it.
  if (!std::all_of(decoded.begin(), decoded.end(), [](unsigned char c) { return !is_ascii(c) || may_be_in_name(c); })) {
    return bad_host{"a host that is no name"};
  }
  char* encoded = nullptr;
  const int verdict = idn2_to_ascii_8z(decoded.c_str(), &encoded, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  const std::unique_ptr<char, decltype(&idn2_free)> owned(encoded, idn2_free);
  if (verdict != IDN2_OK) return bad_host{std::string("a host that is no name: ") + idn2_strerror(verdict)};
  return checked(encoded);
}

std::string without_login(std::string_view text) {
  const auto at = text.rfind('@');
  if (at == std::string_view::npos) return std::string(text);
  const auto scheme = text.find("://");
  const auto begin = scheme < at ? scheme + 3 : 0;
  return std::string(text.substr(0, begin)) + "***" + std::string(text.substr(at));
}

}  // namespace duplex::net
