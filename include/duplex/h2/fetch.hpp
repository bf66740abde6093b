#pragma once
// The linear case: one request with its body, one response with its body (RFC 9113, section 8.1).

#include <duplex/error.hpp>
#include <duplex/h2/body.hpp>
#include <duplex/h2/client.hpp>
#include <duplex/h2/connection.hpp>
#include <duplex/h2/stream.hpp>
#include <duplex/message.hpp>
#include <duplex/options.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace duplex::h2 {

/// How far an exchange is, in bytes of the bodies. No member ever decreases.
struct progress {
  std::uint64_t sent = 0;
  /// The size of the request's body, where it is known.
  std::optional<std::uint64_t> to_send{};
  std::uint64_t received = 0;
  /// What the response's content-length says, where it has one.
  std::optional<std::uint64_t> to_receive{};
};

/// Called on the operation's executor, never concurrently. What it throws ends the exchange.
using progress_handler = std::function<void(const progress&)>;

struct fetch_options {
  /// Options of the stream and of its connection. `active`, `on_message`,
  /// `informational` and `flow` do not apply.
  options stream{};
  /// Cap on the response's body in bytes; beyond it the stream is reset. `infinity` for none.
  std::size_t max_body = std::size_t{16} << 20;
  /// Bytes of a string or a file that are handed to the stream at a time: what is in memory of a file. At least 1.
  std::size_t chunk_size = std::size_t{64} << 10;
  /// Bounds the whole exchange, connecting included; of a streamed one, up to the response head. None: without end.
  std::optional<std::chrono::milliseconds> timeout{};
  progress_handler on_progress{};
};

/// A whole response.
struct reply {
  int status = 0;
  fields headers{};
  std::string body{};
  fields trailers{};
  /// Why the exchange failed. What had arrived before is in the other members.
  std::optional<duplex::failure> failure{};
};

/// A GET of `url`, for `fetch`: `request` itself is a POST unless told otherwise, with a body or without.
[[nodiscard]] inline request get(std::string url) { return {.method = "GET", .url = std::move(url)}; }

/// Where the stream of a fetch comes from: a connection of its own, run by an executor; a connection; or the pool of a
/// client.
using stream_source = std::variant<asio::any_io_executor, connection, client>;

using fetch_handler = asio::any_completion_handler<void(error_code, reply)>;
using fetch_stream_handler = asio::any_completion_handler<void(error_code, response, stream)>;

namespace detail {
void start_fetch(const stream_source& from, request head, body_source body, fetch_options opts, fetch_handler handler);
void start_fetch_stream(const stream_source& from, request head, body_source body, fetch_options opts,
                        fetch_stream_handler handler);
}  // namespace detail

/// Sends `head` and `body`, and receives the whole response meanwhile, on a stream of `from`.
///
/// Adds content-length where the size is known and `head` does not say it. A response may come and end before the
/// request is sent. With a 2xx status the rest of the request is still sent, unless the peer stops it with
/// RST_STREAM(NO_ERROR) (RFC 9113, section 8.1); with any other one it is not: the stream is reset with CANCEL. Either
/// way the response counts.
///
/// Completion signature: `void(error_code, reply)`; on failure `reply::failure` has the reason.
/// Errors: those of `async_open`, `async_open_stream` or `client::async_open`, and what the stream failed with;
/// `invalid_argument` before anything is sent for a file that cannot be read, a content-length that is not the body's,
/// or options out of range, and later for a file that changed meanwhile; `limit_exceeded` beyond `max_body`; `timeout`;
/// `canceled`. What a body or a progress handler throws: its code if it is a `system_error`, otherwise `canceled`.
/// Cancellation: terminal; the stream is reset. Completion: as for `stream`, never inside the initiating call.
template <asio::completion_token_for<void(error_code, reply)> Token = asio::deferred_t>
auto async_fetch(stream_source from, request head, body_source body = body_source(),
                 fetch_options opts = fetch_options(), Token&& token = Token{}) {
  return asio::async_initiate<Token, void(error_code, reply)>(
      [from = std::move(from), head = std::move(head), body = std::move(body),
       opts = std::move(opts)](auto handler) mutable {
        detail::start_fetch(from, std::move(head), std::move(body), std::move(opts), fetch_handler(std::move(handler)));
      },
      token);
}

/// As `async_fetch`, blocking; without a source, on a connection of its own and the library's own thread. Throws
/// `boost::system::system_error` whose text names the reason, or sets `ec`. Errors: as well `would_deadlock`.
reply fetch(const request& head, body_source body = body_source(), fetch_options opts = fetch_options());
reply fetch(const request& head, body_source body, fetch_options opts, error_code& ec);
reply fetch(const stream_source& from, const request& head, body_source body = body_source(),
            fetch_options opts = fetch_options());
reply fetch(const stream_source& from, const request& head, body_source body, fetch_options opts, error_code& ec);

/// As `async_fetch`, but completes with the response head, and leaves the rest of the response to be received from the
/// stream that is handed over: data\*, trailers?, done. The body is sent in the background, and goes on until it is
/// sent or the stream ends: to drop a stream before that, `close` it. `max_body` does not apply, and progress is told
/// of the request only. A body that fails after the head resets the stream. Completion signature: `void(error_code,
/// response, stream)`; on failure the stream has the reason in its `failure()`.
template <asio::completion_token_for<void(error_code, response, stream)> Token = asio::deferred_t>
auto async_fetch_stream(stream_source from, request head, body_source body = body_source(),
                        fetch_options opts = fetch_options(), Token&& token = Token{}) {
  return asio::async_initiate<Token, void(error_code, response, stream)>(
      [from = std::move(from), head = std::move(head), body = std::move(body),
       opts = std::move(opts)](auto handler) mutable {
        detail::start_fetch_stream(from, std::move(head), std::move(body), std::move(opts),
                                   fetch_stream_handler(std::move(handler)));
      },
      token);
}

/// A response head, and the stream that has the rest.
struct streamed_reply {
  response head{};
  stream rest{};
};

/// As `async_fetch_stream`, blocking; as for `fetch`.
streamed_reply fetch_stream(const request& head, body_source body = body_source(),
                            fetch_options opts = fetch_options());
streamed_reply fetch_stream(const request& head, body_source body, fetch_options opts, error_code& ec);
streamed_reply fetch_stream(const stream_source& from, const request& head, body_source body = body_source(),
                            fetch_options opts = fetch_options());
streamed_reply fetch_stream(const stream_source& from, const request& head, body_source body, fetch_options opts,
                            error_code& ec);

}  // namespace duplex::h2
