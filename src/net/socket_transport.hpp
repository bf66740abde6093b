#pragma once
// TCP or a Unix socket, by the system's calls on its descriptor; Asio is asked only to wait for it.

#include "net/transport.hpp"

#include <boost/asio/error.hpp>

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace duplex::net {

template <class Socket>
class socket_transport final : public transport {
 public:
  /// `on`: a strand above the executor of `socket`.
  socket_transport(Socket socket, strand on)
      : socket_(std::move(socket)), fd_(socket_.native_handle()), strand_(std::move(on)) {
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
  std::size_t write_pieces(std::span<const std::string_view> pieces, error_code& ec) override {
    if (pieces.size() == 1) return write_some(asio::buffer(pieces.front()), ec);
    std::array<iovec, most_pieces> list;  // NOLINT(cppcoreguidelines-pro-type-member-init): as much as is used
    const auto count = std::min(pieces.size(), list.size());
    std::transform(pieces.begin(), pieces.begin() + static_cast<std::ptrdiff_t>(count), list.begin(), [](auto piece) {
      return iovec{const_cast<char*>(piece.data()), piece.size()};  // NOLINT(cppcoreguidelines-pro-type-const-cast)
    });
    msghdr message{};
    message.msg_iov = list.data();
    message.msg_iovlen = count;
    return retry([&] { return ::sendmsg(fd_, &message, MSG_DONTWAIT | MSG_NOSIGNAL); }, ec);
  }
  error_code shutdown() override {
    error_code ec;
    retry([&] { return ::shutdown(fd_, SHUT_WR); }, ec);
    return ec;
  }
  std::size_t untaken() override {
    int bytes = 0;
    return ::ioctl(fd_, TIOCOUTQ, &bytes) == 0 && bytes > 0 ? static_cast<std::size_t>(bytes) : 0;
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
    // We go to the strand ourselves: Asio would make an executor for each wait that says where its handler belongs.
    socket_.async_wait(what == direction::reading ? Socket::wait_read : Socket::wait_write,
                       [on = strand_, handler = std::move(handler)](error_code waited) mutable {
                         on.execute([handler = std::move(handler), waited]() mutable { std::move(handler)(waited); });
                       });
  }
  asio::any_io_executor get_executor() override { return strand_; }
  int detach() override {
    error_code ignored;
    if (socket_.is_open()) socket_.release(ignored);
    return fd_;
  }

 private:
  static constexpr std::size_t most_pieces = 64;  // twice what 64 KiB come in

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
  strand strand_;
};

}  // namespace duplex::net
