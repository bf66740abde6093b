#pragma once
// Two sessions wired by strings, under a time that moves only when a test says so.

#include "core/session.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace duplex::test {

using core::op_id;
using core::outbox;
using core::role;
using core::session;
using core::session_config;
using core::time_point;
using namespace std::chrono_literals;

/// Every read brings all there is.
inline constexpr std::size_t whole = std::numeric_limits<std::size_t>::max();

/// `stream_reset`, or `ok`.
[[nodiscard]] std::string name(error_code ec);

/// `stream_reset peer stream CANCEL retry_safe`, or `none`.
[[nodiscard]] std::string describe(const std::optional<failure>& f);

/// `{a: 1, b: 2}`
[[nodiscard]] std::string describe(const fields& list);

/// `response 200 {a: 1}, data abc, trailers {b: 2}, done`: neighbouring data is joined, a long piece is told as
/// `data #70000`.
[[nodiscard]] std::string tell(const std::vector<message>& messages);

/// A write, in one piece.
std::string joined(core::outgoing& out);

/// A session in the hands of a driver that does as it is told: takes every event, and frees a lent buffer at the
/// first moment at which it may, so that a sanitizer sees a later use of it.
class endpoint {
 public:
  endpoint(session_config config, const time_point& now);

  /// Client: opens `method http://peer/`.
  std::int32_t open(const options& opts, const fields& headers = {}, const std::string& method = "POST");
  /// Client: opens `POST http://peer/` as soon as there is a place, at most for `connect_timeout`.
  error_code open_when_possible(const options& opts);
  /// The streams of waiting opens that became one, in order.
  [[nodiscard]] std::vector<std::int32_t> opened();
  error_code respond(std::int32_t id, int status = 200, const fields& headers = {}, bool end = false);
  error_code inform(std::int32_t id, int status, const fields& headers = {});

  /// Borrowed: complete once it is framed.
  error_code send(std::int32_t id, std::string_view bytes, bool end = false);
  /// Copied into the bounded buffer: complete once it fits.
  error_code send_buffered(std::int32_t id, std::string_view bytes, bool end = false);
  error_code send_trailers(std::int32_t id, const fields& list);
  /// The operation of the last call.
  [[nodiscard]] op_id last_op() const { return last_op_; }

  void consume(std::int32_t id, std::size_t bytes) { session_.consume(id, bytes); }
  void reset(std::int32_t id, h2::code code, errc why = errc::canceled);
  void abandon(std::int32_t id, h2::code code, errc why = errc::canceled);
  void release(std::int32_t id);

  /// Takes what waits on the stream and tells it. After the last message comes the error that a reader would get, if
  /// there is one.
  std::string story(std::int32_t id);
  /// The messages that wait.
  std::vector<message> take(std::int32_t id);
  /// Takes what waits on the stream and returns only the payload.
  std::string body(std::int32_t id);

  /// Takes the events that wait. Whatever asks below does it first.
  void collect();

  [[nodiscard]] bool is_sent(op_id op);
  /// Completed operations in the order of their events.
  [[nodiscard]] const std::vector<op_id>& sent();
  [[nodiscard]] const std::vector<core::event>& events();
  [[nodiscard]] std::size_t count(core::event::kind what, std::int32_t id = 0);
  /// Streams the peer has opened, in order.
  [[nodiscard]] std::vector<std::int32_t> requests();
  [[nodiscard]] std::string failure_of(std::int32_t id);
  [[nodiscard]] std::string failure_of_connection() { return describe(session_.failed()); }
  /// Whether the session still knows the stream.
  [[nodiscard]] bool knows(std::int32_t id) { return session_.find(id) != nullptr; }
  [[nodiscard]] core::stream& stream(std::int32_t id) { return *session_.find(id); }

  /// Appends a write of the session's to `to`, in one piece.
  bool pull(std::string& to, time_point now);

  session& operator*() noexcept { return session_; }
  session* operator->() noexcept { return &session_; }

 private:
  struct lent_buffer {
    std::int32_t stream;
    std::unique_ptr<std::string> bytes;
  };
  error_code start_send(std::int32_t id, std::string_view bytes, bool end, outbox::kind how);

  session session_;
  const time_point& now_;
  op_id last_op_ = 0;
  std::map<op_id, lent_buffer> lent_;
  std::vector<core::event> events_;
  std::vector<op_id> sent_;
  std::set<std::int32_t> ids_;
};

/// A client and a server that have greeted each other.
class memory_peers {
 public:
  explicit memory_peers(std::size_t bytes_per_read = whole, const options& for_client = {},
                        const options& for_server = {}, std::uint32_t max_concurrent_streams = 100);
  memory_peers(const memory_peers&) = delete;
  memory_peers& operator=(const memory_peers&) = delete;

  /// Moves bytes both ways, a few in each read, until both sides are quiet.
  void pump();

  /// The story of a stream that is read, by `reader`, until nothing more comes. Windows reopen on the way.
  std::string story(endpoint& reader, std::int32_t id);

  /// Time goes on, and what is due happens.
  void advance(std::chrono::milliseconds by);

  /// A stream that the client has opened with the client's options and the server knows.
  std::int32_t open();

  options client_options;
  std::size_t bytes_per_read;
  time_point now{};
  endpoint client;
  endpoint server;

 private:
  bool move(endpoint& from, endpoint& to);
};

}  // namespace duplex::test
