#pragma once
// What a client is to do: its command line, the same for every client in every language.
//
//   CLIENT WORKLOAD --port N [--ca FILE] [--size BYTES] [--streams N] [--seconds S] [--server-pid PID]
//          [--threads N] [--io block|epoll] [--framing none|grpc]
//
// The last line is for those that have the choice.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace bench {

enum class workload {
  ping_pong,  // `streams` streams on one connection, one message each in flight
  up,         // one stream: 64 KiB chunks to the server,
  down,       // from it,
  echo,       // or both ways at once
  open,       // a stream for each message, `streams` at the same time
  connect,    // a connection for each message
  reconnect,  // the same, resuming the TLS session of the one before
  idle,       // memory of `streams` open streams
  idle_connections,
};

/// The size of a chunk, and of the buffers of everything that is not under test.
inline constexpr std::size_t chunk = std::size_t{64} << 10;

struct plan {
  bench::workload workload = workload::ping_pong;
  std::uint16_t port = 0;
  /// The authority of the server's certificate; empty: no TLS.
  std::string ca{};
  /// Of one message.
  std::size_t size = 16;
  std::size_t streams = 1;
  double seconds = 1;
  /// Whose memory the idle workloads read besides our own; 0: nobody's.
  int server_pid = 0;
  /// Each with its own connection and `streams` on it.
  std::size_t threads = 1;
  /// Waits in epoll_wait for a socket that does not block.
  bool epoll = false;
  /// Frames messages for a server that speaks gRPC.
  bool grpc = false;

  [[nodiscard]] bool tls() const noexcept { return !ca.empty(); }
  /// `/echo`, `/sink` or `/source?bytes=N`.
  [[nodiscard]] std::string path() const;
  [[nodiscard]] std::string url() const;
  /// What is sent: `size` bytes, with gRPC's prefix if it is framed.
  [[nodiscard]] std::string message() const;
};

/// Reads the command line. Throws `std::runtime_error`.
[[nodiscard]] plan parse(int argc, char** argv);

}  // namespace bench
