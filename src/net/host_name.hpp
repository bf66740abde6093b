#pragma once
// Hosts as people write them: in any script (RFC 5891, by libidn2), and IPv6 addresses with a zone (RFC 4007, section
// 11; RFC 6874).

#include <string>
#include <string_view>
#include <variant>

namespace duplex::net {

/// `[user@]host[:port]` in letters that a URL may have, without a zone.
struct plain_authority {
  std::string text{};
  /// Of the IPv6 address in it, or empty.
  std::string zone{};
};

/// What is not ASCII is percent-encoded, and a zone (`[fe80::1%25eth0]`, `[fe80::1%eth0]`) is taken out.
[[nodiscard]] plain_authority make_plain(std::string_view authority);

/// The name that is looked up, sent and verified for `decoded`: of ASCII, as it is; otherwise in its encoded form
/// (`xn--...`). The second string says what is wrong with it.
struct bad_host {
  std::string why{};
};
[[nodiscard]] std::variant<std::string, bad_host> to_ascii_name(const std::string& decoded);

/// `text`, a URL or something that should be one, without user and password, for a message: with `***` before the last
/// @.
[[nodiscard]] std::string without_login(std::string_view text);

}  // namespace duplex::net
