#pragma once
// The thread that runs connections of blocking callers who bring no executor of their own.

#include <boost/asio/any_io_executor.hpp>

namespace duplex::net {

/// The executor of the library's thread, which starts with the first call and is joined when the program ends.
[[nodiscard]] boost::asio::any_io_executor background_executor();

/// Whether `executor` is that one.
[[nodiscard]] bool is_background(const boost::asio::any_io_executor& executor);

/// Whether the calling thread is the library's.
[[nodiscard]] bool in_background();

/// Whether the library's thread is gone, so that waiting for it would never end.
[[nodiscard]] bool background_ended();

}  // namespace duplex::net
