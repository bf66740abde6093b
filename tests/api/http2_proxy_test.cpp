// Proxies that are asked for a tunnel over HTTP/2 (RFC 9113, section 8.5).

#include "raw_peer.hpp"
#include "tunnel.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/read_until.hpp>

#include <openssl/ssl.h>

namespace duplex::test {
namespace {

using h2::fin;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

const auto echoed = ElementsAre("response 200", "data hello", "done");

options through(std::uint16_t port, const std::string& login = "") {
  auto opts = trusting_localhost();
  opts.proxy.url = "https://" + login + "localhost:" + std::to_string(port);
  opts.proxy.tls = opts.tls;
  opts.proxy.http2 = true;
  return opts;
}

std::vector<std::string> ask(const std::string& url, const options& opts) {
  auto s = h2::open({.url = url}, opts);
  s.send("hello", fin);
  return transcript(s);
}

// The reason of an open that fails.
failure refused(const std::string& url, const options& opts) {
  error_code ec;
  auto s = h2::open({.url = url}, opts, ec);
  EXPECT_TRUE(ec);
  return s.failure().value_or(failure());
}

TEST(http2_proxy, tunnels_to_both_kinds_of_origin) {
  service proxy(tunnel, with_tls());
  for (const auto& opts : {cleartext(), with_tls()}) {
    service origin(echo_back, opts);
    auto s = h2::open({.url = origin.url()}, through(proxy.server().port()));
    s.send("hello", fin);
    EXPECT_THAT(transcript(s), echoed);
    EXPECT_EQ(s.connection().info().proxy, "https://localhost:" + std::to_string(proxy.server().port()));
    EXPECT_EQ(s.connection().info().tls_version.empty(), opts.cleartext);
  }
}

TEST(http2_proxy, is_asked_by_a_coroutine_on_an_executor_of_ones_own) {
  service proxy(tunnel, with_tls());
  service origin(echo_back, with_tls());
  context_threads threads;
  auto [ec, s] =
      get(h2::async_open(threads.executor(), request{.url = origin.url()}, through(proxy.server().port()), as_future));
  ASSERT_FALSE(ec);
  s.send("hello", fin);
  EXPECT_THAT(transcript(s), echoed);
}

TEST(http2_proxy, rfc9113_8_5_is_told_the_authority_and_neither_scheme_nor_path) {
  peer proxy(with_tls());
  auto opts = through(proxy.server().port(), "me:secret@");
  opts.proxy.headers.add("x-tenant", "blue");
  auto opening = std::async(std::launch::async, [&] { return refused("http://far.example/", opts); });
  auto [head, s] = proxy.accept();
  EXPECT_EQ(head.method, "CONNECT");
  EXPECT_EQ(head.url, "far.example:80");
  EXPECT_EQ(head.headers.value_or("proxy-authorization", ""), "Basic bWU6c2VjcmV0");
  EXPECT_EQ(head.headers.value_or("x-tenant", ""), "blue");
  s.send_response({403, {}}, fin);
  get(std::move(opening));
}

TEST(http2_proxy, that_refuses_is_a_proxy_that_failed_in_its_own_words) {
  peer proxy(with_tls());
  const auto opts = through(proxy.server().port());
  const auto after = [&](const auto& answer) {
    auto opening = std::async(std::launch::async, [&] { return refused("http://far.example/", opts); });
    auto s = proxy.accept().stream;
    answer(s);
    auto why = get(std::move(opening));
    EXPECT_EQ(name(why.code), "proxy_failed");
    EXPECT_TRUE(why.retry_safe);
    EXPECT_EQ(why.origin, origin::peer);
    EXPECT_THAT(why.message, AllOf(HasSubstr("https://localhost:"), HasSubstr("far.example:80")));
    return why.message;
  };
  const auto status = [](int code, const fields& list = {}) {
    return [code, list](h2::stream& s) { s.send_response({code, list}, fin); };
  };
  EXPECT_THAT(after(status(403)), HasSubstr("it answered 403"));
  EXPECT_THAT(after(status(502)), HasSubstr("it answered 502"));
  EXPECT_THAT(after(status(407, {{"proxy-authenticate", "Basic realm=\"here\""}})),
              AllOf(HasSubstr("it wants a user and password"), HasSubstr("realm")));
  EXPECT_THAT(after([](h2::stream& s) { s.reset(static_cast<std::uint32_t>(h2::code::connect_error)); }),
              HasSubstr("CONNECT_ERROR"));
  EXPECT_THAT(after([](h2::stream& s) { s.connection().close(); }), HasSubstr("does not connect us"));
}

TEST(http2_proxy, is_offered_http1_alone_unless_it_is_asked_for) {
  service proxy(tunnel, with_tls());  // which speaks nothing else
  auto opts = through(proxy.server().port());
  opts.proxy.http2 = false;
  const auto why = refused("http://far.example/", opts);
  EXPECT_EQ(name(why.code), "proxy_failed");
  EXPECT_THAT(why.message, HasSubstr("by ALPN it takes no HTTP/1.1; proxy.http2 offers it HTTP/2"));
}

// One that prefers HTTP/1.1.
asio::awaitable<void> http1_proxy(tcp::socket socket, std::uint16_t origin) {
  auto context = server_context();
  SSL_CTX_set_alpn_select_cb(
      context.native_handle(),
      [](SSL*, const unsigned char** out, unsigned char* size, const unsigned char* in, unsigned in_size, void*) {
        const std::string_view offered(reinterpret_cast<const char*>(in), in_size);
        EXPECT_EQ(offered, "\2h2\10http/1.1");
        *out = in + 4;
        *size = 8;
        return SSL_TLSEXT_ERR_OK;
      },
      nullptr);
  asio::ssl::stream<tcp::socket> tls(std::move(socket), context);
  co_await tls.async_handshake(asio::ssl::stream_base::server, asio::use_awaitable);
  std::string head;
  co_await asio::async_read_until(tls, asio::dynamic_buffer(head), "\r\n\r\n", asio::use_awaitable);
  EXPECT_THAT(head, testing::StartsWith("CONNECT localhost:"));
  const std::string ok = "HTTP/1.1 200 OK\r\n\r\n";
  co_await asio::async_write(tls, asio::buffer(ok), asio::use_awaitable);
  tcp::socket there(tls.get_executor());
  co_await there.async_connect({asio::ip::address_v4::loopback(), origin}, asio::use_awaitable);
  using asio::experimental::awaitable_operators::operator||;
  co_await (carry(tls, there) || carry(there, tls));
}

TEST(http2_proxy, that_chooses_http1_is_asked_by_that) {
  service origin(echo_back);
  const auto port = origin.server().port();
  tcp_service proxy([port](tcp::socket s) { return http1_proxy(std::move(s), port); });
  EXPECT_THAT(ask("http://localhost:" + std::to_string(port), through(proxy.port())), echoed);
}

TEST(http2_proxy, that_chooses_http1_carries_tls_in_tls_of_any_size) {
  service origin(echo_back, with_tls());
  const auto port = origin.server().port();
  tcp_service proxy([port](tcp::socket s) { return http1_proxy(std::move(s), port); });
  auto s = h2::open({.url = "https://localhost:" + std::to_string(port)}, through(proxy.port()));
  const auto text = pattern(3000000);
  auto sending = std::async(std::launch::async, [&] { s.send(text, fin); });
  EXPECT_EQ(describe(s.recv()), "response 200");
  EXPECT_TRUE(receive(s, text.size()) == text);
  get(std::move(sending));
}

TEST(http2_proxy, that_does_not_answer_takes_no_longer_than_connect_timeout) {
  peer proxy(with_tls());
  auto opts = through(proxy.server().port());
  opts.connect_timeout = 1s;  // in which the proxy has to be reached
  auto opening = std::async(std::launch::async, [&] { return refused("http://far.example/", opts); });
  auto s = proxy.accept().stream;
  const auto why = get(std::move(opening));
  EXPECT_EQ(name(why.code), "timeout");
  EXPECT_THAT(why.message, AllOf(HasSubstr("asking the proxy https://localhost:"), HasSubstr("for far.example:80")));
  EXPECT_EQ(last_error(s), "stream_reset");
}

TEST(http2_proxy, is_left_alone_when_the_origin_behind_it_will_not_do) {
  peer proxy(with_tls());
  const auto opts = through(proxy.server().port());
  auto opening = std::async(std::launch::async, [&] { return refused("https://far.example/", opts); });
  auto s = proxy.accept().stream;
  s.send_response({200, {}});
  EXPECT_THAT(describe(s.recv()), testing::StartsWith("data \x16\x03"));  // a ClientHello
  s.send("this is no TLS");
  const auto why = get(std::move(opening));
  EXPECT_EQ(name(why.code), "tls_failed");
  EXPECT_THAT(why.message, HasSubstr("far.example:443 through the proxy https://localhost:"));
  std::string end = "ok";
  while (end == "ok") {
    error_code ec;
    (void)s.recv(ec);
    end = name(ec);
  }
  EXPECT_EQ(end, "stream_reset");
}

TEST(http2_proxy, is_left_alone_when_the_open_is_canceled) {
  peer proxy(with_tls());
  context_threads threads;
  asio::cancellation_signal stop;
  std::promise<std::string> told;
  h2::async_open(
      threads.executor(), request{.url = "http://far.example/"}, through(proxy.server().port()),
      asio::bind_cancellation_slot(stop.slot(), [&](error_code ec, const h2::stream&) { told.set_value(name(ec)); }));
  auto s = proxy.accept().stream;
  stop.emit(asio::cancellation_type::terminal);
  EXPECT_EQ(get(told.get_future()), "canceled");
  EXPECT_EQ(last_error(s), "stream_reset");
}

TEST(http2_proxy, that_goes_away_takes_the_connection_along) {
  service origin(echo_back, with_tls());
  auto proxy = std::make_unique<service>(tunnel, with_tls());
  auto s = h2::open({.url = origin.url()}, through(proxy->server().port()));
  s.send("hello");
  EXPECT_EQ(describe(s.recv()), "response 200");
  EXPECT_EQ(receive(s, 5), "hello");
  proxy.reset();
  EXPECT_EQ(last_error(s), "connection_lost");
  EXPECT_EQ(why(s).scope, scope::connection);
}

TEST(http2_proxy, is_told_when_the_connection_through_it_ends) {
  peer proxy(with_tls());
  raw_peer origin;
  auto opening = std::async(std::launch::async,
                            [&] { return h2::open({.url = "http://far.example/"}, through(proxy.server().port())); });
  auto far = proxy.accept().stream;
  far.send_response({200, {}});
  auto s = get(std::move(opening));
  EXPECT_THAT(describe(far.recv()), testing::StartsWith("data PRI * HTTP/2.0"));
  s = {};
  std::string end;
  while (end.empty()) {
    error_code ec;
    const auto m = far.recv(ec);
    if (ec) end = name(ec);
    if (std::holds_alternative<done>(m)) end = "done";
  }
  EXPECT_EQ(end, "done");
}

TEST(http2_proxy, carries_more_than_the_windows_of_both_connections) {
  service proxy(tunnel, with_tls());
  service origin(echo_back, with_tls());
  auto s = h2::open({.url = origin.url()}, through(proxy.server().port()));
  const auto text = pattern(3000000);
  auto sending = std::async(std::launch::async, [&] { s.send(text, fin); });
  EXPECT_EQ(describe(s.recv()), "response 200");
  EXPECT_TRUE(receive(s, text.size()) == text);
  get(std::move(sending));
}

}  // namespace
}  // namespace duplex::test
