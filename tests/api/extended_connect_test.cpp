// Extended CONNECT from one end to the other (RFC 8441).

#include "raw_peer.hpp"
#include "support.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>

namespace duplex::test {
namespace {

using h2::fin;
using testing::ElementsAre;
using testing::HasSubstr;

h2::server_options offering() {
  auto opts = cleartext();
  opts.extended_connect = true;
  return opts;
}

request chat(const std::string& url) { return {.method = "CONNECT", .url = url, .protocol = "chat"}; }

// Echoes, behind what it was asked for.
asio::awaitable<void> echo(request head, h2::stream s) {
  co_await s.async_send_response({200, {}});
  co_await s.async_send(head.protocol + " " + head.path() + ": ");
  for (auto m = co_await s.async_recv(); !std::holds_alternative<done>(m); m = co_await s.async_recv()) {
    if (auto* d = std::get_if<data>(&m)) co_await s.async_send(d->bytes);
  }
  co_await s.async_send("", fin);
}

TEST(an_extended_connect, rfc8441_4_is_opened_on_a_connection_of_its_own) {
  service server(echo, offering());
  auto s = h2::open(chat(server.url("/room?n=1")), bounded());
  s.send("hello", fin);
  EXPECT_THAT(transcript(s), ElementsAre("response 200", "data chat /room?n=1: hello", "done"));
}

TEST(an_extended_connect, rfc8441_4_shares_a_connection_with_other_requests) {
  service server(echo, offering());
  h2::client client;
  auto plain = client.open({.url = server.url("/plain")}, bounded());
  auto s = client.open(chat(server.url("/room")), bounded());
  EXPECT_EQ(server.server().stats().connections_accepted, 1U);
  s.send("hello", fin);
  plain.send("", fin);
  EXPECT_THAT(transcript(s), ElementsAre("response 200", "data chat /room: hello", "done"));
  EXPECT_THAT(transcript(plain), ElementsAre("response 200", "data  /plain: ", "done"));
}

TEST(an_extended_connect, rfc8441_3_fails_where_it_is_not_offered) {
  service server(echo, cleartext());
  const auto expect = [&](error_code ec, const h2::stream& s) {
    EXPECT_EQ(name(ec), "protocol_not_negotiated");
    const auto why = s.failure().value_or(failure());
    EXPECT_THAT(why.message, HasSubstr("does not take extended CONNECT (RFC 8441)"));
    EXPECT_EQ(why.origin, origin::peer);
    EXPECT_EQ(why.scope, scope::stream);
    EXPECT_TRUE(why.retry_safe);
  };
  error_code ec;
  auto own = h2::open(chat(server.url()), bounded(), ec);
  expect(ec, own);
  auto link = h2::connection::connect(server.url(), bounded());
  for (int i = 0; i < 2; ++i) {  // before its SETTINGS are here, perhaps, and behind them
    auto s = link.open_stream(chat(server.url()), bounded(), ec);
    expect(ec, s);
  }
  auto other = link.open_stream({.url = server.url()}, bounded());
  other.send("", fin);
  EXPECT_THAT(transcript(other), ElementsAre("response 200", "data  /: ", "done")) << "the connection goes on";
  h2::client client;
  auto pooled = client.open(chat(server.url()), bounded(), ec);
  expect(ec, pooled);
}

TEST(an_extended_connect, to_nobody_fails_as_any_open_does) {
  error_code ec;
  auto s = h2::open(chat("http://127.0.0.1:1"), bounded(), ec);
  EXPECT_EQ(name(ec), "connect_failed");
  EXPECT_EQ(s.failure().value_or(failure()).code, errc::connect_failed);
}

TEST(an_extended_connect, waits_for_the_servers_settings_and_can_be_canceled) {
  raw_peer mute;  // accepts, and says nothing
  context_threads threads;
  asio::cancellation_signal stop;
  std::promise<error_code> told;
  auto opened = told.get_future();
  h2::async_open(
      threads.executor(), chat(mute.url()), bounded(),
      asio::bind_cancellation_slot(stop.slot(), [&](error_code ec, const h2::stream&) { told.set_value(ec); }));
  mute.accept();
  EXPECT_THAT(mute.read_until("PRI * HTTP/2.0"), HasSubstr("PRI"));
  EXPECT_TRUE(pending(opened));
  asio::post(threads.executor(), [&] { stop.emit(asio::cancellation_type::terminal); });
  EXPECT_EQ(name(get(std::move(opened))), "canceled");
}

}  // namespace
}  // namespace duplex::test
