// Snapshots of a stream and its connection, for programs and for people.

#include "stats.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/json/value.hpp>

#include <chrono>
#include <optional>
#include <utility>

namespace duplex::tool {
namespace {

constexpr auto no_throw = asio::as_tuple(asio::deferred);

boost::json::value waiting(const std::optional<std::chrono::milliseconds>& since) {
  return since ? boost::json::value(since->count()) : boost::json::value(nullptr);
}

std::string window(std::int64_t bytes) { return std::to_string(bytes) + " bytes" + (bytes <= 0 ? " (closed)" : ""); }

std::string waits_for(const char* what, const std::optional<std::chrono::milliseconds>& since) {
  return since ? std::string("*   ") + what + " for " + std::to_string(since->count()) + " ms\n" : std::string();
}

}  // namespace

asio::awaitable<snapshot> take_snapshot(h2::stream s) {
  const auto c = s.connection();
  const auto [no_stream, of_stream] = co_await s.async_stats(no_throw);
  const auto [no_connection, of_connection] = co_await c.async_stats(no_throw);
  co_return snapshot{no_stream ? h2::stream_stats() : of_stream,
                     no_connection ? h2::connection_stats() : of_connection};
}

boost::json::object to_json(const h2::stream_stats& s) {
  return {{"id", s.id},
          {"state", s.state},
          {"send_window", s.send_window},
          {"recv_window", s.recv_window},
          {"recv_window_size", s.recv_window_size},
          {"unread_bytes", s.unread_bytes},
          {"unconsumed_bytes", s.unconsumed_bytes},
          {"queued_bytes", s.queued_bytes},
          {"bytes_sent", s.bytes_sent},
          {"bytes_received", s.bytes_received},
          {"recv_waits", s.recv_waits},
          {"sends_waiting", s.sends_waiting}};
}

boost::json::object to_json(const h2::connection_stats& c) {
  return {{"streams", c.streams},
          {"waiting_opens", c.waiting_opens},
          {"peer_max_concurrent_streams", c.peer_max_concurrent_streams},
          {"peer_initial_window", c.peer_initial_window},
          {"peer_max_frame_size", c.peer_max_frame_size},
          {"send_window", c.send_window},
          {"recv_window", c.recv_window},
          {"unread_bytes", c.unread_bytes},
          {"queued_bytes", c.queued_bytes},
          {"bytes_sent", c.bytes_sent},
          {"bytes_received", c.bytes_received},
          {"frames_sent", c.frames_sent},
          {"frames_received", c.frames_received},
          {"settings_unacknowledged_ms", waiting(c.settings_unacknowledged)},
          {"ping_unanswered_ms", waiting(c.ping_unanswered)},
          {"write_waits", c.write_waits},
          {"goaway_sent", c.goaway_sent},
          {"goaway_received", c.goaway_received}};
}

std::string to_text(const h2::stream_stats& s) {
  std::string out = "* Stream " + std::to_string(s.id) + ": " + std::string(s.state) + "\n";
  out += "*   sent " + std::to_string(s.bytes_sent) + " bytes, " + std::to_string(s.queued_bytes) + " queued in " +
         std::to_string(s.sends_waiting) + " sends; window " + window(s.send_window) + "\n";
  out += "*   received " + std::to_string(s.bytes_received) + " bytes, " + std::to_string(s.unread_bytes) +
         " unread, " + std::to_string(s.unconsumed_bytes) + " not consumed; window " + window(s.recv_window) +
         (s.recv_waits ? "; a recv waits" : "") + "\n";
  return out;
}

std::string to_text(const h2::connection_stats& c) {
  std::string out = "* Connection: " + std::to_string(c.streams) + " streams, " + std::to_string(c.waiting_opens) +
                    " wait to be opened; the peer allows " + std::to_string(c.peer_max_concurrent_streams) + "\n";
  out += "*   sent " + std::to_string(c.bytes_sent) + " bytes in " + std::to_string(c.frames_sent) + " frames, " +
         std::to_string(c.queued_bytes) + " queued; window " + window(c.send_window) + "\n";
  out += "*   received " + std::to_string(c.bytes_received) + " bytes in " + std::to_string(c.frames_received) +
         " frames, " + std::to_string(c.unread_bytes) + " unread; window " + window(c.recv_window) + "\n";
  out += waits_for("SETTINGS have not been acknowledged", c.settings_unacknowledged);
  out += waits_for("PING has not been answered", c.ping_unanswered);
  if (c.write_waits) out += "*   the transport has not taken the last write\n";
  if (c.goaway_sent) out += "*   GOAWAY was sent\n";
  if (c.goaway_received) out += "*   GOAWAY was received\n";
  return out;
}

}  // namespace duplex::tool
