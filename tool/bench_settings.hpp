#pragma once
// The command line of `duplex bench`.

#include <duplex/message.hpp>
#include <duplex/options.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace duplex::tool {

/// What the streams do.
enum class bench_mode {
  /// A message, and the next one when all of it has come back.
  ping_pong,
  /// Messages without a pause, and what comes back is read.
  echo,
  /// Messages without a pause.
  upload,
  /// A response is a message.
  download,
  /// A stream is a message: opened, one message each way, ended.
  open,
  /// Streams that are opened and then do nothing.
  idle,
};

struct bench_settings {
  bench_mode mode = bench_mode::ping_pong;
  /// As on the command line.
  std::string mode_name = "ping-pong";
  request head{};
  duplex::options options{};

  std::size_t connections = 1;
  /// Of each connection.
  std::size_t streams = 1;
  std::size_t threads = 1;
  /// Bytes of a message; none if it is the server who decides.
  std::optional<std::size_t> size = 0;
  /// The run ends after so many messages, or after this time, whichever comes first.
  std::optional<std::uint64_t> messages{};
  std::optional<std::chrono::milliseconds> duration{};
  /// What happens in this time before is not counted.
  std::chrono::milliseconds warmup{0};
  bool json = false;
};

/// None if help was asked for and printed. Throws `problem` for a usage error.
[[nodiscard]] std::optional<bench_settings> parse_bench(int argc, const char* const* argv);

}  // namespace duplex::tool
