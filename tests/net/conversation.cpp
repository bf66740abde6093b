// Holding a conversation over memory.

#include "conversation.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <numeric>
#include <tuple>
#include <variant>

namespace duplex::test {
namespace {

using namespace asio::experimental::awaitable_operators;

std::string describe(const message& m) {
  if (const auto* head = std::get_if<response>(&m)) return "response " + std::to_string(head->status);
  if (const auto* trailing = std::get_if<trailers>(&m)) {
    return "trailers " + trailing->headers.value_or("grpc-status", "without status");
  }
  return std::holds_alternative<done>(m) ? "done" : "something else";
}

asio::awaitable<void> listen(h2::stream s, told& log) {
  for (;;) {
    auto [ec, m] = co_await s.async_recv(as_value);
    if (ec) {
      log.messages.push_back(name(ec));
      co_return;
    }
    if (const auto* d = std::get_if<data>(&m)) {
      log.body += d->bytes;
    } else {
      log.messages.push_back(describe(m));
    }
  }
}

asio::awaitable<void> speak(h2::stream s, const std::vector<std::string>& words, told& log) {
  for (const auto& word : words) {
    std::tuple<error_code> result;
    if (&word == &words.back()) {
      result = co_await s.async_send(word, h2::fin, as_value);
    } else {
      result = co_await s.async_send(word, as_value);
    }
    log.sends.push_back(name(std::get<0>(result)));
  }
}

asio::awaitable<void> ask(h2::stream s, const std::vector<std::string>& words, told& log) {
  ++log.begun;
  co_await (speak(s, words, log) && listen(s, log));
  auto [ec] = co_await s.async_close(as_value);
  log.closing = name(ec);
  ++log.ended;
}

asio::awaitable<void> answer(h2::stream s, told& log) {
  ++log.begun;
  const auto note = [&log](error_code ec) {
    log.sends.push_back(name(ec));
    return !ec;
  };
  // GCC 12 takes no braced list inside a co_await.
  const response ok{200, {{"content-type", "text/plain"}}};
  const fields trailing{{"grpc-status", "0"}};
  auto [head] = co_await s.async_send_response(ok, as_value);
  note(head);
  for (;;) {
    auto [ec, m] = co_await s.async_recv(as_value);
    if (ec) {
      log.messages.push_back(name(ec));
      break;
    }
    if (const auto* d = std::get_if<data>(&m)) {
      log.body += d->bytes;
      auto [sent] = co_await s.async_send(d->bytes, as_value);
      note(sent);
    } else {
      log.messages.push_back(describe(m));
      auto [sent] = co_await s.async_send_trailers(trailing, as_value);
      note(sent);
    }
  }
  ++log.ended;
}

}  // namespace

const std::vector<std::string>& spoken() {
  static const std::vector<std::string> words{"one", "the second is longer than both of the windows", "three"};
  return words;
}

std::string whole_body() { return std::accumulate(spoken().begin(), spoken().end(), std::string()); }

const std::vector<std::string>& client_messages() {
  static const std::vector<std::string> all{"response 200", "trailers 0", "done", "closed"};
  return all;
}

const std::vector<std::string>& server_messages() {
  static const std::vector<std::string> all{"done", "closed"};
  return all;
}

link_options conversing() {
  link_options opts;
  opts.client.stream_window = 16;
  opts.server.stream_window = 16;
  return opts;
}

conversation hold(const link_options& opts, const std::vector<std::string>& words) {
  conversation result;
  std::weak_ptr<net::connection> client;
  std::weak_ptr<net::connection> server;
  std::shared_ptr<wire_log> client_log;
  std::shared_ptr<wire_log> server_log;
  {
    asio::io_context* io = nullptr;
    memory_link link(opts, [&](const request&, const h2::stream& s) { spawn(*io, answer(s, result.server)); });
    io = &link.io;
    client = link.client;
    server = link.server;
    client_log = link.client_log;
    server_log = link.server_log;
    spawn(link.io, ask(link.open_and_start({{"te", "trailers"}}), words, result.client));
    EXPECT_TRUE(run_until_idle(link.io)) << "something hangs";
  }
  result.client_struck = client_log->struck;
  result.server_struck = server_log->struck;
  result.let_go = client.expired() && server.expired();
  return result;
}

}  // namespace duplex::test
