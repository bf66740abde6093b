#pragma once
// Snapshots of a stream and its connection, for programs and for people.

#include <duplex/h2/connection.hpp>
#include <duplex/h2/stream.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>

#include <string>

namespace duplex::tool {

namespace asio = boost::asio;

/// One stream and the connection that carries it, each by itself: an end may come in between.
struct snapshot {
  h2::stream_stats stream{};
  h2::connection_stats connection{};
};

/// What cannot be had any more is as it was before anything happened.
asio::awaitable<snapshot> take_snapshot(h2::stream s);

[[nodiscard]] boost::json::object to_json(const h2::stream_stats& s);
[[nodiscard]] boost::json::object to_json(const h2::connection_stats& c);

/// Lines that begin with `*`, as the other facts on standard error.
[[nodiscard]] std::string to_text(const h2::stream_stats& s);
[[nodiscard]] std::string to_text(const h2::connection_stats& c);

}  // namespace duplex::tool
