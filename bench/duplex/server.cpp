// duplex as the server: a coroutine for each stream.
#include "common/epoll_server.hpp"
#include "common/plan.hpp"
#include "common/program.hpp"

#include <duplex/duplex.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <unistd.h>

#include <array>
#include <iostream>
#include <string>

namespace bench {
namespace {

namespace asio = boost::asio;
using duplex::h2::stream;

asio::awaitable<void> sink(stream s) {
  for (auto m = co_await s.async_recv(); !std::holds_alternative<duplex::done>(m);) m = co_await s.async_recv();
  co_await s.async_send({}, duplex::h2::fin);
}

asio::awaitable<void> source(stream s) {
  const std::string bytes(chunk, 'x');
  for (;;) co_await s.async_send(bytes);
}

asio::awaitable<void> echo(stream s) {
  for (auto m = co_await s.async_recv(); !std::holds_alternative<duplex::done>(m); m = co_await s.async_recv()) {
    if (auto* d = std::get_if<duplex::data>(&m)) co_await s.async_send(d->bytes);
  }
  co_await s.async_send({}, duplex::h2::fin);
}

asio::awaitable<void> answer(duplex::request head, stream s) {
  duplex::response ok{200, {{"content-type", "application/grpc"}}};
  co_await s.async_send_response(ok);
  const auto path = head.path();
  if (path.starts_with("/sink")) co_return co_await sink(s);
  if (path.starts_with("/source")) co_return co_await source(s);
  co_await echo(s);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  return bench::run([&] {
    const auto plan = bench::parse_server(argc, argv);
    duplex::h2::server_options options{.cleartext = !plan.tls(), .cert_file = plan.cert, .key_file = plan.key};
    options.max_concurrent_streams = 20000;
    boost::asio::io_context io(static_cast<int>(plan.threads));
    const duplex::h2::server server(io.get_executor(), options, bench::answer);
    std::cout << server.port() << std::endl;

    boost::asio::posix::stream_descriptor input(io, STDIN_FILENO);
    std::array<char, 1> ignored{};
    input.async_read_some(boost::asio::buffer(ignored), [&](auto, auto) { io.stop(); });
    bench::on_threads(plan.threads, [&] { io.run(); });
  });
}
