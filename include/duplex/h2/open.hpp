#pragma once
// Opening one stream on a connection of its own.

#include <duplex/h2/connection.hpp>
#include <duplex/h2/stream.hpp>

#include <utility>

namespace duplex::h2 {

/// Dials, and opens one stream on a dedicated connection: TLS with ALPN `h2` for `https`, cleartext with prior
/// knowledge for `http`. Returns when the request is on its way; the response is the first message.
///
/// With an executor the connection runs there, and another thread must run it. Without one the threads inside its
/// blocking verbs serve it, and while there is none a thread of the library does, which also runs all handlers.
/// Throws `boost::system::system_error` whose text names the reason; or sets `ec`, and the stream that is returned
/// has the reason in `failure()`.
/// Errors: those of `connection::async_connect`, and `invalid_argument` before a byte is sent.
[[nodiscard]] stream open(const request& head, options opts = options());
[[nodiscard]] stream open(const request& head, options opts, error_code& ec);
[[nodiscard]] stream open(const asio::any_io_executor& executor, const request& head, options opts = options());
[[nodiscard]] stream open(const asio::any_io_executor& executor, const request& head, options opts, error_code& ec);

using open_handler = connection::open_handler;

namespace detail {
void start_open(const asio::any_io_executor& executor, const request& head, options opts, open_handler handler);
}

/// As `open`, on `executor`. Completion signature: `void(error_code, stream)`; on failure the stream has the reason in
/// `failure()`. Cancellation: terminal, ends the attempt.
template <asio::completion_token_for<void(error_code, stream)> Token = asio::deferred_t>
auto async_open(asio::any_io_executor executor, request head, options opts = options(), Token&& token = Token{}) {
  return asio::async_initiate<Token, void(error_code, stream)>(
      [executor = std::move(executor), head = std::move(head), opts = std::move(opts)](auto handler) mutable {
        detail::start_open(executor, head, std::move(opts), open_handler(std::move(handler)));
      },
      token);
}

}  // namespace duplex::h2
