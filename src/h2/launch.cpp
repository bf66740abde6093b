// Starts the coroutine that answers one request, on the spot, which `asio::co_spawn` would not do (ADR 15).
//
// The two names of Asio's details are those of Boost 1.81; a Boost that changes them fails to build here, not in
// programs.

#include "h2/launch.hpp"

#include "h2/stream_access.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_state.hpp>

#include <utility>

namespace duplex::h2 {
namespace {

using bottom_of_stack = asio::awaitable<asio::detail::awaitable_thread_entry_point>;
using stack = asio::detail::awaitable_thread<asio::any_io_executor>;

// The handler may be a lambda with captures: it outlives what it returned.
bottom_of_stack run([[maybe_unused]] std::shared_ptr<coroutine_handler> owner, asio::awaitable<void> answer, stream s) {
  try {
    co_await std::move(answer);
  } catch (...) {
    stream_access::state(s)->give_up();
  }
}

}  // namespace

void launch(const std::shared_ptr<coroutine_handler>& handler, request&& head, stream&& s) {
  auto answer = (*handler)(std::move(head), s);
  const auto executor = s.get_executor();
  stack(run(handler, std::move(answer), std::move(s)), executor, {}, {}).launch();
}

}  // namespace duplex::h2
