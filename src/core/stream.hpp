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

#include <duplex/error.hpp>
#include <duplex/message.hpp>
#include <duplex/options.hpp>

#include <cstdint>
#include <memory>
#include <string>

namespace duplex::core {

enum class progress : std::uint8_t { head, body, ended };

struct stream {
  stream(std::int32_t stream_id, const options& opts)
      : id(stream_id),
        in(opts.max_recv_buffer),
        out(opts.send_buffer),
        ledger(opts.flow),
        send_timeout(opts.send_timeout),
        max_informational(opts.max_informational),
        wants_informational(opts.informational) {}

  std::int32_t id;
  progress remote = progress::head;
  progress local = progress::head;

  inbox in;
  outbox out;
  credit ledger;

  /// What a server received, until the driver takes it.
  std::unique_ptr<request> head{};
  /// Operations that complete when their HEADERS frame goes out: 1xx, response, trailers, in order.
  fifo<op_id> header_ops{};

  /// What the peer may send before some of it is read.
  std::size_t window = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  /// Why sending is over before its end; set with every failure, and by RST_STREAM(NO_ERROR) after a response.
  error_code send_end{};
  std::unique_ptr<const failure> failed{};
  /// What was wrong with a frame of the peer, in words.
  std::unique_ptr<const std::string> invalid_frame{};

  options::duration send_timeout;
  /// Until when the next byte that was lent must be framed, and what the session's deadlines know of it.
  time_point stalls_at = never;
  time_point told_stalls_at = never;
  std::uint32_t timed_sends = 0;  // buffered ones that have a deadline
  std::uint32_t informational_seen = 0;
  std::size_t max_informational;
  bool wants_informational;
  /// The engine has forgotten the stream: no frame can be sent or received on it.
  bool closed = false;
  /// The user has dropped it: erased once it is closed.
  bool orphan = false;
  /// RST_STREAM came from the peer.
  bool reset_by_peer = false;

  [[nodiscard]] bool complete() const noexcept { return remote == progress::ended && local == progress::ended; }
};

}  // namespace duplex::core
