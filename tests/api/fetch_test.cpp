// The linear case: one request with its body, one response with its body.

#include "raw_peer.hpp"
#include "support.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include <atomic>
#include <cerrno>
#include <future>
#include <system_error>

namespace duplex::test {
namespace {

using h2::body_source;
using h2::fetch_options;
using h2::fin;
using h2::reply;
using testing::HasSubstr;
using testing::MatchesRegex;

constexpr std::size_t chunk = std::size_t{64} << 10;
constexpr std::size_t large = 5'000'000;

fetch_options bounded_fetch() {
  fetch_options opts;
  opts.stream = bounded();
  opts.timeout = patience;
  return opts;
}

// Answers with what it was sent, and says what it was told about it.
asio::awaitable<void> echo(request rq, h2::stream s) {
  std::string body;
  for (auto m = co_await s.async_recv(); !std::holds_alternative<done>(m); m = co_await s.async_recv()) {
    if (auto* d = std::get_if<data>(&m)) body += d->bytes;
  }
  response head{200, {{"method", rq.method}, {"length", rq.headers.value_or("content-length", "none")}}};
  co_await s.async_send_response(head);
  co_await s.async_send(body);
  const fields end{{"checksum", std::to_string(body.size())}};
  co_await s.async_send_trailers(end);
}

using fetched = std::future<std::tuple<error_code, reply>>;

// A fetch on a context of the test's own, to a server that the test drives.
struct exchange_with_peer {
  explicit exchange_with_peer(body_source body = {}, fetch_options opts = bounded_fetch(),
                              h2::server_options server_opts = cleartext(), request head = {})
      : server(std::move(server_opts)) {
    head.url = server.url();
    result = h2::async_fetch(threads.executor(), std::move(head), std::move(body), std::move(opts), as_future);
    auto arrived = server.accept();
    asked = std::move(arrived.head);
    far = std::move(arrived.stream);
  }
  std::pair<std::string, reply> end() {
    auto [ec, r] = get(std::move(result));
    return {name(ec), std::move(r)};
  }

  peer server;
  context_threads threads;
  fetched result;
  request asked;
  h2::stream far;
};

h2::server_options small_window() {
  auto opts = cleartext();
  opts.stream.stream_window = 1000;
  return opts;
}

// Bodies

body_source pieces(std::string all, std::size_t size) {
  return body_source([all = std::move(all), size, at = std::size_t{0}]() mutable -> std::optional<std::string> {
    if (at >= all.size()) return std::nullopt;
    auto piece = all.substr(at, size);
    at += piece.size();
    return piece;
  });
}

body_source awaited_pieces(std::string all, std::size_t size) {
  const auto at = std::make_shared<std::size_t>(0);
  return body_source([all = std::move(all), size, at]() -> asio::awaitable<std::optional<std::string>> {
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    if (*at >= all.size()) co_return std::nullopt;
    auto piece = all.substr(*at, size);
    *at += piece.size();
    co_return piece;
  });
}

class a_body : public testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(of_bytes, a_body, testing::Values(0, 1, chunk, large), testing::PrintToStringParamName());

void expect_echo(const std::string& sent, const body_source& body, const std::string& length) {
  const service server(echo);
  const auto r = h2::fetch({.url = server.url()}, body, bounded_fetch());
  EXPECT_EQ(r.status, 200);
  EXPECT_TRUE(r.body == sent) << r.body.size();
  EXPECT_EQ(r.headers.value_or("method", ""), "POST");
  EXPECT_EQ(r.headers.value_or("length", ""), length);
  EXPECT_EQ(r.trailers.value_or("checksum", ""), std::to_string(sent.size()));
  EXPECT_FALSE(r.failure);
}

TEST_P(a_body, of_a_string_arrives_with_its_length) {
  expect_echo(pattern(GetParam()), pattern(GetParam()), std::to_string(GetParam()));
}

TEST_P(a_body, of_a_file_arrives_with_its_length) {
  const auto file = temporary_file(pattern(GetParam()));
  expect_echo(pattern(GetParam()), body_source::from_file(file), std::to_string(GetParam()));
}

TEST_P(a_body, of_a_producer_arrives_without_a_length) {
  expect_echo(pattern(GetParam()), pieces(pattern(GetParam()), 50'000), "none");
}

TEST_P(a_body, of_a_coroutine_arrives_without_a_length) {
  expect_echo(pattern(GetParam()), awaited_pieces(pattern(GetParam()), 50'000), "none");
}

TEST(a_fetch, without_a_body_ends_the_request_at_once_and_a_get_has_no_length) {
  const service server(echo);
  const auto r = h2::fetch(h2::get(server.url()), {}, bounded_fetch());
  EXPECT_EQ(r.headers.value_or("method", ""), "GET");
  EXPECT_EQ(r.headers.value_or("length", ""), "none");
}

TEST(a_fetch, of_a_file_that_is_not_there_sends_nothing_and_says_so) {
  peer server;
  error_code ec;
  const auto r = h2::fetch({.url = server.url()}, body_source::from_file("/no/such/file"), bounded_fetch(), ec);
  EXPECT_EQ(name(ec), "invalid_argument");
  ASSERT_TRUE(r.failure);
  EXPECT_THAT(r.failure->message, HasSubstr("/no/such/file cannot be sent: No such file or directory"));
  EXPECT_TRUE(server.idle());
  try {
    h2::fetch({.url = server.url()}, body_source::from_file("/"));
    FAIL();
  } catch (const boost::system::system_error& e) {
    EXPECT_EQ(e.code(), errc::invalid_argument);
    EXPECT_THAT(e.what(), HasSubstr("not a regular file"));
  }
}

TEST(a_fetch, refuses_a_content_length_that_is_not_the_bodys) {
  error_code ec;
  const request rq{.url = "http://127.0.0.1:1", .headers = {{"content-length", "5"}}};
  const auto r = h2::fetch(rq, "abc", bounded_fetch(), ec);
  EXPECT_EQ(name(ec), "invalid_argument");
  EXPECT_EQ(r.failure->message, "content-length is 5, and the body has 3 bytes");
}

TEST(a_fetch, refuses_options_out_of_range) {
  auto none = bounded_fetch();
  none.chunk_size = 0;
  auto past = bounded_fetch();
  past.timeout = 0ms;
  for (const auto& opts : {none, past}) {
    error_code ec;
    h2::fetch(h2::get("http://127.0.0.1:1"), {}, opts, ec);
    EXPECT_EQ(name(ec), "invalid_argument");
  }
}

// What a reader that takes its time does to the one who sends

TEST(a_producer, is_asked_only_when_its_last_piece_was_taken) {
  const auto asked = std::make_shared<std::atomic<std::size_t>>(0);
  constexpr std::size_t count = 500;
  constexpr std::size_t window = 66;  // pieces in the window before the peer's SETTINGS arrive, 65,535 bytes
  exchange_with_peer x(body_source([asked]() -> std::optional<std::string> {
                         return ++*asked > count ? std::nullopt : std::optional(pattern(1000));
                       }),
                       bounded_fetch(), small_window());
  std::size_t taken = 0;
  while (taken < count * 1000) {
    const auto m = x.far.recv();
    taken += std::get<data>(m).bytes.size();
    EXPECT_LE(asked->load(), taken / 1000 + window + 2);
  }
  x.far.send_response({200, {}}, fin);
  EXPECT_EQ(x.end().first, "ok");
}

TEST(a_producer, that_throws_resets_the_stream_and_its_words_are_kept) {
  exchange_with_peer x(body_source([]() -> std::optional<std::string> { throw std::runtime_error("no more ink"); }));
  EXPECT_THAT(transcript(x.far), testing::ElementsAre("error stream_reset"));
  const auto [ec, r] = x.end();
  EXPECT_EQ(ec, "canceled");
  EXPECT_THAT(r.failure->message, HasSubstr("no more ink"));
}

TEST(a_producer, that_throws_a_system_error_ends_the_fetch_with_its_code) {
  exchange_with_peer x(body_source([]() -> asio::awaitable<std::optional<std::string>> {
    throw boost::system::system_error(errc::limit_exceeded, "enough");
    co_return std::nullopt;
  }));
  EXPECT_EQ(x.end().first, "limit_exceeded");
}

TEST(a_producer, that_throws_an_error_of_the_standards_ends_the_fetch_with_its_code) {
  exchange_with_peer generic(body_source([]() -> std::optional<std::string> {
    throw std::system_error(std::make_error_code(std::errc::no_space_on_device), "spool");
  }));
  const auto [ec, r] = generic.end();
  EXPECT_EQ(ec, error_code(ENOSPC, boost::system::generic_category()).message());
  EXPECT_EQ(r.failure->code, boost::system::errc::no_space_on_device);
  EXPECT_THAT(r.failure->message, HasSubstr("spool"));

  exchange_with_peer future(body_source([]() -> std::optional<std::string> {
    throw std::system_error(std::make_error_code(std::future_errc::broken_promise));
  }));
  EXPECT_EQ(std::error_code(future.end().second.failure->code), std::future_errc::broken_promise);

  exchange_with_peer none(
      body_source([]() -> std::optional<std::string> { throw std::system_error(std::error_code()); }));
  EXPECT_EQ(none.end().first, "canceled");
}

// The end of an exchange by itself

TEST(a_fetch, that_ends_its_stream_itself_says_how_much_it_had_sent) {
  constexpr std::size_t size = 3000;
  int piece = 0;
  exchange_with_peer x(body_source([&]() -> std::optional<std::string> {
    if (++piece == 1) return pattern(size);
    throw std::runtime_error("no more ink");
  }));
  EXPECT_EQ(x.end().second.failure->bytes_sent, size);

  exchange_with_peer nothing(body_source([]() -> std::optional<std::string> { throw std::runtime_error("no ink"); }));
  EXPECT_EQ(nothing.end().second.failure->bytes_sent, 0U);
}

TEST(a_fetch, that_wants_no_more_of_the_response_says_how_much_it_had_sent) {
  auto opts = bounded_fetch();
  opts.max_body = 10;
  exchange_with_peer x(pattern(large), opts, small_window());
  EXPECT_GE(receive(x.far, 1000).size(), 1000U);
  x.far.send_response({200, {{"content-length", "11"}}});
  const auto [ec, r] = x.end();
  EXPECT_EQ(ec, "limit_exceeded");
  EXPECT_GE(r.failure->bytes_sent, 1000U);
  EXPECT_LT(r.failure->bytes_sent, large);
}

// Early responses

TEST(an_early_response, with_rst_stream_no_error_is_a_success) {
  exchange_with_peer x(pattern(large), bounded_fetch(), small_window());
  x.far.send_response({200, {}});
  x.far.send("enough", fin);
  x.far = {};  // resets with NO_ERROR
  const auto [ec, r] = x.end();
  EXPECT_EQ(ec, "ok");
  EXPECT_EQ(r.status, 200);
  EXPECT_EQ(r.body, "enough");
}

TEST(an_early_response, that_refuses_the_body_stops_it) {
  exchange_with_peer x(pattern(large), bounded_fetch(), small_window());
  x.far.send_response({413, {}});
  x.far.send("too large", fin);
  const auto [ec, r] = x.end();
  EXPECT_EQ(ec, "ok");
  EXPECT_EQ(r.status, 413);
  EXPECT_EQ(r.body, "too large");
  EXPECT_EQ(transcript(x.far).back(), "error stream_reset");
  EXPECT_EQ(x.far.failure()->http2_code, 0x8U);
}

TEST(an_early_response, that_refuses_the_body_stops_a_coroutine_that_waits) {
  exchange_with_peer x(body_source([]() -> asio::awaitable<std::optional<std::string>> {
    asio::steady_timer never(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
    co_await never.async_wait(asio::use_awaitable);
    co_return std::nullopt;
  }));
  x.far.send_response({413, {}}, fin);
  const auto [ec, r] = x.end();
  EXPECT_EQ(ec, "ok");
  EXPECT_EQ(r.status, 413);
}

TEST(an_early_response, that_takes_the_body_lets_it_arrive) {
  exchange_with_peer x(pattern(100'000), bounded_fetch(), small_window());
  x.far.send_response({200, {}}, fin);
  EXPECT_TRUE(receive(x.far, 100'000) == pattern(100'000));
  EXPECT_EQ(describe(x.far.recv()), "done");
  EXPECT_EQ(x.end().first, "ok");
}

// Bounds

TEST(max_body, exceeded_by_the_data_resets_the_stream) {
  auto opts = bounded_fetch();
  opts.max_body = 1000;
  const frame_log frames;
  opts.stream.on_frame = frames.recorder();
  exchange_with_peer x({}, opts);
  x.far.send_response({200, {}});
  x.far.send(pattern(1001));
  const auto [ec, r] = x.end();
  EXPECT_EQ(ec, "limit_exceeded");
  EXPECT_THAT(r.failure->message, testing::MatchesRegex("the body of the response of .+ is larger than max_body"));
  EXPECT_LE(r.body.size(), 1000U);
  EXPECT_TRUE(frames.wait_sent("RST_STREAM CANCEL"));
}

TEST(max_body, exceeded_by_the_content_length_is_not_waited_for) {
  auto opts = bounded_fetch();
  opts.max_body = 1000;
  exchange_with_peer x({}, opts);
  x.far.send_response({200, {{"content-length", "1001"}}});
  EXPECT_EQ(x.end().first, "limit_exceeded");
}

TEST(max_body, reached_exactly_is_no_error) {
  auto opts = bounded_fetch();
  opts.max_body = 1000;
  exchange_with_peer x({}, opts);
  x.far.send_response({200, {{"content-length", "1000"}}});
  x.far.send(pattern(1000), fin);
  EXPECT_EQ(x.end().first, "ok");
}

TEST(a_fetch, ends_with_timeout_when_the_whole_takes_too_long) {
  peer server;
  auto opts = bounded_fetch();
  opts.timeout = 50ms;
  error_code ec;
  const auto r = h2::fetch({.url = server.url()}, {}, opts, ec);
  EXPECT_EQ(name(ec), "timeout");
  EXPECT_THAT(r.failure->message, MatchesRegex("the exchange with 127.0.0.1:[0-9]+ took longer than its timeout"));
}

TEST(a_fetch, ends_with_timeout_when_connecting_takes_too_long) {
  raw_peer silent;
  auto opts = bounded_fetch();
  opts.timeout = 50ms;
  error_code ec;
  h2::fetch(h2::get(silent.url("https")), {}, opts, ec);
  EXPECT_EQ(name(ec), "timeout");
}

// Responses without a body

TEST(a_response, to_head_has_a_length_and_no_body) {
  exchange_with_peer x({}, bounded_fetch(), cleartext(), {.method = "HEAD"});
  EXPECT_EQ(x.asked.method, "HEAD");
  x.far.send_response({200, {{"content-length", "99999999999"}}}, fin);
  const auto [ec, r] = x.end();
  EXPECT_EQ(ec, "ok");
  EXPECT_EQ(r.headers.value_or("content-length", ""), "99999999999");
  EXPECT_EQ(r.body, "");
}

TEST(a_response, of_204_has_no_body) {
  exchange_with_peer x;
  x.far.send_response({204, {}}, fin);
  const auto [ec, r] = x.end();
  EXPECT_EQ(ec, "ok");
  EXPECT_EQ(r.status, 204);
}

TEST(a_response, shorter_than_its_content_length_is_a_protocol_error) {
  exchange_with_peer x;
  x.far.send_response({200, {{"content-length", "5"}}});
  x.far.send("abc", fin);
  const auto [ec, r] = x.end();
  EXPECT_EQ(ec, "protocol_error");
  EXPECT_TRUE(r.failure);
}

TEST(a_response, that_is_reset_keeps_what_had_arrived_and_the_failure) {
  exchange_with_peer x;
  x.far.send_response({200, {}});
  x.far.send("abc");
  fence(x.far);
  x.far.reset(0x2);
  const auto [ec, r] = x.end();
  EXPECT_EQ(ec, "stream_reset");
  EXPECT_EQ(r.status, 200);
  EXPECT_EQ(r.body, "abc");
  EXPECT_EQ(r.failure->http2_code, 0x2U);
  EXPECT_EQ(r.failure->origin, origin::peer);
}

// Progress

TEST(progress, never_decreases_and_ends_at_the_sizes) {
  std::vector<h2::progress> seen;
  auto opts = bounded_fetch();
  opts.on_progress = [&](const h2::progress& p) { seen.push_back(p); };
  const service server([](const request&, h2::stream s) -> asio::awaitable<void> {
    for (auto m = co_await s.async_recv(); !std::holds_alternative<done>(m); m = co_await s.async_recv()) {
    }
    response head{200, {{"content-length", "300000"}}};
    co_await s.async_send_response(head);
    const auto body = pattern(300'000);
    co_await s.async_send(body, fin);
  });
  h2::fetch({.url = server.url()}, pattern(200'000), opts);
  ASSERT_GE(seen.size(), 5U);
  for (std::size_t i = 1; i < seen.size(); ++i) {
    EXPECT_GE(seen[i].sent, seen[i - 1].sent);
    EXPECT_GE(seen[i].received, seen[i - 1].received);
  }
  EXPECT_EQ(seen.back().sent, 200'000U);
  EXPECT_EQ(seen.back().to_send, 200'000U);
  EXPECT_EQ(seen.back().received, 300'000U);
  EXPECT_EQ(seen.back().to_receive, 300'000U);
}

TEST(progress, that_throws_ends_the_fetch) {
  auto opts = bounded_fetch();
  opts.on_progress = [](const h2::progress&) { throw std::runtime_error("bar is full"); };
  exchange_with_peer x("abc", opts);
  const auto [ec, r] = x.end();
  EXPECT_EQ(ec, "canceled");
  EXPECT_THAT(r.failure->message, HasSubstr("bar is full"));
}

// One connection

TEST(fetches, share_a_connection) {
  const service server(echo);
  auto link = h2::connection::connect(server.url(), bounded());
  std::vector<fetched> all;
  constexpr std::size_t count = 50;
  for (std::size_t i = 0; i < count; ++i) {
    all.push_back(h2::async_fetch(link, {.url = server.url()}, pattern(1000 * i), bounded_fetch(), as_future));
  }
  for (std::size_t i = 0; i < count; ++i) {
    const auto [ec, r] = get(std::move(all[i]));
    EXPECT_FALSE(ec);
    EXPECT_TRUE(r.body == pattern(1000 * i));
  }
  EXPECT_EQ(h2::fetch(link, h2::get(server.url())).status, 200);
  EXPECT_FALSE(link.failure());
}

TEST(fetches, share_the_connections_of_a_client) {
  const service server(echo);
  h2::client client;
  const auto first = h2::fetch(client, {.url = server.url()}, "a", bounded_fetch());
  const auto second = h2::fetch(client, {.url = server.url()}, "b", bounded_fetch());
  EXPECT_EQ(first.body + second.body, "ab");
  EXPECT_EQ(client.stats().connections, 1U);
  client.close();
  error_code ec;
  EXPECT_EQ(h2::fetch(client, {.url = server.url()}, "c", bounded_fetch(), ec).status, 0);
  EXPECT_EQ(name(ec), "closed");
}

TEST(fetches, without_a_connection_are_closed) {
  EXPECT_EQ(outcome(h2::async_fetch(h2::connection(), h2::get("http://a"), {}, fetch_options(), as_future)), "closed");
  error_code ec;
  EXPECT_FALSE(h2::fetch_stream(h2::connection(), h2::get("http://a"), {}, fetch_options(), ec).rest);
  EXPECT_EQ(name(ec), "closed");
}

// Cancellation, where and when handlers run, and a context that goes away

struct own_fetch {
  void start(const std::string& url, body_source body = {}) {
    h2::async_fetch(io.get_executor(), {.url = url}, std::move(body), bounded_fetch(),
                    asio::bind_cancellation_slot(signal.slot(), [this](error_code ec, const reply&) {
                      EXPECT_FALSE(result);
                      result = name(ec);
                    }));
  }
  std::string cancel() {
    signal.emit(asio::cancellation_type::terminal);
    return run_until(io, [this] { return result.has_value(); }) ? *result : "nothing";
  }
  asio::io_context io;
  asio::cancellation_signal signal;
  std::optional<std::string> result;
};

TEST(cancellation_of_a_fetch, before_anything_happened) {
  own_fetch f;
  f.start("http://127.0.0.1:1");
  EXPECT_EQ(f.cancel(), "canceled");
}

TEST(cancellation_of_a_fetch, while_it_connects) {
  raw_peer silent;
  own_fetch f;
  f.start(silent.url("https"));
  ASSERT_TRUE(run_until(
      f.io, [&] { return silent.called(); }, 1ms));
  EXPECT_EQ(f.cancel(), "canceled");
}

TEST(cancellation_of_a_fetch, while_it_sends_resets_the_stream) {
  peer server(small_window());
  own_fetch f;
  f.start(server.url(), pattern(large));
  ASSERT_TRUE(run_until(
      f.io, [&] { return !server.idle(); }, 1ms));
  auto far = server.accept().stream;
  EXPECT_EQ(f.cancel(), "canceled");
  EXPECT_TRUE(run_until(
      f.io, [&] { return far.failure().has_value(); }, 1ms));
  EXPECT_EQ(far.failure()->http2_code, 0x8U);
}

TEST(cancellation_of_a_fetch, while_the_body_is_awaited) {
  peer server;
  own_fetch f;
  bool ended = false;
  f.start(server.url(), body_source([&]() -> asio::awaitable<std::optional<std::string>> {
            asio::steady_timer never(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
            co_await never.async_wait(as_value);
            ended = true;
            co_return std::nullopt;
          }));
  ASSERT_TRUE(run_until(
      f.io, [&] { return !server.idle(); }, 1ms));
  EXPECT_EQ(f.cancel(), "canceled");
  EXPECT_TRUE(ended);
}

TEST(cancellation_of_a_fetch, while_it_receives) {
  peer server;
  own_fetch f;
  f.start(server.url());
  ASSERT_TRUE(run_until(
      f.io, [&] { return !server.idle(); }, 1ms));
  auto far = server.accept().stream;
  far.send_response({200, {}});
  far.send("abc");
  f.io.poll();
  EXPECT_EQ(f.cancel(), "canceled");
}

TEST(a_fetch, completes_on_its_handlers_executor_and_never_inside_the_call) {
  asio::io_context io;
  asio::io_context other;
  std::optional<std::string> result;
  asio::post(io, [&] {
    h2::async_fetch(io.get_executor(), request{.url = "nonsense"}, {}, fetch_options(),
                    asio::bind_executor(other.get_executor(), [&](error_code ec, const reply& r) {
                      result = name(ec);
                      EXPECT_TRUE(other.get_executor().running_in_this_thread());
                      EXPECT_TRUE(r.failure);
                    }));
    EXPECT_FALSE(result);
  });
  io.run();
  EXPECT_FALSE(result);
  other.run();
  EXPECT_EQ(result, "invalid_argument");
}

TEST(a_fetch, lets_go_of_everything_when_its_context_is_destroyed) {
  peer server(small_window());
  auto token = std::make_shared<int>();
  const std::weak_ptr<int> alive = token;
  {
    asio::io_context io;
    h2::async_fetch(io.get_executor(), {.url = server.url()},
                    body_source([token]() -> std::optional<std::string> { return pattern(2000); }), bounded_fetch(),
                    [token](error_code, const reply&) {});
    token.reset();
    ASSERT_TRUE(run_until(
        io, [&] { return !server.idle(); }, 1ms));
    EXPECT_FALSE(alive.expired());
  }
  EXPECT_TRUE(alive.expired());
}

TEST(a_blocking_fetch, on_the_connections_own_thread_is_refused) {
  const service server(echo);
  context_threads threads;
  auto link = std::get<1>(get(h2::connection::async_connect(threads.executor(), server.url(), bounded(), as_future)));
  std::promise<std::string> said;
  asio::post(threads.executor(), [&] {
    error_code ec;
    h2::fetch(link, h2::get(server.url()), {}, fetch_options(), ec);
    said.set_value(name(ec));
  });
  EXPECT_EQ(get(said.get_future()), "would_deadlock");
}

// Streamed

TEST(a_streamed_fetch, hands_over_the_head_while_the_body_is_still_sent) {
  peer server(small_window());
  context_threads threads;
  auto opening =
      h2::async_fetch_stream(threads.executor(), {.url = server.url()}, pattern(200'000), bounded_fetch(), as_future);
  auto far = server.accept().stream;
  far.send_response({200, {{"a", "b"}}});
  auto [ec, head, s] = get(std::move(opening));
  ASSERT_FALSE(ec);
  EXPECT_EQ(describe(head), "response 200 a=b");
  EXPECT_TRUE(receive(far, 200'000) == pattern(200'000));
  EXPECT_EQ(describe(far.recv()), "done");
  far.send("abc");
  far.send_trailers({{"c", "d"}});
  EXPECT_THAT(transcript(s), testing::ElementsAre("data abc", "trailers c=d", "done"));
}

TEST(a_streamed_fetch, that_fails_hands_over_a_stream_that_says_why) {
  context_threads threads;
  auto [ec, head, s] = get(h2::async_fetch_stream(threads.executor(), {.url = "http://127.0.0.1:1"},
                                                  body_source::from_file("/no/such"), bounded_fetch(), as_future));
  EXPECT_EQ(name(ec), "invalid_argument");
  ASSERT_TRUE(s.failure());
  EXPECT_THAT(s.failure()->message, HasSubstr("/no/such"));
}

TEST(a_streamed_fetch, can_be_waited_for) {
  const service server(echo);
  auto [head, rest] = h2::fetch_stream({.url = server.url()}, "abc", bounded_fetch());
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(describe(rest.recv()), "data abc");
  EXPECT_THROW((void)h2::fetch_stream(h2::get("http://127.0.0.1:1"), body_source::from_file("/no/such")),
               boost::system::system_error);
}

// Waits for what never comes, until it is canceled.
struct idle_producer {
  body_source source() {
    return body_source([this]() -> asio::awaitable<std::optional<std::string>> {
      waiting.set_value();
      asio::steady_timer never(co_await asio::this_coro::executor, std::chrono::hours(1));
      (void)co_await never.async_wait(asio::as_tuple(asio::use_awaitable));
      canceled.set_value();
      co_return std::nullopt;
    });
  }
  std::promise<void> waiting;
  std::promise<void> canceled;
};

TEST(a_fetch, ends_when_the_peer_wants_no_more_while_the_producer_waits) {
  idle_producer body;
  exchange_with_peer x(body.source());
  get(body.waiting.get_future());
  x.far.send_response({200, {}}, fin);
  x.far.reset(static_cast<std::uint32_t>(h2::code::no_error));
  get(body.canceled.get_future());
  EXPECT_EQ(name(std::get<0>(get(std::move(x.result)))), "ok");
}

TEST(a_streamed_fetch, lets_a_waiting_producer_go_when_the_stream_is_closed) {
  peer server;
  context_threads threads;
  idle_producer body;
  auto opening =
      h2::async_fetch_stream(threads.executor(), {.url = server.url()}, body.source(), bounded_fetch(), as_future);
  auto far = server.accept().stream;
  get(body.waiting.get_future());
  far.send_response({200, {}});
  auto [ec, head, s] = get(std::move(opening));
  ASSERT_FALSE(ec);
  s.close();
  get(body.canceled.get_future());
}

TEST(a_fetch, whose_body_throws_a_success_has_not_succeeded) {
  const service server(echo);
  const body_source body([]() -> std::optional<std::string> { throw boost::system::system_error(error_code()); });
  error_code ec;
  (void)h2::fetch({.url = server.url()}, body, bounded_fetch(), ec);
  EXPECT_EQ(name(ec), "canceled");
}

TEST(a_fetch, with_the_longest_timeout_there_is_does_not_time_out) {
  const service server(echo);
  auto opts = bounded_fetch();
  opts.timeout = std::chrono::milliseconds::max();
  EXPECT_EQ(h2::fetch({.url = server.url()}, "a", opts).body, "a");
}

TEST(a_streamed_fetch, stops_its_body_when_the_stream_is_closed) {
  peer server;
  context_threads threads;
  auto opening = h2::async_fetch_stream(threads.executor(), {.url = server.url()},
                                        body_source([]() -> std::optional<std::string> { return pattern(1000); }),
                                        bounded_fetch(), as_future);
  auto far = server.accept().stream;
  far.send_response({200, {}});
  auto [ec, head, s] = get(std::move(opening));
  ASSERT_FALSE(ec);
  s.close();
  EXPECT_EQ(transcript(far).back(), "error stream_reset");
}

}  // namespace
}  // namespace duplex::test
