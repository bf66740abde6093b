#pragma once
// A server that hands every request to a handler, with the same stream type.

#include <duplex/h2/stream.hpp>

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace duplex::net {
class server;
}

namespace duplex::h2 {

/// Options of a server and its connections.
struct server_options {
  using duration = std::chrono::milliseconds;

  /// The address to listen on; port 0 picks a free one.
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;

  /// Cleartext with prior knowledge instead of TLS.
  bool cleartext = false;
  /// PEM text, or PEM files. TLS without a certificate is refused.
  std::string certificate_pem{};
  std::string key_pem{};
  std::string cert_file{};
  std::string key_file{};
  /// PEM file of the authorities that may sign clients' certificates; set: clients must present one (mutual TLS).
  std::string client_ca_file{};
  std::string keylog_file{};

  /// TLS handshake and the client's preface.
  duration handshake_timeout{10000};
  /// Connections at the same time; above it they wait to be accepted.
  std::size_t max_connections = 10000;
  /// Streams that a connection may have at the same time (RFC 9113, section 5.1.2).
  std::uint32_t max_concurrent_streams = 100;
  /// Options of each stream: windows, buffers, flow control and time-outs. Client-only members do not count.
  options stream{.max_header_bytes = std::size_t{16} << 10, .max_header_fields = 100};
};

/// Called on the connection's executor with each request. Must not block and must not throw.
using request_handler = std::function<void(request, stream)>;
/// Returns what then runs there. It must not block.
using coroutine_handler = std::function<asio::awaitable<void>(request, stream)>;

/// Listens, accepts and serves until it is shut down or destroyed.
///
/// Thread-safety: members may be called from any thread. The executor's context must outlive the server.
class server {
 public:
  /// Binds and listens; serving begins at once. Throws `boost::system::system_error` if it cannot.
  ///
  /// `handler` is called as `void(request, stream)`, or returns `asio::awaitable<void>`, which then runs on the
  /// connection's executor; an exception that leaves it resets the stream with INTERNAL_ERROR.
  template <class Handler>
  server(asio::any_io_executor executor, server_options opts, Handler handler)
      : server(std::move(executor), std::move(opts), adapt(std::move(handler)), adapted{}) {}
  server(server&&) noexcept;
  server& operator=(server&&) noexcept;
  /// Ends at once: every connection is closed.
  ~server();

  /// The port that is listened on, in host byte order.
  [[nodiscard]] std::uint16_t port() const noexcept;
  /// The URL to reach it by: `https://127.0.0.1:8443`.
  [[nodiscard]] std::string url() const;

  /// Stops accepting, says GOAWAY, lets running streams finish, and resets what still runs after `grace`.
  /// Completion signature: `void(error_code)`.
  template <asio::completion_token_for<void(error_code)> Token = asio::deferred_t>
  auto async_shutdown(std::chrono::milliseconds grace, Token&& token = Token{}) {
    return asio::async_initiate<Token, void(error_code)>(
        [impl = impl_, grace](auto handler) { start_shutdown(impl, grace, stream::send_handler(std::move(handler))); },
        token);
  }

 private:
  struct adapted {};
  server(asio::any_io_executor executor, server_options opts, request_handler handler, adapted);

  template <class Handler>
  static request_handler adapt(Handler handler) {
    if constexpr (std::is_void_v<std::invoke_result_t<Handler&, request, stream>>) {
      return request_handler(std::move(handler));
    } else {
      return launching([handler = std::make_shared<Handler>(std::move(handler))](request head, stream s) {
        return (*handler)(std::move(head), std::move(s));
      });
    }
  }

  static request_handler launching(coroutine_handler handler);
  static void start_shutdown(const std::shared_ptr<net::server>& impl, std::chrono::milliseconds grace,
                             stream::send_handler handler);

  std::shared_ptr<net::server> impl_;
};

}  // namespace duplex::h2
