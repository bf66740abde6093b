#pragma once
// Connections that opens share. Everything happens on the pool's strand; each connection has one of its own.
//
//   open → queue → a connection with a place → stream
//            ↑  ↘ none: dial, up to the bound
//            └── refused before the peer can have seen it: wait a little
//
// The pool gives a connection no more opens than the peer's limit allows, so what waits, waits here: for whichever
// connection has a place first. An open that was given to a connection is answered by that connection, and by nobody
// else; a cancellation or time-out only asks it to give up. So no request is sent whose stream nobody gets. The one
// exception may be sent for nothing: a request that may be early data is opened where the first connection is made.

#include "core/deadlines.hpp"
#include "h2/origin.hpp"
#include "net/completion.hpp"
#include "net/connection.hpp"

#include <duplex/h2/client.hpp>

#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace duplex::h2 {

class pool : public std::enable_shared_from_this<pool> {
 public:
  using open_completion = net::completion<error_code, stream>;

  struct pending_open {
    request asked;  // of a connection that is dialed for it: the URL, and the rest if it may be early data
    net::parsed_request parsed;
    options opts;
    open_completion done;
    std::shared_ptr<pool_handle> keep;
    core::time_point opened = net::connection::now();
    std::shared_ptr<origin> where{};
    std::size_t attempts = 0;
    // The connection that has it, and what to say if that gives it up.
    std::shared_ptr<net::connection> at{};
    core::op_id op_there = 0;
    std::optional<failure> verdict{};
  };

  pool(asio::any_io_executor executor, client_options opts);
  pool(const pool&) = delete;
  pool& operator=(const pool&) = delete;

  // From any thread

  [[nodiscard]] const asio::any_io_executor& executor() const noexcept { return executor_; }
  [[nodiscard]] const net::strand& strand() const noexcept { return strand_; }
  [[nodiscard]] const asio::any_completion_executor& home() const noexcept { return home_; }
  [[nodiscard]] core::op_id next_id() noexcept { return ++last_id_; }

  // On the strand

  void open(core::op_id id, pending_open next);
  /// A cancellation slot fired.
  void cancel(core::op_id id);
  void shutdown(std::chrono::milliseconds grace, net::completion<error_code> done);
  void close();
  /// The last handle went away.
  void retire();
  [[nodiscard]] client_stats stats() const;

 private:
  friend class net::lifeline<pool>;  // with the timer, which always waits while an open does
  struct dialed;
  enum class wait { open, retry, idle, dial };
  struct deadline_key {
    wait what;
    core::op_id id;
    auto operator<=>(const deadline_key&) const = default;
  };

  [[nodiscard]] std::shared_ptr<origin> find_or_add(const origin_key& key);
  void serve(const std::shared_ptr<origin>& where);
  void dial(const std::shared_ptr<origin>& where);
  void take_first(core::op_id id, stream s);
  void wait_for_dials(origin& where, options::duration patience);
  void stop_dial(pooled& p);
  void stop_dialing(origin& where);
  void on_dial_overdue(core::op_id link);
  [[nodiscard]] std::shared_ptr<origin> owner_of(core::op_id link) const;
  void on_dialed(const std::shared_ptr<origin>& where, core::op_id link, dialed result);
  void assign(const std::shared_ptr<origin>& where, pooled& link, core::op_id id);
  void on_answered(const std::shared_ptr<origin>& where, core::op_id link, const net::connection_load& load,
                   core::op_id id, error_code ec, stream s);
  void on_load(const std::shared_ptr<origin>& where, core::op_id link, const net::connection_load& load);
  void drop(origin& where, core::op_id link);
  static void say_goodbye(const pooled& p);
  void drop_idle(core::op_id link);
  void watch_idle(origin& where);
  void give_up(core::op_id id, failure why);
  void fail(core::op_id id, failure why);
  void finish(core::op_id id, error_code ec, stream s);
  std::vector<std::shared_ptr<net::connection>> end();
  void arm_timer();
  void on_time();
  void abandon() noexcept;

  asio::any_io_executor executor_;
  net::strand strand_;
  asio::any_completion_executor home_;
  client_options options_;
  asio::steady_timer timer_;
  std::optional<core::time_point> armed_;
  core::deadlines<deadline_key> deadlines_;
  std::map<origin_key, std::shared_ptr<origin>> origins_;
  std::map<core::op_id, pending_open> opens_;
  std::vector<std::weak_ptr<net::connection>> retired_;  // out of the pool, perhaps still with streams
  bool closed_ = false;
  std::atomic<core::op_id> last_id_ = 0;
};

/// The users' share in a pool.
class pool_handle {
 public:
  explicit pool_handle(std::shared_ptr<pool> p) noexcept : pool_(std::move(p)) {}
  pool_handle(const pool_handle&) = delete;
  pool_handle& operator=(const pool_handle&) = delete;
  ~pool_handle();

  [[nodiscard]] const std::shared_ptr<pool>& get() const noexcept { return pool_; }

 private:
  std::shared_ptr<pool> pool_;
};

}  // namespace duplex::h2
