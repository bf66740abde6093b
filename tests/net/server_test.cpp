// Listening, holding back, and shutting down.

#include "peers.hpp"

#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <atomic>
#include <future>

namespace duplex::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class server : public ::testing::Test {
 protected:
  server() {
    opts_.cleartext = true;
    opts_.stream.close_timeout = 20ms;
    client_.close_timeout = 20ms;
  }
  h2::server start() {
    return {io_.get_executor(), opts_, [this](const request&, const h2::stream& s) {
              streams_.push_back(s);
              streams_.back().async_send_response({200, {}}, [](error_code) {});
            }};
  }
  opened open_to(const h2::server& to) { return open_now(io_, to.url(), client_); }
  void expect_response(opened& s) {
    const auto head = receive_now(io_, s.stream);
    ASSERT_EQ(name(head.ec), "ok");
    EXPECT_EQ(std::get<response>(head.got).status, 200);
  }
  // A round trip: whatever else was ready has had its turn.
  void ping(h2::stream& s) {
    bool answered = false;
    s.connection().async_ping([&](error_code ec, std::chrono::microseconds) { answered = !ec; });
    EXPECT_TRUE(run_until(io_, [&] { return answered; }));
  }

  asio::io_context io_;
  h2::server_options opts_;
  options client_;
  std::vector<h2::stream> streams_;
};

// Listening

TEST_F(server, of_port_0_listens_on_a_free_one_and_says_which) {
  const auto one = start();
  const auto two = start();
  EXPECT_NE(one.port(), 0);
  EXPECT_NE(one.port(), two.port());
  EXPECT_EQ(one.url(), "http://127.0.0.1:" + std::to_string(one.port()));
}

TEST_F(server, says_which_address_is_in_use) {
  const auto first = start();
  opts_.port = first.port();
  try {
    const auto second = start();
    FAIL() << "both listen";
  } catch (const boost::system::system_error& e) {
    EXPECT_EQ(e.code(), asio::error::address_in_use);
    EXPECT_THAT(e.what(), HasSubstr("127.0.0.1:" + std::to_string(first.port())));
  }
}

TEST_F(server, listens_on_an_ipv6_address) {
  opts_.address = "::1";
  const auto it = start();
  EXPECT_EQ(it.url(), "http://[::1]:" + std::to_string(it.port()));
  auto s = open_to(it);
  expect_response(s);
  EXPECT_THAT(streams_.at(0).connection().info().peer, StartsWith("[::1]:"));
}

TEST_F(server, refuses_options_that_make_no_sense) {
  const auto why_not = [this](auto change) {
    auto opts = opts_;
    change(opts);
    try {
      const h2::server it(io_.get_executor(), opts, [](const request&, const h2::stream&) {});
    } catch (const boost::system::system_error& e) {
      return name(e.code()) + ": " + e.what();
    }
    return std::string("it started");
  };
  EXPECT_THAT(why_not([](auto& o) { o.address = "nowhere"; }),
              AllOf(StartsWith("invalid_argument: "), HasSubstr("\"nowhere\"")));
  EXPECT_THAT(why_not([](auto& o) { o.max_connections = 0; }), HasSubstr(": option max_connections must be"));
  EXPECT_THAT(why_not([](auto& o) { o.max_concurrent_streams = 0; }),
              HasSubstr(": option max_concurrent_streams must be"));
  EXPECT_THAT(why_not([](auto& o) { o.max_streams = 0; }), HasSubstr(": option max_streams must be"));
  EXPECT_THAT(why_not([](auto& o) { o.handshake_timeout = 0ms; }), HasSubstr("handshake_timeout"));
  EXPECT_THAT(why_not([](auto& o) { o.stream.max_recv_buffer = 0; }), HasSubstr("max_recv_buffer"));
}

// Accepting

TEST_F(server, holds_back_what_is_above_max_connections_until_one_ends) {
  opts_.max_connections = 1;
  const auto it = start();
  auto first = open_to(it);
  expect_response(first);
  auto second = open_to(it);  // the kernel's queue takes it
  std::optional<error_code> told;
  second.stream.async_recv([&](error_code ec, const message&) { told = ec; });
  for (int i = 0; i < 3; ++i) ping(first.stream);
  EXPECT_FALSE(told);
  EXPECT_EQ(streams_.size(), 1U);
  streams_.clear();
  first.stream.async_close([](error_code) {});
  EXPECT_TRUE(run_until(io_, [&] { return told.has_value(); }));
  EXPECT_EQ(name(*told), "ok");
}

TEST_F(server, counts_handshakes_among_its_connections) {
  const auto cert = make_self_signed();
  opts_.cleartext = false;
  opts_.certificate_pem = cert.certificate_pem;
  opts_.key_pem = cert.key_pem;
  opts_.max_connections = 1;
  opts_.handshake_timeout = 1s;  // in which the good one has to get ready
  client_.tls.verify = false;
  const auto it = start();
  tcp::socket silent(io_);
  silent.connect(loopback(it.port()));
  auto s = open_to(it);  // once the silent one is out
  expect_response(s);
  streams_.clear();
  s.stream.async_close([](error_code) {});
  auto next = open_to(it);
  expect_response(next);
}

TEST_F(server, keeps_an_idle_connection_until_the_client_ends_it) {
  const auto it = start();
  auto s = open_to(it);
  auto connection = s.stream.connection();
  expect_response(s);
  streams_.at(0).async_send("", h2::fin, [](error_code) {});
  EXPECT_TRUE(std::holds_alternative<done>(receive_now(io_, s.stream).got));
  streams_.clear();
  s.stream.async_send("", h2::fin, [](error_code) {});
  ping(s.stream);
  bool opened_another = false;
  connection.async_open_stream(request{.url = it.url()}, options(),
                               [&](error_code ec, const h2::stream&) { opened_another = !ec; });
  EXPECT_TRUE(run_until(io_, [&] { return opened_another; }));
}

// Shutting down

TEST_F(server, that_shuts_down_lets_streams_finish) {
  auto it = start();
  auto s = open_to(it);
  expect_response(s);
  std::optional<error_code> down;
  it.async_shutdown(std::chrono::minutes(1), [&](error_code ec) { down = ec; });
  ping(s.stream);
  EXPECT_FALSE(down);
  opened late;
  EXPECT_TRUE(run(io_, open(late, {.url = it.url()}, client_)));
  EXPECT_EQ(name(late.ec), "connect_failed") << "it accepts no more";

  streams_.at(0).async_send("last words", h2::fin, [](error_code) {});
  EXPECT_EQ(std::get<data>(receive_now(io_, s.stream).got).bytes, "last words");
  EXPECT_TRUE(std::holds_alternative<done>(receive_now(io_, s.stream).got));
  s.stream.async_send("", h2::fin, [](error_code ec) { EXPECT_EQ(name(ec), "ok"); });
  EXPECT_TRUE(run_until(io_, [&] { return down.has_value(); }));
  EXPECT_EQ(name(*down), "ok");
  streams_.clear();
  s.stream = {};
  EXPECT_TRUE(run_until_idle(io_)) << "something of the server is left";
}

TEST_F(server, that_shuts_down_resets_at_the_deadline_what_still_runs) {
  auto it = start();
  auto s = open_to(it);
  expect_response(s);
  std::optional<error_code> down;
  it.async_shutdown(20ms, [&](error_code ec) { down = ec; });
  EXPECT_EQ(name(receive_now(io_, s.stream).ec), "stream_reset");
  EXPECT_EQ(s.stream.failure().value().http2_code, static_cast<std::uint32_t>(h2::code::cancel));
  EXPECT_TRUE(run_until(io_, [&] { return down.has_value(); }));
  EXPECT_EQ(name(*down), "ok");
  error_code after;
  streams_.at(0).async_recv([&](error_code ec, const message&) { after = ec; });
  streams_.clear();
  s.stream = {};
  EXPECT_TRUE(run_until_idle(io_));
  EXPECT_EQ(name(after), "closed");
}

TEST_F(server, that_shuts_down_is_not_held_up_by_idle_or_silent_clients) {
  const auto cert = make_self_signed();
  opts_.cleartext = false;
  opts_.certificate_pem = cert.certificate_pem;
  opts_.key_pem = cert.key_pem;
  auto it = start();
  tcp::socket silent(io_);  // never begins its handshake
  silent.connect(loopback(it.port()));
  settle(io_);
  std::optional<error_code> down;
  it.async_shutdown(std::chrono::minutes(10), [&](error_code ec) { down = ec; });
  EXPECT_TRUE(run_until(io_, [&] { return down.has_value(); }));
  EXPECT_TRUE(run_until_idle(io_));
}

TEST_F(server, that_is_shut_down_twice_says_so) {
  auto it = start();
  auto s = open_to(it);
  expect_response(s);
  std::vector<std::string> told;
  it.async_shutdown(30ms, [&](error_code ec) { told.push_back("first " + name(ec)); });
  it.async_shutdown(30ms, [&](error_code ec) { told.push_back("second " + name(ec)); });
  EXPECT_TRUE(run_until(io_, [&] { return told.size() == 2; }));
  EXPECT_THAT(told, ::testing::ElementsAre("second closed", "first ok"));
  it.async_shutdown(30ms, [&](error_code ec) { told.push_back("third " + name(ec)); });
  EXPECT_TRUE(run_until(io_, [&] { return told.size() == 3; }));
  EXPECT_EQ(told.back(), "third ok");
}

TEST_F(server, that_is_destroyed_ends_everything) {
  std::optional<h2::server> it = start();
  auto s = open_to(*it);
  expect_response(s);
  it.reset();
  EXPECT_EQ(name(receive_now(io_, s.stream).ec), "stream_reset");
  s.stream = {};
  streams_.clear();
  EXPECT_TRUE(run_until_idle(io_));
}

TEST_F(server, leaves_nothing_when_its_context_is_destroyed) {
  auto other = std::make_unique<asio::io_context>();
  std::weak_ptr<int> weak;
  std::vector<h2::stream> kept;
  {
    auto held = std::make_shared<int>();
    weak = held;
    const h2::server it(other->get_executor(), opts_, [&kept, held](const request&, h2::stream s) {
      // A handler that owns its own stream: a circle that only the end of the context can open.
      s.set_active(active::on, [s, held](error_code, const message&) {});
      kept.push_back(s);
    });
    opened s;
    EXPECT_TRUE(run(*other, open(s, {.url = it.url()}, client_)));
    s.stream.set_active(active::on, [keep = s.stream, held](error_code, const message&) {});
    EXPECT_TRUE(run_until(*other, [&] { return kept.size() == 1; }));
    kept.clear();
    s.stream = {};
  }
  EXPECT_FALSE(weak.expired()) << "what the server left to do was not done";
  other.reset();
  EXPECT_TRUE(weak.expired());
}

// Many at once, on several threads.
TEST(server_on_threads, serves_clients_that_come_and_go) {
  constexpr int clients = 24;
  asio::thread_pool pool(3);
  std::atomic<int> served = 0;
  h2::server it(pool.get_executor(), {.cleartext = true, .max_connections = 8},
                [&](const request&, h2::stream s) -> asio::awaitable<void> {
                  const response ok{200, {}};
                  co_await s.async_send_response(ok, asio::use_awaitable);
                  for (;;) {
                    auto m = co_await s.async_recv(asio::use_awaitable);
                    if (std::holds_alternative<done>(m)) break;
                    co_await s.async_send(std::get<data>(m).bytes, asio::use_awaitable);
                  }
                  co_await s.async_send("", h2::fin, asio::use_awaitable);
                  ++served;
                });
  std::vector<std::future<std::string>> results;
  const auto talk = [](std::string url) -> asio::awaitable<std::string> {
    request head{.url = std::move(url)};
    auto s = co_await h2::async_open(co_await asio::this_coro::executor, head, options(), asio::use_awaitable);
    co_await s.async_send("ping", h2::fin, asio::use_awaitable);
    std::string body;
    for (;;) {
      auto m = co_await s.async_recv(asio::use_awaitable);
      if (auto* d = std::get_if<data>(&m)) body += d->bytes;
      if (std::holds_alternative<done>(m)) break;
    }
    co_await s.async_close(asio::use_awaitable);
    co_return body;
  };
  for (int i = 0; i < clients; ++i) results.push_back(asio::co_spawn(pool, talk(it.url()), asio::use_future));
  for (auto& r : results) EXPECT_EQ(r.get(), "ping");
  it.async_shutdown(std::chrono::seconds(20), asio::use_future).get();
  pool.join();
  EXPECT_EQ(served, clients);
}

}  // namespace
}  // namespace duplex::test
