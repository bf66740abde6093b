#pragma once
// Whether a blocking call would wait for the thread it is made on.

#include <boost/asio/any_io_executor.hpp>

namespace duplex::net {

/// Whether the calling thread runs `executor`. Knows io_context, thread_pool and strands over them; for an executor of
/// another kind the answer is no.
[[nodiscard]] bool runs_here(const boost::asio::any_io_executor& executor);

}  // namespace duplex::net
