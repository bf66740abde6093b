// One stream type under every completion token, and where and when handlers run.

#include "support.hpp"

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <atomic>

namespace duplex::test {
namespace {

using h2::fin;
using testing::ElementsAre;

TEST(tokens, callbacks) {
  service server(echo_back);
  asio::io_context io;
  std::vector<std::string> seen;
  h2::stream s;
  const std::string sent = "abc";
  std::function<void(error_code, message)> next = [&](error_code ec, const message& m) {
    seen.push_back(ec ? name(ec) : describe(m));
    if (!ec) s.async_recv([&](error_code e, message following) { next(e, std::move(following)); });
  };
  h2::async_open(io.get_executor(), {.url = server.url()}, bounded(), [&](error_code ec, h2::stream opened) {
    ASSERT_FALSE(ec);
    s = std::move(opened);
    s.async_send(sent, fin, [&](error_code sent_ec) { seen.push_back("sent " + name(sent_ec)); });
    s.async_recv([&](error_code e, message m) { next(e, std::move(m)); });
  });
  ASSERT_TRUE(run_until(io, [&] { return !seen.empty() && seen.back() == "closed"; }));
  EXPECT_THAT(seen, ElementsAre("sent ok", "response 200", "data abc", "done", "closed"));
}

TEST(tokens, use_future) {
  service server(echo_back);
  context_threads threads;
  auto s = get(h2::async_open(threads.executor(), {.url = server.url()}, bounded(), asio::use_future));
  get(s.async_send("abc", asio::use_future));
  get(s.async_send("", fin, asio::use_future));
  EXPECT_EQ(describe(get(s.async_recv(asio::use_future))), "response 200");
  EXPECT_EQ(describe(get(s.async_recv(patience, asio::use_future))), "data abc");
  EXPECT_EQ(describe(get(s.async_recv(asio::use_future))), "done");
  auto last = s.async_recv(asio::use_future);
  last.wait_for(patience);
  fence(s);  // the other thread holds no share in the exception any more: its counter is invisible to ThreadSanitizer
  try {
    get(std::move(last));
    FAIL();
  } catch (const boost::system::system_error& e) {
    EXPECT_EQ(e.code(), errc::closed);
  }
}

TEST(tokens, use_awaitable) {
  service server(echo_back);
  asio::io_context io;
  run(io, [](std::string url) -> asio::awaitable<void> {
    request head{.url = std::move(url)};
    auto s =
        co_await h2::async_open(co_await asio::this_coro::executor, std::move(head), bounded(), asio::use_awaitable);
    co_await s.async_send("abc", asio::use_awaitable);
    fields trailing{{"a", "b"}};
    co_await s.async_send_trailers(std::move(trailing), asio::use_awaitable);
    EXPECT_EQ(describe(co_await s.async_recv(asio::use_awaitable)), "response 200");
    EXPECT_EQ(describe(co_await s.async_recv(asio::use_awaitable)), "data abc");
    EXPECT_EQ(describe(co_await s.async_recv(asio::use_awaitable)), "done");
    try {
      co_await s.async_recv(asio::use_awaitable);
      ADD_FAILURE();
    } catch (const boost::system::system_error& e) {
      EXPECT_EQ(e.code(), errc::closed);
    }
    co_await s.async_close(asio::use_awaitable);
  }(server.url()));
}

TEST(tokens, deferred_is_the_default_and_can_be_awaited) {
  service server(echo_back);
  asio::io_context io;
  run(io, [](std::string url) -> asio::awaitable<void> {
    request head{.url = std::move(url)};
    auto s = co_await h2::async_open(co_await asio::this_coro::executor, head);
    co_await s.async_send("abc", fin);
    const auto m = co_await s.async_recv();
    EXPECT_EQ(describe(m), "response 200");
  }(server.url()));
}

TEST(tokens, deferred_starts_nothing_before_it_is_called) {
  both_ends ends;
  auto later = ends.client.async_recv(asio::deferred);
  // It has not begun, so it is in nobody's way.
  EXPECT_EQ(outcome(ends.client.async_recv(1ms, as_future)), "timeout");
  ends.remote.send_response({200, {}});
  std::promise<std::string> seen;
  std::move(later)([&](error_code, const message& m) { seen.set_value(describe(m)); });
  EXPECT_EQ(get(seen.get_future()), "response 200");
}

TEST(tokens, deferred_operations_chain) {
  both_ends ends;
  ends.remote.send_response({200, {}});
  std::promise<std::string> seen;
  auto chain = ends.client.async_send(
      "abc", asio::deferred)(asio::deferred([&](error_code) { return ends.client.async_recv(asio::deferred); }));
  std::move(chain)([&](error_code ec, const message& m) { seen.set_value(ec ? name(ec) : describe(m)); });
  EXPECT_EQ(get(seen.get_future()), "response 200");
  EXPECT_EQ(receive(ends.remote, 3), "abc");
}

TEST(tokens, as_tuple_and_redirect_error_hand_errors_over_as_values) {
  service server(echo_back);
  asio::io_context io;
  run(io, [](std::string url) -> asio::awaitable<void> {
    request head{.url = std::move(url)};
    auto [opened, s] = co_await h2::async_open(co_await asio::this_coro::executor, head, bounded(), as_value);
    EXPECT_FALSE(opened);
    auto [sent] = co_await s.async_send("", fin, as_value);
    EXPECT_FALSE(sent);
    error_code ec;
    co_await s.async_send("late", asio::redirect_error(asio::use_awaitable, ec));
    EXPECT_EQ(ec, errc::send_closed);
    auto [head_ec, m] = co_await s.async_recv(as_value);
    EXPECT_FALSE(head_ec);
    EXPECT_EQ(describe(m), "response 200");
    request bad{.url = "no url"};
    auto [failed, none] = co_await h2::async_open(co_await asio::this_coro::executor, bad, bounded(), as_value);
    EXPECT_EQ(failed, errc::invalid_argument);
  }(server.url()));
}

TEST(tokens, detached) {
  both_ends ends;
  ends.client.async_send("abc", fin, asio::detached);
  EXPECT_THAT(transcript(ends.remote), ElementsAre("data abc", "done"));
}

TEST(handlers, may_be_move_only) {
  both_ends ends;
  std::promise<int> sent;
  ends.client.async_send("abc", [own = std::make_unique<int>(7), &sent](error_code) { sent.set_value(*own); });
  EXPECT_EQ(get(sent.get_future()), 7);
  std::promise<int> received;
  ends.client.async_recv(
      [own = std::make_unique<int>(8), &received](error_code, const message&) { received.set_value(*own); });
  ends.remote.send_response({200, {}});
  EXPECT_EQ(get(received.get_future()), 8);
}

TEST(handlers, run_on_the_executor_that_they_are_bound_to) {
  both_ends ends;
  asio::io_context other;
  std::optional<bool> recv_here;
  std::optional<bool> send_here;
  const auto here = [&] { return other.get_executor().running_in_this_thread(); };
  ends.client.async_send("abc", asio::bind_executor(other, [&](error_code) { send_here = here(); }));
  ends.client.async_recv(asio::bind_executor(other, [&](error_code, const message&) { recv_here = here(); }));
  ends.remote.send_response({200, {}});
  // An operation that is pending is work for its context, so this does not return before both are complete.
  other.run_for(patience);
  EXPECT_EQ(send_here, true);
  EXPECT_EQ(recv_here, true);
}

TEST(handlers, without_an_executor_run_on_the_connections) {
  service server(echo_back);
  asio::io_context io;
  bool right = false;
  h2::stream s;
  h2::async_open(io.get_executor(), {.url = server.url()}, bounded(), [&](error_code, h2::stream opened) {
    right = io.get_executor().running_in_this_thread();
    s = std::move(opened);
  });
  ASSERT_TRUE(run_until(io, [&] { return static_cast<bool>(s); }));
  EXPECT_TRUE(right);
  EXPECT_TRUE(s.get_executor() == s.connection().get_executor());
  std::optional<bool> inside;
  s.async_recv([&](error_code, const message&) { inside = io.get_executor().running_in_this_thread(); });
  ASSERT_TRUE(run_until(io, [&] { return inside.has_value(); }));
  EXPECT_TRUE(*inside);
}

TEST(handlers, of_the_failed_open_run_on_the_executor_that_was_given) {
  asio::io_context io;
  std::optional<bool> inside;
  h2::async_open(io.get_executor(), {.url = "no url"}, options(),
                 [&](error_code, const h2::stream&) { inside = io.get_executor().running_in_this_thread(); });
  EXPECT_FALSE(inside);
  ASSERT_TRUE(run_until(io, [&] { return inside.has_value(); }));
  EXPECT_TRUE(*inside);
}

// Whatever can be answered at once, asked on the connection's own strand.
TEST(completions, never_run_inside_the_initiating_call) {
  both_ends ends;
  ends.remote.send_response({200, {}});
  EXPECT_EQ(outcome(ends.remote.async_send("abc", as_future)), "ok");
  fence(ends.client);
  constexpr int operations = 12;
  std::promise<void> over;
  std::atomic<int> left = operations;
  bool initiating = false;
  const auto completed = [&] {
    EXPECT_FALSE(initiating);
    if (--left == 0) over.set_value();
  };
  const auto error_only = [&](error_code) { completed(); };
  const auto with_value = [&](error_code, const auto&) { completed(); };
  asio::dispatch(ends.client.get_executor(), [&] {
    auto link = ends.client.connection();
    initiating = true;
    ends.client.async_recv(with_value);                           // buffered
    ends.client.async_recv(0ms, with_value);                      // buffered
    ends.client.async_recv(with_value);                           // waits
    ends.client.async_recv(with_value);                           // busy
    ends.client.async_send("abc", error_only);                    // fits the window
    ends.client.async_send("", error_only);                       // nothing to do
    ends.client.async_send_response({200, {}}, error_only);       // a client's mistake
    ends.client.async_send_trailers({{"a b", "c"}}, error_only);  // a bad field
    ends.client.async_send("", fin, error_only);
    ends.client.async_send("late", error_only);  // after the end
    link.async_open_stream({.url = "no url"}, options(), with_value);
    link.async_ping(with_value);
    initiating = false;
  });
  ends.remote.send("", fin);
  get(over.get_future());
}

TEST(completions, of_an_empty_handle_do_not_run_inside_the_initiating_call_either) {
  h2::stream nothing;
  asio::io_context io;
  std::optional<error_code> seen;
  nothing.async_recv(asio::bind_executor(io, [&](error_code ec, const message&) { seen = ec; }));
  EXPECT_FALSE(seen);
  io.run_for(patience);  // which ends when the other thread has let go of the context, too
  EXPECT_EQ(*seen, errc::closed);
}

// Sanitizers see it: when `run` returns, the thread that completed has let go of the context.
TEST(completions, let_go_of_a_context_before_it_runs_out_of_work) {
  both_ends ends;
  const auto once = [](auto initiate) {
    asio::io_context io;
    bool done = false;
    initiate(asio::bind_executor(io, [&](error_code, auto&&...) { done = true; }));
    io.run_for(patience);
    ASSERT_TRUE(done);
  };
  for (int i = 0; i < 200; ++i) {
    once([&](auto handler) { h2::stream().async_recv(std::move(handler)); });
    once([&](auto handler) { ends.client.async_send("", std::move(handler)); });
  }
}

TEST(completions, go_on_after_a_handler_threw_out_of_run) {
  service server(echo_back);
  asio::io_context io;
  h2::stream s;
  h2::async_open(io.get_executor(), {.url = server.url()}, bounded(),
                 [&](error_code, h2::stream opened) { s = std::move(opened); });
  ASSERT_TRUE(run_until(io, [&] { return static_cast<bool>(s); }));
  bool second = false;
  s.async_send("a", [](error_code) { throw std::runtime_error("from a handler"); });
  s.async_send("b", [&](error_code) { second = true; });
  EXPECT_THROW(static_cast<void>(run_until(io, [&] { return second; })), std::runtime_error);
  EXPECT_TRUE(run_until(io, [&] { return second; }));
  std::string seen;
  while (seen != "ab") {
    std::optional<message> m;
    s.async_recv([&](error_code, message received) { m = std::move(received); });
    ASSERT_TRUE(run_until(io, [&] { return m.has_value(); }));
    if (const auto* d = std::get_if<data>(&*m)) seen += d->bytes;
  }
}

TEST(executors, may_be_a_thread_pool) {
  service server(echo_back);
  asio::thread_pool pool(2);
  {
    auto s = h2::open(pool.get_executor(), {.url = server.url()}, bounded());
    s.send("abc", fin);
    EXPECT_THAT(transcript(s), ElementsAre("response 200", "data abc", "done"));
  }
  pool.join();
}

TEST(executors, may_be_a_strand) {
  service server(echo_back);
  context_threads threads(2);
  const asio::strand<asio::any_io_executor> strand(threads.executor());
  auto s = h2::open(strand, {.url = server.url()}, bounded());
  s.send("abc", fin);
  EXPECT_THAT(transcript(s), ElementsAre("response 200", "data abc", "done"));
}

}  // namespace
}  // namespace duplex::test
