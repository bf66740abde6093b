// A connection shared by many streams: the wait for the peer's limit, shutdown, and what statistics say.

#include "raw_peer.hpp"
#include "support.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <thread>

namespace duplex::test {
namespace {

using h2::fin;
using testing::ElementsAre;
using testing::HasSubstr;

h2::server_options limited_to(std::uint32_t streams) {
  auto opts = cleartext();
  opts.max_concurrent_streams = streams;
  return opts;
}

h2::connection connect(const std::string& url, options opts = bounded()) {
  return h2::connection::connect(url, std::move(opts));
}

// The peer's limit

TEST(stream_limit, opens_above_it_wait_and_are_served_in_order) {
  peer server(limited_to(1));
  auto link = connect(server.url());
  EXPECT_GT(link.ping().count(), 0) << "the peer's limit is known";
  auto first = link.open_stream({.url = server.url("/1")}, bounded());
  auto second = link.async_open_stream({.url = server.url("/2")}, bounded(), as_future);
  auto third = link.async_open_stream({.url = server.url("/3")}, bounded(), as_future);
  EXPECT_EQ(link.stats().waiting_opens, 2U);
  EXPECT_TRUE(pending(second));
  const auto first_far = server.accept();  // kept, because a stream without a handle is reset, and its place is free
  EXPECT_EQ(first_far.head.path(), "/1");
  first.reset(0x8);
  auto [ec, s] = get(std::move(second));
  EXPECT_EQ(name(ec), "ok");
  const auto second_far = server.accept();
  EXPECT_EQ(second_far.head.path(), "/2");
  EXPECT_TRUE(pending(third));
  s.reset(0x8);
  EXPECT_EQ(outcome(std::move(third)), "ok");
}

TEST(stream_limit, a_waiting_open_keeps_the_connection_alive) {
  peer server(limited_to(1));
  auto link = connect(server.url());
  link.ping();
  auto first = link.open_stream({.url = server.url()}, bounded());
  auto waiting = link.async_open_stream({.url = server.url()}, bounded(), as_future);
  link = {};
  first.reset(0x8);
  first = {};
  EXPECT_EQ(outcome(std::move(waiting)), "ok");
}

TEST(stream_limit, an_open_waits_no_longer_than_connect_timeout) {
  peer server(limited_to(1));
  auto link = connect(server.url());
  link.ping();
  auto first = link.open_stream({.url = server.url()}, bounded());
  auto opts = bounded();
  opts.connect_timeout = 20ms;
  error_code ec;
  auto late = link.open_stream({.url = server.url()}, opts, ec);
  EXPECT_EQ(name(ec), "timeout");
  EXPECT_THAT(late.failure()->message, HasSubstr("limit of streams"));
  EXPECT_TRUE(late.failure()->retry_safe);
  EXPECT_EQ(link.stats().waiting_opens, 0U);
}

TEST(stream_limit, a_canceled_open_leaves_no_trace) {
  peer server(limited_to(1));
  auto link = connect(server.url());
  link.ping();
  auto first = link.open_stream({.url = server.url()}, bounded());
  asio::cancellation_signal signal;
  std::promise<std::string> promise;
  link.async_open_stream({.url = server.url("/canceled")}, bounded(),
                         asio::bind_cancellation_slot(signal.slot(), [&](error_code ec, const h2::stream& s) {
                           promise.set_value(name(ec) + (s ? " with a stream" : ""));
                         }));
  EXPECT_EQ(link.stats().waiting_opens, 1U);
  signal.emit(asio::cancellation_type::total);
  EXPECT_EQ(get(promise.get_future()), "canceled");
  EXPECT_EQ(link.stats().waiting_opens, 0U);
  EXPECT_EQ(server.accept().head.path(), "/");
  first.reset(0x8);
  auto next = link.open_stream({.url = server.url("/next")}, bounded());
  EXPECT_EQ(next.id(), 3);
  EXPECT_EQ(server.accept().head.path(), "/next");
}

TEST(stream_limit, more_waiting_opens_than_allowed_are_refused_with_the_reason) {
  auto opts = bounded();
  opts.max_pending_streams = 1;
  peer server(limited_to(1));
  auto link = connect(server.url(), opts);
  link.ping();
  auto first = link.open_stream({.url = server.url()}, bounded());
  auto waiting = link.async_open_stream({.url = server.url()}, bounded(), as_future);
  error_code ec;
  auto refused = link.open_stream({.url = server.url()}, bounded(), ec);
  EXPECT_EQ(name(ec), "limit_exceeded");
  EXPECT_THAT(refused.failure()->message, HasSubstr("max_pending_streams"));
  link.close();
  EXPECT_EQ(outcome(std::move(waiting)), "canceled");
}

TEST(stream_limit, goaway_refuses_waiting_opens_retry_safely) {
  raw_peer server;
  auto connecting = std::async(std::launch::async, [&] { return connect(server.url()); });
  server.accept();
  auto link = get(std::move(connecting));
  server.write(raw::frame(raw::settings, raw::none, 0, std::string("\0\x03", 2) + raw::number(0)));
  server.read_until(raw::frame(raw::settings, raw::ack, 0, ""));
  auto waiting = link.async_open_stream({.url = server.url()}, bounded(), as_future);
  server.write(raw::frame(raw::goaway, raw::none, 0, raw::number(0) + raw::number(0) + "maintenance"));
  auto [ec, s] = get(std::move(waiting));
  EXPECT_EQ(name(ec), "refused");
  EXPECT_EQ(s.failure()->debug_data, "maintenance");
  EXPECT_TRUE(s.failure()->retry_safe);
}

TEST(stream_limit, five_hundred_opens_against_a_limit_of_100_are_all_served) {
  constexpr int opens = 500;
  service server(echo_back, limited_to(100));
  auto link = connect(server.url());
  std::vector<std::future<std::tuple<error_code, h2::stream>>> waiting;
  for (int i = 0; i < opens; ++i) {
    waiting.push_back(link.async_open_stream({.url = server.url()}, bounded(), as_future));
  }
  for (int i = 0; i < opens; ++i) {
    auto [ec, s] = get(std::move(waiting[static_cast<std::size_t>(i)]));
    ASSERT_EQ(name(ec), "ok");
    s.send(std::to_string(i), fin);
    EXPECT_THAT(transcript(s), ElementsAre("response 200", "data " + std::to_string(i), "done"));
  }
}

TEST(stream_limit, a_context_that_is_destroyed_lets_go_of_waiting_opens) {
  peer server(limited_to(1));
  auto sentinel = std::make_shared<int>();
  const std::weak_ptr<int> watch = sentinel;
  {
    asio::io_context io;
    h2::connection link;
    h2::connection::async_connect(io.get_executor(), server.url(), bounded(),
                                  [&](error_code, h2::connection made) { link = std::move(made); });
    ASSERT_TRUE(run_until(io, [&] { return static_cast<bool>(link); }));
    bool known = false;
    link.async_ping([&](error_code, auto) { known = true; });
    ASSERT_TRUE(run_until(io, [&] { return known; }));
    h2::stream first;
    link.async_open_stream({.url = server.url()}, bounded(), [&](error_code, h2::stream s) { first = std::move(s); });
    link.async_open_stream({.url = server.url()}, bounded(), [own = link, sentinel](error_code, const h2::stream&) {});
    ASSERT_TRUE(run_until(io, [&] { return static_cast<bool>(first); }));
    sentinel.reset();
  }
  EXPECT_TRUE(watch.expired());
}

// Shutdown

TEST(shutdown, lets_running_streams_finish_and_then_closes) {
  both_ends ends;
  auto ended = ends.client.connection().async_shutdown(patience, as_future);
  ends.remote.send_response({200, {}});
  ends.remote.send("abc", fin);
  EXPECT_THAT(transcript(ends.client), ElementsAre("response 200", "data abc", "done"));
  EXPECT_TRUE(pending(ended));
  ends.client.send("", fin);
  EXPECT_EQ(outcome(std::move(ended)), "ok");
  EXPECT_FALSE(ends.client.connection().failure());
}

TEST(shutdown, resets_what_still_runs_after_the_grace_time) {
  both_ends ends;
  EXPECT_EQ(outcome(ends.client.connection().async_shutdown(10ms, as_future)), "ok");
  EXPECT_EQ(last_error(ends.client), "closed");
  EXPECT_EQ(why(ends.client).code, errc::canceled);
  EXPECT_EQ(last_error(ends.remote), "stream_reset");
}

TEST(shutdown, of_an_idle_connection_is_done_at_once_and_opens_are_refused) {
  peer server;
  auto link = connect(server.url());
  link.shutdown(patience);
  error_code ec;
  (void)link.open_stream({.url = server.url()}, bounded(), ec);
  EXPECT_EQ(name(ec), "refused");
}

TEST(shutdown, can_be_canceled_and_then_goes_on_by_itself) {
  peer server;
  auto link = connect(server.url());
  auto running = link.open_stream({.url = server.url()}, bounded());
  auto far = server.accept().stream;
  asio::cancellation_signal cancel;
  std::promise<error_code> ended;
  link.async_shutdown(patience,
                      asio::bind_cancellation_slot(cancel.slot(), [&](error_code ec) { ended.set_value(ec); }));
  cancel.emit(asio::cancellation_type::terminal);
  EXPECT_EQ(get(ended.get_future()), errc::canceled);
  far.send_response({200, {}}, fin);
  EXPECT_EQ(describe(running.recv()), "response 200") << "what runs still finishes";
}

TEST(shutdown, of_a_connection_that_is_lost_keeps_no_context_busy) {
  raw_peer server;
  asio::io_context io;
  h2::connection link;
  h2::connection::async_connect(io.get_executor(), server.url(), bounded(),
                                [&](error_code, h2::connection c) { link = std::move(c); });
  ASSERT_TRUE(run_until(io, [&] { return static_cast<bool>(link); }));
  server.accept();
  server.close();
  bool done = false;
  ASSERT_TRUE(run_until(io, [&] { return link.failure().has_value(); }));
  link.async_shutdown(std::chrono::hours(1), [&](error_code) { done = true; });
  ASSERT_TRUE(run_until(io, [&] { return done; }));
  io.restart();
  io.run_for(patience);
  EXPECT_TRUE(io.stopped());
}

TEST(connection, to_a_peer_without_settings_fails_within_connect_timeout) {
  raw_peer silent;
  auto opts = bounded();
  opts.connect_timeout = 500ms;  // the dial has to fit into it too
  auto link = h2::connection::connect(silent.url(), opts);
  auto s = link.open_stream({.url = silent.url()}, bounded());
  error_code ec;
  (void)s.recv(ec);
  EXPECT_EQ(name(ec), "timeout");
  EXPECT_THAT(s.failure()->message, HasSubstr("SETTINGS"));
}

TEST(close, reaches_a_stream_that_was_opened_in_the_same_turn) {
  peer server;
  context_threads threads;
  auto link = std::get<1>(get(h2::connection::async_connect(threads.executor(), server.url(), bounded(), as_future)));
  link.ping();
  std::promise<std::string> told;
  asio::post(link.get_executor(), [&] {
    link.async_open_stream({.url = server.url()}, bounded(), [&](error_code, h2::stream s) {
      error_code ec;
      (void)s.try_recv(ec);
      told.set_value(s.failure() ? name(s.failure()->code) : name(ec));
    });
    link.close();
  });
  EXPECT_EQ(get(told.get_future()), "canceled");
}

TEST(shutdown, of_no_connection_is_closed) {
  error_code ec;
  h2::connection().shutdown(1s, ec);
  EXPECT_EQ(name(ec), "closed");
}

// Statistics

TEST(stats, of_a_stream_say_why_nothing_moves) {
  auto server_opts = cleartext();
  server_opts.stream.stream_window = 100;
  both_ends ends(bounded(), server_opts);
  fence(ends);  // the window is known
  auto stuck = ends.client.async_send(std::string_view("0123456789"), as_future);
  EXPECT_EQ(outcome(std::move(stuck)), "ok");
  const std::string large(500, 'x');
  auto blocked = ends.client.async_send(large, as_future);
  auto reading = ends.client.async_recv(as_future);
  fence(ends);  // what the window allows is on its way
  const auto s = ends.client.stats();
  EXPECT_EQ(s.state, "open");
  EXPECT_EQ(s.send_window, 0);
  EXPECT_EQ(s.queued_bytes, 410U);
  EXPECT_EQ(s.sends_waiting, 1U);
  EXPECT_TRUE(s.recv_waits);
  ends.client.close();
  EXPECT_EQ(outcome(std::move(blocked)), "canceled");
  EXPECT_EQ(outcome(std::move(reading)), "canceled");
}

TEST(stats, of_a_connection_name_a_ping_without_an_answer) {
  raw_peer server;
  auto connecting = std::async(std::launch::async, [&] { return connect(server.url()); });
  server.accept();
  auto link = get(std::move(connecting));
  auto ping = link.async_ping(as_future);
  const auto s = link.stats();
  EXPECT_TRUE(s.ping_unanswered);
  EXPECT_TRUE(s.settings_unacknowledged);
  link.close();
  EXPECT_EQ(outcome(std::move(ping)), "closed");
}

TEST(stats, on_the_connections_own_strand_are_not_refused) {
  both_ends ends;
  std::promise<h2::stream_stats> seen;
  asio::dispatch(ends.client.get_executor(), [&] { seen.set_value(ends.client.stats()); });
  EXPECT_EQ(get(seen.get_future()).id, 1);
}

TEST(stats, of_an_empty_handle_are_closed) {
  error_code ec;
  (void)h2::stream().stats(ec);
  EXPECT_EQ(name(ec), "closed");
  (void)h2::connection().stats(ec);
  EXPECT_EQ(name(ec), "closed");
  EXPECT_EQ(outcome(h2::stream().async_stats(as_future)), "closed");
  EXPECT_EQ(outcome(h2::connection().async_stats(as_future)), "closed");
}

// Blocking, from many threads

TEST(connection, carries_streams_of_many_threads) {
  constexpr int count = 8;
  constexpr int rounds = 25;
  service server(echo_back);
  auto link = connect(server.url());
  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  for (int t = 0; t < count; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < rounds; ++i) {
        auto s = link.open_stream({.url = server.url()}, bounded());
        const auto text = std::to_string(t) + "/" + std::to_string(i);
        s.send(text, fin);
        if (transcript(s) == std::vector<std::string>{"response 200", "data " + text, "done"}) ++good;
        (void)link.stats();
      }
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(good, count * rounds);
}

TEST(connection, refuses_to_block_its_own_thread) {
  context_threads threads;
  peer server;
  auto link = std::get<1>(get(h2::connection::async_connect(threads.executor(), server.url(), bounded(), as_future)));
  std::promise<std::string> seen;
  asio::post(threads.executor(), [&] {
    error_code ping;
    (void)link.ping(ping);
    error_code opened;
    (void)link.open_stream({.url = server.url()}, bounded(), opened);
    error_code down;
    link.shutdown(1s, down);
    error_code connected;
    (void)h2::connection::connect(threads.executor(), server.url(), bounded(), connected);
    seen.set_value(name(ping) + " " + name(opened) + " " + name(down) + " " + name(connected));
  });
  EXPECT_EQ(get(seen.get_future()), "would_deadlock would_deadlock would_deadlock would_deadlock");
}

TEST(connection, that_cannot_be_made_says_why_in_the_exception) {
  try {
    (void)h2::connection::connect("http://127.0.0.1:1/", bounded());
    FAIL();
  } catch (const boost::system::system_error& e) {
    EXPECT_EQ(e.code(), errc::connect_failed);
    EXPECT_THAT(e.what(), HasSubstr("127.0.0.1:1"));
  }
}

}  // namespace
}  // namespace duplex::test
