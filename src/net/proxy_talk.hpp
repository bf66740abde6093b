#pragma once
// A talk with a proxy over the transport to it, until it has connected us or said why not.

#include "net/http_connect.hpp"
#include "net/socks5.hpp"
#include "net/transport.hpp"

#include <functional>
#include <string>
#include <variant>

namespace duplex::net {

using proxy_codec = std::variant<socks5, http_connect>;

/// What it came to: an error of the transport, or the proxy's refusal, or neither.
struct proxy_verdict {
  error_code ec{};
  std::string refused{};
};

/// `done` is called once, perhaps inside the call. Keep `link` until then; `link.close()` ends it.
void talk_to_proxy(transport& link, proxy_codec codec, std::function<void(proxy_verdict)> done);

}  // namespace duplex::net
