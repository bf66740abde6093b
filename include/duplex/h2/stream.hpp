#pragma once
// One full-duplex HTTP/2 stream (RFC 9113, section 5), the same type on the client and on the server.

#include <duplex/error.hpp>
#include <duplex/h2/stats.hpp>
#include <duplex/message.hpp>
#include <duplex/options.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/deferred.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace duplex::net {
class stream_handle;
}

namespace duplex::h2 {

namespace asio = boost::asio;

class connection;

/// Says that a send is the last one: it half-closes the local side (END_STREAM).
struct fin_t {
  explicit fin_t() = default;
};
inline constexpr fin_t fin{};

/// A handle of one stream. Copies share the stream; when the last one goes away before the stream is complete, the
/// stream is reset with CANCEL (a server that has queued its whole reply still sends it).
///
/// Three styles on one type, freely mixed: blocking verbs, `async_*` with any completion token, and `set_active`.
///
/// Thread-safety: every member may be called from any thread, also at the same time, except assignment.
/// Completions run on the associated executor of their handler, otherwise on the connection's, never inside the
/// initiating call. The executor's context must outlive every handle. When it is destroyed, what waits there is let go
/// without being called; handles that only such handlers own go with them.
/// Exceptions: what a handler throws leaves the `run()` of the context that it runs on, as everywhere in Asio; run it
/// again, and everything goes on, this stream too. On the library's own thread, where handlers run that bring no
/// executor to a stream that was opened without one, an exception ends the program (`std::terminate`).
/// Blocking verbs throw `boost::system::system_error`, or set `ec`. Called on a thread that runs the connection's
/// executor they fail with `errc::would_deadlock`.
/// Cancellation: every `async_*` honours its handler's cancellation slot (terminal, partial and total alike). A
/// cancelled `async_recv` loses no message. A cancelled or timed-out send resets the stream with CANCEL, because the
/// peer could not know what is missing.
class stream {
 public:
  using duration = std::chrono::milliseconds;
  using executor_type = asio::any_io_executor;
  using recv_handler = asio::any_completion_handler<void(error_code, message)>;
  using send_handler = asio::any_completion_handler<void(error_code)>;
  using stats_handler = asio::any_completion_handler<void(error_code, stream_stats)>;

  /// A handle of no stream; everything fails with `errc::closed`.
  stream() = default;
  explicit stream(std::shared_ptr<net::stream_handle> handle) noexcept;

  /// Whether this is a handle of a stream that was opened.
  explicit operator bool() const noexcept;

  /// The connection's executor.
  [[nodiscard]] executor_type get_executor() const;

  /// The stream identifier (RFC 9113, section 5.1.1); 0 for a stream that was never opened.
  [[nodiscard]] std::int32_t id() const noexcept;

  /// Why the stream failed; none while it is well and after a clean end.
  [[nodiscard]] std::optional<duplex::failure> failure() const;

  /// The connection that carries the stream.
  [[nodiscard]] h2::connection connection() const;

  // Receiving

  /// Waits for the next message, at most `options::recv_timeout`, or `timeout`.
  /// Errors: `timeout` (the stream stays usable and nothing is lost), `closed` after `done`, `recv_busy`,
  /// `active_mode`, and what the stream failed with, after everything that was buffered.
  message recv();
  message recv(error_code& ec);
  message recv(duration timeout);
  message recv(duration timeout, error_code& ec);

  /// Takes the next message if it is there now. Errors as `recv`, without `timeout`. Does not block on the peer.
  std::optional<message> try_recv();
  std::optional<message> try_recv(error_code& ec);

  /// As `recv`. Completion signature: `void(error_code, message)`.
  template <asio::completion_token_for<void(error_code, message)> Token = asio::deferred_t>
  auto async_recv(Token&& token = Token{}) {
    return initiate_recv(std::nullopt, std::forward<Token>(token));
  }
  template <asio::completion_token_for<void(error_code, message)> Token = asio::deferred_t>
  auto async_recv(duration timeout, Token&& token = Token{}) {
    return initiate_recv(timeout, std::forward<Token>(token));
  }

  /// Pushes messages and the final error to `handler` instead of keeping them for `recv`: all of them (`on`), the
  /// next one and then none until armed again (`once`), or none (`off`, the handler is dropped). A `recv` that is
  /// parked gets the next message first. `done` and errors wait until the handler is armed. The handler runs on the
  /// connection's executor. One that throws has had its message, and stays armed as it was.
  void set_active(active mode, active_handler handler = {});

  /// Manual flow control: returns `bytes` of what was delivered to the peer's window (RFC 9113, section 6.9). More
  /// than was delivered is clamped; on an automatic stream or after its end it does nothing.
  void consume(std::size_t bytes);

  // Sending

  /// Copies `bytes` into the send buffer, and waits while that is full, at most `options::send_timeout`.
  /// Empty without `fin` sends nothing. Errors: `send_closed` after `fin` or trailers, `timeout` (the stream is
  /// reset), `invalid_argument` on a server before the response, and what the stream failed with. Where the peer has
  /// answered in full and stopped the request with RST_STREAM(NO_ERROR) (RFC 9113, section 8.1), `stream_reset`; but a
  /// `fin` with nothing before it is well there, because nothing is lost.
  void send(std::string_view bytes);
  void send(std::string_view bytes, error_code& ec);
  void send(std::string_view bytes, fin_t);
  void send(std::string_view bytes, fin_t, error_code& ec);
  template <class Buffers>
    requires asio::is_const_buffer_sequence<Buffers>::value
  void send(const Buffers& buffers) {
    send_parts(gather(buffers), false);
  }
  template <class Buffers>
    requires asio::is_const_buffer_sequence<Buffers>::value
  void send(const Buffers& buffers, fin_t) {
    send_parts(gather(buffers), true);
  }

  /// Sends without copying: completes when every byte was framed within the peer's windows, so the caller keeps the
  /// buffer alive until then. Several may be outstanding and keep their order.
  /// Completion signature: `void(error_code)`; errors as `send`.
  template <asio::completion_token_for<void(error_code)> Token = asio::deferred_t>
  auto async_send(std::string_view bytes, Token&& token = Token{}) {
    return initiate_send(bytes, false, std::forward<Token>(token));
  }
  template <asio::completion_token_for<void(error_code)> Token = asio::deferred_t>
  auto async_send(std::string_view bytes, fin_t, Token&& token = Token{}) {
    return initiate_send(bytes, true, std::forward<Token>(token));
  }
  template <class Buffers, asio::completion_token_for<void(error_code)> Token = asio::deferred_t>
    requires asio::is_const_buffer_sequence<Buffers>::value
  auto async_send(const Buffers& buffers, Token&& token = Token{}) {
    return initiate_send(gather(buffers), false, std::forward<Token>(token));
  }
  template <class Buffers, asio::completion_token_for<void(error_code)> Token = asio::deferred_t>
    requires asio::is_const_buffer_sequence<Buffers>::value
  auto async_send(const Buffers& buffers, fin_t, Token&& token = Token{}) {
    return initiate_send(gather(buffers), true, std::forward<Token>(token));
  }

  /// Sends trailing fields behind all data that was sent, and half-closes (RFC 9113, section 8.1).
  /// Errors as `send`; `invalid_argument` for a field that may not be sent.
  void send_trailers(fields list);
  void send_trailers(fields list, error_code& ec);
  /// Completes when the trailers were framed. Completion signature: `void(error_code)`.
  template <asio::completion_token_for<void(error_code)> Token = asio::deferred_t>
  auto async_send_trailers(fields list, Token&& token = Token{}) {
    return asio::async_initiate<Token, void(error_code)>(
        [handle = handle_, list = std::move(list)](auto handler) mutable {
          start_send_trailers(handle, std::move(list), send_handler(std::move(handler)));
        },
        token);
  }

  /// Server: sends the response head; with `fin` it is the whole response (a trailers-only reply).
  /// Errors: `invalid_argument` on a client, for a second response, a status outside 200 to 599 or a bad field.
  void send_response(response head);
  void send_response(response head, error_code& ec);
  void send_response(response head, fin_t);
  void send_response(response head, fin_t, error_code& ec);
  /// Completes when the head was framed. Completion signature: `void(error_code)`.
  template <asio::completion_token_for<void(error_code)> Token = asio::deferred_t>
  auto async_send_response(response head, Token&& token = Token{}) {
    return initiate_response(std::move(head), false, std::forward<Token>(token));
  }
  template <asio::completion_token_for<void(error_code)> Token = asio::deferred_t>
  auto async_send_response(response head, fin_t, Token&& token = Token{}) {
    return initiate_response(std::move(head), true, std::forward<Token>(token));
  }

  /// Server: sends a 1xx reply before the response. Errors: `invalid_argument` as `send_response`, for a status
  /// outside 100 to 199, for 101 (RFC 9113, section 8.6), and after the response.
  void send_informational(informational head);
  void send_informational(informational head, error_code& ec);
  /// Completes when it was framed. Completion signature: `void(error_code)`.
  template <asio::completion_token_for<void(error_code)> Token = asio::deferred_t>
  auto async_send_informational(informational head, Token&& token = Token{}) {
    return asio::async_initiate<Token, void(error_code)>(
        [handle = handle_, head = std::move(head)](auto handler) mutable {
          start_send_informational(handle, std::move(head), send_handler(std::move(handler)));
        },
        token);
  }

  /// A snapshot that says why nothing moves. Blocking, but not refused on the connection's own strand.
  /// Errors: `closed` for a handle of no stream, `would_deadlock`.
  [[nodiscard]] stream_stats stats() const;
  [[nodiscard]] stream_stats stats(error_code& ec) const;
  /// Completion signature: `void(error_code, stream_stats)`.
  template <asio::completion_token_for<void(error_code, stream_stats)> Token = asio::deferred_t>
  auto async_stats(Token&& token = Token{}) const {
    return asio::async_initiate<Token, void(error_code, stream_stats)>(
        [handle = handle_](auto handler) { start_stats(handle, stats_handler(std::move(handler))); }, token);
  }

  // Ending

  /// Ends the stream at once with RST_STREAM (RFC 9113, section 6.4). What is queued is dropped, pending operations
  /// complete with `errc::canceled`. Does nothing on a stream that is complete. Never blocks.
  void reset(std::uint32_t http2_code);

  /// Ends the stream (CANCEL unless it was complete) and, if it has one of its own, its connection. To finish in
  /// order instead, send `fin` and read to `done` first. Pending operations complete with `errc::canceled`; later
  /// ones fail with `errc::closed`. Off the connection's threads it waits, at most `options::close_timeout`, until
  /// the last bytes are out; on them it returns at once. Never fails.
  void close();
  /// As `close`, completing when the last bytes are out. Completion signature: `void(error_code)`. A cancellation ends
  /// the wait, not the closing.
  template <asio::completion_token_for<void(error_code)> Token = asio::deferred_t>
  auto async_close(Token&& token = Token{}) {
    return asio::async_initiate<Token, void(error_code)>(
        [handle = handle_](auto handler) { start_close(handle, send_handler(std::move(handler))); }, token);
  }

 private:
  friend struct stream_access;
  using handle_ptr = std::shared_ptr<net::stream_handle>;
  using parts = std::vector<std::string_view>;

  template <class Buffers>
  static parts gather(const Buffers& buffers) {
    parts out;
    const auto end = asio::buffer_sequence_end(buffers);
    for (auto it = asio::buffer_sequence_begin(buffers); it != end; ++it) {
      const asio::const_buffer piece(*it);
      out.emplace_back(static_cast<const char*>(piece.data()), piece.size());
    }
    return out;
  }

  template <class Token>
  auto initiate_recv(std::optional<duration> timeout, Token&& token) {
    return asio::async_initiate<Token, void(error_code, message)>(
        [handle = handle_, timeout](auto handler) { start_recv(handle, timeout, recv_handler(std::move(handler))); },
        token);
  }
  template <class Bytes, class Token>
  auto initiate_send(Bytes bytes, bool end, Token&& token) {
    return asio::async_initiate<Token, void(error_code)>(
        [handle = handle_, bytes = std::move(bytes), end](auto handler) mutable {
          start_send(handle, std::move(bytes), end, send_handler(std::move(handler)));
        },
        token);
  }
  template <class Token>
  auto initiate_response(response head, bool end, Token&& token) {
    return asio::async_initiate<Token, void(error_code)>(
        [handle = handle_, head = std::move(head), end](auto handler) mutable {
          start_send_response(handle, std::move(head), end, send_handler(std::move(handler)));
        },
        token);
  }

  void send_parts(std::span<const std::string_view> pieces, bool end);
  void send_parts(std::span<const std::string_view> pieces, bool end, error_code& ec);

  static void start_recv(const handle_ptr& handle, std::optional<duration> timeout, recv_handler handler);
  message wait_for_recv(std::optional<duration> timeout, error_code& ec);
  static void start_send(const handle_ptr& handle, parts pieces, bool end, send_handler handler);
  static void start_send(const handle_ptr& handle, std::string_view bytes, bool end, send_handler handler);
  static void start_send_trailers(const handle_ptr& handle, fields list, send_handler handler);
  static void start_send_response(const handle_ptr& handle, response head, bool end, send_handler handler);
  static void start_send_informational(const handle_ptr& handle, informational head, send_handler handler);
  static void start_stats(const handle_ptr& handle, stats_handler handler);
  static void start_close(const handle_ptr& handle, send_handler handler);

  handle_ptr handle_;
};

}  // namespace duplex::h2
