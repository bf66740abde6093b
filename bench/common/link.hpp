#pragma once
// A TCP connection, or TLS on one: OpenSSL straight on the socket, as most programs use it.

#include <openssl/ssl.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace bench {

class unique_fd {
 public:
  explicit unique_fd(int fd = -1) noexcept : fd_(fd) {}
  unique_fd(unique_fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  unique_fd& operator=(unique_fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~unique_fd();
  [[nodiscard]] int get() const noexcept { return fd_; }

 private:
  int fd_;
};

struct ssl_deleter {
  void operator()(SSL* ssl) const noexcept {
    // The session of a connection that was not shut down cannot be resumed.
    SSL_set_quiet_shutdown(ssl, 1);
    SSL_shutdown(ssl);
    SSL_free(ssl);
  }
  void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
  void operator()(SSL_SESSION* session) const noexcept { SSL_SESSION_free(session); }
};
using tls_context = std::unique_ptr<SSL_CTX, ssl_deleter>;
using tls_session = std::unique_ptr<SSL_SESSION, ssl_deleter>;

/// `alpn` in wire form, such as "\x02h2", or empty.
[[nodiscard]] tls_context client_context(const std::string& ca_file, std::string_view alpn);
[[nodiscard]] tls_context server_context(const std::string& cert_file, const std::string& key_file);
/// Every dial with `context` resumes the session of the one before, and throws if the server does not.
/// `last` is what is resumed; it outlives the context.
void resume_sessions(SSL_CTX* context, tls_session& last);

/// Throws `std::runtime_error` when the transport fails.
class link {
 public:
  /// Dials the loopback, and shakes hands if there is a context.
  static link dial(std::uint16_t port, SSL_CTX* context);
  /// A connection that was accepted, non-blocking.
  link(unique_fd socket, SSL_CTX* context);

  /// For a socket that does not block `wait` is an epoll_wait, and so is what `read_all` and `write_all` do.
  void set_blocking(bool on);
  /// Whether the TLS handshake is over. If not it goes on as far as it can, and waits to read.
  bool established();
  /// Bytes read; 0 at the end; nothing if it would block.
  std::optional<std::size_t> read(char* to, std::size_t size);
  /// Bytes written, 0 if it would block.
  std::size_t write(std::string_view bytes);
  void write_all(std::string_view bytes);
  void read_all(char* to, std::size_t size);
  /// Waits until something can be read, or also written.
  void wait(bool for_write);
  /// Whether a read has something that the socket does not know of.
  [[nodiscard]] bool pending() const { return ssl_ && SSL_pending(ssl_.get()) > 0; }
  [[nodiscard]] int fd() const noexcept { return socket_.get(); }

 private:
  unique_fd socket_;
  unique_fd epoll_;  // none: the socket blocks, or another waits for it
  bool watched_for_write_ = false;
  std::unique_ptr<SSL, ssl_deleter> ssl_;
};

}  // namespace bench
