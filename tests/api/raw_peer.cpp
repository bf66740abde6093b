#include "raw_peer.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <array>
#include <stdexcept>

#include <sys/socket.h>
#include <sys/time.h>

namespace duplex::test {

namespace asio = boost::asio;

namespace {

constexpr unsigned octet = 8;
constexpr int patience_in_seconds = 10;

std::string big_endian(std::uint32_t value, unsigned octets) {
  std::string out;
  while (octets-- > 0) out += static_cast<char>(value >> (octets * octet));
  return out;
}

}  // namespace

std::string raw::frame(type t, std::uint8_t flags, std::uint32_t stream, std::string_view payload) {
  return big_endian(static_cast<std::uint32_t>(payload.size()), 3) + static_cast<char>(t) + static_cast<char>(flags) +
         big_endian(stream, 4) + std::string(payload);
}

std::string raw::number(std::uint32_t value) { return big_endian(value, 4); }

std::string raw::padded_data(std::uint32_t stream, std::string_view payload, std::uint8_t padding) {
  return frame(data, padded, stream, static_cast<char>(padding) + std::string(payload) + std::string(padding, '\0'));
}

raw_peer::raw_peer()
    : acceptor_(context_, asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0)), socket_(context_) {}

std::string raw_peer::url(std::string_view scheme) const {
  return std::string(scheme) + "://127.0.0.1:" + std::to_string(port()) + "/";
}

bool raw_peer::called() {
  acceptor_.non_blocking(true);
  boost::system::error_code ec;
  auto next = acceptor_.accept(ec);
  acceptor_.non_blocking(false);
  if (!ec) (socket_.is_open() ? others_.emplace_back(context_) : socket_) = std::move(next);
  return !ec;
}

void raw_peer::accept() {
  acceptor_.accept(socket_);
  socket_.set_option(asio::ip::tcp::no_delay(true));  // or a close may lose what was written last
}

void raw_peer::accept_http2() {
  accept();
  read_until("PRI * HTTP/2.0");
  write(raw::frame(raw::settings, raw::none, 0, "") + raw::frame(raw::settings, raw::ack, 0, ""));
}

void raw_peer::write(std::string_view bytes) { asio::write(socket_, asio::buffer(bytes)); }

bool raw_peer::read_some() {
  const timeval limit{patience_in_seconds, 0};
  setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  std::array<char, 4096> buffer{};
  const auto n = recv(socket_.native_handle(), buffer.data(), buffer.size(), 0);
  if (n < 0 && errno == EAGAIN) throw std::runtime_error("the client sent nothing in time");
  if (n <= 0) return false;
  seen_.append(buffer.data(), static_cast<std::size_t>(n));
  return true;
}

const std::string& raw_peer::read_until(std::string_view wanted) {
  for (std::size_t from = 0; seen_.find(wanted, from) == std::string::npos;) {
    from = seen_.size() - std::min(seen_.size(), wanted.size());
    if (!read_some()) throw std::runtime_error("the client closed the connection");
  }
  return seen_;
}

void raw_peer::read_to_end() {
  while (read_some()) {
  }
}

}  // namespace duplex::test
