// Many streams, and handles used from any thread, on a context that four threads run.

#include "support.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_future.hpp>

#include <random>

namespace duplex::test {
namespace {

using asio::use_awaitable;
using h2::fin;
using namespace boost::asio::experimental::awaitable_operators;

constexpr std::size_t threads_count = 4;

asio::awaitable<void> echo(request, h2::stream s) {
  co_await s.async_send_response({200, {}}, use_awaitable);
  for (auto m = co_await s.async_recv(use_awaitable); !std::holds_alternative<done>(m);
       m = co_await s.async_recv(use_awaitable)) {
    if (auto* d = std::get_if<data>(&m)) co_await s.async_send(d->bytes, use_awaitable);
  }
  fields trailing{{"grpc-status", "0"}};
  co_await s.async_send_trailers(std::move(trailing), use_awaitable);
}

h2::server_options tight() {
  auto opts = cleartext();
  opts.stream.stream_window = 3000;
  opts.max_concurrent_streams = 30;
  return opts;
}

options tight_client() {
  auto opts = bounded();
  opts.stream_window = 2000;
  opts.send_buffer = 1500;
  return opts;
}

asio::awaitable<void> upload(h2::stream s, const std::string& sent) {
  constexpr std::size_t piece = 777;
  for (std::size_t at = 0; at < sent.size(); at += piece) {
    co_await s.async_send(std::string_view(sent).substr(at, piece), use_awaitable);
  }
  co_await s.async_send("", fin, use_awaitable);
}

asio::awaitable<std::vector<std::string>> download(h2::stream s) {
  std::vector<std::string> seen;
  std::string received;
  while (true) {
    const auto m = co_await s.async_recv(use_awaitable);
    if (const auto* d = std::get_if<data>(&m)) {
      received += d->bytes;
      continue;
    }
    if (!received.empty()) seen.push_back(std::exchange(received, {}));
    seen.push_back(describe(m));
    if (std::holds_alternative<done>(m)) co_return seen;
  }
}

asio::awaitable<bool> converse(h2::connection link, std::string url, const std::string& sent) {
  request head{.url = std::move(url)};
  auto s = co_await link.async_open_stream(std::move(head), tight_client(), use_awaitable);
  const auto seen = co_await (upload(s, sent) && download(s));
  co_return seen == std::vector<std::string>{"response 200", sent, "trailers grpc-status=0", "done"};
}

TEST(four_threads, run_many_streams_of_several_connections) {
  service server(echo, tight(), threads_count);
  context_threads threads(threads_count);
  const auto sent = pattern(20'000);
  constexpr int connections = 3;
  constexpr int streams = 40;  // more than the server lets run at the same time
  std::vector<std::future<bool>> running;
  for (int c = 0; c < connections; ++c) {
    auto link =
        std::get<1>(get(h2::connection::async_connect(threads.executor(), server.url(), tight_client(), as_future)));
    EXPECT_EQ(outcome(link.async_ping(as_future)), "ok");  // the server's limit is known
    for (int i = 0; i < streams; ++i) {
      running.push_back(
          asio::co_spawn(asio::make_strand(threads.executor()), converse(link, server.url(), sent), asio::use_future));
    }
  }
  for (auto& r : running) EXPECT_TRUE(get(std::move(r)));
}

TEST(four_threads, use_the_blocking_verbs_of_one_connection) {
  service server(echo, tight(), threads_count);
  context_threads threads(threads_count);
  auto link =
      std::get<1>(get(h2::connection::async_connect(threads.executor(), server.url(), tight_client(), as_future)));
  const auto sent = pattern(20'000);
  std::vector<std::future<bool>> running;
  for (int i = 0; i < 8; ++i) {
    running.push_back(std::async(std::launch::async, [&] {
      auto s = std::get<1>(get(link.async_open_stream({.url = server.url()}, tight_client(), as_future)));
      auto sending = std::async(std::launch::async, [&] { s.send(sent, fin); });
      const auto seen = transcript(s);
      get(std::move(sending));
      return seen == std::vector<std::string>{"response 200", "data " + sent, "trailers grpc-status=0", "done"};
    }));
  }
  for (auto& r : running) EXPECT_TRUE(get(std::move(r)));
}

TEST(four_threads, use_one_handle_in_every_way_at_the_same_time) {
  service server(echo, cleartext(), 2);
  context_threads threads(threads_count);
  constexpr int rounds = 10;
  for (int round = 0; round < rounds; ++round) {
    auto s = h2::open(threads.executor(), {.url = server.url()}, bounded());
    std::vector<std::future<void>> users;
    for (unsigned t = 0; t < threads_count; ++t) {
      users.push_back(std::async(std::launch::async, [&s, t, round] {
        std::mt19937 random(static_cast<unsigned>(round) * threads_count + t);
        auto mine = s;
        error_code ec;
        for (int i = 0; i < 30; ++i) {
          switch (random() % 12) {
            case 0:
              mine.send("abc", ec);
              break;
            case 1:
              mine.async_send("static text", [](error_code) {});
              break;
            case 2:
              mine.recv(1ms, ec);
              break;
            case 3:
              mine.async_recv(1ms, [](error_code, const message&) {});
              break;
            case 4:
              static_cast<void>(mine.try_recv(ec));
              break;
            case 5:
              mine.set_active(active::once, [](error_code, const message&) {});
              break;
            case 6:
              mine.set_active(active::off);
              break;
            case 7:
              mine.consume(10);
              break;
            case 8:
              static_cast<void>(mine.failure());
              break;
            case 9:
              mine.connection().async_ping([](error_code, auto) {});
              break;
            case 10:
              mine = h2::stream(s);
              break;
            default:
              if (i == 29 && t == 0) mine.close();
              static_cast<void>(mine.id());
          }
        }
      }));
    }
    for (auto& u : users) get(std::move(u));
  }
}

TEST(four_threads, open_reset_and_drop_streams_without_harm) {
  service server(echo, tight(), threads_count);
  context_threads threads(threads_count);
  auto link =
      std::get<1>(get(h2::connection::async_connect(threads.executor(), server.url(), tight_client(), as_future)));
  std::vector<std::future<void>> users;
  for (unsigned t = 0; t < threads_count; ++t) {
    users.push_back(std::async(std::launch::async, [&, t] {
      std::mt19937 random(t);
      const auto sent = pattern(5000);
      for (int i = 0; i < 40; ++i) {
        auto s = std::get<1>(get(link.async_open_stream({.url = server.url()}, tight_client(), as_future)));
        auto sending = s.async_send(sent, as_future);
        switch (random() % 4) {
          case 0:
            s.reset(0x8);
            break;
          case 1:
            s.close();
            break;
          case 2:
            s.recv();
            break;
          default:
            break;
        }
        s = {};
        get(std::move(sending));  // complete, cancelled or failed: but it ends, and `sent` is ours again
      }
    }));
  }
  for (auto& u : users) get(std::move(u));
  EXPECT_EQ(outcome(link.async_ping(as_future)), "ok");
}

TEST(four_threads, open_and_close_connections_without_harm) {
  service server(echo, with_tls(), threads_count);
  context_threads threads(threads_count);
  std::vector<std::future<void>> users;
  for (unsigned t = 0; t < threads_count; ++t) {
    users.push_back(std::async(std::launch::async, [&, t] {
      for (unsigned i = 0; i < 6; ++i) {
        auto s = h2::open(threads.executor(), {.url = server.url()}, trusting_localhost());
        s.send("abc", fin);
        if ((i + t) % 3 == 0) continue;  // the handle just goes away
        EXPECT_EQ(describe(s.recv()), "response 200");
        if ((i + t) % 3 == 1) s.close();
      }
    }));
  }
  for (auto& u : users) get(std::move(u));
}

}  // namespace
}  // namespace duplex::test
