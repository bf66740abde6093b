// Opening sockets that listen.

#include "net/listening.hpp"

#include "core/validate.hpp"
#include "net/endpoint.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/system/system_error.hpp>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

namespace duplex::net {
namespace {

using boost::system::system_error;
using tcp = asio::ip::tcp;
using local = asio::local::stream_protocol;
using protocol = asio::generic::stream_protocol;

std::optional<tcp::endpoint> to_tcp(const protocol::endpoint& e) {
  const auto family = e.data()->sa_family;
  if (family != AF_INET && family != AF_INET6) return std::nullopt;
  tcp::endpoint out;
  out.resize(e.size());
  std::memcpy(out.data(), e.data(), e.size());
  const auto address = out.address();
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    out.address(asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()));
  }
  return out;
}

// Unnamed, or of the abstract kind: no path.
std::string path_of(const protocol::endpoint& e) {
  const auto begin = offsetof(sockaddr_un, sun_path);
  if (e.size() <= begin) return {};
  const auto* path = reinterpret_cast<const sockaddr_un*>(e.data())->sun_path;
  return {path, ::strnlen(path, e.size() - begin)};
}

error_code last_error() { return {errno, boost::system::system_category()}; }

// Whether a socket is there, and nobody listens on it.
bool is_stale(const asio::any_io_executor& executor, const std::string& path) {
  struct ::stat file {};
  if (::lstat(path.c_str(), &file) != 0 || !S_ISSOCK(file.st_mode)) return false;
  local::socket probe(executor);
  error_code ec;
  probe.connect(local::endpoint(path), ec);
  return ec == asio::error::connection_refused;
}

bool is_other_file(const h2::listener& where) {
  const auto* at = std::get_if<h2::unix_listener>(&where);
  struct ::stat file {};
  return at && ::lstat(at->path.c_str(), &file) == 0 && !S_ISSOCK(file.st_mode);
}

}  // namespace

listening::listening(const asio::any_io_executor& executor, const h2::listener& where, std::size_t backlog,
                     bool reuse_port)
    : acceptor_(executor) {
  const auto line = static_cast<int>(std::min<std::size_t>(backlog, std::numeric_limits<int>::max()));
  try {
    if (const auto* tcp = std::get_if<h2::tcp_listener>(&where)) {
      listen_on(*tcp, line, reuse_port);
    } else if (const auto* path = std::get_if<h2::unix_listener>(&where)) {
      // Whoever finds the line full there fails at once, instead of trying again.
      listen_on(*path, std::max<int>(line, acceptor_type::max_listen_connections));
    } else {
      listen_on(std::get<h2::inherited_listener>(where));
    }
    acceptor_.non_blocking(true);
  } catch (const system_error& e) {
    close();
    if (e.code() == errc::invalid_argument) throw;
    // Not where in Asio it came up, which Boost's codes have in their text.
    const error_code plain(e.code().value(), e.code().category());
    throw system_error(
        plain, "cannot listen on " + h2::to_string(where) + (is_other_file(where) ? ", a file that is no socket" : ""));
  }
  learn_name();
}

void listening::listen_on(const h2::tcp_listener& where, int backlog, bool reuse_port) {
  const bool any = where.address == "*";
  error_code ec;
  auto address = any ? asio::ip::address(asio::ip::address_v6::any()) : asio::ip::make_address(where.address, ec);
  if (ec) {
    throw system_error(errc::invalid_argument, "option address " + core::quoted(where.address) + " is no IP address");
  }
  acceptor_.open(protocol(tcp::endpoint(address, 0).protocol().family(), IPPROTO_TCP), ec);
  if (ec == asio::error::address_family_not_supported && any) {
    address = asio::ip::address_v4::any();
    acceptor_.open(protocol(AF_INET, IPPROTO_TCP), ec);
  }
  if (ec) throw system_error(ec);
  if (address.is_v6()) acceptor_.set_option(asio::ip::v6_only(!address.is_unspecified()));
  acceptor_.set_option(tcp::acceptor::reuse_address(true));
  const int on = 1;
  if (reuse_port && ::setsockopt(acceptor_.native_handle(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) {
    throw system_error(last_error());
  }
  acceptor_.bind(protocol::endpoint(tcp::endpoint(address, where.port)));
  acceptor_.listen(backlog);
}

// Nobody can connect before it listens, so that the mode holds from the first moment.
void listening::listen_on(const h2::unix_listener& where, int backlog) {
  constexpr auto longest = sizeof(sockaddr_un::sun_path) - 1;
  if (where.path.empty() || where.path.size() > longest || where.path.find('\0') != std::string::npos) {
    throw system_error(errc::invalid_argument, "the path of a Unix socket has 1 to " + std::to_string(longest) +
                                                   " bytes, unlike " + core::quoted(where.path));
  }
  acceptor_.open(local());
  const protocol::endpoint endpoint{local::endpoint(where.path)};
  error_code ec;
  acceptor_.bind(endpoint, ec);
  if (ec == asio::error::address_in_use && is_stale(acceptor_.get_executor(), where.path)) {
    ::unlink(where.path.c_str());
    acceptor_.bind(endpoint, ec);
  }
  if (ec) throw system_error(ec);
  struct ::stat file {};
  if (::stat(where.path.c_str(), &file) != 0) throw system_error(last_error());
  path_ = where.path;
  device_ = file.st_dev;
  inode_ = file.st_ino;
  if (::chmod(where.path.c_str(), where.mode) != 0) throw system_error(last_error());
  acceptor_.listen(backlog);
}

void listening::listen_on(const h2::inherited_listener& where) {
  int listens = 0;
  int type = 0;
  ::socklen_t size = sizeof listens;
  if (::getsockopt(where.descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0) {
    throw system_error(last_error());
  }
  size = sizeof type;
  if (::getsockopt(where.descriptor, SOL_SOCKET, SO_TYPE, &type, &size) != 0) throw system_error(last_error());
  if (listens == 0 || type != SOCK_STREAM) {
    throw system_error(errc::invalid_argument, h2::to_string(where) + " is no stream socket that listens");
  }
  ::fcntl(where.descriptor, F_SETFD, FD_CLOEXEC);
  ::sockaddr_storage address{};
  size = sizeof address;
  if (::getsockname(where.descriptor, reinterpret_cast<::sockaddr*>(&address), &size) != 0) {
    throw system_error(last_error());
  }
  acceptor_.assign(protocol(address.ss_family, 0), where.descriptor);
}

void listening::learn_name() {
  const auto here = acceptor_.local_endpoint();
  if (const auto endpoint = to_tcp(here)) {
    is_tcp_ = true;
    port_ = endpoint->port();
    name_ = to_string(*endpoint);
  } else {
    name_ = "unix:" + path_of(here);
  }
}

// The file may be another server's by now.
void listening::close() noexcept {
  error_code ignored;
  acceptor_.close(ignored);
  struct ::stat file {};
  const auto path = std::exchange(path_, {});
  if (path.empty() || ::stat(path.c_str(), &file) != 0) return;
  if (file.st_dev == device_ && file.st_ino == inode_) ::unlink(path.c_str());
}

std::string peer_name(const stream_socket& socket, const listening& on) {
  error_code ec;
  const auto peer = socket.remote_endpoint(ec);
  if (ec) return on.is_tcp() ? std::string() : on.name();
  const auto endpoint = to_tcp(peer);
  return endpoint ? to_string(*endpoint) : on.name();
}

std::string address_in(const std::string& peer_name) {
  return peer_name.starts_with("unix:") ? std::string() : peer_name.substr(0, peer_name.rfind(':'));
}

}  // namespace duplex::net
