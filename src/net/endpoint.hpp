#pragma once
// How an address and a port are written.

#include <boost/asio/ip/tcp.hpp>

#include <string>

namespace duplex::net {

/// `127.0.0.1:80`, `[::1]:80`.
[[nodiscard]] inline std::string to_string(const boost::asio::ip::tcp::endpoint& where) {
  const auto address = where.address().to_string();
  return (where.address().is_v6() ? "[" + address + "]" : address) + ":" + std::to_string(where.port());
}

}  // namespace duplex::net
