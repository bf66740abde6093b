// The examples of how it should feel, as a reader of the README would write them: they compile, and they run.

#include "support.hpp"

#include <boost/asio/co_spawn.hpp>

namespace duplex::test {
namespace {

using namespace std::chrono_literals;
using duplex::h2::fin;
using testing::ElementsAre;

asio::awaitable<void> echo(duplex::request, duplex::h2::stream s) {
  duplex::response head{200, {{"content-type", "application/grpc"}}};
  co_await s.async_send_response(head);
  for (auto m = co_await s.async_recv(); !std::holds_alternative<duplex::done>(m); m = co_await s.async_recv())
    if (auto* d = std::get_if<duplex::data>(&m)) co_await s.async_send(d->bytes);
  duplex::fields trailing{{"grpc-status", "0"}};
  co_await s.async_send_trailers(trailing);
}

TEST(how_it_feels, blocking) {
  service server(echo, with_tls());
  auto s = duplex::h2::open({.url = server.url("/pkg.Svc/Bidi"), .headers = {{"te", "trailers"}}},
                            {.tls = {.ca_file = trusting_localhost().tls.ca_file}});
  auto head = std::get<duplex::response>(s.recv(5s));
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.headers.value_or("content-type", ""), "application/grpc");
  s.send("frame 1");
  auto first = std::get<duplex::data>(s.recv());
  EXPECT_EQ(first.bytes, "frame 1");
  s.send("", fin);
  std::vector<std::string> rest;
  for (auto m = s.recv(); !std::holds_alternative<duplex::done>(m); m = s.recv()) rest.push_back(describe(m));
  EXPECT_THAT(rest, ElementsAre("trailers grpc-status=0"));
}

asio::awaitable<void> talk(duplex::request rq, std::string& answer) {
  auto s = co_await duplex::h2::async_open(co_await asio::this_coro::executor, rq);
  co_await s.async_send("ping");
  auto m = co_await s.async_recv();
  EXPECT_EQ(std::get<duplex::response>(m).status, 200);
  m = co_await s.async_recv();
  answer = std::get<duplex::data>(m).bytes;
}

TEST(how_it_feels, coroutine) {
  service server(echo);
  asio::io_context io;
  std::string answer;
  run(io, talk({.url = server.url()}, answer));
  EXPECT_EQ(answer, "ping");
}

TEST(how_it_feels, active_mode) {
  service server(echo);
  auto s = duplex::h2::open({.url = server.url()});
  std::vector<std::string> seen;
  std::promise<void> over;
  s.set_active(duplex::active::on, [&](duplex::error_code ec, duplex::message m) {
    seen.push_back(ec ? name(ec) : describe(m));
    if (ec || std::holds_alternative<duplex::done>(m)) over.set_value();
  });
  s.send("abc", fin);
  get(over.get_future());
  EXPECT_THAT(seen,
              ElementsAre("response 200 content-type=application/grpc", "data abc", "trailers grpc-status=0", "done"));
}

TEST(how_it_feels, one_program_with_both_sides_on_one_context) {
  asio::io_context io;
  duplex::h2::server server(io.get_executor(), {.cleartext = true}, echo);
  std::string answer;
  run(io, talk({.url = server.url()}, answer));
  EXPECT_EQ(answer, "ping");
}

}  // namespace
}  // namespace duplex::test
