#pragma once
// What a URL means: where to dial, and what to say once there (RFC 3986; RFC 9113, section 8.3.1).

#include "core/session.hpp"

#include <duplex/message.hpp>

#include <cstdint>
#include <string>
#include <variant>

namespace duplex::net {

/// Where to dial.
struct target {
  bool tls = true;
  /// Without the brackets of an IPv6 literal.
  std::string host{};
  std::uint16_t port = 443;

  friend bool operator==(const target&, const target&) = default;
};

/// `https://host:port`, the port always there.
[[nodiscard]] std::string to_string(const target& where);

/// `host:port`, `[::1]:port`.
[[nodiscard]] std::string to_authority(const target& where);

/// `host:port`, and the address behind it where that says more: `localhost:8443 (127.0.0.1:8443)`.
[[nodiscard]] std::string name_of_peer(const target& where, const std::string& address);

/// A request, checked and taken apart.
struct parsed_request {
  target where{};
  core::request_head head{};
};

/// Checks everything about `rq` that can be wrong before a byte is sent. The string says what is.
[[nodiscard]] std::variant<parsed_request, std::string> parse_request(const request& rq);

/// `host:port`, `[::1]:port`. The string says what is wrong with `text`; `what` names it.
[[nodiscard]] std::variant<target, std::string> parse_host_port(std::string_view text, std::string_view what);

}  // namespace duplex::net
