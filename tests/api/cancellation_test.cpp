// Cancellation slots work on every asynchronous operation. Everything runs on the test's own thread here, so that a
// signal can be given while the operation is certain to be under way.

#include "raw_peer.hpp"
#include "support.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>

namespace duplex::test {
namespace {

using h2::fin;
using testing::ElementsAre;

constexpr std::size_t window = 1000;

h2::server_options small_windows() {
  auto opts = cleartext();
  opts.stream.stream_window = window;
  return opts;
}

// What an operation that can be cancelled ended with.
struct outcome_of {
  asio::cancellation_signal signal;
  std::optional<std::string> result;

  auto handler() {
    return asio::bind_cancellation_slot(signal.slot(), [this](error_code ec, auto&&...) {
      EXPECT_FALSE(result) << "completed twice";
      result = name(ec);
    });
  }
  void cancel(asio::cancellation_type type = asio::cancellation_type::terminal) { signal.emit(type); }
};

std::string wait(asio::io_context& io, const outcome_of& op) {
  return run_until(io, [&] { return op.result.has_value(); }) ? *op.result : "nothing";
}

// A client's stream on the test's own context.
struct own_client {
  explicit own_client(const std::string& url, options opts = bounded()) {
    h2::async_open(io.get_executor(), {.url = url}, std::move(opts))([this](error_code ec, h2::stream s) {
      EXPECT_FALSE(ec);
      stream = std::move(s);
    });
    EXPECT_TRUE(run_until(io, [this] { return static_cast<bool>(stream); }));
  }
  explicit own_client(const peer& server, options opts = bounded()) : own_client(server.url(), std::move(opts)) {
    settle();  // the request has arrived
  }
  explicit own_client(raw_peer& server, options opts = bounded()) : own_client(server.url(), std::move(opts)) {
    auto greeting = std::async(std::launch::async, [&] { server.accept_http2(); });
    EXPECT_TRUE(run_until(
        io, [&] { return !pending(greeting); }, 1ms));
  }

  // Everything that the server sent before is here.
  void settle() {
    bool answered = false;
    stream.connection().async_ping([&](error_code, auto) { answered = true; });
    EXPECT_TRUE(run_until(io, [&] { return answered; }));
  }
  std::string next() {
    outcome_of op;
    std::string text;
    stream.async_recv([&](error_code ec, const message& m) {
      text = ec ? name(ec) : describe(m);
      op.result = text;
    });
    static_cast<void>(wait(io, op));
    return text;
  }

  asio::io_context io;
  h2::stream stream;
};

class cancellation : public testing::TestWithParam<asio::cancellation_type> {};

INSTANTIATE_TEST_SUITE_P(of_any_type, cancellation,
                         testing::Values(asio::cancellation_type::terminal, asio::cancellation_type::partial,
                                         asio::cancellation_type::total),
                         [](const auto& info) -> std::string {
                           if (info.param == asio::cancellation_type::terminal) return "terminal";
                           return info.param == asio::cancellation_type::partial ? "partial" : "total";
                         });

TEST_P(cancellation, of_a_recv_loses_no_message) {
  peer server;
  own_client client(server);
  auto far = server.accept().stream;
  outcome_of op;
  client.stream.async_recv(op.handler());
  client.settle();
  EXPECT_FALSE(op.result);
  op.cancel(GetParam());
  EXPECT_EQ(wait(client.io, op), "canceled");
  EXPECT_FALSE(client.stream.failure());

  far.send_response({200, {}});
  far.send("abc", fin);
  EXPECT_EQ(client.next(), "response 200");
  EXPECT_EQ(client.next(), "data abc");
  EXPECT_EQ(client.next(), "done");
}

TEST_P(cancellation, of_a_send_resets_the_stream_which_says_so) {
  peer server(small_windows());
  own_client client(server);
  auto far = server.accept().stream;
  client.settle();
  outcome_of op;
  const auto sent = pattern(2 * window);
  client.stream.async_send(sent, op.handler());
  client.settle();
  EXPECT_FALSE(op.result);
  op.cancel(GetParam());
  EXPECT_EQ(wait(client.io, op), "canceled");
  client.settle();
  ASSERT_TRUE(client.stream.failure());
  EXPECT_EQ(client.stream.failure()->code, errc::canceled);
  EXPECT_EQ(client.stream.failure()->origin, origin::local);
  EXPECT_EQ(client.next(), "canceled");
  EXPECT_THAT(transcript(far), ElementsAre("data " + sent.substr(0, window), "error stream_reset"));
  EXPECT_EQ(far.failure()->http2_code, 0x8U);
}

TEST(cancellation, of_one_send_ends_those_behind_it_too) {
  peer server(small_windows());
  own_client client(server);
  auto far = server.accept().stream;
  client.settle();
  outcome_of first;
  outcome_of second;
  const auto sent = pattern(2 * window);
  client.stream.async_send(sent, first.handler());
  client.stream.async_send(sent, second.handler());
  client.settle();
  second.cancel();
  EXPECT_EQ(wait(client.io, second), "canceled");
  EXPECT_EQ(wait(client.io, first), "canceled");
}

TEST(cancellation, of_waiting_trailers_resets_the_stream) {
  peer server(small_windows());
  own_client client(server);
  auto far = server.accept().stream;
  client.settle();
  outcome_of data_op;
  outcome_of op;
  const auto sent = pattern(2 * window);
  client.stream.async_send(sent, data_op.handler());
  client.stream.async_send_trailers({{"a", "b"}}, op.handler());
  client.settle();
  EXPECT_FALSE(op.result);
  op.cancel();
  EXPECT_EQ(wait(client.io, op), "canceled");
  EXPECT_EQ(wait(client.io, data_op), "canceled");
  EXPECT_THAT(transcript(far), ElementsAre("data " + sent.substr(0, window), "error stream_reset"));
}

// A server's `verb(stream, handler)` that is cancelled before its frame is made.
template <class Verb>
void expect_cancel_resets_the_stream(Verb verb) {
  asio::io_context io;
  outcome_of op;
  h2::stream far;
  h2::server server(io.get_executor(), cleartext(), [&](const request&, h2::stream s) {
    far = std::move(s);
    verb(far, op.handler());
    op.cancel();
  });
  auto opening = std::async(std::launch::async, [&] { return h2::open({.url = server.url()}, bounded()); });
  EXPECT_EQ(wait(io, op), "canceled");
  auto client = opening.get();
  auto failed = client.async_recv(as_future);
  EXPECT_TRUE(run_until(
      io, [&] { return !pending(failed); }, 1ms));
  EXPECT_EQ(outcome(std::move(failed)), "stream_reset");
}

TEST(cancellation, of_a_response_that_is_not_framed_yet_resets_the_stream) {
  expect_cancel_resets_the_stream([](h2::stream& s, auto handler) {
    s.async_send_response({200, {}}, std::move(handler));
  });
}

TEST(cancellation, of_an_interim_reply_that_is_not_framed_yet_resets_the_stream) {
  expect_cancel_resets_the_stream([](h2::stream& s, auto handler) {
    s.async_send_informational({103, {}}, std::move(handler));
  });
}

TEST(cancellation, of_an_open_ends_the_attempt) {
  raw_peer silent;  // takes the connection, and never does the TLS handshake
  asio::io_context io;
  outcome_of op;
  h2::async_open(io.get_executor(), {.url = silent.url("https")}, bounded())(op.handler());
  asio::post(io, [&] { op.cancel(); });
  EXPECT_EQ(wait(io, op), "canceled");
}

TEST(cancellation, of_an_open_during_the_handshake_closes_the_connection) {
  raw_peer silent;
  asio::io_context io;
  outcome_of op;
  h2::async_open(io.get_executor(), {.url = silent.url("https")}, bounded())(op.handler());
  auto greeted = std::async(std::launch::async, [&] {
    silent.accept();
    silent.read_until("\x16\x03");  // the client's hello: the handshake has begun
  });
  ASSERT_TRUE(run_until(
      io, [&] { return !pending(greeted); }, 1ms));
  EXPECT_FALSE(op.result);
  op.cancel();
  EXPECT_EQ(wait(io, op), "canceled");
  silent.read_to_end();
}

TEST(cancellation, of_a_connect_ends_the_attempt) {
  raw_peer silent;
  asio::io_context io;
  outcome_of op;
  h2::connection::async_connect(io.get_executor(), silent.url("https"), bounded(), op.handler());
  asio::post(io, [&] { op.cancel(); });
  EXPECT_EQ(wait(io, op), "canceled");
}

TEST(cancellation, of_an_open_stream_completes_it_either_way) {
  peer server;
  own_client client(server);
  outcome_of op;
  auto link = client.stream.connection();
  link.async_open_stream({.url = server.url()}, bounded(), op.handler());
  op.cancel();
  EXPECT_THAT(wait(client.io, op), testing::AnyOf("ok", "canceled"));
}

TEST(cancellation, of_a_ping_that_is_never_answered) {
  raw_peer silent;
  own_client client(silent);
  outcome_of op;
  client.stream.connection().async_ping(op.handler());
  asio::post(client.io, [&] { op.cancel(); });
  EXPECT_EQ(wait(client.io, op), "canceled");
  EXPECT_FALSE(client.stream.failure());
}

TEST(cancellation, of_a_close_stops_waiting_and_the_close_goes_on) {
  raw_peer silent;  // never ends its side
  auto opts = bounded();
  opts.close_timeout = patience;
  own_client client(silent, opts);
  outcome_of op;
  client.stream.async_close(op.handler());
  op.cancel();
  EXPECT_THAT(wait(client.io, op), testing::AnyOf("ok", "canceled"));
  EXPECT_EQ(client.next(), "closed");
}

TEST(cancellation, of_a_shutdown_stops_waiting_and_the_drain_goes_on) {
  asio::io_context io;
  h2::stream far;
  h2::server server(io.get_executor(), cleartext(), [&](const request&, h2::stream s) { far = std::move(s); });
  auto opening = std::async(std::launch::async, [&] { return h2::open({.url = server.url()}, bounded()); });
  ASSERT_TRUE(run_until(io, [&] { return static_cast<bool>(far); }));
  auto client = opening.get();

  outcome_of op;
  server.async_shutdown(patience, op.handler());
  asio::post(io, [&] { op.cancel(); });
  EXPECT_EQ(wait(io, op), "canceled");
  // The stream that was running still is.
  outcome_of answer;
  far.async_send_response({200, {}}, answer.handler());
  EXPECT_EQ(wait(io, answer), "ok");
  EXPECT_EQ(describe(client.recv()), "response 200");
}

TEST(cancellation, after_completion_does_nothing) {
  peer server;
  own_client client(server);
  auto far = server.accept().stream;
  outcome_of receiving;
  client.stream.async_recv(receiving.handler());
  far.send_response({200, {}});
  EXPECT_EQ(wait(client.io, receiving), "ok");
  receiving.cancel();
  outcome_of sending;
  client.stream.async_send("abc", sending.handler());
  EXPECT_EQ(wait(client.io, sending), "ok");
  sending.cancel();
  client.settle();
  EXPECT_FALSE(client.stream.failure());
  EXPECT_EQ(receive(far, 3), "abc");
}

TEST(close, under_pending_operations_completes_them_with_canceled) {
  peer server(small_windows());
  own_client client(server);
  auto far = server.accept().stream;
  client.settle();
  outcome_of receiving;
  outcome_of sending;
  const auto sent = pattern(2 * window);
  client.stream.async_recv(receiving.handler());
  client.stream.async_send(sent, sending.handler());
  client.stream.close();
  EXPECT_EQ(wait(client.io, receiving), "canceled");
  EXPECT_EQ(wait(client.io, sending), "canceled");
}

TEST(reset, under_pending_operations_completes_them_with_canceled) {
  peer server(small_windows());
  own_client client(server);
  auto far = server.accept().stream;
  client.settle();
  outcome_of receiving;
  outcome_of sending;
  const auto sent = pattern(2 * window);
  client.stream.async_recv(receiving.handler());
  client.stream.async_send(sent, sending.handler());
  client.stream.reset(0xb);
  EXPECT_EQ(wait(client.io, receiving), "canceled");
  EXPECT_EQ(wait(client.io, sending), "canceled");
  client.settle();
  EXPECT_EQ(client.stream.failure()->http2_code, 0xbU);
  EXPECT_EQ(transcript(far).back(), "error stream_reset");
  EXPECT_EQ(far.failure()->http2_code, 0xbU);
}

}  // namespace
}  // namespace duplex::test
