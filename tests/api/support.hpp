#pragma once
// What the tests of the public types share: servers on a port of their own, waiting with a bound, and messages in
// words.

#include <duplex/duplex.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

namespace duplex::test {

namespace asio = boost::asio;
using namespace std::chrono_literals;

/// The bound on what must not take long, whatever else the machine does.
inline constexpr std::chrono::seconds patience(10);

/// Errors are values here, not exceptions.
inline constexpr auto as_value = asio::as_tuple(asio::use_awaitable);

/// A token that hands over a future of all that the operation completes with. `as_tuple(use_future)` would be that, but
/// Boost 1.81 does not compile it.
struct as_future_t {};
inline constexpr as_future_t as_future{};

/// `ok`, or the identifier of a duplex error, or the text of another.
[[nodiscard]] std::string name(error_code ec);

/// What the future has, or an exception when it does not come.
template <class T>
T get(std::future<T> f) {
  if (f.wait_for(patience) != std::future_status::ready) throw std::runtime_error("nothing came in time");
  return f.get();
}
/// The error of an operation that hands over nothing else.
[[nodiscard]] inline std::string outcome(std::future<std::tuple<error_code>> f) {
  return name(std::get<0>(get(std::move(f))));
}
template <class T>
[[nodiscard]] std::string outcome(std::future<std::tuple<error_code, T>> f) {
  return name(std::get<0>(get(std::move(f))));
}
template <class T>
[[nodiscard]] bool pending(const std::future<T>& f) {
  return f.wait_for(0s) != std::future_status::ready;
}

/// A context that threads of its own run.
class context_threads {
 public:
  explicit context_threads(std::size_t count = 1);
  context_threads(const context_threads&) = delete;
  context_threads& operator=(const context_threads&) = delete;
  ~context_threads();
  [[nodiscard]] asio::any_io_executor executor() { return context_.get_executor(); }

 private:
  asio::io_context context_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::vector<std::thread> threads_;
};

/// Runs `io` until `ready()`, and returns whether it was so in time. `step`: how often to ask, where it is not a
/// handler of `io` that changes the answer.
template <class Predicate>
[[nodiscard]] bool run_until(asio::io_context& io, Predicate ready, std::chrono::milliseconds step = patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!ready()) {
    const auto now = std::chrono::steady_clock::now();
    if (now >= end) return false;
    io.restart();
    if (io.run_one_until(std::min(end, now + step)) == 0 && step == patience) return ready();
  }
  return true;
}

/// Runs a coroutine to its end on `io`; what leaves it as an exception fails the test.
void run(asio::io_context& io, asio::awaitable<void> script);

/// The frames of a connection as they pass, for tests that must know what went over the wire.
class frame_log {
 public:
  [[nodiscard]] frame_handler recorder() const;
  /// Waits until `count` frames whose text begins so were there.
  [[nodiscard]] bool wait_sent(std::string_view text, std::size_t count = 1) const { return wait(true, text, count); }
  [[nodiscard]] bool wait_received(std::string_view text, std::size_t count = 1) const {
    return wait(false, text, count);
  }
  [[nodiscard]] std::size_t sent(std::string_view text) const { return count(true, text); }
  [[nodiscard]] std::size_t received(std::string_view text) const { return count(false, text); }
  [[nodiscard]] std::vector<frame_info> all() const;

 private:
  struct state {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<frame_info> frames;
  };
  [[nodiscard]] bool wait(bool sent, std::string_view text, std::size_t count) const;
  [[nodiscard]] std::size_t count(bool sent, std::string_view text) const;

  std::shared_ptr<state> state_ = std::make_shared<state>();
};

/// Options under which a test that goes wrong ends by itself.
[[nodiscard]] options bounded();
[[nodiscard]] h2::server_options cleartext();
[[nodiscard]] h2::server_options with_tls();

/// The certificate of `with_tls`, and a file that a client may trust it by.
[[nodiscard]] const certificate& localhost_certificate();
[[nodiscard]] std::string temporary_file(std::string_view contents);
[[nodiscard]] options trusting_localhost();

/// A server with a handler, on a thread of its own.
class service {
 public:
  template <class Handler>
  explicit service(Handler handler, h2::server_options opts = cleartext(), std::size_t thread_count = 1)
      : threads_(thread_count), server_(threads_.executor(), std::move(opts), std::move(handler)) {}

  [[nodiscard]] std::string url(std::string_view path = "/") const { return server_.url() + std::string(path); }
  [[nodiscard]] h2::server& server() noexcept { return server_; }

 private:
  context_threads threads_;
  h2::server server_;
};

/// What a server was asked, for the test to answer.
struct accepted {
  request head;
  h2::stream stream;
};

/// A server whose streams the test itself drives, with blocking verbs.
class peer {
 public:
  explicit peer(h2::server_options opts = cleartext());
  peer(const peer&) = delete;
  peer& operator=(const peer&) = delete;
  ~peer();

  /// The next request.
  [[nodiscard]] accepted accept();
  [[nodiscard]] bool idle() const;
  [[nodiscard]] std::string url(std::string_view path = "/") const { return service_.url(path); }
  [[nodiscard]] h2::server& server() noexcept { return service_.server(); }

 private:
  struct queue {
    std::mutex mutex;
    std::condition_variable arrived;
    std::deque<accepted> list;
    bool closed = false;
  };
  std::shared_ptr<queue> queue_ = std::make_shared<queue>();
  service service_;
};

/// Both ends of a stream: `client` is on the library's thread, `remote` on the server's.
struct both_ends {
  explicit both_ends(options opts = bounded(), h2::server_options server_opts = cleartext());

  peer server;
  h2::stream client;
  h2::stream remote;
};

/// Waits until everything that the other end has framed has arrived, and the other way round.
void fence(const h2::stream& s);
void fence(const both_ends& ends);

/// `response 200 a=b`, `data abc`, `trailers a=b`, `done`, `informational 103`.
[[nodiscard]] std::string describe(const message& m);

/// What the stream brings, to its end or its error; data is joined, because its boundaries carry no meaning.
[[nodiscard]] std::vector<std::string> transcript(h2::stream& s);

/// Why the stream failed; a stream that did not is a failure of the test.
[[nodiscard]] failure why(const h2::stream& s);
/// The error at the stream's end, whatever comes before.
[[nodiscard]] std::string last_error(h2::stream& s);

/// A server's handler that answers every request with what it was sent.
asio::awaitable<void> echo_back(request head, h2::stream s);

/// Receives data until `size` bytes are there.
[[nodiscard]] std::string receive(h2::stream& s, std::size_t size);

/// The error of the next blocking `recv`.
[[nodiscard]] std::string recv_error(h2::stream& s);

/// Letters that repeat after a prime number of them, so that a piece in the wrong place shows.
[[nodiscard]] std::string pattern(std::size_t size);

}  // namespace duplex::test

template <class... Args>
struct boost::asio::async_result<duplex::test::as_future_t, void(Args...)> {
  template <class Initiation, class... More>
  static auto initiate(Initiation&& start, duplex::test::as_future_t /*token*/, More&&... more) {
    std::promise<std::tuple<Args...>> promise;
    auto future = promise.get_future();
    std::forward<Initiation>(start)(
        [promise = std::move(promise)](Args... args) mutable {
          promise.set_value(std::tuple<Args...>(std::move(args)...));
        },
        std::forward<More>(more)...);
    return future;
  }
};
