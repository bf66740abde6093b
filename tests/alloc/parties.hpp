#pragma once
// Two sessions in memory whose allocations fail, and what a driver knows of them.

#include "core/memory_peers.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace duplex::test {

/// A session and its driver. Nothing that it is asked to do throws; what cannot be done any more is not.
class party {
 public:
  explicit party(std::string name) : name_(std::move(name)) {}

  /// Whether there was memory for a session.
  bool begin(const session_config& config);
  [[nodiscard]] bool begun() const noexcept { return session_ != nullptr; }
  [[nodiscard]] bool failed() const noexcept { return begun() && session_->failed(); }
  [[nodiscard]] bool finished() const { return !begun() || session_->finished(); }

  std::int32_t open(const options& opts, const fields& headers = {});
  op_id open_when_possible(const options& opts, time_point deadline);
  void cancel_open(op_id op);
  void respond(std::int32_t id, const fields& headers = {}, bool end = false);
  void inform(std::int32_t id, const fields& headers = {});
  void send(std::int32_t id, std::string_view bytes, bool end, outbox::kind how);
  void send_trailers(std::int32_t id, const fields& list);
  /// Waits for a message until then.
  void expect(std::int32_t id, time_point until);
  void reset(std::int32_t id);
  void abandon(std::int32_t id);
  void release(std::int32_t id);
  void ping();
  void goaway(h2::code code);
  void shut_down(time_point now);
  void lost();
  void consume(std::int32_t id, std::size_t bytes);
  void handle_timeout(time_point now);

  [[nodiscard]] std::string pull(time_point now);
  void feed(std::string_view bytes);
  /// Takes the events; reads every stream to its end, unless it was told to leave it.
  void look();
  void leave_unread(std::int32_t id) { unread_.insert(id); }
  /// The streams that the peer has opened, or that were waited for, since this was last asked.
  [[nodiscard]] std::vector<std::int32_t> arrivals() { return std::exchange(arrivals_, {}); }

  /// What came on each stream, one after the other.
  [[nodiscard]] const std::map<std::int32_t, std::string>& stories() const noexcept { return stories_; }
  /// Every operation has ended, and the session and its streams are of one mind.
  void check(time_point now);

 private:
  struct operation {
    std::int32_t stream;
    std::unique_ptr<const std::string> lent{};
  };

  op_id begin_op(std::int32_t stream) {
    ops_[++last_op_].stream = stream;
    return last_op_;
  }
  void end_if(error_code ec, op_id op) {
    if (ec) ops_.erase(op);
  }
  void end_all(std::int32_t stream) {
    std::erase_if(ops_, [&](const auto& each) { return each.second.stream == stream; });
  }
  /// Calls what must not throw, whatever there is of memory.
  template <class Call>
  auto call(Call what);

  std::string name_;
  std::unique_ptr<session> session_;
  op_id last_op_ = 0;
  std::map<op_id, operation> ops_;
  std::set<std::int32_t> ids_;
  std::set<std::int32_t> unread_;
  std::vector<std::int32_t> arrivals_;
  std::map<std::int32_t, std::string> stories_;
};

/// A client and a server.
class parties {
 public:
  explicit parties(std::size_t bytes_per_read) : bytes_per_read_(bytes_per_read) {}
  parties(const parties&) = delete;
  parties& operator=(const parties&) = delete;

  /// Begins both; they greet each other.
  void begin(const options& for_client = {}, const options& for_server = {},
             std::uint32_t max_concurrent_streams = 100);
  /// Moves bytes until both are quiet. The end of one is the transport's end for the other.
  void pump();
  void advance(std::chrono::milliseconds by);
  void check();

  party client{"client"};
  party server{"server"};
  time_point now{};

 private:
  bool move(party& from, party& to);

  std::size_t bytes_per_read_;
};

}  // namespace duplex::test
