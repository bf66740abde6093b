// What handles hold, and what happens when they, a server or a context go away.

#include "raw_peer.hpp"
#include "support.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include <mutex>
#include <vector>

namespace duplex::test {
namespace {

using h2::fin;
using testing::ElementsAre;

TEST(the_last_handle, going_away_resets_the_stream_with_cancel) {
  both_ends ends;
  ends.client = {};
  EXPECT_THAT(transcript(ends.remote), ElementsAre("error stream_reset"));
  ASSERT_TRUE(ends.remote.failure());
  EXPECT_EQ(ends.remote.failure()->http2_code, 0x8U);
  EXPECT_EQ(ends.remote.failure()->origin, origin::peer);
}

TEST(the_last_handle, is_the_last_of_all_copies) {
  both_ends ends;
  auto copy = ends.client;
  auto third = copy;
  ends.client = {};
  auto moved = std::move(copy);
  third = {};
  moved.send("abc", fin);
  EXPECT_THAT(transcript(ends.remote), ElementsAre("data abc", "done"));
  ends.remote.send_response({200, {}}, fin);
  EXPECT_THAT(transcript(moved), ElementsAre("response 200", "done"));
}

TEST(the_last_handle, of_a_server_going_away_resets_the_stream_with_cancel) {
  both_ends ends;
  ends.remote.send_response({200, {}});
  fence(ends);
  ends.remote = {};
  EXPECT_THAT(transcript(ends.client), ElementsAre("response 200", "error stream_reset"));
  EXPECT_EQ(ends.client.failure()->http2_code, 0x8U);
}

TEST(the_last_handle, of_a_server_that_queued_its_whole_reply_still_sends_it) {
  auto opts = bounded();
  opts.stream_window = 1000;
  both_ends ends(opts);
  fence(ends);
  const auto sent = pattern(10'000);
  ends.remote.send_response({200, {}});
  ends.remote.send(sent);
  ends.remote.send_trailers({{"a", "b"}});
  ends.remote = {};
  EXPECT_THAT(transcript(ends.client), ElementsAre("response 200", "data " + sent, "trailers a=b", "done"));
}

TEST(the_last_handle, of_a_complete_stream_resets_nothing) {
  frame_log frames;
  auto opts = bounded();
  opts.on_frame = frames.recorder();
  both_ends ends(opts);
  ends.client.send("", fin);
  ends.remote.send_response({200, {}}, fin);
  EXPECT_EQ(transcript(ends.client).back(), "done");
  EXPECT_EQ(transcript(ends.remote).back(), "done");
  ends.client = {};
  ends.remote = {};
  ASSERT_TRUE(frames.wait_sent("GOAWAY NO_ERROR"));
  EXPECT_EQ(frames.sent("RST_STREAM"), 0);
  EXPECT_EQ(frames.received("RST_STREAM"), 0);
}

TEST(the_last_handle, goes_away_with_a_handler_that_waits_for_nothing_else) {
  both_ends ends;
  std::promise<error_code> ended;
  {
    const auto s = std::exchange(ends.client, {});
    auto handle = s;
    handle.async_recv([&](error_code ec, const message&) { ended.set_value(ec); });
  }
  EXPECT_EQ(get(ended.get_future()), errc::canceled);
  EXPECT_THAT(transcript(ends.remote), ElementsAre("error stream_reset"));
}

TEST(a_connection, without_handles_and_streams_says_goaway_and_closes) {
  raw_peer server;
  {
    auto s = h2::open({.url = server.url()}, bounded());
    server.accept_http2();
    server.write(raw::ok(1, raw::end_stream));
    s.send("", fin);
    EXPECT_THAT(transcript(s), ElementsAre("response 200", "done"));
  }
  server.read_until(raw::frame(raw::goaway, raw::none, 0, raw::number(0) + raw::number(0)));
  server.read_to_end();
}

TEST(a_connection, lives_by_its_own_handle_alone) {
  peer server;
  context_threads threads;
  auto [ec, link] = get(h2::connection::async_connect(threads.executor(), server.url(), bounded(), as_future));
  ASSERT_FALSE(ec);
  for (int i = 0; i < 2; ++i) {
    auto s = std::get<1>(get(link.async_open_stream({.url = server.url()}, bounded(), as_future)));
    auto far = server.accept().stream;
    s.send("", fin);
    far.send_response({200, {}}, fin);
    EXPECT_THAT(transcript(s), ElementsAre("response 200", "done"));
  }
  EXPECT_EQ(outcome(link.async_ping(as_future)), "ok");
}

TEST(a_connection, lives_by_a_streams_handle_alone_even_a_complete_one) {
  both_ends ends;
  ends.client.send("", fin);
  ends.remote.send_response({200, {}}, fin);
  EXPECT_EQ(transcript(ends.client).back(), "done");
  EXPECT_EQ(outcome(ends.client.connection().async_ping(as_future)), "ok");
}

TEST(close, ends_the_stream_with_cancel_and_its_dedicated_connection) {
  raw_peer server;
  auto s = h2::open({.url = server.url()}, bounded());
  server.accept_http2();
  auto closing = std::async(std::launch::async, [&] { s.close(); });
  server.read_until(raw::frame(raw::rst_stream, raw::none, 1, raw::number(0x8)));
  server.read_until(raw::frame(raw::goaway, raw::none, 0, raw::number(0) + raw::number(0)));
  server.read_to_end();
  server.close();
  get(std::move(closing));
}

TEST(close, after_the_stream_ended_frees_the_connection) {
  raw_peer server;
  auto s = h2::open({.url = server.url()}, bounded());
  server.accept_http2();
  server.write(raw::ok(1, raw::end_stream));
  s.send("", fin);
  EXPECT_EQ(transcript(s).back(), "done");
  auto closing = std::async(std::launch::async, [&] { s.close(); });
  server.read_to_end();
  server.close();
  get(std::move(closing));
  EXPECT_FALSE(s.failure());
}

TEST(close, of_a_stream_that_shares_its_connection_leaves_the_others_alone) {
  peer server;
  context_threads threads;
  auto link = std::get<1>(get(h2::connection::async_connect(threads.executor(), server.url(), bounded(), as_future)));
  auto first = std::get<1>(get(link.async_open_stream({.url = server.url()}, bounded(), as_future)));
  auto first_far = server.accept().stream;
  auto second = std::get<1>(get(link.async_open_stream({.url = server.url()}, bounded(), as_future)));
  auto second_far = server.accept().stream;
  first.close();
  EXPECT_EQ(recv_error(first_far), "stream_reset");
  second_far.send_response({200, {}}, fin);
  EXPECT_THAT(transcript(second), ElementsAre("response 200", "done"));
}

TEST(close, twice_and_from_several_threads_is_harmless) {
  both_ends ends;
  std::vector<std::future<void>> closing;
  for (int i = 0; i < 4; ++i) closing.push_back(std::async(std::launch::async, [&] { ends.client.close(); }));
  for (auto& c : closing) get(std::move(c));
  ends.client.close();
  EXPECT_EQ(outcome(ends.client.async_close(as_future)), "ok");
}

TEST(close, does_not_wait_longer_than_close_timeout_for_a_peer_that_does_not_end) {
  raw_peer silent;
  auto opts = bounded();
  opts.close_timeout = 20ms;
  auto s = h2::open({.url = silent.url()}, opts);
  silent.accept_http2();
  s.close();
  EXPECT_EQ(recv_error(s), "closed");
}

// Everything that waits when its context goes: handlers are destroyed without a call, and own what they own no more.
TEST(a_context_that_is_destroyed, lets_go_of_callbacks_that_wait) {
  peer server;
  auto sentinel = std::make_shared<std::string>(pattern(std::size_t{4} << 20));
  const std::weak_ptr<std::string> watch = sentinel;
  bool called = false;
  {
    asio::io_context io;
    h2::stream s;
    h2::async_open(io.get_executor(), {.url = server.url()}, bounded(),
                   [&](error_code, h2::stream opened) { s = std::move(opened); });
    ASSERT_TRUE(run_until(io, [&] { return static_cast<bool>(s); }));
    s.async_recv([own = s, sentinel, &called](error_code, const message&) { called = true; });
    s.async_send(*sentinel, [own = s, sentinel, &called](error_code) { called = true; });
    s.async_send_trailers({{"a", "b"}}, [own = s, sentinel, &called](error_code) { called = true; });
    s.connection().async_ping([own = s, sentinel, &called](error_code, auto) { called = true; });
    sentinel.reset();
  }
  EXPECT_FALSE(called);
  EXPECT_TRUE(watch.expired());
}

TEST(a_context_that_is_destroyed, lets_go_of_what_waits_after_it_has_run) {
  peer server;
  auto sentinel = std::make_shared<std::string>(pattern(std::size_t{4} << 20));
  const std::weak_ptr<std::string> watch = sentinel;
  {
    asio::io_context io;
    h2::stream s;
    h2::async_open(io.get_executor(), {.url = server.url()}, bounded(),
                   [&](error_code, h2::stream opened) { s = std::move(opened); });
    ASSERT_TRUE(run_until(io, [&] { return static_cast<bool>(s); }));
    s.async_recv([own = s, sentinel](error_code, const message&) {});
    s.async_send(*sentinel, [own = s, sentinel](error_code) {});
    bool answered = false;
    s.connection().async_ping([&](error_code, auto) { answered = true; });
    ASSERT_TRUE(run_until(io, [&] { return answered; }));
    s.async_close([own = s, sentinel](error_code) {});
    s.set_active(active::on, [own = s, sentinel](error_code, const message&) {});
    sentinel.reset();
  }
  EXPECT_TRUE(watch.expired());
}

TEST(a_context_that_is_destroyed, lets_go_of_an_active_handler_that_owns_its_stream) {
  peer server;
  auto sentinel = std::make_shared<int>(0);
  const std::weak_ptr<int> watch = sentinel;
  {
    asio::io_context io;
    bool open = false;
    h2::async_open(io.get_executor(), {.url = server.url()}, bounded(), [&](error_code, h2::stream s) {
      s.set_active(active::on, [own = s, sentinel](error_code, const message&) {});
      open = true;
    });
    ASSERT_TRUE(run_until(io, [&] { return open; }));
    sentinel.reset();
  }
  EXPECT_TRUE(watch.expired());
}

asio::awaitable<void> wait_for_ever(std::string url, std::shared_ptr<int> sentinel, bool& open) {
  request head{.url = std::move(url)};
  auto s = co_await h2::async_open(co_await asio::this_coro::executor, std::move(head), bounded(), asio::use_awaitable);
  open = true;
  const auto keep = std::move(sentinel);
  co_await s.async_recv(asio::use_awaitable);
}

TEST(a_context_that_is_destroyed, lets_go_of_coroutines_that_wait) {
  peer server;
  auto sentinel = std::make_shared<int>(0);
  const std::weak_ptr<int> watch = sentinel;
  {
    asio::io_context io;
    bool open = false;
    asio::co_spawn(io, wait_for_ever(server.url(), std::move(sentinel), open), asio::detached);
    ASSERT_TRUE(run_until(io, [&] { return open; }));
  }
  EXPECT_TRUE(watch.expired());
}

TEST(a_context_that_is_destroyed, lets_go_of_an_open_that_is_under_way) {
  raw_peer silent;
  auto sentinel = std::make_shared<int>(0);
  const std::weak_ptr<int> watch = sentinel;
  {
    asio::io_context io;
    h2::async_open(io.get_executor(), {.url = silent.url("https")}, bounded(),
                   [sentinel](error_code, const h2::stream&) {});
    sentinel.reset();
    io.poll();
    EXPECT_FALSE(watch.expired());
  }
  EXPECT_TRUE(watch.expired());
}

TEST(a_context_that_is_destroyed, lets_go_of_a_server_with_streams_that_wait) {
  auto sentinel = std::make_shared<int>(0);
  const std::weak_ptr<int> watch = sentinel;
  h2::stream client;
  {
    asio::io_context io;
    bool accepted = false;
    h2::server server(io.get_executor(), cleartext(),
                      [&accepted, sentinel](request, h2::stream s) -> asio::awaitable<void> {
                        accepted = true;
                        const auto keep = sentinel;
                        co_await s.async_recv(asio::use_awaitable);
                      });
    sentinel.reset();
    auto opening = std::async(std::launch::async, [&] { return h2::open({.url = server.url()}, bounded()); });
    ASSERT_TRUE(run_until(io, [&] { return accepted; }));
    client = opening.get();
  }
  EXPECT_TRUE(watch.expired());
  EXPECT_EQ(recv_error(client), "connection_lost");
}

// What a handler keeps of the streams it is given is often what it belongs to.
struct application {
  std::mutex mutex;
  std::vector<h2::stream> streams;
};

TEST(a_context_that_is_destroyed, lets_go_of_a_request_handler_that_owns_its_streams) {
  auto app = std::make_shared<application>();
  const std::weak_ptr<application> watch = app;
  {
    asio::io_context io;
    h2::server server(io.get_executor(), cleartext(), [app](const request&, h2::stream s) {
      const std::lock_guard lock(app->mutex);
      app->streams.push_back(std::move(s));
    });
    auto client = std::async(std::launch::async, [&] { return h2::open({.url = server.url()}, bounded()); });
    ASSERT_TRUE(run_until(io, [&] { return !app->streams.empty(); }));
    app.reset();
    get(std::move(client));
  }
  EXPECT_TRUE(watch.expired());
}

TEST(a_connection, that_is_over_lets_go_of_a_request_handler_that_owns_its_streams) {
  asio::io_context io;
  auto app = std::make_shared<application>();
  const std::weak_ptr<application> watch = app;
  {
    h2::server server(io.get_executor(), cleartext(), [app](const request&, h2::stream s) {
      const std::lock_guard lock(app->mutex);
      app->streams.push_back(std::move(s));
    });
    auto client = std::async(std::launch::async, [&] { return h2::open({.url = server.url()}, bounded()); });
    ASSERT_TRUE(run_until(io, [&] { return !app->streams.empty(); }));
    app.reset();
    client.get().close();
  }
  EXPECT_TRUE(run_until(io, [&] { return watch.expired(); }));
}

TEST(a_server_that_is_destroyed, closes_its_connections) {
  auto server = std::make_optional<peer>();
  auto client = h2::open({.url = server->url()}, bounded());
  auto far = server->accept().stream;
  {
    context_threads threads;
    auto other =
        std::make_unique<h2::server>(threads.executor(), cleartext(), [](const request&, const h2::stream&) {});
    auto s = h2::open({.url = other->url()}, bounded());
    other.reset();
    error_code ec;
    while (!ec) s.recv(ec);
    EXPECT_THAT(name(ec), testing::AnyOf("stream_reset", "goaway", "connection_lost", "refused"));
  }
  // Another server goes on.
  far.send_response({200, {}}, fin);
  EXPECT_THAT(transcript(client), ElementsAre("response 200", "done"));
}

TEST(a_server_that_is_destroyed, listens_no_more) {
  context_threads threads;
  std::string url;
  {
    const h2::server server(threads.executor(), cleartext(), [](const request&, const h2::stream&) {});
    url = server.url();
    EXPECT_NE(server.port(), 0);
  }
  // Its strand closes the socket; until then the kernel may take a call that nobody answers.
  const auto end = std::chrono::steady_clock::now() + patience;
  error_code ec;
  while (ec != errc::connect_failed && std::chrono::steady_clock::now() < end) {
    auto s = h2::open({.url = url}, bounded(), ec);
    if (!ec) s.recv(ec);
  }
  EXPECT_EQ(ec, errc::connect_failed);
}

}  // namespace
}  // namespace duplex::test
