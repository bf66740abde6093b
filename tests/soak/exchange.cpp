// What clients and servers do with each other.

#include "exchange.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

namespace duplex::soak {
namespace {

using namespace std::chrono_literals;
using namespace asio::experimental::awaitable_operators;
constexpr auto token = asio::as_tuple(asio::use_awaitable);

constexpr auto client_patience = 4s;  // with a peer that is silent
constexpr auto keepalive = 1s;        // a path that swallows bytes is found out before, and leaves the client's pool
constexpr auto server_patience = 6s;  // a little more, so that it is mostly the client who is first to go
constexpr std::size_t largest = 20;   // binary digits: 1 MiB
constexpr std::size_t largest_piece = 16;

std::uint64_t number(const fields& list, std::string_view name) {
  const auto text = list.value_or(name, "0");
  return std::stoull(text);
}

}  // namespace

exchange exchange::chosen(choice& c) {
  exchange x;
  x.way = static_cast<direction>(c.below(3));
  x.seed = c.seed();
  x.bytes = c.size(largest);
  x.piece = 1 + c.size(largest_piece);
  x.piece = std::max(x.piece, x.bytes / 200);  // a soak is not about many tiny frames
  x.manual = c.one_in(3);
  if (c.one_in(15)) x.patience = c.below(x.bytes + 1);
  return x;
}

request exchange::head(const std::string& url) const {
  request rq{.url = url + "/" + name()};
  rq.headers.add("x-way", std::to_string(static_cast<int>(way)));
  rq.headers.add("x-seed", std::to_string(seed));
  rq.headers.add("x-bytes", std::to_string(bytes));
  rq.headers.add("x-piece", std::to_string(piece));
  return rq;
}

options exchange::settings() const {
  options opts;
  opts.connect_timeout = client_patience;
  opts.recv_timeout = client_patience;
  opts.send_timeout = client_patience;
  opts.keepalive_time = keepalive;
  opts.keepalive_timeout = keepalive;
  opts.flow = manual ? flow_control::manual : flow_control::automatic;
  opts.tls.verify = false;
  return opts;
}

const char* exchange::name() const {
  return way == direction::upload ? "upload" : way == direction::download ? "download" : "echo";
}

// The client's receiving side

bool receiver::see(h2::stream& s, const message& m) {
  if (complete_) report_.defect("a message behind done");
  if (const auto* d = std::get_if<data>(&m)) {
    if (received_ + d->bytes.size() > x_.down()) report_.defect("more bytes than were sent");
    if (!content_.has(received_, d->bytes)) report_.defect("bytes that were not sent there");
    received_ += d->bytes.size();
    report_.moved(d->bytes.size());
    if (x_.manual) s.consume(d->bytes.size());
    return received_ < x_.patience;
  }
  if (const auto* t = std::get_if<trailers>(&m)) count_ = t->headers.value_or("x-count", "");
  if (!std::holds_alternative<done>(m)) return true;
  complete_ = true;
  if (received_ != x_.down()) report_.defect("done before the end of the data");
  if (count_ != std::to_string(x_.bytes)) report_.defect("the server had '" + count_ + "' bytes of another number");
  return false;
}

// The server

asio::awaitable<void> serve(request head, h2::stream s, report& report) {
  exchange x;
  x.way = static_cast<direction>(number(head.headers, "x-way"));
  x.seed = number(head.headers, "x-seed");
  x.bytes = number(head.headers, "x-bytes");
  x.piece = number(head.headers, "x-piece");
  const content content(x.seed);

  response ok{200, {}};
  if (auto [ec] = co_await s.async_send_response(ok, token); ec) co_return report.failed("server", ec, s.failure());
  std::size_t received = 0;
  for (;;) {
    auto [ec, m] = co_await s.async_recv(server_patience, token);
    if (ec) co_return report.failed("server", ec, s.failure());
    if (std::holds_alternative<done>(m)) break;
    const auto* d = std::get_if<data>(&m);
    if (!d) continue;
    if (!content.has(received, d->bytes)) report.defect("the server got bytes that were not sent there");
    received += d->bytes.size();
    report.moved(d->bytes.size());
    if (x.way != direction::echo) continue;
    if (auto [failed] = co_await s.async_send(d->bytes, token); failed) {
      co_return report.failed("server", failed, s.failure());
    }
  }
  if (received != x.up()) report.defect("the server saw done before the end of the data");
  if (x.way == direction::download) {
    for (std::size_t at = 0; at < x.bytes; at += x.piece) {
      const auto piece = content.piece(at, std::min(x.piece, x.bytes - at));
      if (auto [ec] = co_await s.async_send(piece, token); ec) co_return report.failed("server", ec, s.failure());
    }
  }
  fields count{{"x-count", std::to_string(x.bytes)}};
  auto [ec] = co_await s.async_send_trailers(count, token);
  if (ec) co_return report.failed("server", ec, s.failure());
  report.count("server complete");
}

// Clients

void run_blocking(const exchange& x, const std::string& url, const blocking_open& open, report& report) {
  error_code ec;
  auto s = open(x.head(url), x.settings(), ec);
  if (ec) return report.failed(x.name(), ec, s.failure());
  std::thread sender([x, s, &report]() mutable {
    const content content(x.seed);
    error_code failed;
    for (std::size_t at = 0; at < x.up() && !failed; at += x.piece) {
      s.send(content.piece(at, std::min(x.piece, x.up() - at)), failed);
    }
    if (!failed) s.send("", h2::fin, failed);
    report.sender(failed);
  });
  receiver in(x, report);
  while (true) {
    const auto m = s.recv(ec);
    if (ec || !in.see(s, m)) break;
  }
  if (ec) {
    report.failed(x.name(), ec, s.failure());
  } else {
    report.count(std::string(x.name()) + (in.complete() ? " complete" : " abandoned"));
  }
  if (!in.complete()) s.reset(static_cast<std::uint32_t>(h2::code::cancel));
  sender.join();
}

namespace {

asio::awaitable<void> send_all(const exchange& x, h2::stream s, report& report) {
  const content content(x.seed);
  for (std::size_t at = 0; at < x.up(); at += x.piece) {
    const auto piece = content.piece(at, std::min(x.piece, x.up() - at));
    if (auto [ec] = co_await s.async_send(piece, token); ec) co_return report.sender(ec);
  }
  auto [ec] = co_await s.async_send("", h2::fin, token);
  report.sender(ec);
}

asio::awaitable<void> receive_all(const exchange& x, h2::stream s, report& report) {
  receiver in(x, report);
  for (;;) {
    auto [ec, m] = co_await s.async_recv(token);
    if (!ec && in.see(s, m)) continue;
    if (ec) {
      report.failed(x.name(), ec, s.failure());
    } else {
      report.count(std::string(x.name()) + (in.complete() ? " complete" : " abandoned"));
    }
    if (!in.complete()) s.reset(static_cast<std::uint32_t>(h2::code::cancel));
    co_return;
  }
}

}  // namespace

asio::awaitable<void> run_coroutine(exchange x, std::string url, h2::client client, report& report) {
  auto head = x.head(url);
  auto opts = x.settings();
  auto [ec, s] = co_await client.async_open(std::move(head), std::move(opts), token);
  if (ec) co_return report.failed(x.name(), ec, s.failure());
  co_await (send_all(x, s, report) && receive_all(x, s, report));
}

}  // namespace duplex::soak
