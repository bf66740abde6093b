#pragma once
// A byte stream below HTTP/2: TCP, TLS over TCP, a Unix socket, or memory.

#include <duplex/error.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <utility>

namespace duplex::net {

namespace asio = boost::asio;

/// One read and one write may be outstanding at a time; their handlers run on the transport's executor.
class transport {
 public:
  using io_handler = asio::any_completion_handler<void(error_code, std::size_t)>;

  transport() = default;
  transport(const transport&) = delete;
  transport& operator=(const transport&) = delete;
  virtual ~transport() = default;

  /// Reads at least one byte.
  virtual void async_read_some(asio::mutable_buffer to, io_handler handler) = 0;
  /// Writes all of `from`.
  virtual void async_write(asio::const_buffer from, io_handler handler) = 0;
  /// Tells the peer that nothing follows; the peer's end then ends the read. Not while a write is outstanding.
  virtual void shutdown(io_handler handler) = 0;
  /// Ends at once; what is outstanding completes with an error.
  virtual void close() = 0;
};

/// TCP or a Unix socket.
template <class Socket>
class socket_transport final : public transport {
 public:
  explicit socket_transport(Socket socket) : socket_(std::move(socket)) {}

  void async_read_some(asio::mutable_buffer to, io_handler handler) override {
    socket_.async_read_some(to, std::move(handler));
  }
  void async_write(asio::const_buffer from, io_handler handler) override {
    asio::async_write(socket_, from, std::move(handler));
  }
  void shutdown(io_handler handler) override {
    error_code ec;
    socket_.shutdown(Socket::shutdown_send, ec);
    asio::post(socket_.get_executor(), [handler = std::move(handler), ec]() mutable { std::move(handler)(ec, 0); });
  }
  void close() override {
    error_code ignored;
    socket_.close(ignored);
  }

 private:
  Socket socket_;
};

/// TLS over TCP, or over a Unix socket. Keeps its context alive.
template <class Socket>
class tls_transport final : public transport {
 public:
  using tls_stream = asio::ssl::stream<Socket>;

  tls_transport(std::shared_ptr<asio::ssl::context> context, std::unique_ptr<tls_stream> stream)
      : context_(std::move(context)), stream_(std::move(stream)) {}

  void async_read_some(asio::mutable_buffer to, io_handler handler) override {
    stream_->async_read_some(to, [this, handler = std::move(handler)](error_code ec, std::size_t n) mutable {
      if (ec && closing_) return drain(std::move(handler));
      std::move(handler)(ec, n);
    });
  }
  void async_write(asio::const_buffer from, io_handler handler) override {
    asio::async_write(*stream_, from, std::move(handler));
  }
  void shutdown(io_handler handler) override {
    // Pretending that the peer's close_notify is here ends the operation when ours is out. Many peers close only on
    // FIN, which can be sent then.
    closing_ = true;
    auto* ssl = stream_->native_handle();
    SSL_set_shutdown(ssl, SSL_get_shutdown(ssl) | SSL_RECEIVED_SHUTDOWN);
    stream_->async_shutdown([this, handler = std::move(handler)](error_code ec) mutable {
      error_code ignored;
      stream_->lowest_layer().shutdown(Socket::shutdown_send, ignored);
      std::move(handler)(ec, 0);
    });
  }
  void close() override {
    error_code ignored;
    stream_->lowest_layer().close(ignored);
  }

 private:
  // Behind our close_notify the peer's bytes are of no use, but a socket that is closed before they are read answers
  // with RST, and the peer loses what it has not read yet.
  void drain(io_handler handler) {
    stream_->next_layer().async_read_some(asio::buffer(dropped_),
                                          [this, handler = std::move(handler)](error_code ec, std::size_t) mutable {
                                            if (!ec) return drain(std::move(handler));
                                            std::move(handler)(ec, 0);
                                          });
  }

  std::shared_ptr<asio::ssl::context> context_;
  std::unique_ptr<tls_stream> stream_;
  std::array<char, 4096> dropped_{};
  bool closing_ = false;
};

}  // namespace duplex::net
