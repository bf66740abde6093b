#pragma once
// Starts the coroutine that answers one request.

#include <duplex/h2/request_handler.hpp>

#include <memory>

namespace duplex::h2 {

/// Calls `handler`, and runs what it returns, at once and on this thread, which is on the stream's executor. An
/// exception resets the stream with INTERNAL_ERROR.
void launch(const std::shared_ptr<coroutine_handler>& handler, request&& head, stream&& s);

}  // namespace duplex::h2
