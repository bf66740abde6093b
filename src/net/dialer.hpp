#pragma once
// From a URL to a transport that speaks h2: resolve, connect, TLS, ALPN; within one time-out.

#include "net/connection.hpp"
#include "net/target.hpp"
#include "net/transport.hpp"

#include <duplex/options.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace duplex::net {

struct dialed {
  std::unique_ptr<transport> link{};
  h2::connection_info info{};
};

class dialer {
 public:
  virtual ~dialer() = default;
  /// On the strand: ends the attempt with `errc::canceled`.
  virtual void cancel() = 0;
};

/// Exactly one of failure and link is set; what is known of the attempt is there in any case. Called once, on the
/// strand, never inside `dial`.
using dial_handler = std::function<void(std::optional<failure>, dialed)>;

/// Call it on the strand. `over`: what reaches `where` already, so that only TLS is left to do. `early`:
/// what the connection will write first, if it may be sent as early data; empty if not.
std::shared_ptr<dialer> dial(const strand& executor, const target& where, const options& opts, dial_handler handler,
                             dialed over = {}, std::string early = {});

}  // namespace duplex::net
