// A client: connections that opens share.

#include "h2/origin.hpp"
#include "raw_peer.hpp"
#include "support.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>

#include <atomic>
#include <map>
#include <set>

namespace duplex::test {
namespace {

using h2::fin;
using testing::AnyOf;
using testing::ElementsAre;
using testing::Le;

using opened = std::future<std::tuple<error_code, h2::stream>>;

h2::server_options limited(std::uint32_t streams) {
  auto opts = cleartext();
  opts.max_concurrent_streams = streams;
  return opts;
}

h2::client_options at_most(std::size_t connections) {
  h2::client_options opts;
  opts.max_connections_per_origin = connections;
  return opts;
}

// Answers everything at once.
void answer(const request& head, h2::stream s) {
  s.async_send_response({200, {{"path", head.path()}}},
                        [s](error_code) mutable { s.async_send("", fin, [s](error_code) {}); });
}

// Ends our side; the server may have been faster, and then wants no more of it (RFC 9113, section 8.1).
std::vector<std::string> conclude(h2::stream& s) {
  error_code ignored;
  s.send("", fin, ignored);
  return transcript(s);
}

// A server that lets streams run until it is told otherwise, and knows which of its connections each came on.
struct holding {
  explicit holding(std::uint32_t streams) : server(limited(streams)) {}

  void take(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      auto next = server.accept();
      ++per_connection[next.stream.connection().info().peer];
      streams.push_back(std::move(next.stream));
    }
  }
  static void end(h2::stream& near, h2::stream& far) {
    near.send("", fin);
    far.send_response({200, {}}, fin);
    EXPECT_EQ(transcript(near).back(), "done");
    far = {};
  }

  peer server;
  std::vector<h2::stream> streams{};
  std::map<std::string, std::size_t> per_connection{};
};

std::vector<std::size_t> sizes(const holding& h) {
  std::vector<std::size_t> out;
  for (const auto& [peer, count] : h.per_connection) out.push_back(count);
  return out;
}

// Asks until it is so: for what the client learns a moment after the test.
template <class Predicate>
bool eventually(const h2::client& client, Predicate so) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (std::chrono::steady_clock::now() < end) {
    if (so(client.stats())) return true;
    std::this_thread::yield();
  }
  return false;
}

TEST(client, shares_one_connection_among_streams_that_run_and_that_follow) {
  holding h(100);
  h2::client client;
  std::vector<h2::stream> near;
  for (int i = 0; i < 20; ++i) near.push_back(client.open({.url = h.server.url()}, bounded()));
  h.take(near.size());
  EXPECT_EQ(h.per_connection.size(), 1U);
  for (std::size_t i = 0; i < near.size(); ++i) holding::end(near[i], h.streams[i]);
  near.push_back(client.open({.url = h.server.url()}, bounded()));
  h.take(1);
  EXPECT_EQ(h.per_connection.size(), 1U);
  EXPECT_EQ(client.stats().connections, 1U);
}

TEST(client, opens_that_come_during_a_dial_share_it) {
  holding h(100);
  context_threads threads;
  h2::client client(threads.executor());
  std::vector<opened> opening;
  for (int i = 0; i < 50; ++i) opening.push_back(client.async_open({.url = h.server.url()}, bounded(), as_future));
  std::vector<h2::stream> near;
  for (auto& o : opening) near.push_back(std::get<1>(get(std::move(o))));
  h.take(50);
  EXPECT_EQ(h.per_connection.size(), 1U);
}

TEST(client, serves_500_opens_against_a_limit_of_100) {
  for (const std::size_t connections : {1, 4}) {
    service server(answer, limited(100), 2);
    context_threads threads(2);
    h2::client client(threads.executor(), at_most(connections));
    std::vector<opened> opening;
    for (int i = 0; i < 500; ++i) {
      opening.push_back(client.async_open({.url = server.url("/" + std::to_string(i))}, bounded(), as_future));
    }
    for (int i = 0; i < 500; ++i) {
      auto [ec, s] = get(std::move(opening[static_cast<std::size_t>(i)]));
      ASSERT_FALSE(ec) << name(ec);
      EXPECT_THAT(conclude(s), ElementsAre("response 200 path=/" + std::to_string(i), "done"))
          << (s.failure() ? s.failure()->message : "");
    }
    EXPECT_THAT(client.stats().connections, Le(connections));
  }
}

TEST(client, adds_connections_up_to_the_bound_and_then_lets_opens_wait) {
  holding h(2);
  context_threads threads;
  h2::client client(threads.executor(), at_most(3));
  std::vector<opened> opening;
  for (int i = 0; i < 7; ++i) opening.push_back(client.async_open({.url = h.server.url()}, bounded(), as_future));
  h.take(6);
  std::vector<h2::stream> near;
  for (std::size_t i = 0; i < 6; ++i) near.push_back(std::get<1>(get(std::move(opening[i]))));
  EXPECT_THAT(sizes(h), ElementsAre(2, 2, 2));
  const auto full = client.stats();
  EXPECT_EQ(full.connections, 3U);
  EXPECT_EQ(full.streams, 6U);
  EXPECT_EQ(full.pending_opens, 1U);
  EXPECT_TRUE(h.server.idle());

  // Whatever place comes first is that of the one that waits.
  near[3].reset(0x8);
  near.push_back(std::get<1>(get(std::move(opening[6]))));
  h.take(1);
  EXPECT_EQ(h.per_connection.size(), 3U);
}

TEST(client, gives_a_stream_to_the_connection_with_the_fewest) {
  holding h(3);
  context_threads threads;
  h2::client client(threads.executor(), at_most(2));
  std::vector<h2::stream> near;
  for (int i = 0; i < 4; ++i) {
    near.push_back(client.open({.url = h.server.url()}, bounded()));
    h.take(1);
  }
  EXPECT_THAT(sizes(h), testing::UnorderedElementsAre(3, 1));
  // Both have room, and the younger has less to do.
  near[0].reset(0x8);
  ASSERT_TRUE(eventually(client, [](const auto& s) { return s.streams == 3; }));
  near.push_back(client.open({.url = h.server.url()}, bounded()));
  h.take(1);
  EXPECT_THAT(sizes(h), testing::UnorderedElementsAre(3, 2));
}

TEST(client, never_exceeds_a_limit_that_it_has_not_heard_yet) {
  holding h(1);
  context_threads threads;
  h2::client client(threads.executor(), at_most(1));
  std::vector<opened> opening;
  for (int i = 0; i < 10; ++i) opening.push_back(client.async_open({.url = h.server.url()}, bounded(), as_future));
  for (auto& o : opening) {
    auto [ec, s] = get(std::move(o));
    ASSERT_FALSE(ec);
    h.take(1);
    holding::end(s, h.streams.back());
    EXPECT_FALSE(s.failure());
  }
}

// Nothing is lost without a word, and nothing is served twice.
void go_through_goaways(std::size_t every, int users, int requests, std::uint32_t limit) {
  struct ledger {
    std::mutex mutex;
    std::multiset<std::string> served;
  };
  const auto seen = std::make_shared<ledger>();
  service server(
      [seen, every](const request& head, h2::stream s) {
        std::size_t count = 0;
        {
          const std::lock_guard lock(seen->mutex);
          seen->served.insert(head.path());
          count = seen->served.size();
        }
        answer(head, s);
        if (count % every == 0) s.connection().goaway();
      },
      limited(limit), 2);
  context_threads threads(2);
  h2::client client(threads.executor(), at_most(2));
  std::vector<std::future<std::multiset<std::string>>> running;
  for (int u = 0; u < users; ++u) {
    running.push_back(std::async(std::launch::async, [&, u] {
      std::multiset<std::string> answered;
      for (int i = 0; i < requests; ++i) {
        const auto path = "/" + std::to_string(u) + "/" + std::to_string(i);
        for (bool over = false; !over;) {
          error_code ec;
          auto s = client.open({.url = server.url(path)}, bounded(), ec);
          const auto last = conclude(s).back();
          if (last == "done") answered.insert(path);
          // The stream was handed over: to try again is the application's to decide, and it is told that it may.
          over = last == "done" || !s.failure() || !s.failure()->retry_safe;
          EXPECT_TRUE(last == "done" || !over) << last << ' ' << name(ec);
        }
      }
      return answered;
    }));
  }
  std::multiset<std::string> answered;
  for (auto& r : running) answered.merge(get(std::move(r)));
  EXPECT_EQ(answered.size(), static_cast<std::size_t>(users * requests));
  const std::lock_guard lock(seen->mutex);
  EXPECT_EQ(seen->served, answered);
}

TEST(client, goes_on_through_a_goaway_every_few_streams_under_load) { go_through_goaways(10, 4, 100, 20); }

TEST(client, goes_on_through_a_goaway_every_200_streams_under_load) { go_through_goaways(200, 8, 250, 100); }

TEST(client, dials_afresh_after_goaway_while_running_streams_finish) {
  holding h(100);
  h2::client client;
  auto first = client.open({.url = h.server.url()}, bounded());
  h.take(1);
  h.streams[0].connection().goaway();
  ASSERT_TRUE(eventually(client, [](const auto& s) { return s.connections == 0; }));
  auto second = client.open({.url = h.server.url()}, bounded());
  h.take(1);
  EXPECT_EQ(h.per_connection.size(), 2U);
  holding::end(first, h.streams[0]);
  holding::end(second, h.streams[1]);
}

TEST(client, dials_afresh_after_a_connection_was_lost) {
  raw_peer server;
  h2::client client;
  auto first = client.open({.url = server.url()}, bounded());
  server.accept_http2();
  server.close();
  EXPECT_EQ(recv_error(first), "connection_lost");
  ASSERT_TRUE(eventually(client, [](const auto& s) { return s.connections == 0; }));
  auto second = client.open({.url = server.url()}, bounded());
  server.accept_http2();
  server.write(raw::ok(1, raw::end_stream));
  EXPECT_THAT(transcript(second), ElementsAre("response 200", "done"));
}

TEST(client, says_goaway_on_a_connection_that_was_idle_for_idle_timeout) {
  service server(answer);
  frame_log frames;
  auto opts = bounded();
  opts.on_frame = frames.recorder();
  h2::client_options hasty;
  hasty.idle_timeout = 1ms;
  h2::client client(hasty);
  auto s = client.open({.url = server.url()}, opts);
  EXPECT_EQ(conclude(s).back(), "done");
  // The handle of a stream that is over does not hold it up.
  EXPECT_TRUE(frames.wait_sent("GOAWAY NO_ERROR"));
  EXPECT_TRUE(eventually(client, [](const auto& st) { return st.connections == 0; }));
  auto again = client.open({.url = server.url()}, bounded());
  EXPECT_EQ(conclude(again).back(), "done");
}

TEST(client, keeps_a_connection_with_a_stream_beyond_idle_timeout) {
  holding h(100);
  h2::client_options hasty;
  hasty.idle_timeout = 0ms;
  h2::client client(hasty);
  auto s = client.open({.url = h.server.url()}, bounded());
  h.take(1);
  for (int i = 0; i < 5; ++i) fence(s);
  EXPECT_EQ(client.stats().connections, 1U);
  holding::end(s, h.streams[0]);
  EXPECT_TRUE(eventually(client, [](const auto& st) { return st.connections == 0; }));
}

// Whom we talk to, and whom we trust

TEST(origin_key, differs_with_each_thing_that_decides_whom_we_talk_to_and_trust) {
  const net::target where{true, "a.test", 443};
  const auto plain = h2::key_of(where, options());
  EXPECT_EQ(plain, h2::key_of(where, options()));
  EXPECT_EQ(plain, h2::key_of({true, "A.Test", 443}, options())) << "names of hosts know no case";

  std::vector<h2::origin_key> keys{plain, h2::key_of({false, "a.test", 443}, options()),
                                   h2::key_of({true, "b.test", 443}, options()),
                                   h2::key_of({true, "a.test", 444}, options())};
  const auto with = [&](auto change) {
    options opts;
    change(opts);
    keys.push_back(h2::key_of(where, opts));
  };
  with([](options& o) { o.tls.ca_file = "x"; });
  with([](options& o) { o.tls.ca_path = "x"; });
  with([](options& o) { o.tls.verify = false; });
  with([](options& o) { o.tls.cert_file = "x"; });
  with([](options& o) { o.tls.key_file = "x"; });
  with([](options& o) { o.tls.key_password = "x"; });
  with([](options& o) { o.tls.ask_key_password = [] { return std::string("x"); }; });
  with([](options& o) { o.tls.server_name = "x"; });
  with([](options& o) { o.tls.sni = "x"; });
  with([](options& o) { o.tls.pinned_keys = "x"; });
  with([](options& o) { o.tls.min_version = tls_version::v1_3; });
  with([](options& o) { o.tls.max_version = tls_version::v1_2; });
  with([](options& o) { o.tls.keylog_file = "x"; });
  with([](options& o) { o.tls.resume = false; });
  with([](options& o) { o.connect_to = "x"; });
  with([](options& o) { o.unix_socket = "x"; });
  with([](options& o) { o.family = address_family::v4; });
  with([](options& o) { o.family = address_family::v6; });
  with([](options& o) { o.resolver = [](const resolve_query&, const resolve_handler&) {}; });
  with([](options& o) { o.proxy.http2 = true; });
  const std::set<h2::origin_key> different(keys.begin(), keys.end());
  EXPECT_EQ(different.size(), keys.size());
  // A member that is new has to be tried above.
  const auto& [ca_file, ca_path, verify, cert_file, key_file, key_password, ask_key_password, server_name, sni,
               pinned_keys, min_version, max_version, keylog_file, resume] = plain.trust;
  EXPECT_TRUE(verify);
  EXPECT_TRUE(resume);
}

TEST(origin_key, is_the_same_whatever_else_the_options_say) {
  const net::target where{true, "a.test", 443};
  auto opts = bounded();
  opts.connect_timeout = 1ms;
  opts.flow = flow_control::manual;
  opts.stream_window = 1;
  opts.informational = true;
  EXPECT_EQ(h2::key_of(where, opts), h2::key_of(where, options()));
}

TEST(client, does_not_share_a_connection_that_was_made_without_verification) {
  service server(answer, with_tls());
  h2::client client;
  auto careless = bounded();
  careless.tls.verify = false;
  auto s = client.open({.url = server.url()}, careless);
  error_code ec;
  auto refused = client.open({.url = server.url()}, bounded(), ec);
  EXPECT_EQ(ec, errc::certificate_invalid);
  ASSERT_TRUE(refused.failure());
  EXPECT_FALSE(refused.failure()->message.empty());
  auto trusted = client.open({.url = server.url()}, trusting_localhost());
  EXPECT_NE(s.connection().info().peer, "");
  EXPECT_EQ(client.stats().connections, 2U);
}

// Opens that fail

TEST(client, reports_a_dial_that_failed_to_every_open_that_waited_for_it) {
  std::string url;
  {
    const raw_peer gone;
    url = gone.url();
  }
  context_threads threads;
  h2::client client(threads.executor());
  std::vector<opened> opening;
  for (int i = 0; i < 5; ++i) opening.push_back(client.async_open({.url = url}, bounded(), as_future));
  for (auto& o : opening) {
    const auto [ec, s] = get(std::move(o));
    EXPECT_EQ(ec, errc::connect_failed);
    EXPECT_THAT(s.failure()->message, testing::HasSubstr("127.0.0.1"));
  }
  EXPECT_EQ(client.stats().pending_opens, 0U);
  EXPECT_EQ(client.stats().dialing, 0U);
}

TEST(client, refuses_a_bad_request_and_bad_options) {
  h2::client client;
  error_code ec;
  const auto s = client.open({.url = "ftp://127.0.0.1/"}, bounded(), ec);
  EXPECT_EQ(ec, errc::invalid_argument);
  EXPECT_THAT(s.failure()->message, testing::HasSubstr("ftp"));
  EXPECT_THROW(h2::client(at_most(0)), boost::system::system_error);
}

TEST(client, bounds_the_opens_that_wait) {
  raw_peer silent;
  context_threads threads;
  h2::client_options opts;
  opts.max_pending_opens = 2;
  h2::client client(threads.executor(), opts);
  auto first = client.async_open({.url = silent.url("https")}, bounded(), as_future);
  auto second = client.async_open({.url = silent.url("https")}, bounded(), as_future);
  EXPECT_EQ(outcome(client.async_open({.url = silent.url("https")}, bounded(), as_future)), "limit_exceeded");
  client.close();
  EXPECT_EQ(outcome(std::move(first)), "canceled");
  EXPECT_EQ(outcome(std::move(second)), "canceled");
}

TEST(client, an_open_has_its_own_time_out_whoever_dials) {
  raw_peer silent;
  context_threads threads;
  h2::client client(threads.executor());
  auto opts = bounded();
  opts.connect_timeout = 5ms;
  auto hasty = client.async_open({.url = silent.url("https")}, opts, as_future);
  opts.connect_timeout = patience;
  auto patient = client.async_open({.url = silent.url("https")}, opts, as_future);
  EXPECT_EQ(outcome(std::move(hasty)), "timeout");
  EXPECT_TRUE(pending(patient));
  EXPECT_EQ(client.stats().dialing, 1U);
  client.close();
  EXPECT_EQ(outcome(std::move(patient)), "canceled");
}

// There is always somebody who waits, so nobody is the last to give up the dial.
TEST(client, dials_again_when_a_dial_takes_longer_than_anybody_would_wait) {
  raw_peer hangs;
  context_threads threads;
  h2::client client(threads.executor());
  auto opts = bounded();
  opts.connect_timeout = 50ms;
  std::deque<std::future<std::tuple<error_code, h2::stream>>> waiting;
  const auto open = [&] { waiting.push_back(client.async_open({.url = hangs.url("https")}, opts, as_future)); };
  open();
  hangs.accept();
  bool again = false;
  for (int i = 0; i < 20 && !again; ++i) {
    open();
    EXPECT_EQ(outcome(std::move(waiting.front())), "timeout");
    waiting.pop_front();
    again = hangs.called();
  }
  EXPECT_TRUE(again) << "one dial for ever";
  client.close();
}

// It was dialed for one who then found a place elsewhere.
TEST(client, gives_up_a_dial_that_nobody_waits_for_when_its_time_is_over) {
  auto one = with_tls();
  one.max_concurrent_streams = 1;
  one.max_connections = 1;  // of another nobody takes the handshake
  peer server(one);
  context_threads threads;
  h2::client client(threads.executor());
  auto first = std::get<1>(get(client.async_open({.url = server.url()}, trusting_localhost(), as_future)));
  auto far = server.accept().stream;
  auto opts = trusting_localhost();
  opts.connect_timeout = 1s;  // the dial has to be seen before, and the second stream open
  auto second = client.async_open({.url = server.url()}, opts, as_future);
  const auto end = std::chrono::steady_clock::now() + patience;
  while (client.stats().dialing == 0 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  ASSERT_EQ(client.stats().dialing, 1U);
  first.close();
  EXPECT_EQ(outcome(std::move(second)), "ok");
  while (client.stats().dialing > 0 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  EXPECT_EQ(client.stats().dialing, 0U);
  client.close();
}

TEST(client, dials_again_when_a_peer_sends_no_settings) {
  raw_peer silent;
  context_threads threads;
  h2::client client(threads.executor());
  auto opts = bounded();
  opts.connect_timeout = 500ms;  // both dials have to fit into it too
  auto [ec, first] = get(client.async_open({.url = silent.url()}, opts, as_future));
  ASSERT_EQ(name(ec), "ok");
  silent.accept();
  (void)first.recv(ec);
  EXPECT_EQ(name(ec), "timeout");
  EXPECT_EQ(outcome(client.async_open({.url = silent.url()}, opts, as_future)), "ok");
  EXPECT_TRUE(silent.called()) << "on a connection that is dead";
}

TEST(client, that_was_closed_leaves_its_context_nothing_to_do) {
  const service server(echo_back);
  asio::io_context io;
  h2::client client(io.get_executor());
  auto opts = bounded();
  opts.connect_timeout = std::chrono::hours(1);
  std::optional<h2::stream> opened;
  client.async_open({.url = server.url()}, opts, [&](error_code, h2::stream s) { opened = std::move(s); });
  ASSERT_TRUE(run_until(io, [&] { return opened.has_value(); }));
  client.close();
  opened.reset();
  io.restart();
  io.run_for(patience);
  EXPECT_TRUE(io.stopped());
}

TEST(client, an_open_that_times_out_or_is_canceled_leaves_no_trace) {
  raw_peer silent;
  context_threads threads;
  h2::client client(threads.executor());
  asio::cancellation_signal cancel;
  std::promise<error_code> ended;
  client.async_open(
      {.url = silent.url("https")}, bounded(),
      asio::bind_cancellation_slot(cancel.slot(), [&](error_code ec, const h2::stream&) { ended.set_value(ec); }));
  EXPECT_EQ(client.stats().dialing, 1U);
  cancel.emit(asio::cancellation_type::partial);
  EXPECT_EQ(get(ended.get_future()), errc::canceled);
  EXPECT_EQ(client.stats().dialing, 0U);
  EXPECT_EQ(client.stats().pending_opens, 0U);
}

TEST(client, an_open_that_waits_for_a_place_can_be_canceled_and_can_time_out) {
  holding h(1);
  context_threads threads;
  h2::client client(threads.executor(), at_most(1));
  auto running = client.open({.url = h.server.url()}, bounded());
  h.take(1);
  asio::cancellation_signal cancel;
  std::promise<error_code> ended;
  client.async_open(
      {.url = h.server.url()}, bounded(),
      asio::bind_cancellation_slot(cancel.slot(), [&](error_code ec, const h2::stream&) { ended.set_value(ec); }));
  EXPECT_EQ(client.stats().pending_opens, 1U);
  cancel.emit(asio::cancellation_type::terminal);
  EXPECT_EQ(get(ended.get_future()), errc::canceled);
  auto opts = bounded();
  opts.connect_timeout = 1ms;
  EXPECT_EQ(outcome(client.async_open({.url = h.server.url()}, opts, as_future)), "timeout");
  EXPECT_EQ(client.stats().pending_opens, 0U);
  holding::end(running, h.streams[0]);
  auto next = client.open({.url = h.server.url()}, bounded());
  h.take(1);
  EXPECT_TRUE(h.server.idle());
}

// Attempts. On one thread, what happens to a connection just before an open is not yet known to the pool.

struct one_thread {
  explicit one_thread(h2::client_options opts, std::uint32_t limit = 100)
      : h(limit), client(std::make_unique<h2::client>(io.get_executor(), opts)) {
    open(first);
    EXPECT_TRUE(run_until(io, [&] { return first.ec.has_value(); }));
    bool answered = false;  // and the limit is known
    first.stream.connection().async_ping([&](error_code, auto) { answered = true; });
    EXPECT_TRUE(run_until(io, [&] { return answered; }));
    h.take(1);
  }

  struct result {
    std::optional<error_code> ec{};
    h2::stream stream{};
  };
  void open(result& to, options opts = bounded(), asio::cancellation_slot slot = {}) {
    client->async_open({.url = h.server.url()}, std::move(opts),
                       asio::bind_cancellation_slot(slot, [&to](error_code ec, h2::stream s) {
                         to = {ec, std::move(s)};
                       }));
  }
  // In a handler of the context.
  template <class Function>
  void inside(Function f) {
    asio::post(io, f);
  }
  [[nodiscard]] bool wait(result& r) {
    return run_until(io, [&] { return r.ec.has_value(); });
  }
  h2::client_stats stats() {
    std::optional<h2::client_stats> out;
    client->async_stats([&](error_code, h2::client_stats s) { out = s; });
    EXPECT_TRUE(run_until(io, [&] { return out.has_value(); }));
    return *out;
  }

  holding h;
  asio::io_context io;
  std::unique_ptr<h2::client> client;
  result first{};
};

TEST(client, tries_an_open_again_that_came_too_late_for_its_connection) {
  one_thread t(h2::client_options{});
  one_thread::result r;
  t.inside([&] {
    t.first.stream.connection().goaway();
    t.open(r);
  });
  ASSERT_TRUE(t.wait(r));
  EXPECT_EQ(name(*r.ec), "ok");
  t.h.take(1);
  EXPECT_EQ(t.h.per_connection.size(), 2U);
}

TEST(client, does_not_try_again_more_often_than_max_attempts) {
  h2::client_options once;
  once.max_attempts = 1;
  one_thread t(once);
  one_thread::result r;
  t.inside([&] {
    t.first.stream.connection().goaway();
    t.open(r);
  });
  ASSERT_TRUE(t.wait(r));
  EXPECT_EQ(name(*r.ec), "refused");
  ASSERT_TRUE(r.stream.failure());
  EXPECT_TRUE(r.stream.failure()->retry_safe);
}

TEST(client, an_open_can_be_canceled_and_can_time_out_between_attempts) {
  h2::client_options slow;
  slow.retry_delay = std::chrono::minutes(1);
  one_thread t(slow);
  one_thread::result canceled;
  one_thread::result late;
  asio::cancellation_signal cancel;
  auto opts = bounded();
  opts.connect_timeout = 5ms;
  t.inside([&] {
    t.first.stream.connection().goaway();
    t.open(canceled, bounded(), cancel.slot());
    t.open(late, opts);
  });
  ASSERT_TRUE(t.wait(late));
  EXPECT_EQ(name(*late.ec), "timeout");
  EXPECT_EQ(t.stats().pending_opens, 1U);
  cancel.emit(asio::cancellation_type::total);
  ASSERT_TRUE(t.wait(canceled));
  EXPECT_EQ(name(*canceled.ec), "canceled");
  EXPECT_EQ(t.stats().pending_opens, 0U);
  EXPECT_EQ(t.stats().connections, 0U);
}

// Somebody takes the connection's last place behind the pool's back.
TEST(client, an_open_that_waits_at_its_connection_can_be_canceled_and_can_time_out_and_can_succeed) {
  one_thread t(at_most(1), 2);
  one_thread::result canceled;
  one_thread::result late;
  one_thread::result patient;
  one_thread::result taken;
  asio::cancellation_signal cancel;
  const auto behind = [&] {
    t.first.stream.connection().async_open_stream({.url = t.h.server.url()}, bounded(),
                                                  [&](error_code ec, h2::stream s) {
                                                    taken = {ec, std::move(s)};
                                                  });
  };
  t.inside([&] {
    behind();
    t.open(canceled, bounded(), cancel.slot());
  });
  ASSERT_TRUE(t.wait(taken));
  EXPECT_EQ(t.stats().pending_opens, 1U);
  cancel.emit(asio::cancellation_type::total);
  ASSERT_TRUE(t.wait(canceled));
  EXPECT_EQ(name(*canceled.ec), "canceled");

  auto opts = bounded();
  opts.connect_timeout = 5ms;
  t.open(late, opts);
  ASSERT_TRUE(t.wait(late));
  EXPECT_EQ(name(*late.ec), "timeout");

  t.open(patient);
  EXPECT_EQ(t.stats().pending_opens, 1U);
  taken.stream.reset(0x8);
  ASSERT_TRUE(t.wait(patient));
  EXPECT_EQ(name(*patient.ec), "ok");
  EXPECT_EQ(t.stats().streams, 2U);
}

// Ending

TEST(client, the_last_handle_gone_says_goaway_on_idle_connections) {
  service server(answer);
  frame_log frames;
  auto opts = bounded();
  opts.on_frame = frames.recorder();
  {
    const auto client = std::make_unique<h2::client>();
    const auto copy = std::make_unique<h2::client>(*client);
    auto s = client->open({.url = server.url()}, opts);
    EXPECT_EQ(conclude(s).back(), "done");
  }
  EXPECT_TRUE(frames.wait_sent("GOAWAY NO_ERROR"));
}

TEST(client, the_last_handle_gone_says_goaway_also_while_a_handle_of_a_finished_stream_is_kept) {
  const service server(echo_back);
  h2::stream kept;
  {
    h2::client client;
    kept = client.open({.url = server.url()}, bounded());
    kept.send("", fin);
    EXPECT_THAT(transcript(kept), testing::Contains("done"));
  }
  const auto link = kept.connection();
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!link.stats().goaway_sent && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  EXPECT_TRUE(link.stats().goaway_sent);
}

TEST(client, the_last_handle_gone_leaves_running_streams_their_connection) {
  holding h(100);
  h2::stream s;
  {
    h2::client client;
    s = client.open({.url = h.server.url()}, bounded());
  }
  h.take(1);
  s.send("abc");
  EXPECT_EQ(receive(h.streams[0], 3), "abc");
  holding::end(s, h.streams[0]);
}

TEST(client, an_open_that_is_under_way_keeps_its_client) {
  holding h(100);
  context_threads threads;
  auto opening = h2::client(threads.executor()).async_open({.url = h.server.url()}, bounded(), as_future);
  auto s = std::get<1>(get(std::move(opening)));
  h.take(1);
  holding::end(s, h.streams[0]);
}

TEST(client, shutdown_lets_running_streams_finish_also_on_connections_that_left_the_pool) {
  holding h(100);
  context_threads threads;
  h2::client client(threads.executor());
  auto first = client.open({.url = h.server.url()}, bounded());
  h.take(1);
  h.streams[0].connection().goaway();
  ASSERT_TRUE(eventually(client, [](const auto& s) { return s.connections == 0; }));
  auto second = client.open({.url = h.server.url()}, bounded());
  h.take(1);
  auto ending = client.async_shutdown(patience, as_future);
  EXPECT_EQ(outcome(client.async_open({.url = h.server.url()}, bounded(), as_future)), "closed");
  holding::end(first, h.streams[0]);
  EXPECT_TRUE(pending(ending));
  holding::end(second, h.streams[1]);
  EXPECT_EQ(outcome(std::move(ending)), "ok");
}

TEST(client, shutdown_resets_what_still_runs_after_the_grace) {
  holding h(100);
  context_threads threads;
  h2::client client(threads.executor());
  auto s = client.open({.url = h.server.url()}, bounded());
  h.take(1);
  client.shutdown(1ms);
  EXPECT_EQ(recv_error(s), "closed");
  EXPECT_EQ(recv_error(h.streams[0]), "stream_reset");
}

TEST(client, close_ends_every_stream_and_what_waits) {
  holding h(1);
  context_threads threads;
  h2::client client(threads.executor(), at_most(1));
  auto s = client.open({.url = h.server.url()}, bounded());
  h.take(1);
  auto waiting = client.async_open({.url = h.server.url()}, bounded(), as_future);
  client.close();
  client.close();
  EXPECT_EQ(outcome(std::move(waiting)), "canceled");
  EXPECT_EQ(recv_error(h.streams[0]), "stream_reset");
  error_code ec;
  static_cast<void>(client.open({.url = h.server.url()}, bounded(), ec));
  EXPECT_EQ(ec, errc::closed);
}

TEST(client, whose_context_is_destroyed_lets_go_of_opens_that_own_it) {
  raw_peer silent;
  holding h(1);
  auto sentinel = std::make_shared<int>(0);
  const std::weak_ptr<int> watch = sentinel;
  {
    asio::io_context io;
    h2::stream running;
    {
      h2::client client(io.get_executor(), at_most(1));
      client.async_open({.url = h.server.url()}, bounded(),
                        [&running, client](error_code, h2::stream s) { running = std::move(s); });
      ASSERT_TRUE(run_until(io, [&] { return static_cast<bool>(running); }));
      const auto own = [sentinel, client](error_code, const h2::stream&) {};
      client.async_open({.url = h.server.url()}, bounded(), own);       // waits for a place
      client.async_open({.url = silent.url("https")}, bounded(), own);  // waits for a handshake
      client.async_shutdown(patience, [sentinel, client](error_code) {});
      client.async_open({.url = silent.url("https")}, bounded(), own);  // refused, but not yet told
    }
    sentinel.reset();
    EXPECT_FALSE(watch.expired());
  }
  EXPECT_TRUE(watch.expired());
}

TEST(client, whose_context_is_destroyed_while_it_dials_lets_go_of_what_waits) {
  raw_peer silent;
  auto sentinel = std::make_shared<int>(0);
  const std::weak_ptr<int> watch = sentinel;
  {
    asio::io_context io;
    {
      h2::client client(io.get_executor());
      for (int i = 0; i < 3; ++i) {
        client.async_open({.url = silent.url("https")}, bounded(),
                          [sentinel, client](error_code, const h2::stream&) {});
      }
    }
    sentinel.reset();
    ASSERT_TRUE(run_until(
        io, [&] { return silent.called(); }, 1ms));
    EXPECT_FALSE(watch.expired());
  }
  EXPECT_TRUE(watch.expired());
}

TEST(client, a_context_has_nothing_left_to_do_once_the_client_is_gone) {
  service server(answer);
  asio::io_context io;
  std::string last;
  {
    h2::client client(io.get_executor());
    client.async_open({.url = server.url()}, bounded(), [&last](error_code ec, h2::stream s) {
      last = name(ec);
      s.close();
    });
  }
  std::promise<void> ran;
  std::thread runner([&] {
    io.run();
    ran.set_value();
  });
  EXPECT_NO_THROW(get(ran.get_future()));
  io.stop();
  runner.join();
  EXPECT_EQ(last, "ok");
}

TEST(client, blocking_verbs_on_its_own_thread_are_refused) {
  asio::io_context io;
  h2::client client(io.get_executor());
  std::vector<std::string> seen;
  asio::post(io, [&] {
    error_code ec;
    static_cast<void>(client.open({.url = "http://127.0.0.1:1/"}, bounded(), ec));
    seen.push_back(name(ec));
    static_cast<void>(client.stats(ec));
    seen.push_back(name(ec));
  });
  io.run();
  EXPECT_THAT(seen, ElementsAre("would_deadlock", "would_deadlock"));
}

TEST(client, is_used_from_many_threads_in_every_way_at_the_same_time) {
  service server(answer, limited(5), 2);
  context_threads threads(4);
  auto opts = at_most(3);
  opts.max_attempts = 1000;  // the users end the connections of one another
  h2::client client(threads.executor(), opts);
  std::atomic<int> served = 0;
  std::vector<std::future<void>> users;
  for (int t = 0; t < 6; ++t) {
    users.push_back(std::async(std::launch::async, [&, t] {
      for (int i = 0; i < 40; ++i) {
        auto mine = client;
        auto s = mine.open({.url = server.url()}, bounded());
        switch ((i + t) % 5) {
          case 0:
            s.close();
            break;
          case 1:
            s = {};
            break;
          case 2:
            s.connection().goaway();
            [[fallthrough]];
          default:
            if (conclude(s).back() == "done") ++served;
        }
        static_cast<void>(mine.stats());
      }
    }));
  }
  for (auto& u : users) get(std::move(u));
  EXPECT_GE(served, 6 * 40 * 2 / 5);
  client.shutdown(patience);
  EXPECT_EQ(client.stats().streams, 0U);
}

}  // namespace
}  // namespace duplex::test
