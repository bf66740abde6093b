#pragma once
// How a blocking verb waits for an asynchronous one: inside the connection, which it serves meanwhile, or for the
// threads that serve it.

#include "net/background.hpp"
#include "net/connection.hpp"
#include "net/this_thread.hpp"
#include "net/visit.hpp"

#include <duplex/error.hpp>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <tuple>
#include <utility>

namespace duplex::net {

/// What a blocking verb must not wait for: its own thread, or a library that is being unloaded.
[[nodiscard]] inline error_code check_blocking(const asio::any_io_executor& executor) {
  if (runs_here(executor)) return errc::would_deadlock;
  if (is_background(executor) && background_ended()) return errc::connection_lost;
  return {};
}
[[nodiscard]] inline error_code check_blocking(const std::shared_ptr<connection>& link) {
  if (!link) return errc::closed;
  if (link->runs_on_this_thread()) return errc::would_deadlock;
  const bool in_library = link->served_by_callers() || is_background(link->executor().get_inner_executor());
  return in_library && background_ended() ? errc::connection_lost : error_code();
}

/// Starts an operation by `initiate(handler)` and waits for `handler(error_code, T...)`. A handler that is dropped
/// without being called (its context was destroyed) counts as `errc::connection_lost`. With `at_most` the wait ends
/// then with `errc::timeout`; the operation goes on.
template <class... T, class Initiate>
std::tuple<error_code, T...> wait_for(Initiate initiate, std::optional<std::chrono::milliseconds> at_most = {}) {
  struct meeting {
    std::mutex mutex;
    std::condition_variable arrived;
    std::optional<std::tuple<error_code, T...>> result;

    void set(std::tuple<error_code, T...> value) {
      const std::lock_guard lock(mutex);
      result.emplace(std::move(value));
      arrived.notify_one();
    }
  };
  struct waker {
    std::shared_ptr<meeting> at;

    explicit waker(std::shared_ptr<meeting> m) noexcept : at(std::move(m)) {}
    waker(waker&&) noexcept = default;
    waker& operator=(waker&&) noexcept = default;
    ~waker() {
      if (at) at->set({errc::connection_lost, T()...});
    }
    void operator()(error_code ec, T... values) { std::exchange(at, nullptr)->set({ec, std::move(values)...}); }
  };

  const auto here = std::make_shared<meeting>();
  initiate(waker(here));
  std::unique_lock lock(here->mutex);
  const auto is_there = [&] { return here->result.has_value(); };
  if (!at_most) {
    here->arrived.wait(lock, is_there);
  } else if (!here->arrived.wait_until(lock, core::after(connection::now(), *at_most), is_there)) {
    return {errc::timeout, T()...};
  }
  return std::move(*here->result);
}

/// As above, for an operation on `link`, which completes inside if the handler's executor allows.
template <class... T, class Initiate>
std::tuple<error_code, T...> wait_for(const std::shared_ptr<connection>& link, Initiate initiate,
                                      std::optional<std::chrono::milliseconds> at_most = {}, sends when = sends::now) {
  if (!link->served_by_callers()) return wait_for<T...>(std::move(initiate), at_most);
  struct meeting {
    std::weak_ptr<connection> link;
    visit* guest;
    std::optional<std::tuple<error_code, T...>> result{};

    void set(std::tuple<error_code, T...> value) {
      result.emplace(std::move(value));
      if (guest) guest->finish();
    }
  };
  struct waker {
    using executor_type = inside_executor;
    using allocator_type = std::allocator<void>;  // Asio's recycles only on threads that run a context
    std::shared_ptr<meeting> at;

    explicit waker(std::shared_ptr<meeting> m) noexcept : at(std::move(m)) {}
    waker(waker&&) noexcept = default;
    waker& operator=(waker&&) noexcept = default;
    ~waker() {
      const auto c = at ? at->link.lock() : nullptr;
      if (c) c->submit_at_last([at = std::move(at)] { at->set({errc::connection_lost, T()...}); });
    }
    [[nodiscard]] static executor_type get_executor() noexcept { return {}; }
    [[nodiscard]] static allocator_type get_allocator() noexcept { return {}; }
    void operator()(error_code ec, T... values) { std::exchange(at, nullptr)->set({ec, std::move(values)...}); }
  };

  visit here(link, when == sends::later);
  // However the visit ends, by an exception as well, nobody calls on the guest afterwards.
  struct host {
    std::shared_ptr<meeting> where;
    ~host() { where->guest = nullptr; }
  };
  const host at{std::make_shared<meeting>(meeting{link, &here})};
  initiate(waker(at.where));
  std::optional<core::time_point> until;
  if (at_most) until = core::after(connection::now(), *at_most);
  if (!here.wait(until)) return {errc::timeout, T()...};
  return std::move(*at.where->result);
}

}  // namespace duplex::net
