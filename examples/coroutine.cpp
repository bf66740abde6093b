// One stream, driven by coroutines: usage `example_coroutine URL`.
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>
#include <chrono>
#include <duplex/duplex.hpp>
#include <exception>
#include <iostream>
#include <variant>

namespace asio = boost::asio;
using namespace std::chrono_literals;

// [readme]
asio::awaitable<void> talk(std::string url) {
  duplex::request rq{.url = url, .headers = {{"te", "trailers"}}};
  auto s = co_await duplex::h2::async_open(co_await asio::this_coro::executor, rq);
  co_await s.async_send("ping");
  co_await s.async_send("bye", duplex::h2::fin);
  for (auto m = co_await s.async_recv(5s); !std::holds_alternative<duplex::done>(m); m = co_await s.async_recv(5s)) {
    if (auto* r = std::get_if<duplex::response>(&m)) std::cout << r->status << '\n';
    if (auto* d = std::get_if<duplex::data>(&m)) std::cout << d->bytes << '\n';
  }
}
// [/readme]

int main(int argc, char** argv) try {
  if (argc != 2) throw std::runtime_error("usage: example_coroutine URL");
  asio::io_context io;
  asio::co_spawn(io, talk(argv[1]), [](const std::exception_ptr& error) {
    if (error) std::rethrow_exception(error);
  });
  io.run();
} catch (const std::exception& e) {
  std::cerr << e.what() << '\n';
  return 1;
}
