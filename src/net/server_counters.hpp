#pragma once
// What a server and all its connections count together, from any thread.

#include "net/payload_counts.hpp"

#include <duplex/h2/server_options.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace duplex::net {

struct server_counters {
  std::atomic<std::size_t> connections = 0;
  std::atomic<std::size_t> streams = 0;
  std::atomic<std::uint64_t> connections_accepted = 0;
  std::atomic<std::uint64_t> connections_failed = 0;
  std::atomic<std::uint64_t> connections_refused = 0;
  std::atomic<std::uint64_t> requests = 0;
  std::atomic<std::uint64_t> requests_done = 0;
  std::atomic<std::uint64_t> requests_failed = 0;
  std::atomic<std::uint64_t> requests_refused = 0;
  payload_counts bytes;

  [[nodiscard]] h2::server_stats snapshot() const noexcept {
    const auto [received, sent] = bytes.sum();
    return {.connections = connections,
            .streams = streams,
            .connections_accepted = connections_accepted,
            .connections_failed = connections_failed,
            .connections_refused = connections_refused,
            .requests = requests,
            .requests_done = requests_done,
            .requests_failed = requests_failed,
            .requests_refused = requests_refused,
            .bytes_received = received,
            .bytes_sent = sent};
  }
};

}  // namespace duplex::net
