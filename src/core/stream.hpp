#pragma once
// The state of one HTTP/2 stream (RFC 9113, section 5.1), without the engine.
//
//   side      values, in order                                        moves on
//   remote    head → body → ended                                     a head, trailers or END_STREAM arrives
//   local     head → body → ended                                     the head, END_STREAM is framed
//
//   remote \ local |  head               body               ended
//   ---------------+---------------------------------------------------------
//   head           |  idle               open               half-closed (local)
//   body           |  (server) open      open               half-closed (local)
//   ended          |  (server) h-c (r)   half-closed (rem.) closed, complete
//
//   Any state becomes closed, failed: by RST_STREAM from either side, by GOAWAY below the id, with the connection.

#include "core/credit.hpp"
#include "core/deadlines.hpp"
#include "core/fifo.hpp"
#include "core/inbox.hpp"
#include "core/outbox.hpp"
#include "core/reason.hpp"

#include <duplex/error.hpp>
#include <duplex/message.hpp>
#include <duplex/options.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

namespace duplex::core {

enum class progress : std::uint8_t { head, body, ended };

/// What `rate` bytes a second come to; at least one, and no more than a window can have.
[[nodiscard]] inline std::uint32_t bytes_within(options::duration time, std::size_t rate) noexcept {
  const auto bytes = std::chrono::duration<double>(time).count() * static_cast<double>(rate);
  return static_cast<std::uint32_t>(std::clamp<double>(bytes, 1, INT32_MAX));
}

struct stream {
  stream(std::int32_t stream_id, const options& opts)
      : in(opts.max_recv_buffer),
        out(opts.send_buffer),
        ledger(opts.flow),
        send_timeout(opts.send_timeout),
        stall_bytes(bytes_within(opts.send_timeout, opts.min_rate)),
        informational_left(static_cast<std::uint32_t>(std::min<std::size_t>(opts.max_informational, UINT32_MAX))),
        id(stream_id),
        wants_informational(opts.informational) {}

  inbox in;
  outbox out;
  credit ledger;

  /// What a server received, until the driver takes it.
  std::unique_ptr<request> head{};
  /// Operations that complete when their HEADERS frame goes out: 1xx, response, trailers, in order.
  fifo<op_id> header_ops{};

  std::uint64_t bytes_sent = 0;
  std::shared_ptr<const failure> failed{};
  /// What was wrong with a frame of the peer, in words.
  std::unique_ptr<const std::string> invalid_frame{};

  options::duration send_timeout;

  // There are many idle streams: what is small stands together.
  std::uint32_t stall_bytes;         // that must be framed within `send_timeout`
  std::uint32_t stall_began_at = 0;  // of `bytes_sent`, as far as it fits
  /// What the peer may send before some of it is read.
  std::uint32_t window = 0;
  std::uint32_t to_return = 0;            // credit that the engine was not told of
  std::uint32_t informational_left;       // of `max_informational`
  std::uint32_t informational_bytes = 0;  // of `max_header_bytes`
  std::uint32_t timed_sends = 0;          // buffered ones that have a deadline
  std::uint32_t head_bytes = 0;           // of a client's request
  std::int32_t id;
  std::uint16_t status = 0;  // of a server's response
  progress remote = progress::head;
  progress local = progress::head;
  /// Why sending is over before its end; set with every failure, and where the peer stopped us.
  reason send_end{};
  /// The engine has forgotten the stream: no frame can be sent or received on it.
  bool closed = false;
  bool wants_informational : 1;
  /// The user has dropped it: erased once it is closed.
  bool orphan : 1 = false;
  /// RST_STREAM came from the peer.
  bool reset_by_peer : 1 = false;
  /// The engine has a DATA frame for what is in `out`, or is to get one.
  bool offered : 1 = false;
  /// The session's deadlines have one for what was lent.
  bool stalls : 1 = false;

  /// The peer wanted no more of our side after the whole of its own (RFC 9113, section 8.1).
  [[nodiscard]] bool stopped() const noexcept { return closed && !failed && send_end == errc::stream_reset; }
  [[nodiscard]] bool complete() const noexcept { return remote == progress::ended && local == progress::ended; }
};

}  // namespace duplex::core
