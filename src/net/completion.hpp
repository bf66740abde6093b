#pragma once
// A completion handler that waits, with work kept on its executor; and the list of those that are ready.

#include <duplex/error.hpp>

#include <boost/asio/any_completion_executor.hpp>
#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/system_executor.hpp>

#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace duplex::net {

namespace asio = boost::asio;

/// `home` is the connection's executor: handlers without one of their own run there, inside the connection's turn.
template <class... Args>
class completion {
 public:
  using handler_type = asio::any_completion_handler<void(Args...)>;

  completion(handler_type handler, const asio::any_completion_executor& home)
      : handler_(std::move(handler)), executor_(asio::get_associated_executor(handler_, home)) {
    at_home_ = executor_ == home;
    // Its own context must not run out of work while the operation is pending, nor before we let go of it: a context
    // whose `run` has returned may be destroyed.
    if (!at_home_) executor_ = asio::prefer(executor_, asio::execution::outstanding_work.tracked);
  }

  void operator()(Args... args) {
    if (at_home_) return std::move(handler_)(std::move(args)...);
    asio::dispatch(executor_, [handler = std::move(handler_), args = std::tuple(std::move(args)...)]() mutable {
      std::apply(std::move(handler), std::move(args));
    });
  }

 private:
  handler_type handler_;
  asio::any_completion_executor executor_;
  bool at_home_ = false;
};

/// Completes an operation on a stream or connection that was never made, and so has no executor of its own.
template <class... Args>
void complete_elsewhere(asio::any_completion_handler<void(Args...)> handler, std::type_identity_t<Args>... args) {
  const asio::system_executor elsewhere;
  asio::post(elsewhere, [done = completion<Args...>(std::move(handler), elsewhere),
                         args = std::tuple(std::move(args)...)]() mutable { std::apply(done, std::move(args)); });
}

/// Completions that run once at the end of the connection's turn, never inside the initiating call.
class ready_list {
  using item_list = std::vector<asio::any_completion_handler<void()>>;

 public:
  template <class Function>
  void add(Function f) {
    list_.emplace_back(std::move(f));
  }
  [[nodiscard]] bool empty() const noexcept { return list_.empty(); }
  /// Runs what is there now; what is added meanwhile waits for the next call. If one throws, the rest waits too.
  void run() {
    struct rest {
      ready_list& owner;
      item_list now;
      std::size_t next = 0;
      ~rest() {
        if (next == now.size()) return;
        auto added = std::exchange(owner.list_, {});
        for (; next < now.size(); ++next) owner.list_.push_back(std::move(now[next]));
        for (auto& f : added) owner.list_.push_back(std::move(f));
      }
    } batch{*this, std::exchange(list_, {})};
    while (batch.next < batch.now.size()) std::move(batch.now[batch.next++])();
  }
  void clear() { list_.clear(); }

 private:
  item_list list_;
};

}  // namespace duplex::net
