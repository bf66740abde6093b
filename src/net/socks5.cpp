// SOCKS 5.

#include "net/socks5.hpp"

#include <boost/asio/ip/address.hpp>

#include <array>
#include <utility>

namespace duplex::net {
namespace {

constexpr char version = 5;
constexpr char login_version = 1;
constexpr char no_login = 0;
constexpr char user_and_password = 2;
constexpr char connect_command = 1;
constexpr char v4_address = 1;
constexpr char name_address = 3;
constexpr char v6_address = 4;
constexpr std::size_t longest = 255;
constexpr std::size_t v4_size = 4;
constexpr std::size_t v6_size = 16;
constexpr std::size_t port_size = 2;

// RFC 1928, section 6.
constexpr std::array<std::string_view, 9> reasons{"",
                                                  "it has failed",
                                                  "its rules do not allow that",
                                                  "the network is unreachable",
                                                  "the host is unreachable",
                                                  "the connection was refused",
                                                  "the time to live has expired",
                                                  "it does not know CONNECT",
                                                  "it does not know this kind of address"};

std::string with_length(const std::string& text) { return static_cast<char>(text.size()) + text; }

template <class Bytes>
std::string text_of(const Bytes& bytes) {
  return {bytes.begin(), bytes.end()};
}

}  // namespace

proxy_step socks5::begin() {
  if (host_.size() > longest) return proxy_step::refuse("a host of more than 255 bytes cannot be told to it");
  if (!login_) return {{version, 1, no_login}, 2, {}};
  if (login_->user.empty() || login_->user.size() > longest || login_->password.size() > longest) {
    return proxy_step::refuse("its user must have 1 to 255 bytes, and the password at most 255");
  }
  return {{version, 2, no_login, user_and_password}, 2, {}};
}

proxy_step socks5::feed(std::string_view bytes) {
  const auto octet = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  switch (state_) {
    case state::greeting:
      if (bytes[0] != version) return proxy_step::refuse("it does not speak SOCKS 5");
      if (bytes[1] == no_login) return request();
      if (bytes[1] == user_and_password && login_) return authenticate();
      return proxy_step::refuse(login_ ? "it takes neither a user and password nor none"
                                       : "it wants a user and password");
    case state::login:
      if (bytes[1] != 0) return proxy_step::refuse("it does not accept the user and password");
      return request();
    case state::reply:
      return take_reply(bytes);
    case state::name:
      state_ = state::rest;
      return {{}, octet(0) + port_size, {}};
    case state::rest:
      return {};
  }
  return {};
}

proxy_step socks5::authenticate() {
  state_ = state::login;
  return {login_version + with_length(login_->user) + with_length(login_->password), 2, {}};
}

proxy_step socks5::request() {
  state_ = state::reply;
  std::string send{version, connect_command, 0};
  boost::system::error_code is_name;
  const auto address = boost::asio::ip::make_address(host_, is_name);
  if (is_name) {
    send += name_address + with_length(host_);
  } else if (address.is_v4()) {
    send += v4_address + text_of(address.to_v4().to_bytes());
  } else {
    send += v6_address + text_of(address.to_v6().to_bytes());
  }
  send += static_cast<char>(port_ >> 8U);
  send += static_cast<char>(port_ & 0xffU);
  return {send, 4, {}};
}

proxy_step socks5::take_reply(std::string_view bytes) {
  if (bytes[0] != version) return proxy_step::refuse("its reply is not SOCKS 5");
  if (const auto code = static_cast<unsigned char>(bytes[1]); code != 0) {
    return proxy_step::refuse(code < reasons.size() ? std::string(reasons.at(code))
                                                    : "its code is " + std::to_string(code));
  }
  state_ = state::rest;
  switch (bytes[3]) {
    case v4_address:
      return {{}, v4_size + port_size, {}};
    case v6_address:
      return {{}, v6_size + port_size, {}};
    case name_address:
      state_ = state::name;
      return {{}, 1, {}};
    default:
      return proxy_step::refuse("its reply has an address of an unknown kind");
  }
}

}  // namespace duplex::net
