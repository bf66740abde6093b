#pragma once
// A completion handler that waits, with work kept on its executor.

#include <duplex/error.hpp>

#include <boost/asio/any_completion_executor.hpp>
#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/system_executor.hpp>

#include <atomic>
#include <concepts>
#include <cstddef>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

namespace duplex::net {

namespace asio = boost::asio;

/// The executor of handlers that are ours and may run inside a connection, whoever is there.
struct inside_executor {
  template <class Function>
  void execute(Function f) const {
    f();
  }
  friend bool operator==(const inside_executor&, const inside_executor&) noexcept { return true; }
  friend bool operator!=(const inside_executor&, const inside_executor&) noexcept { return false; }
};

/// Of handlers that have no executor of their own.
struct unassociated_executor : inside_executor {};

/// Users' handlers must not run while a lock is held: they are posted from here, and those that wait are counted.
struct outside {
  asio::any_io_executor executor;
  std::atomic<std::size_t> waiting = 0;
};

/// Where handlers without an executor of their own run: inside the connection's turn, or outside.
struct home {
  struct count_down {
    void operator()(outside* counter) const noexcept { --counter->waiting; }
  };
  using token = std::unique_ptr<outside, count_down>;

  asio::any_completion_executor executor;
  /// Whose threads run the turn as well, so that a handler of it needs no way there.
  asio::any_completion_executor below;
  outside* where = nullptr;

  template <class Executor>
    requires(!std::same_as<Executor, home>)
  home(Executor e)  // NOLINT(google-explicit-constructor)
      : executor(e), below(std::move(e)) {}
  home(asio::any_completion_executor strand, asio::any_completion_executor inner)
      : executor(std::move(strand)), below(std::move(inner)) {}

  /// Counts as long as it lives.
  [[nodiscard]] token wait_outside() const {
    if (where) ++where->waiting;
    return token(where);
  }
};

template <class... Args>
class completion {
 public:
  using handler_type = asio::any_completion_handler<void(Args...)>;

  completion(handler_type handler, const home& at) : handler_(std::move(handler)) {
    auto executor = asio::get_associated_executor(handler_, none());
    if (!executor.template target<unassociated_executor>()) {
      if (at.where || (executor != at.executor && executor != at.below)) wait_at(std::move(executor), at);
    } else if (at.where) {
      wait_at(at.executor, at);
    }
  }

  completion(completion&&) noexcept = default;
  completion& operator=(completion&& other) noexcept {
    // By swapping: the handler's own assignment never returns with Boost 1.81.
    auto handler = std::move(other.handler_);
    handler_.swap(handler);
    elsewhere_ = std::move(other.elsewhere_);
    return *this;
  }
  ~completion() = default;

  void operator()(Args... args) {
    if (!elsewhere_) return std::move(handler_)(std::move(args)...);
    auto to = std::move(*elsewhere_);
    auto call = [handler = std::move(handler_), args = std::tuple(std::move(args)...)]() mutable {
      std::apply(std::move(handler), std::move(args));
    };
    if (!to.waiting) return asio::dispatch(to.executor, std::move(call));
    asio::post(to.waiting->executor, [to = std::move(to.executor), call = std::move(call)]() mutable {
      asio::dispatch(to, std::move(call));
    });
  }

 private:
  struct elsewhere {
    asio::any_completion_executor executor;
    home::token waiting;  // if it has to be posted
  };

  // Shares no memory with other threads, as the connection's executor does.
  static const asio::any_completion_executor& none() {
    static const asio::any_completion_executor instance = unassociated_executor();
    return instance;
  }

  void wait_at(asio::any_completion_executor executor, const home& at) {
    if (executor.target<inside_executor>()) return;
    // Its own context must not run out of work while the operation is pending, nor before we let go of it: a context
    // whose `run` has returned may be destroyed.
    executor = asio::prefer(executor, asio::execution::outstanding_work.tracked);
    elsewhere_ = std::make_unique<elsewhere>(elsewhere{std::move(executor), at.wait_outside()});
  }

  handler_type handler_;
  std::unique_ptr<elsewhere> elsewhere_{};  // none: it is called where the connection is
};

/// Completes an operation on a stream or connection that was never made, and so has no executor of its own.
template <class... Args>
void complete_elsewhere(asio::any_completion_handler<void(Args...)> handler, std::type_identity_t<Args>... args) {
  const asio::system_executor elsewhere;
  asio::post(elsewhere, [done = completion<Args...>(std::move(handler), elsewhere),
                         args = std::tuple(std::move(args)...)]() mutable { std::apply(done, std::move(args)); });
}

}  // namespace duplex::net
