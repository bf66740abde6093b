#pragma once
// Where to dial instead of where the URL says: curl's --connect-to and --resolve.

#include <duplex/options.hpp>

#include <string>
#include <vector>

namespace duplex::tool {

/// HOST1:PORT1:HOST2:PORT2, each of which may be empty; or HOST2:PORT2.
struct connect_rule {
  std::string host{};  // of the URL; empty: any
  std::string port{};
  std::string to_host{};  // empty: the URL's
  std::string to_port{};
};

/// [+]HOST:PORT:ADDR[,ADDR]...
struct resolve_rule {
  std::string host{};  // `*`: any
  std::string port{};
  std::vector<std::string> addresses{};
};

/// Both throw the `problem` of a wrong usage.
[[nodiscard]] connect_rule parse_connect_to(const std::string& text);
[[nodiscard]] resolve_rule parse_resolve(const std::string& text);

struct dial_rules {
  std::vector<connect_rule> connect_to{};
  std::vector<resolve_rule> resolve{};

  /// What they mean for a URL with this host and port in lower case. As with curl the first --connect-to counts that
  /// fits, and then the last --resolve, unless it is for any host and another is not.
  void apply(const std::string& authority, options& opts) const;
};

}  // namespace duplex::tool
