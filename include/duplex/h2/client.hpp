#pragma once
// Streams to many servers on connections that are shared.

#include <duplex/h2/connection.hpp>
#include <duplex/h2/stream.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <utility>

namespace duplex::h2 {

class pool;
class pool_handle;

/// Bounds of a client. Out of range they are refused with `errc::invalid_argument`, naming the member.
struct client_options {
  using duration = std::chrono::milliseconds;

  /// Connections in service to one origin with the same trust, at least 1. Connections that only finish what runs on
  /// them do not count.
  std::size_t max_connections_per_origin = 4;
  /// How long a connection without streams is kept.
  duration idle_timeout{60000};
  /// How often an open is tried in all while the peer cannot have seen it, at least 1.
  std::size_t max_attempts = 3;
  /// The pause before the second attempt; it doubles with each further one.
  duration retry_delay{20};
  /// Opens of the whole client that may wait: for a dial, a place or the next attempt; beyond: `errc::limit_exceeded`.
  std::size_t max_pending_opens = 10000;
};

/// A client at one moment.
struct client_stats {
  /// In service, without those that are being dialed.
  std::size_t connections = 0;
  std::size_t dialing = 0;
  /// Running, on the connections in service.
  std::size_t streams = 0;
  /// Not complete: dialing, waiting for a place, or for the next attempt.
  std::size_t pending_opens = 0;
};

/// A pool of connections; copies of the handle share it. Two opens share a connection only if they have the same
/// scheme, host and port, and the same `tls`, `tcp`, `proxy`, `resolver`, `connect_to`, `unix_socket` and `family` in
/// their options.
///
/// The first open of a kind dials, and those that come meanwhile wait for that dial. When every connection has as many
/// streams as the peer allows (RFC 9113, section 5.1.2), another is dialed, up to `max_connections_per_origin`; above
/// that opens wait, in order. A stream goes to the connection with the fewest. What concerns a whole connection
/// (`connection_window`, `stream_window`, header limits, `limits`, `max_connection_buffer`, `max_pending_streams`,
/// `close_timeout`, `settings_timeout`, keepalive, `on_frame`) is that of the open that dialed it. An origin that ended
/// a connection with GOAWAY (ENHANCE_YOUR_CALM) and `too_many_pings` has its `keepalive_time` doubled from then on, up
/// to two hours.
///
/// A connection that said or got GOAWAY, or is lost, leaves the pool at once; its running streams finish.
/// When the last handle goes away, connections without streams say GOAWAY and close, the others after their last
/// stream; opens that are under way complete first.
///
/// Thread-safety: every member may be called from any thread, also at the same time, except assignment. Completions
/// run on the associated executor of their handler, otherwise on the client's, never inside the initiating call. The
/// executor's context must outlive the client.
class client {
 public:
  using executor_type = asio::any_io_executor;
  using open_handler = connection::open_handler;
  using end_handler = connection::end_handler;
  using stats_handler = asio::any_completion_handler<void(error_code, client_stats)>;

  /// Runs on the library's own thread. Throws `boost::system::system_error` with `errc::invalid_argument`.
  explicit client(client_options opts = client_options());
  /// Runs on `executor`.
  explicit client(const asio::any_io_executor& executor, client_options opts = client_options());

  [[nodiscard]] executor_type get_executor() const;

  /// Opens a stream; `options::connect_timeout` bounds all of it: dials, waiting, and attempts.
  ///
  /// An attempt that failed because the connection took no more streams or was lost, before the peer can have seen
  /// the request (`refused`, `connection_lost`; `retry_safe`), is made again, `max_attempts` times in all. Nothing is
  /// tried again once the stream was handed over. What a dial fails with is reported to every open that waited for it
  /// and is not tried again: the next open dials. Only while other connections to the origin are in service do opens
  /// go on waiting for those.
  ///
  /// Completion signature: `void(error_code, stream)`. On failure the stream handed over has the reason in its
  /// `failure()`. Errors: those of `connection::async_connect` and `async_open_stream`; `limit_exceeded`; `closed`
  /// after `close` or `shutdown`. Cancellation: any type, until the stream is handed over.
  template <asio::completion_token_for<void(error_code, stream)> Token = asio::deferred_t>
  auto async_open(request head, options opts = options(), Token&& token = Token{}) {
    return asio::async_initiate<Token, void(error_code, stream)>(
        [handle = handle_, head = std::move(head), opts = std::move(opts)](auto handler) mutable {
          start_open(handle, head, std::move(opts), open_handler(std::move(handler)));
        },
        token);
  }

  /// As `async_open`, blocking. Errors: as well `would_deadlock`.
  [[nodiscard]] stream open(const request& head, options opts = options());
  [[nodiscard]] stream open(const request& head, options opts, error_code& ec);

  /// Says GOAWAY on every connection, lets running streams finish, and resets what still runs after `grace`. Opens that
  /// wait complete with `errc::canceled`. Completion signature: `void(error_code)`, when the last bytes are out. Not
  /// cancellable: it is bounded by `grace` and `options::close_timeout`.
  template <asio::completion_token_for<void(error_code)> Token = asio::deferred_t>
  auto async_shutdown(std::chrono::milliseconds grace, Token&& token = Token{}) {
    return asio::async_initiate<Token, void(error_code)>(
        [handle = handle_, grace](auto handler) { start_shutdown(handle, grace, end_handler(std::move(handler))); },
        token);
  }
  /// As `async_shutdown`, blocking.
  void shutdown(std::chrono::milliseconds grace);
  void shutdown(std::chrono::milliseconds grace, error_code& ec);

  /// Ends every connection at once; streams are reset with CANCEL, opens that wait complete with `errc::canceled`.
  /// Never blocks.
  void close();

  /// A snapshot. Blocking; errors: `closed`, `would_deadlock`.
  [[nodiscard]] client_stats stats() const;
  [[nodiscard]] client_stats stats(error_code& ec) const;
  /// Completion signature: `void(error_code, client_stats)`.
  template <asio::completion_token_for<void(error_code, client_stats)> Token = asio::deferred_t>
  auto async_stats(Token&& token = Token{}) const {
    return asio::async_initiate<Token, void(error_code, client_stats)>(
        [handle = handle_](auto handler) { start_stats(handle, stats_handler(std::move(handler))); }, token);
  }

 private:
  using handle_ptr = std::shared_ptr<pool_handle>;

  static void start_open(const handle_ptr& handle, const request& head, options opts, open_handler handler);
  static void start_shutdown(const handle_ptr& handle, std::chrono::milliseconds grace, end_handler handler);
  static void start_stats(const handle_ptr& handle, stats_handler handler);
  [[nodiscard]] error_code check_blocking() const;

  handle_ptr handle_;
};

}  // namespace duplex::h2
