#pragma once
// One HTTP/2 connection as a state machine (RFC 9113): bytes in, events out; calls in, bytes out. No I/O, no clock.
//
//   feed(bytes) → take_events()          submit, send, reset … → pull() → bytes
//
//   connection  | peer's GOAWAY       ours                 an error, lost()
//   ------------+-----------------------------------------------------------
//   running     | draining            draining             failed
//   draining    | draining            draining             failed
//   finished    | when draining and no stream is active
//   failed      | every stream failed; a GOAWAY may still have to be pulled
//
// No call throws. One that finds no memory fails the session, `errc::out_of_memory`, and says so if it has a result;
// then there may be no event for what ended: `failed` says that all of it has (ADR 19).
//
// nghttp2 does framing, HPACK and validation. Its callbacks (session_callbacks.cpp) only record; what follows from
// them is done after it has returned.

#include "core/block_cache.hpp"
#include "core/deadlines.hpp"
#include "core/ended_stream.hpp"
#include "core/frame_guard.hpp"
#include "core/keepalive.hpp"
#include "core/open_queue.hpp"
#include "core/outgoing.hpp"
#include "core/stream.hpp"
#include "core/window_estimator.hpp"

#include <duplex/frame.hpp>
#include <duplex/h2/code.hpp>
#include <duplex/h2/stats.hpp>

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

struct nghttp2_session;

namespace duplex::core {

class engine_memory;

enum class role { client, server };
enum class stranger;

/// What a server knows of a client before its first byte.
enum class client_speaks {
  http2,    // it said so by ALPN
  unknown,  // cleartext: it gets our SETTINGS when it has sent the preface
  other,    // TLS without ALPN: not HTTP/2 (RFC 9113, section 3.2)
};

struct session_config {
  core::role role = role::client;
  client_speaks speaks = client_speaks::http2;
  /// The windows, header limits and, on a server, what every stream starts with.
  options defaults{};
  /// Streams the peer may have open at the same time (server).
  std::uint32_t max_concurrent_streams = 100;
  /// How long a connection may be without streams until we say GOAWAY (server); none: for ever.
  std::optional<options::duration> idle_timeout{};
  /// Client: the id of its first stream. They end at 2^31-1 (RFC 9113, section 5.1.1).
  std::int32_t first_stream_id = 1;
  /// Record every frame for `take_frames`.
  bool trace = false;
  /// Server: record for `take_rejected` why requests failed of which there is no event.
  bool tell_rejected = false;
  /// Server: record for `take_ended` how the streams of requests ended that there was an event of.
  bool tell_ended = false;
  /// Server: take extended CONNECT, and say so (RFC 8441, section 3).
  bool extended_connect = false;
  /// What messages call the other side; a host and port where they are known.
  std::string peer = "the peer";
};

/// Something that happened, for the driver to act on.
struct event {
  enum class kind {
    request,     // a server's new stream; `head` is set
    readable,    // the stream's inbox has something, or its end
    sent,        // operation `value` of the stream is complete
    closed,      // the stream is over, well or failed
    timed_out,   // the deadline of operation `value` has passed
    opened,      // client: waiting open `value` is `stream` now
    not_opened,  // client: waiting open `value` will never be a stream; `why_not_opened` has the reason
    pong,        // PING `value` was answered
    goaway,      // the peer said GOAWAY
    settings,    // the peer's first SETTINGS
    failed,      // the connection failed
  };
  kind what;
  std::int32_t stream = 0;
  std::uint64_t value = 0;
};

/// Bytes of DATA without padding, of all streams so far.
struct payload {
  std::uint64_t received = 0;
  std::uint64_t sent = 0;
};

class session {
 public:
  explicit session(session_config config);
  ~session();
  session(const session&) = delete;
  session& operator=(const session&) = delete;

  // Bytes and time

  /// Takes what came from the peer, in pieces of any size.
  void feed(std::string_view bytes);

  /// A pull that brings so much, or hardly more, may have left something; one that brings less has not.
  static constexpr std::size_t full_pull = 65536;

  /// Appends what is to be sent, and returns whether there was any. Payload that was lent is still where it was: it may
  /// go away when the next event was taken, and not before.
  bool pull(outgoing& out, time_point now);

  /// To be called when no `pull` will follow soon, and not later than the next deadline is asked for: buffered sends
  /// that were not framed are copied as far as they fit, so that those who wait for them may go on. The time-outs of
  /// all sends that are left begin with it: most are framed in the turn that they were made in, and never get one.
  void settle_sends(time_point now);
  /// Whether there are buffered sends that were neither framed nor copied: those that the next `settle_sends` will see.
  [[nodiscard]] bool sends_wait() noexcept;

  /// Judges what the peer did until now by `options::limits`. `pull` does it as well.
  void settle_budgets(time_point now);

  /// Whether more may be fed. A peer that reads nothing could otherwise have us queue without end.
  [[nodiscard]] bool wants_input() const;

  /// Nothing will be sent or received any more.
  [[nodiscard]] bool finished() const;

  /// The nearest point in time at which `handle_timeout` has something to do.
  [[nodiscard]] std::optional<time_point> next_deadline();
  void handle_timeout(time_point now);

  /// What happened since the last call, in order. `memory` is for what happens next.
  [[nodiscard]] std::vector<event> take_events(std::vector<event> memory = {}) noexcept {
    memory.clear();
    return std::exchange(events_, std::move(memory));
  }
  [[nodiscard]] bool has_events() const noexcept { return !events_.empty(); }
  [[nodiscard]] std::size_t waiting_events() const noexcept { return events_.size(); }
  [[nodiscard]] std::vector<frame_info> take_frames() noexcept { return std::exchange(frames_, {}); }
  /// Server: why requests failed before they could be announced: malformed, or above a bound.
  [[nodiscard]] std::vector<std::shared_ptr<const failure>> take_rejected() noexcept {
    return std::exchange(rejected_, {});
  }
  /// Server: streams that are over since the last call.
  [[nodiscard]] std::vector<ended_stream> take_ended(std::vector<ended_stream> memory = {}) noexcept {
    memory.clear();
    return std::exchange(ended_, std::move(memory));
  }

  // Streams. Operations are named by the driver; their end is an event or `errc` at once.

  /// Client: opens a stream at once; 0 if there can be none. The head was checked.
  std::int32_t open(const request_head& head, const options& opts);
  /// Client: opens a stream as soon as the peer's limit has a place for it, and an extended CONNECT (RFC 8441) not
  /// before the peer's SETTINGS are here; an event tells.
  [[nodiscard]] error_code open_when_possible(op_id op, request_head head, options opts, time_point deadline);
  /// Whether `op` was waiting to be opened; it is forgotten.
  bool cancel_open(op_id op);
  [[nodiscard]] failure why_not_opened() const;
  /// Null once the stream was erased.
  [[nodiscard]] stream* find(std::int32_t id) noexcept;

  /// Server: the response head; `end`: it is all.
  [[nodiscard]] error_code respond(std::int32_t id, op_id op, const response& head, bool end);
  /// Server: a 1xx reply.
  [[nodiscard]] error_code inform(std::int32_t id, op_id op, const informational& head);

  /// Payload, borrowed until its `sent` event, or copied into the bounded buffer; times out by `send_timeout`.
  [[nodiscard]] error_code send(std::int32_t id, op_id op, std::span<const std::string_view> parts, bool end,
                                outbox::kind how);
  [[nodiscard]] error_code send_trailers(std::int32_t id, op_id op, const fields& list);

  /// The next message, its bytes credited; none if there is none.
  std::optional<message> receive(std::int32_t id);
  void consume(std::int32_t id, std::size_t bytes);

  /// A point in time at which `timed_out` is wanted for a waiting operation.
  void set_deadline(std::int32_t id, op_id op, time_point when) try {
    deadlines_.set({id, waiting::recv, op}, when);
  } catch (...) {
    out_of_memory();
  }
  void clear_deadline(std::int32_t id, op_id op) { deadlines_.clear({id, waiting::recv, op}); }
  /// When a stream that is not over by then is reset: the end of its `max_time`.
  void end_at(std::int32_t id, time_point when);

  /// Ends a stream with RST_STREAM for a reason of ours, unless it is over. What arrived can still be read.
  void reset(std::int32_t id, std::uint32_t http2_code, error_code why, std::string message);
  /// As `reset`, and drops what arrived: reads fail with `closed`.
  void abandon(std::int32_t id, std::uint32_t http2_code, error_code why, std::string message);
  /// Nobody will use the stream any more: finishes what was queued behind an end, otherwise resets with CANCEL.
  void release(std::int32_t id);

  // The connection

  void ping(std::uint64_t opaque);
  /// GOAWAY. With NO_ERROR running streams may finish; otherwise the session is finished once it was pulled.
  void goaway(std::uint32_t http2_code, std::string_view debug_data);
  /// The graceful end (RFC 9113, section 6.8). A server says first that there will be one, and a round trip later what
  /// is still served: what the client opens until then is. It waits for at most `close_timeout`.
  void shut_down(time_point now);
  /// The transport ended or failed; every stream that is not over fails with it.
  void lost(error_code why, std::string message, origin from = origin::network);
  /// The driver found no memory for what it has to do: the connection fails and is finished. Takes no memory; of events
  /// there are those that there was memory for. Returns the error.
  error_code out_of_memory() noexcept;
  /// Nothing has moved for a while: gives memory back that is there for more.
  void rest() noexcept;

  [[nodiscard]] core::role role() const noexcept { return config_.role; }
  [[nodiscard]] const std::string& peer() const noexcept { return config_.peer; }

  [[nodiscard]] const std::optional<failure>& failed() const noexcept { return failed_; }
  [[nodiscard]] const options& defaults() const noexcept { return config_.defaults; }
  [[nodiscard]] bool accepts_streams() const noexcept;
  /// Server: whether the client is at, or said, something else than the preface.
  [[nodiscard]] bool met_stranger() const noexcept;
  /// Whether the peer has ended the connection because it got more PINGs than it takes, in gRPC's words.
  [[nodiscard]] bool told_too_many_pings() const noexcept;
  [[nodiscard]] std::size_t active_streams() const noexcept { return active_; }
  /// How many streams the peer lets us have at the same time; none until it has said so.
  [[nodiscard]] std::optional<std::uint32_t> stream_limit() const;
  /// Whether one more stream is within that limit.
  [[nodiscard]] bool has_place() const;

  /// What the driver does not know.
  [[nodiscard]] h2::stream_stats stats(const stream& s) const;
  [[nodiscard]] h2::connection_stats stats(time_point now) const;
  [[nodiscard]] const core::payload& payload() const noexcept { return payload_; }

 private:
  friend struct session_callbacks;  // records into what follows

  // The borrowed sends of a stream share one deadline, which moves on with every byte.
  enum class waiting { open, recv, buffered_send, borrowed_sends, end, drain_answer };
  struct deadline_key {
    std::int32_t stream;
    waiting what;
    op_id op;
    auto operator<=>(const deadline_key&) const = default;
  };
  struct header_block {
    std::int32_t stream = 0;
    std::size_t bytes = 0;
    fields list{};
    request_head pseudo{};
    int status = 0;

    void begin(std::int32_t id) noexcept {
      stream = id;
      bytes = 0;
      list = {};
      for (auto* text : {&pseudo.method, &pseudo.scheme, &pseudo.authority, &pseudo.path, &pseudo.protocol}) {
        text->clear();
      }
      status = 0;
    }
  };
  struct engine_deleter {
    engine_memory* memory;
    void operator()(nghttp2_session* engine) const noexcept;
  };

  void submit_settings();
  [[nodiscard]] bool is_decided(const request_head& head) const;
  [[nodiscard]] bool may_say(const request_head& head) const;
  bool open_waiting();
  void refuse_waiting();
  stream& add_stream(std::int32_t id, const options& opts);
  void emit(event::kind what, std::int32_t id = 0, std::uint64_t value = 0) { events_.push_back({what, id, value}); }
  static void end_unsent(stream& s);
  bool complete_sends(stream& s, op_id op = 0);
  void watch_stall(stream& s, time_point now);
  void end_stall(stream& s);
  void clear_deadlines(stream& s);
  void feed_engine(std::string_view bytes);
  void feed_guarded(std::string_view bytes);
  void answer(const breach& what);
  /// What was fed after `part` of it.
  [[nodiscard]] std::string_view behind(std::string_view part) const noexcept;
  void fail_stranger(stranger who);
  [[nodiscard]] bool holds_back() const noexcept;
  void hear_client(std::string_view bytes);
  void refuse_client(stranger who);
  [[nodiscard]] std::string explain_preface() const;
  [[nodiscard]] std::string explain_goaway() const;
  void end_by(const excess& what);
  void check_queue();
  void earn_by_stream();
  void return_credit(stream& s, std::size_t bytes);
  bool widen(stream& s, std::size_t window);
  bool widen_begun(stream& s);
  bool settle_begun();
  bool offer(stream& s);
  void hand_over(stream& s);
  void frame();
  void frame_offered();
  void measure(time_point now);
  bool apply_recorded();
  bool go_on_draining();
  void stop_uploads();
  bool submit_due_trailers();
  [[nodiscard]] bool has_window(std::int32_t id) const;
  void refuse_unsent();
  void fail(stream& s, failure why);
  void end(stream& s, std::shared_ptr<const failure> why) noexcept;
  void fail_connection(failure why);
  void close_all();
  void give_up(h2::code code, failure why);
  void watch_peer(time_point now);
  void watch_frame(time_point now);
  void expect_from_peer(time_point now);
  void close_stream(stream& s, std::uint32_t http2_code);
  void record_end(const stream& s);
  void erase_if_over(stream& s);
  void drop_unread(stream& s, reason why);
  void drop_greediest();
  [[nodiscard]] failure stream_failure(const stream& s, std::uint32_t http2_code) const;
  [[nodiscard]] error_code may_send(const stream* s) const;

  session_config config_;
  std::unique_ptr<engine_memory> memory_;
  std::unique_ptr<nghttp2_session, engine_deleter> engine_;
  frame_guard guard_;
  open_queue waiting_;
  using stream_allocator = cached_allocator<std::pair<const std::int32_t, stream>>;
  std::unordered_map<std::int32_t, stream, std::hash<std::int32_t>, std::equal_to<>, stream_allocator> streams_;
  stream* last_found_ = nullptr;  // what is done for one stream often comes in a row
  std::size_t active_ = 0;
  std::size_t unread_ = 0;   // of all inboxes
  std::size_t granted_ = 0;  // the windows of all active streams
  window_estimator estimator_;
  deadlines<deadline_key> deadlines_;
  keepalive keepalive_;
  struct {
    std::optional<time_point> idle_since{};
    std::optional<time_point> block_since{};  // the header block under way
    std::optional<time_point> frame_due{};    // the frame under way
    std::uint64_t frame = 0;
  } owed_;  // by the peer
  std::vector<event> events_;
  std::vector<frame_info> frames_;
  std::vector<std::shared_ptr<const failure>> rejected_;
  std::vector<ended_stream> ended_;
  std::optional<failure> failed_;

  // Recorded by the callbacks, applied when the engine has returned.
  header_block block_;
  std::string_view fed_;     // while the engine reads it
  outgoing* to_ = nullptr;   // of `pull`, while it runs
  std::size_t full_at_ = 0;  // bytes
  std::size_t arrived_ = 0;
  std::vector<std::int32_t> begun_;  // new streams
  std::vector<stream*> to_offer_;    // have something to be framed that the engine was not given yet
  bool measured_ = false;            // the PING of the estimator was answered
  std::vector<std::pair<std::int32_t, std::uint32_t>> to_reset_;
  std::vector<std::int32_t> to_stop_;   // answered in full: the rest of the request is not wanted
  std::vector<std::int32_t> to_share_;  // requests that said nothing about their priority
  std::set<std::int32_t> prioritized_;  // streams that did, before their request
  bool ordered_ = false;                // any of them did
  std::int32_t last_request_ = 0;
  outbox::completed completed_;  // of the stream at hand
  struct unsettled_send {
    std::int32_t stream;
    op_id op;  // without one: payload was framed, and earlier sends of the stream may fit now
  };
  std::vector<unsettled_send> unsettled_;
  std::vector<std::int32_t> due_trailers_;
  std::vector<std::int32_t> to_erase_;
  std::string invalid_frame_;  // of the connection; a stream has its own
  struct {
    bool received = false;
    std::int32_t last_stream_id = 0;
    std::uint32_t code = 0;
    std::string debug_data{};
  } goaway_;
  std::int32_t last_accepted_ = std::numeric_limits<std::int32_t>::max();  // by our GOAWAY
  struct {
    std::uint64_t bytes_sent = 0;
    std::uint64_t bytes_received = 0;
    std::uint64_t frames_sent = 0;
    std::uint64_t frames_received = 0;
  } wire_;
  core::payload payload_;
  std::optional<time_point> settings_sent_;  // until they are acknowledged
  bool settings_acknowledged_ = false;
  std::string preface_;
  std::string refusal_;  // to a client that does not begin with the preface, all that is sent
  bool preface_checked_ = false;
  bool settings_seen_ = false;
  enum class drain {
    no,
    announced,  // our first GOAWAY of two was submitted
    begun,      // our GOAWAY was submitted, which says what is still served
  } drain_ = drain::no;
  enum class drain_step { none, ping, goaway } drain_due_ = drain_step::none;
  bool terminated_by_us_ = false;
  bool dead_ = false;     // the engine is not asked any more
  bool ran_out_ = false;  // a callback found no memory
};

}  // namespace duplex::core
