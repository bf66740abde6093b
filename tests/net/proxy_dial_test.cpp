// Through proxies of every kind to a server of ours, over sockets; and what is said when one does not do.

#include "peers.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>

#include <array>

namespace duplex::test {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using namespace asio::experimental::awaitable_operators;

template <class From, class To>
asio::awaitable<void> carry(From& from, To& to) {
  std::array<char, 4096> some{};
  for (;;) {
    auto [ec, n] = co_await from.async_read_some(asio::buffer(some), as_value);
    if (ec) break;
    auto [failed, written] = co_await asio::async_write(to, asio::buffer(some.data(), n), as_value);
    if (failed) break;
  }
}

/// Reads what `begin` says it must, answers, and carries bytes to `port` if `opens`.
class proxy_dial : public ::testing::Test {
 protected:
  template <class Stream>
  asio::awaitable<void> tunnel(Stream& client) {
    tcp::socket there(io_);
    auto [ec] = co_await there.async_connect(loopback(server_->port()), as_value);
    if (ec) co_return;
    co_await (carry(client, there) || carry(there, client));
  }

  template <class Stream>
  asio::awaitable<void> serve_connect(Stream& client) {
    auto [ec, n] = co_await asio::async_read_until(client, asio::dynamic_buffer(asked_), "\r\n\r\n", as_value);
    if (ec) co_return;
    co_await say(client, answer_);
    if (answer_.find(" 200 ") != std::string::npos) co_await tunnel(client);
  }

  asio::awaitable<void> serve_socks(tcp::socket& client) {
    const auto read = [&](std::size_t n) -> asio::awaitable<void> {
      std::string piece(n, '\0');
      co_await asio::async_read(client, asio::buffer(piece), as_value);
      asked_ += piece;
    };
    co_await read(2);
    co_await read(static_cast<std::size_t>(asked_[1]));
    co_await say(client, std::string("\5\0", 2));
    co_await read(5);
    const auto size = asked_[asked_.size() - 2] == 3 ? static_cast<std::size_t>(asked_.back()) : 3;
    co_await read(size + 2);
    co_await say(client, answer_);
    if (answer_[1] == 0) co_await tunnel(client);
  }

  void start_server(bool cleartext, const certificate& cert = make_self_signed({"localhost", "far.example"})) {
    h2::server_options opts{.cleartext = cleartext};
    opts.certificate_pem = cert.certificate_pem;
    opts.key_pem = cert.key_pem;
    server_.emplace(io_.get_executor(), opts, [](const request&, h2::stream s) -> asio::awaitable<void> {
      response ok{200, {}};
      co_await s.async_send_response(ok, as_value);
      co_await s.async_send("hello", h2::fin, as_value);
    });
  }

  /// The body of `url`, or what went wrong.
  std::string get(const std::string& url, options opts) {
    opts.tls.verify = false;
    auto o = open_now(io_, url, std::move(opts));
    if (o.ec) return name(o.ec) + ": " + o.message;
    std::string body;
    for (;;) {
      auto r = receive_now(io_, o.stream);
      if (r.ec) return name(r.ec);
      if (const auto* d = std::get_if<data>(&r.got)) body += d->bytes;
      if (std::holds_alternative<done>(r.got)) return body;
    }
  }

  static options through(const std::string& proxy) {
    options opts;
    opts.proxy.url = proxy;
    return opts;
  }

  std::string port_of_server() const { return std::to_string(server_->port()); }

  asio::io_context io_;
  std::optional<h2::server> server_;
  std::string asked_;
  std::string answer_ = "HTTP/1.1 200 Connection established\r\n\r\n";
};

TEST_F(proxy_dial, connect_over_cleartext_reaches_both_kinds_of_origin) {
  tcp_peer proxy(io_, [&](tcp::socket& s) { return serve_connect(s); });
  for (const bool cleartext : {true, false}) {
    start_server(cleartext);
    asked_.clear();
    const auto url = std::string(cleartext ? "http" : "https") + "://far.example:" + port_of_server() + "/";
    EXPECT_EQ(get(url, through(proxy.url("http"))), "hello");
    EXPECT_THAT(asked_, ::testing::StartsWith("CONNECT far.example:" + port_of_server() + " HTTP/1.1\r\n"));
    EXPECT_THAT(asked_, Not(HasSubstr("uthorization")));
  }
}

TEST_F(proxy_dial, connect_over_tls_hides_the_request_from_the_path) {
  tls_peer proxy(io_, {.alpn = alpn::ignores, .protocol = "http/1.1"}, [&](tls_socket& s) { return serve_connect(s); });
  start_server(false);
  auto opts = through("https://127.0.0.1:" + std::to_string(proxy.port()));
  EXPECT_THAT(get("https://far.example:" + port_of_server(), opts),
              AllOf(HasSubstr("certificate_invalid"), HasSubstr("the proxy https://127.0.0.1")))
      << "the proxy's certificate is verified as any other";
  opts.proxy.tls.verify = false;
  EXPECT_EQ(get("https://far.example:" + port_of_server(), opts), "hello");
}

TEST_F(proxy_dial, what_is_wrong_with_the_tls_of_a_proxy_names_its_own_options) {
  tls_peer proxy(io_, {.alpn = alpn::ignores, .protocol = "http/1.1"}, [&](tls_socket& s) { return serve_connect(s); });
  start_server(false);
  const auto url = "https://far.example:" + port_of_server();
  const auto told = [&](const tls_options& tls) {
    auto opts = through("https://127.0.0.1:" + std::to_string(proxy.port()));
    opts.proxy.tls = tls;
    return get(url, opts);
  };
  EXPECT_THAT(told({}), EndsWith("; to trust its authority, give its PEM file as proxy.tls.ca_file"));
  const std::string other = "sha256//" + std::string(43, 'A') + "=";
  EXPECT_THAT(told({.verify = false, .pinned_keys = other}), EndsWith(", and proxy.tls.pinned_keys wants " + other));
  EXPECT_THAT(told({.verify = false, .cert_file = "/nonexistent/tls.pem"}),
              HasSubstr("tls_failed: proxy.tls.cert_file /nonexistent/tls.pem cannot be used: No such file"));
  EXPECT_THAT(told({.key_file = "key.pem"}), HasSubstr("proxy.tls.key_file without proxy.tls.cert_file"));
}

TEST_F(proxy_dial, connect_sends_the_login_and_the_extra_fields) {
  tcp_peer proxy(io_, [&](tcp::socket& s) { return serve_connect(s); });
  start_server(true);
  auto opts = through("http://Aladdin:open%20sesame@127.0.0.1:" + std::to_string(proxy.port()));
  opts.proxy.headers.add("x-team", "a");
  EXPECT_EQ(get("http://far.example:" + port_of_server(), opts), "hello");
  EXPECT_THAT(asked_, AllOf(HasSubstr("\r\nx-team: a\r\n"),
                            HasSubstr("\r\nproxy-authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n")));
}

TEST_F(proxy_dial, connect_that_is_refused_says_by_whom_for_what_and_why) {
  tcp_peer proxy(io_, [&](tcp::socket& s) { return serve_connect(s); });
  start_server(true);
  answer_ = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno";
  EXPECT_THAT(get("http://far.example:81", through(proxy.url("http"))),
              AllOf(HasSubstr("proxy_failed: "), HasSubstr(proxy.url("http")), HasSubstr("far.example:81"),
                    HasSubstr("403 \"Forbidden\"")));
  answer_ = "HTTP/1.1 2";
  EXPECT_THAT(get("http://far.example:81", through(proxy.url("http"))),
              AllOf(HasSubstr("proxy_failed: "), HasSubstr("the connection to it is lost")));
}

TEST_F(proxy_dial, a_field_for_the_proxy_that_cannot_be_sent_is_refused_before_a_byte) {
  tcp_peer proxy(io_, [&](tcp::socket& s) { return serve_connect(s); });
  auto opts = through(proxy.url("http"));
  opts.proxy.headers.add("x-a", "1\r\nx-b: 2");
  EXPECT_THAT(get("http://far.example:81", opts), AllOf(HasSubstr("invalid_argument: "), HasSubstr("x-a")));
  EXPECT_EQ(proxy.accepted, 0);
}

TEST_F(proxy_dial, socks5h_leaves_the_name_to_the_proxy) {
  tcp_peer proxy(io_, [&](tcp::socket& s) { return serve_socks(s); });
  answer_ = std::string("\5\0\0\1\0\0\0\0\0\0", 10);
  start_server(false);
  EXPECT_EQ(get("https://no-such-host.invalid:" + port_of_server(), through(proxy.url("socks5h"))), "hello");
  EXPECT_THAT(asked_, HasSubstr("no-such-host.invalid"));
}

TEST_F(proxy_dial, socks5_resolves_the_name_itself) {
  tcp_peer proxy(io_, [&](tcp::socket& s) { return serve_socks(s); });
  answer_ = std::string("\5\0\0\1\0\0\0\0\0\0", 10);
  start_server(true);
  auto opts = through(proxy.url("socks5"));
  opts.family = address_family::v4;
  EXPECT_EQ(get("http://localhost:" + port_of_server(), opts), "hello");
  EXPECT_THAT(asked_, AllOf(HasSubstr(std::string("\1\x7f\0\0\1", 5)), Not(HasSubstr("localhost"))));
  EXPECT_THAT(get("http://no-such-host.invalid:81", opts), HasSubstr("resolve_failed: cannot resolve no-such-host"));
}

TEST_F(proxy_dial, socks5_that_is_refused_says_why) {
  tcp_peer proxy(io_, [&](tcp::socket& s) { return serve_socks(s); });
  answer_ = std::string("\5\2\0\1", 4);
  EXPECT_THAT(get("http://far.example:81", through(proxy.url("socks5h"))),
              AllOf(HasSubstr("proxy_failed: "), HasSubstr("far.example:81"), HasSubstr("rules")));
}

TEST_F(proxy_dial, a_proxy_that_is_not_there_is_named) {
  closed_ports closed(io_);
  const auto url = "http://127.0.0.1:" + std::to_string(closed.next().port());
  EXPECT_THAT(get("http://far.example", through(url)),
              AllOf(HasSubstr("connect_failed: cannot connect to the proxy " + url), HasSubstr("nothing listens")));
  EXPECT_THAT(get("http://far.example", through("http://no-such-host.invalid")),
              HasSubstr("resolve_failed: cannot resolve the proxy no-such-host.invalid"));
  EXPECT_THAT(get("http://far.example", through("ftp://p")), HasSubstr("invalid_argument: option proxy.url"));
}

TEST_F(proxy_dial, a_proxy_that_says_nothing_takes_no_longer_than_the_dial_may) {
  std::vector<tcp::socket> held;
  tcp_peer proxy(io_, [&](tcp::socket& s) -> asio::awaitable<void> {
    held.push_back(std::move(s));
    co_return;
  });
  for (const auto* scheme : {"http", "socks5h", "https"}) {
    auto opts = through(proxy.url(scheme));
    opts.connect_timeout = 50ms;
    opts.proxy.tls.verify = false;
    opts.proxy.tls.ca_file = "/dev/null";
    if (std::string(scheme) != "https") opts.proxy.tls = {};
    EXPECT_THAT(get("http://far.example", opts), AllOf(HasSubstr("proxy"), Not(HasSubstr("hello")))) << scheme;
  }
  held.clear();
  proxy.stop();
  EXPECT_TRUE(run_until_idle(io_));
}

TEST_F(proxy_dial, a_talk_that_is_cut_after_any_byte_is_an_error) {
  tcp_peer proxy(io_, [&](tcp::socket& s) { return serve_connect(s); });
  const std::string whole = "HTTP/1.1 200 Connection established\r\n\r";
  for (std::size_t n = 0; n <= whole.size(); n += 5) {
    answer_ = whole.substr(0, n);
    asked_.clear();
    if (n > 12) answer_[9] = '4';  // or the proxy would carry on
    EXPECT_THAT(get("http://far.example", through(proxy.url("http"))), HasSubstr("proxy_failed: ")) << n;
  }
}

}  // namespace
}  // namespace duplex::test
