#pragma once
// What is ready to be told to users: it runs once at the end of the connection's turn, never inside the initiating
// call. What every message needs is a value, so that nothing is allocated for it.

#include "net/completion.hpp"

#include <duplex/message.hpp>

#include <memory>
#include <utility>
#include <variant>
#include <vector>

namespace duplex::net {

class stream_state;

class ready_list {
 public:
  void complete(completion<error_code> done, error_code ec = {}) { list_.emplace_back(outcome{std::move(done), ec}); }
  void complete(completion<error_code, message> done, error_code ec, message m) {
    list_.emplace_back(arrival{std::move(done), ec, std::move(m)});
  }
  /// `stream` has something for its active handler.
  void deliver(std::shared_ptr<stream_state> stream) { list_.emplace_back(std::move(stream)); }
  template <class Function>
  void add(Function f) {
    list_.emplace_back(rare(std::move(f)));
  }

  [[nodiscard]] bool empty() const noexcept { return list_.empty(); }
  /// Runs what is there now; what is added meanwhile waits for the next call. If one throws, the rest waits too.
  void run();
  void clear() { list_.clear(); }
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
  using rare = asio::any_completion_handler<void()>;
  using item = std::variant<outcome, arrival, std::shared_ptr<stream_state>, rare>;

  struct runner;

  std::vector<item> list_;
  std::vector<item> running_;  // empty but for its memory, unless `run` is under way
};

}  // namespace duplex::net
