#pragma once
// The user's side of one stream: operations that wait for the session, and the active handler.

#include "core/fifo.hpp"
#include "core/session.hpp"
#include "net/completion.hpp"
#include "net/connection.hpp"

#include <duplex/h2/stream.hpp>

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>

namespace duplex::net {

class stream_state : public std::enable_shared_from_this<stream_state> {
 public:
  using recv_completion = completion<error_code, message>;
  using send_completion = completion<error_code>;

  stream_state(std::shared_ptr<connection> c, std::int32_t id, const read_options& reads, bool dedicated);

  // From any thread

  [[nodiscard]] const std::shared_ptr<connection>& get_connection() const noexcept { return connection_; }
  [[nodiscard]] std::int32_t id() const noexcept { return id_; }
  [[nodiscard]] std::optional<failure> why_failed() const;
  [[nodiscard]] std::optional<options::duration> recv_timeout() const noexcept {
    return recv_timeout_ == without_end ? std::nullopt : std::optional(recv_timeout_);
  }

  /// Whether the user returns the bytes of what was delivered (`flow_control::manual`).
  [[nodiscard]] bool consumes() const noexcept { return consumes_; }

  [[nodiscard]] h2::stream_stats stats() const;

  /// While an exception is handled that the handler of the request threw: resets with INTERNAL_ERROR, and says so.
  void give_up();

  // Verbs, inside

  void recv(core::op_id op, std::optional<options::duration> timeout, recv_completion done);
  /// The next message, or the error that a `recv` would get at once; neither: nothing is there.
  std::optional<message> try_recv(error_code& ec);
  void send(core::op_id op, std::span<const std::string_view> parts, bool end, core::outbox::kind how,
            send_completion done);
  /// `framed`: completes when they were framed, otherwise when they are queued, as a buffered send.
  void send_trailers(core::op_id op, const fields& list, bool framed, send_completion done);
  void respond(core::op_id op, const response& head, bool end, send_completion done);
  void inform(core::op_id op, const informational& head, send_completion done);
  void set_active(active mode, active_handler handler);
  void consume(std::size_t bytes);
  void reset(std::uint32_t http2_code, std::string why = "the stream was reset here");
  /// Ends the stream, and its connection if that is its own.
  void close();
  /// As well; completes when the last bytes are out.
  void close(core::op_id op, send_completion done);
  /// Completes when nothing can be sent or received on the stream any more.
  void when_over(send_completion done);
  /// Ends the stream.
  void close_here();
  /// A cancellation slot fired for `op`.
  void cancel(core::op_id op);
  /// The last handle went away.
  void release();
  /// Hands the next message to the active handler.
  void run_active();

  // Events, inside

  void on_readable();
  void on_sent(core::op_id op);
  void on_timed_out(core::op_id op);
  void on_closed();
  /// Drops what waits without completing it.
  void drop_operations() noexcept;

 private:
  static constexpr options::duration without_end = options::duration::max();

  struct parked_recv {
    core::op_id op;
    recv_completion done;
  };

  struct waiting_send {
    core::op_id op;
    send_completion done;
  };

  struct delivery {
    std::shared_ptr<active_handler> handler;
    error_code ec;
    std::optional<message> what;  // or the error

    void run();
  };

  [[nodiscard]] core::session& session() const noexcept { return connection_->session(); }
  void finish_recv(error_code ec, message&& m = {});
  void finish_sends(error_code ec);
  template <class Begin>
  void start_send(core::op_id op, send_completion done, Begin begin);
  void run_active_outside();
  [[nodiscard]] delivery take_for_handler();
  [[nodiscard]] bool handler_runs_elsewhere() const noexcept;
  void set_mode(active mode);
  void publish_failure(const core::stream* s);

  std::shared_ptr<connection> connection_;

  std::optional<parked_recv> recv_;
  core::fifo<waiting_send> sends_;  // in their order, in which they end
  core::fifo<send_completion> over_;
  home::token listening_;  // unless the mode is off
  std::shared_ptr<active_handler> handler_;
  std::thread::id handler_thread_{};  // that is running it, outside
  // Written once, on the strand, before `failed_` is set; read by anybody afterwards.
  std::shared_ptr<const failure> failure_;

  // There are many idle streams: what is small stands together.
  options::duration recv_timeout_;  // `without_end`: none
  std::int32_t id_;
  active mode_ = active::off;
  const bool dedicated_ : 1;
  const bool consumes_ : 1;
  bool active_scheduled_ = false;  // or running, outside
  std::atomic<bool> failed_ = false;
};

/// The users' share in a stream; the last one gone, the stream is released.
class stream_handle {
 public:
  explicit stream_handle(std::shared_ptr<stream_state> s) : state_(std::move(s)) {
    state_->get_connection()->add_handle();
  }
  /// Of a stream that was never opened; because its connection was never made, if there is a handle of that.
  explicit stream_handle(failure why, std::shared_ptr<connection_handle> never_made = nullptr)
      : attempt_(std::make_unique<const attempt>(attempt{std::move(why), std::move(never_made)})) {}
  stream_handle(const stream_handle&) = delete;
  stream_handle& operator=(const stream_handle&) = delete;
  ~stream_handle();

  [[nodiscard]] const std::shared_ptr<stream_state>& get() const noexcept { return state_; }
  [[nodiscard]] std::optional<failure> why_failed() const {
    if (state_) return state_->why_failed();
    return attempt_ ? std::optional(attempt_->why) : std::nullopt;
  }
  [[nodiscard]] std::shared_ptr<connection_handle> never_made() const noexcept {
    return attempt_ ? attempt_->connection : nullptr;
  }

 private:
  std::shared_ptr<stream_state> state_;
  struct attempt {
    failure why;
    std::shared_ptr<connection_handle> connection;
  };
  std::unique_ptr<const attempt> attempt_;
};

}  // namespace duplex::net
