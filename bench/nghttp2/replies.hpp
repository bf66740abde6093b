#pragma once
// What the nghttp2 server answers: /echo sends back what comes, /sink drops it, /source sends without end.
// gRPC's clients get trailers, and from /source messages of 64 KiB in gRPC's framing.

#include "engine.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>

namespace bench {

class replies {
 public:
  struct reply {
    char path = 'e';
    bool grpc = false;
    bool answered = false;
    bool deferred = false;
    bool ended = false;
    std::string waiting{};  // of an echo
    std::size_t taken = 0;
    std::uint64_t produced = 0;  // of a source
  };
  std::unordered_map<std::int32_t, reply> streams{};
};

[[nodiscard]] session_ptr make_server_session(replies& state);

}  // namespace bench
