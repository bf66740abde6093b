// duplex as the server: a coroutine for each stream.
#include "common/epoll_server.hpp"
#include "common/plan.hpp"
#include "common/program.hpp"

#include <duplex/duplex.hpp>

#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <unistd.h>

#include <array>
#include <iostream>
#include <string>
#include <utility>

namespace bench {
namespace {

namespace asio = boost::asio;
using duplex::h2::stream;

// What does not wait for it fails if the response did.
void begin(stream& s) {
  static const duplex::response ok{200, {{"content-type", "application/grpc"}}};
  s.async_send_response(ok, asio::detached);
}

asio::awaitable<void> sink(stream s) {
  begin(s);
  for (;;) {
    auto m = s.try_recv();
    if (!m) m = co_await s.async_recv();
    if (std::holds_alternative<duplex::done>(*m)) break;
  }
  s.async_send({}, duplex::h2::fin, asio::detached);
}

asio::awaitable<void> source(stream s) {
  begin(s);
  const std::string bytes(chunk, 'x');
  for (;;) co_await s.async_send(bytes);
}

asio::awaitable<void> echo(stream s) {
  begin(s);
  for (;;) {
    auto m = s.try_recv();
    if (!m) m = co_await s.async_recv();
    if (std::holds_alternative<duplex::done>(*m)) break;
    if (auto* d = std::get_if<duplex::data>(&*m)) co_await s.async_send(d->bytes);
  }
  s.async_send({}, duplex::h2::fin, asio::detached);
}

asio::awaitable<void> answer(const duplex::request& head, stream s) {
  const auto path = head.path();
  if (path.starts_with("/sink")) return sink(std::move(s));
  if (path.starts_with("/source")) return source(std::move(s));
  return echo(std::move(s));
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  return bench::run([&] {
    const auto plan = bench::parse_server(argc, argv);
    duplex::h2::server_options options{.cleartext = !plan.tls(), .cert_file = plan.cert, .key_file = plan.key};
    options.max_concurrent_streams = 60000;
    options.max_connections = 20000;
    boost::asio::io_context io(static_cast<int>(plan.threads));
    const duplex::h2::server server(io.get_executor(), options, bench::answer);
    std::cout << server.port() << std::endl;

    boost::asio::posix::stream_descriptor input(io, STDIN_FILENO);
    std::array<char, 1> ignored{};
    input.async_read_some(boost::asio::buffer(ignored), [&](auto, auto) { io.stop(); });
    bench::on_threads(plan.threads, [&] { io.run(); });
  });
}
