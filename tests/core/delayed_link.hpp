#pragma once
// Two sessions and a path between them that takes its time: a delay each way, and a bandwidth. Time is virtual, so that
// a second costs what its bytes cost to copy.

#include "memory_peers.hpp"

#include <chrono>
#include <cstddef>
#include <deque>
#include <optional>
#include <string>

namespace duplex::test {

struct path {
  /// There and back.
  std::chrono::milliseconds round_trip{0};
  double bytes_per_second = 1e8;
  /// How many bytes wait before the narrowest place until the sender is held up. A large one makes the round trip
  /// longer.
  std::size_t queue = 65536;
};

/// A server that sends without end on every stream, and a client that reads all of it at once unless told otherwise.
class delayed_link {
 public:
  explicit delayed_link(path of, const options& for_client = {}, const options& for_server = {});
  delayed_link(const delayed_link&) = delete;
  delayed_link& operator=(const delayed_link&) = delete;

  /// A stream on which the server sends all the time.
  std::int32_t download();
  void run_for(std::chrono::milliseconds time);
  /// Bytes in a second that the client has read in the next `time`.
  double throughput(std::chrono::milliseconds time);
  [[nodiscard]] std::size_t window(std::int32_t id) { return client.stream(id).window; }

  time_point now{};
  endpoint client;
  endpoint server;
  bool client_reads = true;
  std::uint64_t read = 0;
  /// PINGs that the client has sent.
  [[nodiscard]] std::size_t pings() const { return pings_; }
  /// The PINGs of the client, or their answers, get lost.
  bool loses_pings = false;

 private:
  struct chunk {
    time_point arrives;
    std::string bytes;
  };
  struct direction {
    std::deque<chunk> under_way{};
    time_point busy_until{};  // the narrowest place
  };

  bool write(endpoint& from, direction& to);
  bool deliver(direction& from, endpoint& to);
  void serve();
  void take();
  std::string watch_pings(std::string bytes);
  [[nodiscard]] std::chrono::nanoseconds time_of(std::size_t bytes) const;
  [[nodiscard]] std::optional<time_point> next() const;

  path path_;
  options client_options_;
  std::set<std::int32_t> downloads_;
  direction up_;
  direction down_;
  std::string seen_;
  std::size_t pings_ = 0;
};

}  // namespace duplex::test
