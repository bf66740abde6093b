// A server that echoes every request, in cleartext on a free port of 127.0.0.1. SIGINT and SIGTERM end it in order.
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <chrono>
#include <csignal>
#include <duplex/duplex.hpp>
#include <iostream>
#include <variant>

namespace asio = boost::asio;
using namespace std::chrono_literals;

// [readme]
asio::awaitable<void> echo(duplex::request rq, duplex::h2::stream s) {
  std::clog << rq.method << ' ' << rq.path() << '\n';
  duplex::response head{200, {{"content-type", "application/grpc"}}};
  co_await s.async_send_response(head);
  for (auto m = co_await s.async_recv(); !std::holds_alternative<duplex::done>(m); m = co_await s.async_recv()) {
    if (auto* d = std::get_if<duplex::data>(&m)) co_await s.async_send(d->bytes);
  }
  duplex::fields ok{{"grpc-status", "0"}};
  co_await s.async_send_trailers(ok);
}

void serve(asio::io_context& io) {
  duplex::h2::server server(io.get_executor(), {.cleartext = true}, echo);  // TLS: .cert_file, .key_file
  std::cout << "listening on " << server.url() << std::endl;
  asio::signal_set signals(io, SIGINT, SIGTERM);
  signals.async_wait([&](auto, int) { server.async_shutdown(5s, [](duplex::error_code) {}); });
  io.run();
}
// [/readme]

int main() try {
  asio::io_context io;
  serve(io);
} catch (const std::exception& e) {
  std::cerr << e.what() << '\n';
  return 1;
}
