#pragma once
// A socket that listens: TCP, a Unix socket, or one that was inherited.

#include <duplex/error.hpp>
#include <duplex/h2/listener.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace duplex::net {

namespace asio = boost::asio;

using stream_socket = asio::generic::stream_protocol::socket;

/// For one thread at a time.
class listening {
 public:
  using acceptor_type = asio::basic_socket_acceptor<asio::generic::stream_protocol>;

  /// Binds and listens; accepting does not block. Throws `boost::system::system_error`.
  listening(const asio::any_io_executor& executor, const h2::listener& where, std::size_t backlog, bool reuse_port);
  listening(const listening&) = delete;
  listening& operator=(const listening&) = delete;
  ~listening() { close(); }

  [[nodiscard]] acceptor_type& acceptor() noexcept { return acceptor_; }
  /// `127.0.0.1:8443`, or `unix:/path`.
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] bool is_tcp() const noexcept { return is_tcp_; }
  /// 0 of a Unix socket.
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  void close() noexcept;

 private:
  void listen_on(const h2::tcp_listener& where, int backlog, bool reuse_port);
  void listen_on(const h2::unix_listener& where, int backlog);
  void listen_on(const h2::inherited_listener& where);
  void learn_name();

  acceptor_type acceptor_;
  std::string name_;
  std::uint16_t port_ = 0;
  bool is_tcp_ = false;
  // A socket file of ours.
  std::string path_;
  ::dev_t device_ = 0;
  ::ino_t inode_ = 0;
};

/// Who is at the other end of a socket: `127.0.0.1:5000`, also if it came to an IPv6 address; without an address of its
/// own, the name of the listener.
[[nodiscard]] std::string peer_name(const stream_socket& socket, const listening& on);

/// The address in it; empty if there is none.
[[nodiscard]] std::string address_in(const std::string& peer_name);

}  // namespace duplex::net
