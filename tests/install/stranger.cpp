// A stranger's first program: a server and a client in one process, one message there and back.
#include <boost/asio/io_context.hpp>
#include <duplex/duplex.hpp>
#include <iostream>
#include <thread>
#include <variant>

namespace asio = boost::asio;
using duplex::h2::fin;

static asio::awaitable<void> echo(duplex::request, duplex::h2::stream s) {
  duplex::response head{200, {{"content-type", "text/plain"}}};
  co_await s.async_send_response(head);
  for (auto m = co_await s.async_recv(); !std::holds_alternative<duplex::done>(m); m = co_await s.async_recv()) {
    if (auto* d = std::get_if<duplex::data>(&m)) co_await s.async_send(d->bytes);
  }
  co_await s.async_send("", fin);
}

int main() try {
  asio::io_context io;
  duplex::h2::server server(io.get_executor(), {.cleartext = true}, echo);
  std::jthread runner([&io] { io.run(); });

  auto s = duplex::h2::open({.url = server.url() + "/"});
  auto status = std::get<duplex::response>(s.recv(std::chrono::seconds(10))).status;
  s.send("hello");
  auto reply = std::get<duplex::data>(s.recv(std::chrono::seconds(10))).bytes;
  s.send("", fin);
  bool ended = std::holds_alternative<duplex::done>(s.recv(std::chrono::seconds(10)));
  s.close();
  io.stop();

  std::cout << status << ' ' << reply << (ended ? " done" : " not done") << '\n';
  return status == 200 && reply == "hello" && ended ? 0 : 1;
} catch (const std::exception& e) {
  std::cerr << e.what() << '\n';
  return 1;
}
