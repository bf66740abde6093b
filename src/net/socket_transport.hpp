#pragma once
// TCP or a Unix socket, by the system's calls on its descriptor; Asio is asked only to wait for it.

#include "net/transport.hpp"

#include <boost/asio/error.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace duplex::net {

template <class Socket>
class socket_transport final : public transport {
 public:
  explicit socket_transport(Socket socket) : socket_(std::move(socket)), fd_(socket_.native_handle()) {
    error_code ignored;
    protocol_ = socket_.local_endpoint(ignored).protocol();
  }
  socket_transport(const socket_transport&) = delete;
  socket_transport& operator=(const socket_transport&) = delete;
  ~socket_transport() override { socket_transport::close(); }

  std::size_t read_some(asio::mutable_buffer to, error_code& ec) override {
    const auto n = retry([&] { return ::recv(fd_, to.data(), to.size(), MSG_DONTWAIT); }, ec);
    if (n == 0 && !ec && to.size() > 0) ec = asio::error::eof;
    return n;
  }
  std::size_t write_some(asio::const_buffer from, error_code& ec) override {
    return retry([&] { return ::send(fd_, from.data(), from.size(), MSG_DONTWAIT | MSG_NOSIGNAL); }, ec);
  }
  error_code shutdown() override {
    error_code ec;
    retry([&] { return ::shutdown(fd_, SHUT_WR); }, ec);
    return ec;
  }
  void close() override {
    error_code ignored;
    if (socket_.is_open()) {
      socket_.close(ignored);
    } else if (fd_ >= 0) {
      ::close(fd_);
    }
    fd_ = -1;
  }
  void async_wait(direction what, wait_handler handler) override {
    error_code ec;
    if (!socket_.is_open() && fd_ >= 0) socket_.assign(protocol_, fd_, ec);
    socket_.async_wait(what == direction::reading ? Socket::wait_read : Socket::wait_write, std::move(handler));
  }
  asio::any_io_executor get_executor() override { return socket_.get_executor(); }
  int detach() override {
    error_code ignored;
    if (socket_.is_open()) socket_.release(ignored);
    return fd_;
  }

 private:
  template <class Call>
  static std::size_t retry(Call call, error_code& ec) {
    for (;;) {
      const auto n = call();
      if (n >= 0) {
        ec = {};
        return static_cast<std::size_t>(n);
      }
      if (errno == EINTR) continue;
      ec = error_code(errno, boost::system::system_category());
      return 0;
    }
  }

  Socket socket_;  // closed while it is detached
  typename Socket::protocol_type protocol_ = typename Socket::endpoint_type().protocol();
  int fd_;
};

}  // namespace duplex::net
