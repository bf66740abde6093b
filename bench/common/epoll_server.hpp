#pragma once
// Accepts connections on the loopback and lets each do its work when its socket is ready, on one thread or on several
// that take turns in getting a connection.

#include "link.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace bench {

/// What a server does with one connection.
class session {
 public:
  session() = default;
  session(const session&) = delete;
  session& operator=(const session&) = delete;
  virtual ~session() = default;
  /// Something can be read or written. False: it is over.
  virtual bool ready() = 0;
  /// Whether it waits to write.
  [[nodiscard]] virtual bool wants_write() const = 0;
};

/// The command line of a server: [--cert FILE --key FILE] [--threads N]
struct server_plan {
  std::string cert{};
  std::string key{};
  std::size_t threads = 1;
  [[nodiscard]] bool tls() const noexcept { return !cert.empty(); }
};
[[nodiscard]] server_plan parse_server(int argc, char** argv);

/// Prints the port, and serves until stdin ends; SIGTERM ends the program.
/// `accept` is called on the thread that serves the connection.
void serve(const server_plan& plan, const std::function<std::unique_ptr<session>(link)>& accept);

}  // namespace bench
