#pragma once
// Addresses of hosts from somewhere else than the system: c-ares, a service registry, a test.

#include <duplex/error.hpp>
#include <duplex/shared_function.hpp>

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

namespace duplex {

/// Which addresses a name may resolve to.
enum class address_family { any, v4, v6 };

/// What a resolver is asked. It is never asked for what is an IP address already.
struct resolve_query {
  /// A name of ASCII; of another script in its encoded form (`xn--`, RFC 5891).
  std::string host{};
  std::uint16_t port = 0;
  /// Addresses of the other family are passed over.
  address_family family = address_family::any;
  /// Requested when nobody waits for the answer any more: a time-out, a cancellation. For a `std::stop_callback`, which
  /// runs on the connection's executor.
  std::stop_token stop{};
};

struct resolved_address {
  /// An IP address, an IPv6 one perhaps with a zone.
  std::string address{};
  /// 0: the query's.
  std::uint16_t port = 0;
};

/// Takes the answer: an error, or addresses in the order in which they are to be tried (the families in turns; RFC
/// 8305, section 4). From any thread, also inside the resolver's call. Only the first answer counts, and none after the
/// query's `stop` was requested; it may go away uncalled, and then the time-out ends the dial.
using resolve_handler = std::function<void(error_code, std::vector<resolved_address>)>;

/// Called on the connection's executor, and must not block it. What it throws fails the dial with `resolve_failed`.
using resolve_function = shared_function<void(resolve_query, resolve_handler)>;

}  // namespace duplex
