// Streams that were connected by others.

#include "net/handed_in.hpp"

#include "net/endpoint.hpp"
#include "net/socket_transport.hpp"
#include "net/stream_transport.hpp"

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <unistd.h>

#include <cstring>
#include <string>
#include <utility>

namespace duplex::net {
namespace {

using any_socket = asio::generic::stream_protocol::socket;

// As the dialer writes it.
std::string name_of(const any_socket::endpoint_type& peer) {
  const int family = peer.protocol().family();
  if (family == AF_INET || family == AF_INET6) {
    asio::ip::tcp::endpoint where;
    std::memcpy(where.data(), peer.data(), std::min(peer.size(), where.capacity()));
    return to_string(where);
  }
  return "";
}

}  // namespace

handed_in::handed_in(std::unique_ptr<h2::lower_stream> s)
    : executor_(s->get_executor()), open_(s->is_open()), descriptor_(s->release()), stream_(std::move(s)) {}

handed_in::handed_in(handed_in&& other) noexcept
    : executor_(std::move(other.executor_)),
      open_(other.open_),
      descriptor_(std::exchange(other.descriptor_, -1)),
      stream_(std::move(other.stream_)) {}

handed_in::~handed_in() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

dialed handed_in::take(const strand& here) {
  if (is_socket()) return take_socket(here);
  return {std::make_unique<stream_transport>(here, std::shared_ptr(std::move(stream_))), {}};
}

// One that the system does not know any more fails with the first read.
dialed handed_in::take_socket(const strand& here) {
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  ::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&own), &size);
  any_socket socket(here.get_inner_executor());
  error_code ignored;
  socket.assign(asio::generic::stream_protocol(own.ss_family, 0), descriptor_, ignored);
  if (!ignored) descriptor_ = -1;
  const auto peer = socket.remote_endpoint(ignored);
  if (own.ss_family != AF_UNIX) socket.set_option(asio::ip::tcp::no_delay(true), ignored);
  dialed out;
  out.info.peer = name_of(peer);
  out.link = std::make_unique<socket_transport<any_socket>>(std::move(socket), here);
  return out;
}

}  // namespace duplex::net
