#pragma once
// Drives one session over one transport: it reads, writes, keeps the time, and has the streams' waiting operations.
//
//   read → session.feed → route events → ready completions run → session.pull → one write
//
// A turn is what one wake-up of the socket, one timer or one batch of calls from outside caused: first everything is
// processed, then all frames that are ready leave in one write.
//
// Everything but the counters below happens inside: one thread at a time. That is a strand, where the executor's
// threads serve the connection; or, where that would be the library's thread, a lock: then the threads that wait in
// blocking verbs serve it themselves (visit.hpp), the library's thread only while there is none, and users' handlers
// run there, never inside.

#include "core/session.hpp"
#include "net/callers.hpp"
#include "net/completion.hpp"
#include "net/ready_list.hpp"
#include "net/target.hpp"
#include "net/transport.hpp"

#include <duplex/h2/connection.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/unordered/unordered_flat_map.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <vector>

namespace duplex::net {

class connection_handle;
class request_log;
class stream_state;
template <class Owner>
class lifeline;

/// Whether what a verb leaves to be sent leaves at once; or may, where callers serve the connection, wait for the next
/// verb, and at most for some milliseconds (ADR 14).
enum class sends { now, later };

/// What somebody who spreads streams over several connections has to know of one.
struct connection_load {
  /// Whether it takes more streams; once it does not, it never will.
  bool in_service = true;
  std::size_t streams = 0;
  /// The peer's, once it is known.
  std::optional<std::uint32_t> limit{};
  /// It went out of service because our keepalive asked the peer too often.
  bool too_many_pings = false;

  friend bool operator==(const connection_load&, const connection_load&) = default;
};

/// Of the options of a stream, what the user's side of it keeps.
struct read_options {
  explicit read_options(const options& opts) : timeout(opts.recv_timeout), flow(opts.flow) {}

  std::optional<options::duration> timeout;
  flow_control flow;
};

class connection : public std::enable_shared_from_this<connection> {
 public:
  using request_handler = std::function<void(request, h2::stream)>;
  using close_handler = asio::any_completion_handler<void(error_code)>;
  using load_handler = std::function<void(const connection_load&)>;
  using failure_handler = std::function<void(const h2::connection_info&, const failure&)>;

  /// `on_request`: server only. A client of the library's own executor is served by its callers.
  connection(strand executor, std::unique_ptr<transport> link, core::session_config config, h2::connection_info info,
             target origin, request_handler on_request = {});
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;
  ~connection();

  /// Begins to read and write. With `preface_timeout` the peer has that long to send its SETTINGS.
  void start(std::optional<std::chrono::milliseconds> preface_timeout = {});

  // From any thread

  [[nodiscard]] const strand& executor() const noexcept { return strand_; }
  /// The same for users: always copies of one, which share its memory and are compared by a pointer.
  [[nodiscard]] const asio::any_io_executor& any_executor() const noexcept { return outside_.executor; }
  [[nodiscard]] const net::home& home() const noexcept { return home_; }
  [[nodiscard]] const h2::connection_info& info() const noexcept { return info_; }
  /// Client: scheme, host and port that it was made for.
  [[nodiscard]] const target& origin() const noexcept { return origin_; }
  [[nodiscard]] std::chrono::milliseconds close_timeout() const noexcept { return options_.close_timeout; }
  /// Whether the calling thread runs the connection's executor, so that waiting for it would never end.
  [[nodiscard]] bool runs_on_this_thread() const;
  [[nodiscard]] core::op_id next_op() noexcept { return ++last_op_; }
  [[nodiscard]] std::optional<failure> why_failed() const;
  /// Runs `f` inside and takes a turn afterwards: at once, unless another thread is on the strand.
  template <class Function>
  void submit(Function f, sends when = sends::now) {
    if (callers_ && (callers_->inside() || !callers::inside_any())) {
      const auto keep = shared_from_this();
      return enter([&] { f(); }, when);
    }
    if (callers_) {
      // A handler of one connection may own a handle of another, and go away inside.
      return run_outside([self = shared_from_this(), f = std::move(f)]() mutable {
        self->enter_again([&] {
          self->within_memory(f);
          self->turn();
        });
      });
    }
    if (submit_here(f)) return;
    asio::dispatch(strand_, [self = shared_from_this(), f = std::move(f)]() mutable {
      self->within_memory(f);
      self->stay_awake([&] { self->schedule_turn(); });
    });
  }
  /// As `submit`, in a destructor: what there is no memory for is left to the end of the connection.
  template <class Function>
  void submit_at_last(Function f, sends when = sends::now) noexcept {
    try {
      submit(std::move(f), when);
    } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch)
    }
  }
  /// As `submit`, if this thread is inside: whether it is. `f` is not moved.
  template <class Function>
  bool submit_here(Function&& f) {
    if (callers_ ? !callers_->inside() : !strand_.running_in_this_thread()) return false;
    // Who takes a turn keeps the connection.
    const auto keep = in_turn_ ? nullptr : shared_from_this();
    if (callers_) {
      enter([&] { f(); }, sends::now);
    } else {
      run_verb(f, [this] { schedule_turn(); });
    }
    return true;
  }
  [[nodiscard]] bool served_by_callers() const noexcept { return callers_ != nullptr; }
  /// Runs a user's code that must not run inside, where `home` says.
  template <class Function>
  void run_outside(Function f) {
    asio::post(strand_, std::move(f));
  }
  /// Handles of the connection and of its streams: without any, and without streams, it closes.
  void add_handle() noexcept { ++handles_; }
  void drop_handle() noexcept;

  // Inside

  [[nodiscard]] core::session& session() noexcept { return session_; }
  [[nodiscard]] ready_list& ready() noexcept { return ready_; }
  [[nodiscard]] h2::connection_stats stats() const;
  [[nodiscard]] static core::time_point now() { return std::chrono::steady_clock::now(); }

  /// Opens at once; null if the connection takes no more streams.
  std::shared_ptr<stream_state> open_stream(const core::request_head& head, const options& opts, bool dedicated);
  /// Opens as soon as the peer's limit of streams allows. `keep` keeps the connection until then.
  void open_when_possible(core::op_id op, core::request_head&& head, const options& opts,
                          std::shared_ptr<connection_handle> keep, completion<error_code, h2::stream> done);
  void cancel_open(core::op_id op, std::string message = "the open was canceled");
  void ping(core::op_id op, completion<error_code, std::chrono::microseconds> done);
  void cancel_ping(core::op_id op);
  /// GOAWAY; running streams finish unless `http2_code` is an error.
  void goaway(std::uint32_t http2_code, std::string_view debug_data);
  /// Resets what runs, says GOAWAY and closes.
  void close();
  /// The graceful GOAWAY of a server, in two phases.
  void drain();
  /// The same; closes when the running streams are over, or after `grace`, come what may.
  void shutdown(std::chrono::milliseconds grace);
  /// Calls `handler` after each turn that left another load than was last told, by this or by `tell_load`; for the
  /// last time when it goes out of service. It must not throw.
  void watch_load(load_handler handler) { on_load_ = std::move(handler); }
  [[nodiscard]] const connection_load& tell_load();
  /// Server, before `start`: calls `handler` when a request failed that nobody else is told of, and once when the
  /// connection did. Not when a client goes away that has no stream.
  void watch_failures(failure_handler handler) { on_failure_ = std::move(handler); }
  /// Server, before `start`: counts requests.
  void keep_log(std::unique_ptr<request_log> log);
  /// Completes when the last bytes are out and the transport is closing.
  void when_closed(core::op_id op, completion<error_code> done);
  void cancel_close_wait(core::op_id op);
  /// Server: calls the user's handler.
  void answer(request head, const std::shared_ptr<stream_handle>& handle);

 private:
  enum class phase { open, closing, closed };
  // Without a byte for so long, and at most twice so long, the transport gives back what it has ready for more. The
  // first look is early, because of many connections that were made at once most may have nothing to do; one that turns
  // out to be in use is looked at less and less.
  static constexpr std::chrono::milliseconds first_idle_after{25};
  static constexpr std::chrono::milliseconds last_idle_after{800};
  friend class lifeline<connection>;  // with the wait for input, or with the turn that comes before it
  /// `waiting`: for room in the socket; `stuck`: for input of the peer's. `broken`: nothing more can be sent, but what
  /// the peer sent can still be read.
  enum class output { idle, waiting, stuck, broken };
  struct pending_ping {
    completion<error_code, std::chrono::microseconds> done;
    core::time_point sent;
  };

  struct pending_open {
    completion<error_code, h2::stream> done;
    read_options reads;
    active mode;
    active_handler on_message;
    std::shared_ptr<connection_handle> keep;
    core::time_point ends_by;  // its `max_time`
  };
  friend class visit;

  /// Served by callers: runs `f` with the lock, and takes a turn, unless this thread is inside already.
  template <class Function>
  void enter(Function f, sends when) {
    if (callers_->inside()) return run_verb(f, [this] { again_ = true; });
    const std::lock_guard lock(*callers_);
    run_verb(f, [&] { turn(when); });
  }
  /// What finds no memory may be half done: then the connection cannot go on, and who called is told as well.
  template <class Function, class Then>
  void run_verb(Function&& f, Then then) {
    try {
      f();
    } catch (const std::bad_alloc&) {
      session_.out_of_memory();
      then();
      throw;
    }
    then();
  }
  /// In a handler of ours.
  template <class Function>
  void enter_again(Function f) {
    std::unique_lock<callers> lock;
    if (callers_) lock = std::unique_lock(*callers_);
    f();
  }
  void serve(const callers::events& what);
  void look_after();
  [[nodiscard]] bool is_neglected() const;
  [[nodiscard]] std::optional<core::time_point> next_deadline();
  void receive();
  void catch_up();
  [[nodiscard]] bool wants_input() const;
  void schedule_turn();
  void turn(sends when = sends::now);
  void route_events();
  void route(const core::event& e);
  void flush();
  void write_frames(core::time_point at);
  void write(std::span<std::string_view> pieces);
  void go_on_writing();
  void watch();
  void unwatch();
  void rest();
  [[nodiscard]] bool is_awaited() const;
  [[nodiscard]] bool may_hold_back() const;
  void on_woken(std::uint64_t number, bool& watching, void (connection::*go_on)());
  void on_time();
  void expire(core::time_point at);
  void run_ready();
  void after_turn();
  void prepare_next();
  void arm_timer();
  void arm_timer_at(core::time_point when);
  void begin_close();
  void end_forgotten();
  /// Runs what is ours, never users' code. Half of it may be done when memory ends: then the connection cannot go on.
  template <class Function>
  bool within_memory(Function&& f) {
    try {
      f();
      return true;
    } catch (const std::bad_alloc&) {
      session_.out_of_memory();
      return false;
    }
  }
  /// As well, what has us woken again: without it there would be nobody to tell that the connection has failed.
  template <class Function>
  void stay_awake(Function&& f) {
    const auto before = phase_;
    if (!within_memory(f)) shut();
    if (phase_ != before && phase_ == phase::closed) turn();
  }
  void end_transport();
  void lost(error_code ec);
  [[nodiscard]] std::string explain_loss(error_code ec) const;
  void shut();
  void close_by(core::time_point when);
  void report_frames();
  void report_load();
  void report_failures();
  void report_ended();
  void begin_request(std::int32_t id);
  void fail_pings();
  void finish_close_waits();
  [[nodiscard]] bool is_over() const noexcept;
  [[nodiscard]] bool is_still_read(core::time_point at);
  void on_opened(const core::event& e);
  void tell_opened(std::shared_ptr<stream_state> state, completion<error_code, h2::stream> done);
  void open_timed_out(core::op_id op);
  void fail_open(core::op_id op, failure why);
  void publish_failure();
  void abandon() noexcept;
  std::shared_ptr<stream_state> add_stream(std::int32_t id, const read_options& reads, bool dedicated);

  strand strand_;
  outside outside_;
  net::home home_;
  std::unique_ptr<transport> link_;
  std::unique_ptr<callers> callers_;
  core::session session_;
  const options& options_;
  h2::connection_info info_;
  target origin_;
  request_handler on_request_;
  load_handler on_load_;
  connection_load told_load_;
  failure_handler on_failure_;
  std::unique_ptr<request_log> log_;
  asio::steady_timer timer_;
  std::optional<core::time_point> armed_;
  std::optional<core::time_point> close_deadline_;  // at which the transport is closed, come what may
  bool awaiting_preface_ = false;                   // which is what the deadline is for
  std::optional<core::time_point> closed_by_;       // until when that waits for a peer that takes what it was sent
  std::size_t untaken_ = 0;                         // of that, when we looked last
  std::optional<core::time_point> grace_deadline_;  // at which a shutdown turns into a close
  std::optional<core::time_point> idle_deadline_;   // at which the transport rests if nothing has moved
  std::chrono::milliseconds idle_after_ = first_idle_after;
  std::optional<core::time_point> write_deadline_;  // by which the peer must have read something
  bool moved_ = false;
  core::time_point turned_at_;          // when something was last sent, or was to be
  core::time_point served_at_ = now();  // when a caller last looked after the connection

  boost::unordered_flat_map<std::int32_t, std::shared_ptr<stream_state>> streams_;
  std::map<std::uint64_t, pending_ping> pings_;
  std::map<core::op_id, pending_open> opens_;
  std::map<core::op_id, completion<error_code>> close_waiters_;
  ready_list ready_;
  std::string unsent_;  // while the output waits
  phase phase_ = phase::open;
  output output_ = output::idle;
  bool more_to_read_ = false;  // than was taken at once
  bool reads_little_ = false;
  bool more_to_write_ = false;  // than was sent at once
  bool watching_input_ = false;
  bool reading_on_ = false;  // what is left, and nobody will be woken for
  bool watching_output_ = false;
  std::uint64_t watch_ = 0;  // those of an earlier number were ended
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
  /// Of a connection that was never made; `info` has what is known of the attempt.
  explicit connection_handle(failure why, h2::connection_info info = {})
      : attempt_(std::make_unique<const attempt>(attempt{std::move(why), std::move(info)})) {}
  connection_handle(const connection_handle&) = delete;
  connection_handle& operator=(const connection_handle&) = delete;
  ~connection_handle() {
    if (connection_) connection_->drop_handle();
  }

  [[nodiscard]] const std::shared_ptr<connection>& get() const noexcept { return connection_; }
  [[nodiscard]] std::optional<failure> why_failed() const {
    if (connection_) return connection_->why_failed();
    return attempt_ ? std::optional(attempt_->why) : std::nullopt;
  }
  [[nodiscard]] h2::connection_info info() const {
    if (connection_) return connection_->info();
    return attempt_ ? attempt_->info : h2::connection_info();
  }

 private:
  struct attempt {
    failure why;
    h2::connection_info info;
  };
  std::shared_ptr<connection> connection_;
  std::unique_ptr<const attempt> attempt_;
};

}  // namespace duplex::net
