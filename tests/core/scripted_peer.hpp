#pragma once
// A session whose peer is a script: says any bytes, and hears frames.

#include "memory_peers.hpp"
#include "raw_frames.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace duplex::test {

class scripted_peer {
 public:
  /// `side` is the session's; the script plays the other one. It has not greeted yet.
  scripted_peer(role side, std::size_t bytes_per_read, const options& opts = {}, std::int32_t first_stream_id = 1)
      : session_options(opts),
        us({.role = side, .defaults = opts, .first_stream_id = first_stream_id}, now),
        side_(side),
        bytes_per_read_(bytes_per_read) {
    listen();
  }
  scripted_peer(const scripted_peer&) = delete;
  scripted_peer& operator=(const scripted_peer&) = delete;

  /// Preface, SETTINGS and the acknowledgement of the session's.
  void greet(const std::vector<std::pair<std::uint16_t, std::uint32_t>>& entries = {}) {
    if (side_ == role::server) say(raw::preface);
    say(raw::settings(entries) + raw::settings_ack());
    heard_.clear();
  }

  /// Client under test: opens a stream.
  std::int32_t open(const fields& headers = {}) {
    const auto id = us.open(session_options, headers);
    listen();
    return id;
  }

  /// Feeds `bytes`, a few in each read. The session writes after each read.
  void say(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto n = std::min(bytes_per_read_, bytes.size());
      us->feed(bytes.substr(0, n));
      us.collect();
      listen();
      bytes.remove_prefix(n);
    }
  }

  /// Takes what the session writes.
  void listen() {
    while (us.pull(unread_, now)) us.collect();
    us.collect();
    for (auto& f : raw::take_frames(unread_)) {
      if (f.kind == raw::type_window_update) credit_[f.id] += f.number();
      heard_.push_back(f.text());
      frames_.push_back(std::move(f));
    }
  }

  void advance(std::chrono::milliseconds by) {
    us->settle_sends(now);  // time passes between turns
    now += by;
    us->handle_timeout(now);
    listen();
  }

  /// The frames since the last call, in words.
  std::vector<std::string> heard() {
    listen();
    return std::exchange(heard_, {});
  }
  /// All frames.
  const std::vector<raw::seen>& frames() {
    listen();
    return frames_;
  }
  /// All DATA of a stream.
  std::string payload(std::int32_t id) {
    std::string bytes;
    for (const auto& f : frames()) {
      if (f.kind == raw::type_data && f.id == id) bytes += f.payload;
    }
    return bytes;
  }
  /// The sum of WINDOW_UPDATE for a stream, or for the connection (0).
  std::uint64_t credit(std::int32_t id) {
    listen();
    return credit_[id];
  }

  options session_options;
  time_point now{};
  endpoint us;

 private:
  role side_;
  std::size_t bytes_per_read_;
  std::string unread_;
  std::vector<std::string> heard_;
  std::vector<raw::seen> frames_;
  std::map<std::int32_t, std::uint64_t> credit_;
};

}  // namespace duplex::test
