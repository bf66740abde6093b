#pragma once
// The streams of a client on one connection, with a callback for what happens to any of them.

#include "engine.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

namespace bench {

struct call {
  std::int32_t id = 0;
  std::size_t received = 0;
  std::string_view out{};
  bool fin = false;
  bool deferred = false;
};

class calls {
 public:
  using handler = std::function<void(call&)>;

  calls(link l, const plan& p);
  calls(const calls&) = delete;
  calls& operator=(const calls&) = delete;

  /// POST to the plan's path.
  call& open();
  /// `bytes` stay with the caller until they were sent, which is told; one send at a time for each stream.
  void send(call& one, std::string_view bytes, bool fin = false);
  /// Writes, and reads: blocks in one of them.
  void turn();
  /// Writes what is due, without a read behind it.
  void flush() { engine_.flush(); }
  /// Off: `turn` blocks in epoll_wait. For bulk, where both directions move at the same time, and whoever wants it.
  void set_blocking(bool on) {
    blocking_ = on;
    engine_.transport().set_blocking(on);
  }

  handler on_head{};
  handler on_data{};
  handler on_sent{};
  handler on_close{};

 private:
  struct callbacks;
  [[nodiscard]] session_ptr make_session();

  std::string authority_;
  std::string path_;
  std::string scheme_;
  bool grpc_;
  read_buffer& buffer_;
  engine engine_;
  bool blocking_;
  bool ended_ = false;  // a stream, which nobody expected
  std::unordered_map<std::int32_t, std::unique_ptr<call>> all_;
};

}  // namespace bench
