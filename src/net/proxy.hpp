#pragma once
// Which proxy to dial through, if any: what the options say, or the environment by the rules of curl.

#include "net/target.hpp"

#include <duplex/options.hpp>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace duplex::net {

struct proxy {
  enum class kind { http, https, socks5, socks5h };

  kind speaks = kind::http;
  target where{};
  std::string user{};
  std::string password{};

  [[nodiscard]] bool socks() const noexcept { return speaks == kind::socks5 || speaks == kind::socks5h; }
  /// `socks5://host:1080`, without user and password.
  [[nodiscard]] std::string name() const;
};

/// `[http|https|socks5|socks5h://][user[:password]@]host[:port]`; the port is 1080 unless it is there, 443 with https.
/// The string says what is wrong with it; `what` names it.
[[nodiscard]] std::variant<proxy, std::string> parse_proxy(const std::string& text, std::string_view what);

/// Whether `list`, of names, addresses and networks (`10.0.0.0/8`), separated by commas or spaces, has `host`. A name
/// has those below it as well; `*` has all.
[[nodiscard]] bool in_no_proxy(std::string_view list, const std::string& host);

/// The value of an environment variable, if there is one.
using environment = std::function<std::optional<std::string>(const char*)>;
[[nodiscard]] std::optional<std::string> process_environment(const char* name);

/// The proxy for `to`; none: dial it directly. The string says what is wrong.
[[nodiscard]] std::variant<std::optional<proxy>, std::string> choose_proxy(const target& to, const proxy_options& opts,
                                                                           const environment& env);

}  // namespace duplex::net
