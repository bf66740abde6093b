#pragma once
// What must be true of a session whatever its peer sends, checked against the bytes on the wire in both directions.
//
//   - What is delivered on a stream is the payload of its DATA frames from the first byte on, nothing added, changed,
//     lost or twice; the messages come in their order.
//   - `done` comes only behind an END_STREAM, when all payload before it was delivered, and nothing comes after it.
//   - Every byte is in one place: arrived = unread + delivered, delivered = owed + returned to the peer.
//   - When all was read and consumed, the windows are whole again, to the byte.

#include "core/memory_peers.hpp"
#include "fuzz/frame_reader.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace duplex::fuzz {

class witness {
 public:
  /// All streams have the same `opts`.
  witness(test::endpoint& us, core::role role, const options& opts);

  /// The verbs of a session that the witness has to see.
  void feed(std::string_view bytes);
  void pull(core::time_point now);
  void take(std::int32_t id);
  void consume(std::int32_t id, std::size_t bytes);
  void consume_all(std::int32_t id);
  /// The user does not want the rest of a stream.
  void drop(std::int32_t id) {
    if (us_.knows(id)) streams_[id].dropped = true;
  }

  /// Reads and consumes what is there, and uses the windows up, as far as the connection still stands: credit that
  /// was lost on the way is missing then.
  void check_windows(core::time_point now);
  /// Of a connection that was lost: every stream has come to its end, and nobody waits.
  void check_end();

  /// Every stream that was seen.
  [[nodiscard]] const auto& streams() const noexcept { return streams_; }

 private:
  enum class place { head, body, trailers, done };  // what was delivered last
  struct stream {
    // On the wire.
    std::string payload{};
    bool ended = false;
    // To the user.
    place at = place::head;
    std::size_t delivered = 0;
    std::size_t consumed = 0;
    bool dropped = false;
  };

  void see_incoming(const frame_head& head, std::size_t at, std::string_view piece);
  void see_message(std::int32_t id, const message& m);
  void check_ledger(std::int32_t id, const stream& s);
  void check_arrival();
  [[nodiscard]] bool alive() { return !us_->failed() && !us_->finished(); }
  [[nodiscard]] std::vector<std::int32_t> ids() const;
  void use_up(std::int32_t id, std::size_t bytes);
  void check_stream_window(std::int32_t id, core::time_point now);
  void check_connection_window(core::time_point now);
  std::int32_t closed_stream(core::time_point now);

  test::endpoint& us_;
  core::role role_;
  options options_;
  frame_reader in_;
  frame_reader out_;
  bool acknowledged_ = false;  // our SETTINGS, by the peer
  std::size_t padding_ = 0;    // of the DATA frame at hand
  std::string update_;         // the payload of a WINDOW_UPDATE of ours
  std::map<std::int32_t, stream> streams_;
  std::int64_t connection_window_ = 65535;  // what the peer may still send
};

}  // namespace duplex::fuzz
