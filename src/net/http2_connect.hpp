#pragma once
// The client's side of a CONNECT over HTTP/2 (RFC 9113, section 8.5): the tunnel is a stream, on a connection to the
// proxy that has no other.

#include "net/connection.hpp"
#include "net/proxy_talk.hpp"
#include "net/transport.hpp"

#include <duplex/fields.hpp>
#include <duplex/h2/stream.hpp>
#include <duplex/options.hpp>

#include <functional>
#include <memory>
#include <string>

namespace duplex::net {

/// Whom to ask, and for what.
struct tunnel_request {
  std::string proxy{};      // for a person
  std::string authority{};  // `host:port`
  fields extra{};           // which were checked
};

/// With the tunnel, unless the verdict says why there is none.
using tunnel_handler = std::function<void(const proxy_verdict&, std::unique_ptr<transport>)>;

/// On the strand: asks over `link`, of whose handshake HTTP/2 was chosen. `done` is called once, on the strand, never
/// inside the call; closing the stream that is returned ends the attempt.
[[nodiscard]] h2::stream ask_http2_proxy(const strand& executor, std::unique_ptr<transport> link,
                                         const tunnel_request& wanted, const options& opts, tunnel_handler done);

}  // namespace duplex::net
