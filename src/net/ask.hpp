#pragma once
// Looking at something that lives inside a connection, from anywhere.

#include "net/blocking.hpp"

#include <duplex/error.hpp>

#include <memory>
#include <utility>

namespace duplex::net {

/// Completes `handler(error_code, T)` with what `look()` says inside.
template <class T, class Look>
void ask(const std::shared_ptr<connection>& link, asio::any_completion_handler<void(error_code, T)> handler,
         Look look) {
  link->submit([link, look, done = completion<error_code, T>(std::move(handler), link->home())]() mutable {
    link->ready().add([look, done = std::move(done)]() mutable { done({}, look()); });
  });
}

/// What `look(connection)` says inside: at once if this thread may enter, otherwise by waiting for it.
template <class T, class Look>
T ask_now(const std::shared_ptr<connection>& link, error_code& ec, Look look) {
  T answer{};
  if (link && link->served_by_callers()) {
    ec = {};
    link->submit([&] { answer = look(*link); });
    return answer;
  }
  if (link && link->executor().running_in_this_thread()) {
    ec = {};
    return look(*link);
  }
  ec = check_blocking(link);
  if (ec) return answer;
  std::tie(ec, answer) = wait_for<T>(
      [&](auto waker) { link->submit([link, look, waker = std::move(waker)]() mutable { waker({}, look(*link)); }); });
  return answer;
}

}  // namespace duplex::net
