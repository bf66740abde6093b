// The server: handlers of both kinds, what they may answer, and how a server ends.

#include "support.hpp"

#include <atomic>

namespace duplex::test {
namespace {

using asio::use_awaitable;
using h2::fin;
using testing::AnyOf;
using testing::ElementsAre;

TEST(server_handler, may_be_a_plain_function_that_keeps_the_stream) {
  service server([](const request& head, h2::stream s) {
    s.async_send_response({200, {{"path", head.path()}}}, fin, [s](error_code ec) { EXPECT_FALSE(ec); });
  });
  auto client = h2::open({.url = server.url("/p")}, bounded());
  EXPECT_THAT(transcript(client), ElementsAre("response 200 path=/p", "done"));
}

TEST(server_handler, may_be_a_coroutine) {
  service server([](request head, h2::stream s) -> asio::awaitable<void> {
    response answer{200, {{"method", head.method}}};
    co_await s.async_send_response(std::move(answer), use_awaitable);
    for (auto m = co_await s.async_recv(use_awaitable); !std::holds_alternative<done>(m);
         m = co_await s.async_recv(use_awaitable)) {
      if (auto* d = std::get_if<data>(&m)) co_await s.async_send(d->bytes, use_awaitable);
    }
    fields trailing{{"grpc-status", "0"}};
    co_await s.async_send_trailers(std::move(trailing), use_awaitable);
  });
  auto client = h2::open({.url = server.url()}, bounded());
  client.send("abc", fin);
  EXPECT_THAT(transcript(client),
              ElementsAre("response 200 method=POST", "data abc", "trailers grpc-status=0", "done"));
}

TEST(server_handler, may_be_a_coroutine_lambda_with_captures_that_outlive_the_call) {
  auto greeting = std::make_shared<std::string>("hello");
  service server([greeting](request, h2::stream s) -> asio::awaitable<void> {
    co_await s.async_send_response({200, {}}, use_awaitable);
    co_await s.async_recv(use_awaitable);
    co_await s.async_send(*greeting, fin, use_awaitable);
  });
  auto client = h2::open({.url = server.url()}, bounded());
  EXPECT_EQ(describe(client.recv()), "response 200");
  client.send("", fin);
  EXPECT_THAT(transcript(client), ElementsAre("data hello", "done"));
}

TEST(server_handler, may_be_a_coroutine_that_can_only_be_moved) {
  service server([greeting = std::make_unique<std::string>("hello")](request, h2::stream s) -> asio::awaitable<void> {
    co_await s.async_send_response({200, {}}, use_awaitable);
    co_await s.async_send(*greeting, fin, use_awaitable);
  });
  auto client = h2::open({.url = server.url()}, bounded());
  EXPECT_THAT(transcript(client), ElementsAre("response 200", "data hello", "done"));
}

TEST(server_handler, that_throws_before_it_is_a_coroutine_resets_the_stream_with_internal_error) {
  service server([](request, h2::stream) -> asio::awaitable<void> { throw std::runtime_error("a bug"); });
  auto client = h2::open({.url = server.url()}, bounded());
  EXPECT_EQ(recv_error(client), "stream_reset");
  EXPECT_EQ(client.failure()->http2_code, 0x2U);
}

TEST(server_handler, that_throws_resets_the_stream_with_internal_error) {
  service server([](request head, h2::stream s) -> asio::awaitable<void> {
    co_await s.async_send_response({200, {}}, use_awaitable);
    if (head.path() == "/throw") throw std::runtime_error("a bug");
    co_await s.async_send("", fin, use_awaitable);
  });
  auto client = h2::open({.url = server.url("/throw")}, bounded());
  EXPECT_THAT(transcript(client),
              AnyOf(ElementsAre("response 200", "error stream_reset"), ElementsAre("error stream_reset")));
  EXPECT_EQ(client.failure()->http2_code, 0x2U);
  // The server goes on.
  auto other = h2::open({.url = server.url()}, bounded());
  EXPECT_THAT(transcript(other), ElementsAre("response 200", "done"));
}

TEST(server_handler, that_throws_at_once_resets_the_stream_with_internal_error) {
  service server([](request, h2::stream) -> asio::awaitable<void> {
    throw std::runtime_error("a bug");
    co_return;
  });
  auto client = h2::open({.url = server.url()}, bounded());
  EXPECT_EQ(recv_error(client), "stream_reset");
  EXPECT_EQ(client.failure()->http2_code, 0x2U);
}

TEST(server_handler, that_returns_without_an_answer_resets_the_stream_with_cancel) {
  service server([](const request&, const h2::stream&) {});
  auto client = h2::open({.url = server.url()}, bounded());
  EXPECT_EQ(recv_error(client), "stream_reset");
  EXPECT_EQ(client.failure()->http2_code, 0x8U);
}

TEST(server_handler, may_answer_with_trailers_only) {
  service server([](request, h2::stream s) -> asio::awaitable<void> {
    response answer{200, {{"grpc-status", "12"}}};
    co_await s.async_send_response(std::move(answer), fin, use_awaitable);
  });
  auto client = h2::open({.url = server.url()}, bounded());
  EXPECT_THAT(transcript(client), ElementsAre("response 200 grpc-status=12", "done"));
}

TEST(server_handler, may_send_interim_replies_first) {
  service server([](request, h2::stream s) -> asio::awaitable<void> {
    for (int i = 0; i < 3; ++i) co_await s.async_send_informational({102, {}}, use_awaitable);
    co_await s.async_send_response({204, {}}, fin, use_awaitable);
  });
  auto opts = bounded();
  opts.informational = true;
  auto client = h2::open({.url = server.url()}, opts);
  EXPECT_THAT(transcript(client),
              ElementsAre("informational 102", "informational 102", "informational 102", "response 204", "done"));
}

TEST(server_handler, may_reset_with_any_code) {
  service server([](const request&, h2::stream s) { s.reset(0xd); });
  auto client = h2::open({.url = server.url()}, bounded());
  EXPECT_EQ(recv_error(client), "stream_reset");
  EXPECT_EQ(client.failure()->http2_code, 0xdU);
}

TEST(server_handler, may_answer_before_the_request_is_complete_and_without_reading_it) {
  service server([](request, h2::stream s) -> asio::awaitable<void> {
    co_await s.async_send_response({413, {}}, fin, use_awaitable);
  });
  auto client = h2::open({.url = server.url()}, bounded());
  const auto body = pattern(std::size_t{3} << 20);
  auto sending = client.async_send(body, fin, as_future);
  EXPECT_THAT(transcript(client), ElementsAre("response 413", "done"));
  EXPECT_THAT(outcome(std::move(sending)), AnyOf("ok", "stream_reset"));
}

TEST(server_handler, knows_the_connection_of_its_stream) {
  std::promise<std::string> seen;
  service server([&](const request&, const h2::stream& s) { seen.set_value(s.connection().info().peer); });
  const auto client = h2::open({.url = server.url()}, bounded());
  EXPECT_TRUE(get(seen.get_future()).starts_with("127.0.0.1:"));
}

TEST(server, listens_on_a_port_of_its_own_and_says_which) {
  context_threads threads;
  const auto nobody = [](const request&, const h2::stream&) {};
  const h2::server a(threads.executor(), cleartext(), nobody);
  const h2::server b(threads.executor(), cleartext(), nobody);
  EXPECT_NE(a.port(), 0);
  EXPECT_NE(a.port(), b.port());
  EXPECT_EQ(a.url(), "http://127.0.0.1:" + std::to_string(a.port()));
  const h2::server c(threads.executor(), with_tls(), nobody);
  EXPECT_EQ(c.url(), "https://127.0.0.1:" + std::to_string(c.port()));
}

TEST(server, cannot_listen_where_another_does) {
  peer first;
  context_threads threads;
  auto opts = cleartext();
  opts.port = first.server().port();
  const auto nobody = [](const request&, const h2::stream&) {};
  EXPECT_THROW(h2::server(threads.executor(), opts, nobody), boost::system::system_error);
}

TEST(server, can_be_moved) {
  context_threads threads;
  const auto answer = [](const request&, h2::stream s) { s.async_send_response({200, {}}, fin, [s](error_code) {}); };
  h2::server first(threads.executor(), cleartext(), answer);
  auto second = std::move(first);
  auto client = h2::open({.url = second.url()}, bounded());
  EXPECT_THAT(transcript(client), ElementsAre("response 200", "done"));
  second = h2::server(threads.executor(), cleartext(), answer);
  auto other = h2::open({.url = second.url()}, bounded());
  EXPECT_THAT(transcript(other), ElementsAre("response 200", "done"));
  EXPECT_EQ(outcome(first.async_shutdown(0s, as_future)), "closed");  // NOLINT(bugprone-use-after-move): no server now
}

TEST(server, above_max_connections_lets_others_wait_until_one_ends) {
  auto opts = cleartext();
  opts.max_connections = 1;
  peer server(opts);
  auto first = h2::open({.url = server.url()}, bounded());
  auto first_far = server.accept().stream;
  auto second = h2::open({.url = server.url()}, bounded());  // the kernel takes the call
  fence(first);
  EXPECT_TRUE(server.idle());
  first.close();
  auto second_far = server.accept().stream;
  second_far.send_response({200, {}}, fin);
  EXPECT_THAT(transcript(second), ElementsAre("response 200", "done"));
}

TEST(server, above_max_concurrent_streams_lets_the_client_wait) {
  auto opts = cleartext();
  opts.max_concurrent_streams = 1;
  peer server(opts);
  context_threads threads;
  auto link = std::get<1>(get(h2::connection::async_connect(threads.executor(), server.url(), bounded(), as_future)));
  EXPECT_EQ(outcome(link.async_ping(as_future)), "ok");  // the limit is known
  auto first = std::get<1>(get(link.async_open_stream({.url = server.url()}, bounded(), as_future)));
  auto first_far = server.accept().stream;
  auto waiting = link.async_open_stream({.url = server.url()}, bounded(), as_future);
  EXPECT_EQ(outcome(link.async_ping(as_future)), "ok");
  EXPECT_TRUE(server.idle());
  EXPECT_TRUE(pending(waiting));
  first.send("", fin);
  first_far.send_response({200, {}}, fin);
  EXPECT_THAT(transcript(first), ElementsAre("response 200", "done"));
  auto second = std::get<1>(get(std::move(waiting)));
  server.accept().stream.send_response({204, {}}, fin);
  EXPECT_THAT(transcript(second), ElementsAre("response 204", "done"));
}

TEST(server_shutdown, lets_running_streams_finish_and_completes_after_the_last) {
  frame_log frames;
  auto opts = bounded();
  opts.on_frame = frames.recorder();
  both_ends ends(opts);
  ends.remote.send_response({200, {}});
  auto stopped = ends.server.server().async_shutdown(patience, as_future);
  ASSERT_TRUE(frames.wait_received("GOAWAY NO_ERROR"));
  EXPECT_TRUE(pending(stopped));

  ends.client.send("still here");
  EXPECT_EQ(receive(ends.remote, 10), "still here");
  ends.client.send("", fin);
  ends.remote.send("so am I", fin);
  EXPECT_THAT(transcript(ends.client), ElementsAre("response 200", "data so am I", "done"));
  ends.client = {};
  ends.remote = {};
  EXPECT_EQ(outcome(std::move(stopped)), "ok");
}

TEST(server_shutdown, resets_what_still_runs_after_the_grace) {
  both_ends ends;
  ends.remote.send_response({200, {}});
  EXPECT_EQ(describe(ends.client.recv()), "response 200");
  EXPECT_EQ(outcome(ends.server.server().async_shutdown(20ms, as_future)), "ok");
  EXPECT_THAT(recv_error(ends.client), AnyOf("stream_reset", "goaway"));
  EXPECT_THAT(recv_error(ends.remote), AnyOf("closed", "canceled"));
}

TEST(server_shutdown, of_an_idle_server_completes_at_once_and_nobody_is_accepted_any_more) {
  context_threads threads;
  h2::server server(threads.executor(), cleartext(), [](const request&, const h2::stream&) {});
  EXPECT_EQ(outcome(server.async_shutdown(patience, as_future)), "ok");
  error_code ec;
  const auto s = h2::open({.url = server.url()}, bounded(), ec);
  EXPECT_EQ(ec, errc::connect_failed);
}

TEST(server_shutdown, ends_connections_that_are_idle) {
  frame_log frames;
  auto opts = bounded();
  opts.on_frame = frames.recorder();
  peer server;
  context_threads threads;
  auto link = std::get<1>(get(h2::connection::async_connect(threads.executor(), server.url(), opts, as_future)));
  EXPECT_EQ(outcome(link.async_ping(as_future)), "ok");
  EXPECT_EQ(outcome(server.server().async_shutdown(patience, as_future)), "ok");
  ASSERT_TRUE(frames.wait_received("GOAWAY NO_ERROR"));
  EXPECT_EQ(outcome(link.async_open_stream({.url = server.url()}, bounded(), as_future)), "refused");
}

TEST(server_shutdown, twice_at_the_same_time_is_closed_for_the_second) {
  both_ends ends;
  auto first = ends.server.server().async_shutdown(patience, as_future);
  EXPECT_EQ(outcome(ends.server.server().async_shutdown(patience, as_future)), "closed");
  ends.client.close();
  EXPECT_EQ(outcome(std::move(first)), "ok");
}

}  // namespace
}  // namespace duplex::test
