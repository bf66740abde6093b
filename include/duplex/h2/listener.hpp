#pragma once
// What a server listens on.

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace duplex::h2 {

/// An IP address and a port.
struct tcp_listener {
  /// `::` takes IPv4 clients as well; `*` is `::`, or `0.0.0.0` on a system without IPv6.
  std::string address = "127.0.0.1";
  /// 0 picks a free one.
  std::uint16_t port = 0;

  friend bool operator==(const tcp_listener&, const tcp_listener&) = default;
};

/// A Unix domain socket. One that is there and that nobody listens on any more is replaced; what the server has made
/// it removes when it stops listening.
struct unix_listener {
  std::string path{};
  /// Who may connect, as `chmod` has it: those who may write.
  unsigned mode = 0600;

  friend bool operator==(const unix_listener&, const unix_listener&) = default;
};

/// A descriptor of a stream socket that listens already. The server closes it.
struct inherited_listener {
  int descriptor = -1;

  friend bool operator==(const inherited_listener&, const inherited_listener&) = default;
};

using listener = std::variant<tcp_listener, unix_listener, inherited_listener>;

/// `127.0.0.1:8443`, `[::1]:8443`, `localhost:8443`, `*:8443`, `unix:/run/x.sock`, `unix:/run/x.sock,mode=660` or
/// `fd:3`. Throws `boost::system::system_error` with `errc::invalid_argument`.
[[nodiscard]] listener parse_listener(std::string_view text);

/// As `parse_listener` takes it.
[[nodiscard]] std::string to_string(const listener& what);

/// The sockets that systemd, or a program that does the same, has passed to this process: descriptors from 3 on, as
/// many as LISTEN_FDS says, if LISTEN_PID is this process (sd_listen_fds(3)). They are not passed on to programs that
/// this one starts. Not thread-safe with changes of the environment.
[[nodiscard]] std::vector<listener> inherited_listeners();

}  // namespace duplex::h2
