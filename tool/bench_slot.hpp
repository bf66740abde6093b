#pragma once
// What one of the concurrent streams of `duplex bench` does.

#include "bench_meter.hpp"
#include "bench_settings.hpp"

#include <duplex/h2/connection.hpp>

#include <boost/asio/awaitable.hpp>

#include <string>

namespace duplex::tool {

namespace asio = boost::asio;

/// What every stream is given; `payload` is a message.
struct bench_plan {
  const bench_settings& settings;
  std::string payload;
};

/// One stream after the other on `c`, until the meter lets no more messages begin or the connection has failed.
/// To be run on the connection's executor, in the meter's thread. Both outlive it.
asio::awaitable<void> run_slot(h2::connection c, const bench_plan& plan, bench_meter& meter);

}  // namespace duplex::tool
