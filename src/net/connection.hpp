#pragma once
// Drives one session over one transport: a read loop, a write loop, one timer, and the streams' waiting operations.
//
//   read → session.feed → route events → ready completions run → session.pull → one write
//
// Everything but the counters below happens on the strand. A turn is what one read, one finished write, one timer or
// one batch of calls from outside caused: first everything is processed, then all frames that are ready leave in one
// write.

#include "core/session.hpp"
#include "net/completion.hpp"
#include "net/transport.hpp"

#include <duplex/h2/connection.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace duplex::net {

using strand = asio::strand<asio::any_io_executor>;

class connection_handle;
class stream_state;
template <class Owner>
class lifeline;

/// What somebody who spreads streams over several connections has to know of one.
struct connection_load {
  /// Whether it takes more streams; once it does not, it never will.
  bool in_service = true;
  std::size_t streams = 0;
  /// The peer's, once it is known.
  std::optional<std::uint32_t> limit{};

  friend bool operator==(const connection_load&, const connection_load&) = default;
};

class connection : public std::enable_shared_from_this<connection> {
 public:
  using request_handler = std::function<void(request, h2::stream)>;
  using close_handler = asio::any_completion_handler<void(error_code)>;
  using load_handler = std::function<void(const connection_load&)>;

  /// `on_request`: server only.
  connection(strand executor, std::unique_ptr<transport> link, core::session_config config, h2::connection_info info,
             std::string origin, request_handler on_request = {});
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;
  ~connection();

  /// Begins to read and write. With `preface_timeout` the peer has that long to send its SETTINGS.
  void start(std::optional<std::chrono::milliseconds> preface_timeout = {});

  // From any thread

  [[nodiscard]] const strand& executor() const noexcept { return strand_; }
  [[nodiscard]] const asio::any_completion_executor& home() const noexcept { return home_; }
  [[nodiscard]] const h2::connection_info& info() const noexcept { return info_; }
  /// Client: scheme, host and port that it was made for.
  [[nodiscard]] const std::string& origin() const noexcept { return origin_; }
  [[nodiscard]] std::chrono::milliseconds close_timeout() const noexcept { return options_.close_timeout; }
  /// Whether the calling thread runs the connection's executor, so that waiting for it would never end.
  [[nodiscard]] bool runs_on_this_thread() const;
  [[nodiscard]] core::op_id next_op() noexcept { return ++last_op_; }
  [[nodiscard]] std::optional<failure> why_failed() const;
  /// Runs `f` on the strand, at once if this is it, and takes a turn afterwards.
  template <class Function>
  void submit(Function f) {
    asio::dispatch(strand_, [self = shared_from_this(), f = std::move(f)]() mutable {
      f();
      self->schedule_turn();
    });
  }
  /// Handles of the connection and of its streams: without any, and without streams, it closes.
  void add_handle() noexcept { ++handles_; }
  void drop_handle();

  // On the strand

  [[nodiscard]] core::session& session() noexcept { return session_; }
  [[nodiscard]] ready_list& ready() noexcept { return ready_; }
  [[nodiscard]] h2::connection_stats stats() const;
  [[nodiscard]] static core::time_point now() { return std::chrono::steady_clock::now(); }

  /// Opens at once; null if the connection takes no more streams.
  std::shared_ptr<stream_state> open_stream(const core::request_head& head, const options& opts, bool dedicated);
  /// Opens as soon as the peer's limit of streams allows. `keep` keeps the connection until then.
  void open_when_possible(core::op_id op, core::request_head head, options opts,
                          std::shared_ptr<connection_handle> keep, completion<error_code, h2::stream> done);
  void cancel_open(core::op_id op, std::string message = "the open was canceled");
  void ping(core::op_id op, completion<error_code, std::chrono::microseconds> done);
  void cancel_ping(core::op_id op);
  /// GOAWAY; running streams finish unless `http2_code` is an error.
  void goaway(std::uint32_t http2_code, std::string_view debug_data);
  /// Resets what runs, says GOAWAY and closes.
  void close();
  /// GOAWAY; closes when the running streams are over, or after `grace`, come what may.
  void shutdown(std::chrono::milliseconds grace);
  /// Calls `handler` after each turn that left another load than was last told, by this or by `tell_load`; for the
  /// last time when it goes out of service. It must not throw.
  void watch_load(load_handler handler) { on_load_ = std::move(handler); }
  [[nodiscard]] const connection_load& tell_load();
  /// Completes when the last bytes are out and the transport is closing.
  void when_closed(core::op_id op, completion<error_code> done);
  void cancel_close_wait(core::op_id op);

 private:
  enum class phase { open, closing, closed };
  friend class lifeline<connection>;  // with the read that is always outstanding
  struct pending_ping {
    completion<error_code, std::chrono::microseconds> done;
    core::time_point sent;
  };

  struct pending_open {
    completion<error_code, h2::stream> done;
    options opts;
    std::shared_ptr<connection_handle> keep;
  };

  void read();
  void schedule_turn();
  void turn();
  void route_events();
  void route(const core::event& e);
  void flush();
  void after_turn();
  void arm_timer();
  void begin_close();
  void lost(error_code ec);
  void shut();
  void close_by(core::time_point when);
  void report_frames();
  void report_load();
  void fail_pings();
  void finish_close_waits();
  void on_opened(const core::event& e);
  void fail_open(core::op_id op, failure why);
  void publish_failure();
  void abandon() noexcept;
  std::shared_ptr<stream_state> add_stream(std::int32_t id, const options& opts, bool dedicated);

  strand strand_;
  asio::any_completion_executor home_;
  std::unique_ptr<transport> link_;
  core::session session_;
  options options_;
  h2::connection_info info_;
  std::string origin_;
  request_handler on_request_;
  load_handler on_load_;
  connection_load told_load_;
  asio::steady_timer timer_;
  std::optional<core::time_point> armed_;
  std::optional<core::time_point> close_deadline_;  // at which the transport is closed, come what may
  bool awaiting_preface_ = false;                   // which is what the deadline is for
  std::optional<core::time_point> grace_deadline_;  // at which a shutdown turns into a close

  std::map<std::int32_t, std::shared_ptr<stream_state>> streams_;
  std::map<std::uint64_t, pending_ping> pings_;
  std::map<core::op_id, pending_open> opens_;
  std::map<core::op_id, completion<error_code>> close_waiters_;
  ready_list ready_;
  std::vector<char> in_;
  std::string out_;
  phase phase_ = phase::open;
  bool writing_ = false;
  bool in_turn_ = false;
  bool again_ = false;  // a verb was called inside the turn
  bool turn_posted_ = false;

  std::atomic<core::op_id> last_op_ = 0;
  std::atomic<std::size_t> handles_ = 0;
  // Written once, on the strand, before `failed_` is set; read by anybody afterwards.
  failure failure_;
  std::atomic<bool> failed_ = false;
};

/// A user's share in a connection.
class connection_handle {
 public:
  explicit connection_handle(std::shared_ptr<connection> c) : connection_(std::move(c)) { connection_->add_handle(); }
  /// Of a connection that was never made.
  explicit connection_handle(failure why) : why_(std::move(why)) {}
  connection_handle(const connection_handle&) = delete;
  connection_handle& operator=(const connection_handle&) = delete;
  ~connection_handle() {
    if (connection_) connection_->drop_handle();
  }

  [[nodiscard]] const std::shared_ptr<connection>& get() const noexcept { return connection_; }
  [[nodiscard]] std::optional<failure> why_failed() const { return connection_ ? connection_->why_failed() : why_; }

 private:
  std::shared_ptr<connection> connection_;
  std::optional<failure> why_;
};

}  // namespace duplex::net
