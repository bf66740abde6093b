#pragma once
// Who answers a server's requests.

#include <duplex/h2/stream.hpp>

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace duplex::h2 {

/// Called on the connection's executor with each request. Must not block. An exception that leaves it goes no further:
/// the stream is reset with INTERNAL_ERROR (RFC 9113, section 7), whoever has it, and other streams go on. One that
/// leaves a completion handler is another matter: see `stream`.
using request_handler = std::function<void(request, stream)>;
/// Returns what then runs there. It must not block. Exceptions as above.
using coroutine_handler = std::function<asio::awaitable<void>(request, stream)>;

/// Makes a plain handler of one that is a coroutine.
[[nodiscard]] request_handler launching(coroutine_handler handler);

/// Of anything that is called as `void(request, stream)`, or returns `asio::awaitable<void>`. It need not be copied.
template <class Handler>
[[nodiscard]] request_handler make_request_handler(Handler handler) {
  const auto shared = std::make_shared<Handler>(std::move(handler));
  if constexpr (std::is_void_v<std::invoke_result_t<Handler&, request, stream>>) {
    return [shared](request head, stream s) { (*shared)(std::move(head), std::move(s)); };
  } else {
    return launching([shared](request head, stream s) { return (*shared)(std::move(head), std::move(s)); });
  }
}

}  // namespace duplex::h2
