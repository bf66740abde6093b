#pragma once
// The client's side of SOCKS 5 (RFC 1928), with a user and password (RFC 1929).
//
//   state      | asks for                         | then
//   -----------+----------------------------------+------------------------------
//   greeting   | the method chosen                | login, or the request
//   login      | whether the password was right   | the request
//   reply      | version, code, kind of address   | rest, or refused
//   name       | the length of a name             | rest
//   rest       | the address bound, of no use     | the tunnel

#include "net/proxy_step.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace duplex::net {

class socks5 {
 public:
  struct login {
    std::string user{};
    std::string password{};
  };

  /// `host` is an address, or a name for the proxy to resolve.
  socks5(std::string host, std::uint16_t port, std::optional<login> as)
      : host_(std::move(host)), port_(port), login_(std::move(as)) {}

  [[nodiscard]] proxy_step begin();
  [[nodiscard]] proxy_step feed(std::string_view bytes);

 private:
  enum class state { greeting, login, reply, name, rest };

  [[nodiscard]] proxy_step authenticate();
  [[nodiscard]] proxy_step request();
  [[nodiscard]] proxy_step take_reply(std::string_view bytes);

  std::string host_;
  std::uint16_t port_;
  std::optional<login> login_;
  state state_ = state::greeting;
};

}  // namespace duplex::net
