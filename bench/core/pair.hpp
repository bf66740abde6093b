#pragma once
// Two sessions of the core wired by memory: what the protocol costs without sockets, threads and Asio.

#include "core/session.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace bench {

/// What the server does with what arrives.
enum class server_does { echo, sink };

class pair {
 public:
  explicit pair(server_does what);

  std::int32_t open();
  /// `bytes` must live until the next `pump`.
  void send(std::int32_t id, std::string_view bytes, bool fin = false);
  /// Moves bytes and does what the server does, until both sides are quiet.
  void pump();
  /// Takes what arrived for the client. Returns its bytes.
  std::size_t receive(std::int32_t id);
  /// The client is done with a stream.
  void release(std::int32_t id);

 private:
  bool move(duplex::core::session& from, duplex::core::session& to);
  void serve();
  void serve(std::int32_t id);

  server_does what_;
  duplex::core::time_point now_{};
  duplex::core::session client_;
  duplex::core::session server_;
  duplex::core::op_id op_ = 0;
  duplex::core::outgoing wire_;
  std::string reply_;
};

}  // namespace bench
