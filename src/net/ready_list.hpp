#pragma once
// What is ready to be told to users: it runs once at the end of the connection's turn, never inside the initiating
// call. What every message needs is a value, so that nothing is allocated for it.

#include "net/completion.hpp"

#include <duplex/h2/stream.hpp>
#include <duplex/message.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

namespace duplex::net {

class stream_handle;
class stream_state;

class ready_list {
 public:
  /// Takes the memory for `count` more now, so that no call after it fails with what it was given half gone.
  void make_room(std::size_t count = 1) {
    const auto wanted = list_.size() + count;
    if (wanted > list_.capacity()) list_.reserve(std::max(wanted, 2 * list_.capacity()));
  }
  void complete(completion<error_code>&& done, error_code ec = {}) {
    make_room();
    list_.emplace_back(outcome{std::move(done), ec});
  }
  void complete(completion<error_code, message>&& done, error_code ec, message&& m) {
    make_room();
    list_.emplace_back(arrival{std::move(done), ec, std::move(m)});
  }
  /// `stream` has something for its active handler.
  void deliver(std::shared_ptr<stream_state> stream) { list_.emplace_back(std::move(stream)); }
  void complete(completion<error_code, h2::stream>&& done, h2::stream s) {
    make_room();
    list_.emplace_back(opening{std::move(done), std::move(s)});
  }
  /// A request for the server's handler.
  void hand_over(std::unique_ptr<request> head, std::shared_ptr<stream_handle> stream) {
    list_.emplace_back(arrived_request{std::move(head), std::move(stream)});
  }
  template <class Function>
  void add(Function f) {
    list_.emplace_back(rare(std::move(f)));
  }

  [[nodiscard]] bool empty() const noexcept { return list_.empty() && next_ == running_.size(); }
  /// Runs what is there now; what is added meanwhile waits for the next call. If one throws, the rest waits for the
  /// next call, and what was added for the one after that.
  void run();
  /// Not while it runs.
  void clear() noexcept;
  /// Gives memory back that is there for more.
  void rest();

 private:
  struct outcome {
    completion<error_code> done;
    error_code ec;
  };
  struct arrival {
    completion<error_code, message> done;
    error_code ec;
    message m;
  };
  struct opening {
    completion<error_code, h2::stream> done;
    h2::stream s;
  };
  struct arrived_request {
    std::unique_ptr<request> head;
    std::shared_ptr<stream_handle> stream;
  };
  using rare = asio::any_completion_handler<void()>;
  using item = std::variant<outcome, arrival, opening, std::shared_ptr<stream_state>, arrived_request, rare>;

  struct runner;

  void forget() noexcept;

  std::vector<item> list_;
  std::vector<item> running_;  // empty but for its memory, unless `run` is under way, or one has thrown
  std::size_t next_ = 0;       // of those
};

}  // namespace duplex::net
