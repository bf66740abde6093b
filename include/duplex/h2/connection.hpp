#pragma once
// One HTTP/2 connection and the streams on it (RFC 9113).

#include <duplex/h2/lower_stream.hpp>
#include <duplex/h2/stats.hpp>
#include <duplex/h2/stream.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace duplex::net {
class connection_handle;
}

namespace duplex::h2 {

/// An address that was tried.
struct dial_attempt {
  std::string address{};
  /// Why it was none; empty if it is the peer's, or another one was faster.
  std::string error{};
};

/// How long each step of making a connection took; none where there was no such step.
struct dial_times {
  using duration = std::chrono::microseconds;

  /// The addresses of the host, or of the proxy.
  std::optional<duration> resolve{};
  /// TCP, with all addresses that were tried; or the Unix socket.
  std::optional<duration> connect{};
  /// Asking the proxy, and TLS with it.
  std::optional<duration> proxy{};
  std::optional<duration> tls{};
};

/// Facts about how a connection was made.
struct connection_info {
  /// `127.0.0.1:8443`, or the path of a Unix socket; with a proxy, its address. On a server the client's; `unix:` and
  /// the path of the server's own socket where clients have no address.
  std::string peer{};
  /// On a server: its number, from 1 in the order in which they were accepted, by which logs tell them apart. Otherwise
  /// 0.
  std::uint64_t id = 0;
  /// The proxy in between (`socks5://host:1080`), or empty.
  std::string proxy{};
  /// `TLSv1.3`, or empty in cleartext.
  std::string tls_version{};
  std::string tls_cipher{};
  /// What ALPN chose: `h2`, or nothing in cleartext.
  std::string tls_alpn{};
  /// The name that the client asked for by SNI (RFC 6066, section 3), or empty.
  std::string tls_server_name{};
  /// Whether the TLS session is that of an earlier connection. `peer_certificate` is of that one, then.
  bool tls_resumed = false;
  /// On a client: whether the server took the request for which the connection was made as early data.
  bool tls_early_data = false;
  /// The subject of the peer's certificate, or empty.
  std::string peer_certificate{};
  std::string certificate_issuer{};
  /// When it ends.
  std::optional<std::chrono::system_clock::time_point> certificate_expires{};
  /// On a client: the addresses that were tried, in this order; with a proxy, those of the proxy.
  std::vector<dial_attempt> attempts{};
  /// On a client.
  dial_times times{};
};

/// A handle of a connection; copies share it. A connection without handles and streams says GOAWAY and closes.
///
/// Thread-safety, executors and cancellation as for `stream`.
class connection {
 public:
  using executor_type = asio::any_io_executor;
  using connect_handler = asio::any_completion_handler<void(error_code, connection)>;
  using open_handler = asio::any_completion_handler<void(error_code, stream)>;
  using end_handler = asio::any_completion_handler<void(error_code)>;
  using stats_handler = asio::any_completion_handler<void(error_code, connection_stats)>;
  using ping_handler = asio::any_completion_handler<void(error_code, std::chrono::microseconds)>;

  /// A handle of no connection; everything fails with `errc::closed`.
  connection() = default;
  explicit connection(std::shared_ptr<net::connection_handle> handle) noexcept;

  /// Whether this is a handle of a connection that was made.
  explicit operator bool() const noexcept;

  /// Connects to the origin of `url`. Completion signature: `void(error_code, connection)`. On failure the
  /// connection handed over is closed, and its `failure()` has the reason.
  /// Errors: `invalid_argument`, `timeout`, `resolve_failed`, `connect_failed`, `tls_failed`,
  /// `certificate_invalid`, `protocol_not_negotiated`, `canceled`. Cancellation: terminal, ends the attempt.
  template <asio::completion_token_for<void(error_code, connection)> Token = asio::deferred_t>
  static auto async_connect(asio::any_io_executor executor, std::string url, options opts = options(),
                            Token&& token = Token{}) {
    return asio::async_initiate<Token, void(error_code, connection)>(
        [executor = std::move(executor), url = std::move(url), opts = std::move(opts)](auto handler) mutable {
          start_connect(executor, std::move(url), std::move(opts), connect_handler(std::move(handler)));
        },
        token);
  }

  /// As `async_connect`, blocking; without an executor, on the library's own thread.
  static connection connect(std::string url, options opts = options());
  static connection connect(std::string url, options opts, error_code& ec);
  static connection connect(const asio::any_io_executor& executor, std::string url, options opts = options());
  static connection connect(const asio::any_io_executor& executor, std::string url, options opts, error_code& ec);

  /// As `async_connect`, over a connected stream that is handed in: a socket of Asio's, TCP or Unix; or any
  /// AsyncReadStream and AsyncWriteStream, such as `asio::ssl::stream` and `byte_stream`, so that tunnels nest. `url`
  /// says who is at its other end: with `https` TLS is spoken over the stream, with ALPN and the certificate verified,
  /// with `http` HTTP/2 in cleartext, at once. Whoever has done TLS on the stream by himself, with ALPN h2, says
  /// `http`.
  ///
  /// The connection runs on a strand of the stream's executor, and closes the stream in the end. `url` and
  /// `connect_timeout` count as ever; the options about addresses and proxies do not.
  /// Errors: as `async_connect`, but none of resolving and connecting.
  template <class Stream, asio::completion_token_for<void(error_code, connection)> Token = asio::deferred_t>
  static auto async_over(Stream s, std::string url, options opts = options(), Token&& token = Token{}) {
    return asio::async_initiate<Token, void(error_code, connection)>(
        [lower = forget_type(std::move(s)), url = std::move(url), opts = std::move(opts)](auto handler) mutable {
          start_over(std::move(lower), std::move(url), std::move(opts), connect_handler(std::move(handler)));
        },
        token);
  }

  /// As `async_over`, blocking. A socket is taken from its executor: its connection is served as one of `connect`
  /// without an executor. Any other stream's executor must be run by another thread.
  template <class Stream>
  static connection over(Stream s, std::string url, options opts = options()) {
    return make_over(forget_type(std::move(s)), std::move(url), std::move(opts));
  }
  template <class Stream>
  static connection over(Stream s, std::string url, options opts, error_code& ec) {
    return make_over(forget_type(std::move(s)), std::move(url), std::move(opts), ec);
  }

  /// Opens a stream as soon as the peer's limit of streams allows (RFC 9113, section 5.1.2), in the order of the
  /// calls, at most `max_pending_streams` waiting and each for `connect_timeout`; only the options about a stream count
  /// (`flow`, `active`, time-outs, buffers, `informational`). The URL's scheme, host and port must be the connection's.
  /// Until the peer's SETTINGS have arrived, its limit is taken to be 100; a `ping` waits for them.
  /// Completion signature: `void(error_code, stream)`. On failure the stream handed over has the reason in its
  /// `failure()`. Errors: `invalid_argument`, `timeout`, `limit_exceeded` (too many wait), `refused` (GOAWAY, or no
  /// stream ids left), `canceled`, and what the connection failed with; the peer has seen nothing of the request.
  /// Cancellation: any type, while it waits.
  template <asio::completion_token_for<void(error_code, stream)> Token = asio::deferred_t>
  auto async_open_stream(request head, options opts = options(), Token&& token = Token{}) {
    return asio::async_initiate<Token, void(error_code, stream)>(
        [](auto handler, const handle_ptr& handle, const request& rq, const options& o) {
          start_open_stream(handle, rq, o, open_handler(std::move(handler)));
        },
        token, handle_, std::move(head), std::move(opts));
  }

  /// As `async_open_stream`, blocking. The request may leave together with what the next verb sends; without one it
  /// leaves within some 10 ms.
  stream open_stream(const request& head, const options& opts = options());
  stream open_stream(const request& head, const options& opts, error_code& ec);

  /// Sends PING and completes with the round trip (RFC 9113, section 6.7).
  /// Completion signature: `void(error_code, std::chrono::microseconds)`.
  template <asio::completion_token_for<void(error_code, std::chrono::microseconds)> Token = asio::deferred_t>
  auto async_ping(Token&& token = Token{}) {
    return asio::async_initiate<Token, void(error_code, std::chrono::microseconds)>(
        [handle = handle_](auto handler) { start_ping(handle, ping_handler(std::move(handler))); }, token);
  }

  /// As `async_ping`, blocking.
  std::chrono::microseconds ping();
  std::chrono::microseconds ping(error_code& ec);

  /// Says GOAWAY, lets running streams finish, and resets what still runs after `grace`. Opens that wait are refused.
  /// Completion signature: `void(error_code)`, when the last bytes are out. A cancellation ends the wait, not the
  /// shutdown.
  template <asio::completion_token_for<void(error_code)> Token = asio::deferred_t>
  auto async_shutdown(std::chrono::milliseconds grace, Token&& token = Token{}) {
    return asio::async_initiate<Token, void(error_code)>(
        [handle = handle_, grace](auto handler) { start_shutdown(handle, grace, end_handler(std::move(handler))); },
        token);
  }
  /// As `async_shutdown`, blocking.
  void shutdown(std::chrono::milliseconds grace);
  void shutdown(std::chrono::milliseconds grace, error_code& ec);

  /// Sends GOAWAY; `code` other than 0 ends every stream at once. Running streams otherwise finish, and the
  /// connection closes after the last one (RFC 9113, section 6.8). Never blocks.
  void goaway(std::uint32_t http2_code = 0, std::string debug_data = {});

  /// Resets what runs with CANCEL, says GOAWAY and closes. Never blocks.
  void close();

  /// A snapshot that says why nothing moves. Blocking, but not refused on the connection's own strand.
  /// Errors: `closed` for a handle of no connection, `would_deadlock`.
  [[nodiscard]] connection_stats stats() const;
  [[nodiscard]] connection_stats stats(error_code& ec) const;
  /// Completion signature: `void(error_code, connection_stats)`.
  template <asio::completion_token_for<void(error_code, connection_stats)> Token = asio::deferred_t>
  auto async_stats(Token&& token = Token{}) const {
    return asio::async_initiate<Token, void(error_code, connection_stats)>(
        [handle = handle_](auto handler) { start_stats(handle, stats_handler(std::move(handler))); }, token);
  }

  [[nodiscard]] executor_type get_executor() const;
  [[nodiscard]] connection_info info() const;
  /// Why the connection failed; none while it is well and after an orderly end.
  [[nodiscard]] std::optional<duplex::failure> failure() const;

 private:
  using handle_ptr = std::shared_ptr<net::connection_handle>;
  using lower_ptr = std::unique_ptr<lower_stream>;

  template <class Stream>
  static lower_ptr forget_type(Stream s) {
    return std::make_unique<lower_stream_of<Stream>>(std::move(s));
  }
  static lower_ptr forget_type(lower_ptr s) { return s; }

  static void start_over(lower_ptr lower, std::string url, options opts, connect_handler handler);
  static connection make_over(lower_ptr lower, std::string url, options opts);
  static connection make_over(lower_ptr lower, std::string url, options opts, error_code& ec);
  static void start_connect(const asio::any_io_executor& executor, std::string url, options opts,
                            connect_handler handler);
  static void start_open_stream(const handle_ptr& handle, const request& head, const options& opts,
                                open_handler handler);
  static void start_shutdown(const handle_ptr& handle, std::chrono::milliseconds grace, end_handler handler);
  static void start_stats(const handle_ptr& handle, stats_handler handler);
  static void start_ping(const handle_ptr& handle, ping_handler handler);

  handle_ptr handle_;
};

}  // namespace duplex::h2
