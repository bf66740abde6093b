// Dialing: resolve, connect to one address after the other, and say what went wrong; within one time-out.

#include "net/dialer.hpp"

#include "peers.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <set>

namespace duplex::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class dialer : public ::testing::Test {
 protected:
  struct outcome {
    std::optional<failure> why{};
    net::dialed result{};
    bool over = false;
  };

  std::shared_ptr<net::dialer> start(outcome& to, const net::target& where, const options& opts) {
    const net::strand here(io_.get_executor());
    std::shared_ptr<net::dialer> attempt;
    asio::dispatch(here, [&, here] {
      attempt = net::dial(here, where, opts, [&to](std::optional<failure> why, net::dialed result) {
        EXPECT_FALSE(std::exchange(to.over, true)) << "called twice";
        to.why = std::move(why);
        to.result = std::move(result);
      });
      EXPECT_FALSE(to.over) << "called inside dial";
    });
    EXPECT_TRUE(run_until(io_, [&] { return attempt != nullptr; }));
    return attempt;
  }
  outcome dial(const net::target& where, const options& opts = {}) {
    outcome to;
    const auto attempt = start(to, where, opts);
    EXPECT_TRUE(run_until(io_, [&] { return to.over; }));
    EXPECT_NE(to.why.has_value(), to.result.link != nullptr);
    return to;
  }
  static std::string told(const outcome& o) {
    return o.why ? name(o.why->code) + ": " + o.why->message : "connected to " + o.result.info.peer;
  }
  /// A port on which nothing listens.
  std::uint16_t closed_port() { return closed_.next().port(); }
  /// What a name means on this machine.
  std::set<std::string> addresses(const std::string& host) {
    std::set<std::string> all;
    tcp::resolver resolver(io_);
    for (const auto& entry : resolver.resolve(host, "0")) {
      const auto a = entry.endpoint().address();
      all.insert(a.is_v6() ? "[" + a.to_string() + "]" : a.to_string());
    }
    return all;
  }

  static asio::awaitable<void> nothing(tcp::socket&) { co_return; }

  asio::io_context io_;
  closed_ports closed_{io_};
};

TEST_F(dialer, connects_to_a_literal_address) {
  tcp_peer peer(io_, nothing);
  EXPECT_EQ(told(dial({false, "127.0.0.1", peer.port()})), "connected to 127.0.0.1:" + std::to_string(peer.port()));
}

TEST_F(dialer, connects_to_a_literal_ipv6_address) {
  tcp_peer peer(io_, nothing, {asio::ip::address_v6::loopback(), 0});
  EXPECT_EQ(told(dial({false, "::1", peer.port()})), "connected to [::1]:" + std::to_string(peer.port()));
}

TEST_F(dialer, connects_to_a_name) {
  tcp_peer peer(io_, nothing);
  EXPECT_EQ(told(dial({false, "localhost", peer.port()})), "connected to 127.0.0.1:" + std::to_string(peer.port()))
      << "whatever else it means";
}

TEST_F(dialer, that_is_refused_lists_every_address_it_tried) {
  const auto port = closed_port();
  const auto o = dial({false, "localhost", port});
  EXPECT_THAT(told(o), StartsWith("connect_failed: "));
  for (const auto& address : addresses("localhost")) {
    EXPECT_THAT(told(o), HasSubstr(address + ":" + std::to_string(port) + " (Connection refused)"));
  }
  EXPECT_EQ(o.why->origin, origin::network);
  EXPECT_EQ(o.why->scope, scope::connection);
  EXPECT_TRUE(o.why->retry_safe);
}

TEST_F(dialer, that_fails_leaves_what_it_tried_and_how_long_each_step_took) {
  const auto port = closed_port();
  const auto s = open_now(io_, "http://localhost:" + std::to_string(port), options());
  EXPECT_EQ(name(s.ec), "connect_failed");
  const auto link = s.stream.connection();
  EXPECT_FALSE(link) << "there is none";
  EXPECT_EQ(link.failure().value_or(failure()).code, errc::connect_failed);
  const auto info = link.info();
  ASSERT_EQ(info.attempts.size(), addresses("localhost").size());
  EXPECT_EQ(info.attempts.front().error, "Connection refused");
  EXPECT_TRUE(info.times.resolve);
  EXPECT_TRUE(info.times.connect);
  EXPECT_FALSE(info.times.tls);
}

TEST_F(dialer, says_which_name_means_nothing) {
  // RFC 6761, section 6.4: it never means anything, so nobody is asked.
  const auto o = dial({false, "no-such-host.invalid", 80});
  EXPECT_THAT(told(o), StartsWith("resolve_failed: cannot resolve no-such-host.invalid"));
  EXPECT_TRUE(o.why->retry_safe);
}

TEST_F(dialer, of_one_family_passes_over_the_other) {
  tcp_peer peer(io_, nothing);
  options opts;
  opts.family = address_family::v4;
  EXPECT_EQ(told(dial({false, "localhost", peer.port()}, opts)),
            "connected to 127.0.0.1:" + std::to_string(peer.port()));
  opts.family = address_family::v6;
  EXPECT_THAT(told(dial({false, "127.0.0.1", peer.port()}, opts)),
              AllOf(StartsWith("connect_failed: "), HasSubstr("family")));
  EXPECT_EQ(peer.accepted, 1);
}

TEST_F(dialer, goes_where_connect_to_says) {
  tcp_peer peer(io_, nothing);
  options opts;
  opts.connect_to = "127.0.0.1:" + std::to_string(peer.port());
  EXPECT_EQ(told(dial({false, "no-such-host.invalid", 80}, opts)), "connected to " + opts.connect_to);
  opts.connect_to = "nonsense";
  EXPECT_THAT(told(dial({false, "127.0.0.1", peer.port()}, opts)),
              AllOf(StartsWith("invalid_argument: "), HasSubstr("connect_to")));
}

TEST_F(dialer, times_out_where_nobody_accepts) {
  // A queue that is full drops what knocks.
  tcp::acceptor full(io_);
  full.open(tcp::v4());
  full.bind(loopback());
  full.listen(0);
  std::vector<tcp::socket> waiting;
  for (int i = 0; i < 4; ++i) {
    waiting.emplace_back(io_).async_connect(full.local_endpoint(), [](error_code) {});
  }
  options opts;
  opts.connect_timeout = 30ms;
  const auto begin = std::chrono::steady_clock::now();
  const auto o = dial({false, "127.0.0.1", full.local_endpoint().port()}, opts);
  EXPECT_THAT(told(o), AllOf(StartsWith("timeout: "), HasSubstr("connect_timeout")));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
  EXPECT_TRUE(o.why->retry_safe);
}

TEST_F(dialer, ends_when_it_is_canceled_at_any_stage) {
  std::vector<tcp::socket> held;
  tcp_peer silent(io_, [&](tcp::socket& socket) -> asio::awaitable<void> {
    held.push_back(std::move(socket));
    co_return;
  });
  for (const bool tls : {false, true}) {
    for (const int accepted_before : {0, 1}) {
      if (!tls && accepted_before > 0) continue;  // it would be connected
      for (const std::string host : {"127.0.0.1", "localhost"}) {
        outcome to;
        silent.accepted = 0;
        const auto attempt = start(to, {tls, host, silent.port()}, {});
        EXPECT_TRUE(run_until(io_, [&] { return silent.accepted >= accepted_before; }));
        attempt->cancel();
        attempt->cancel();
        EXPECT_TRUE(run_until(io_, [&] { return to.over; }));
        EXPECT_EQ(told(to).substr(0, 10), "canceled: ");
      }
    }
  }
  silent.stop();
  EXPECT_TRUE(run_until_idle(io_)) << "something of an attempt is left";
}

TEST_F(dialer, ends_when_the_slot_of_an_open_fires) {
  std::vector<tcp::socket> held;
  tcp_peer silent(io_, [&](tcp::socket& socket) -> asio::awaitable<void> {
    held.push_back(std::move(socket));
    co_return;
  });
  asio::cancellation_signal stop;
  std::optional<std::string> result;
  h2::async_open(io_.get_executor(), request{.url = silent.url("https")}, options(),
                 asio::bind_cancellation_slot(stop.slot(), [&](error_code ec, const h2::stream& s) {
                   result = name(ec);
                   EXPECT_EQ(s.failure().value().code, errc::canceled);
                 }));
  EXPECT_TRUE(run_until(io_, [&] { return silent.accepted == 1; }));
  EXPECT_FALSE(result);
  stop.emit(asio::cancellation_type::terminal);
  EXPECT_TRUE(run_until(io_, [&] { return result.has_value(); }));
  EXPECT_EQ(result, "canceled");
  stop.emit(asio::cancellation_type::terminal);  // too late to matter
  silent.stop();
  EXPECT_TRUE(run_until_idle(io_));
}

TEST_F(dialer, leaves_nothing_when_its_context_is_destroyed) {
  auto other = std::make_unique<asio::io_context>();
  std::weak_ptr<int> weak;
  {
    const auto held = std::make_shared<int>();
    weak = held;
    h2::async_open(other->get_executor(), request{.url = "https://127.0.0.1:" + std::to_string(closed_port())},
                   options(), [held](error_code, const h2::stream&) { ADD_FAILURE() << "nobody ran it"; });
  }
  EXPECT_FALSE(weak.expired());
  other.reset();
  EXPECT_TRUE(weak.expired());
}

// The sockets of this process that are connected to or accepted by `port`.
std::vector<int> sockets_of(std::uint16_t port) {
  constexpr int last = 1024;
  std::vector<int> all;
  for (int fd = 0; fd < last; ++fd) {
    for (const auto ask : {getpeername, getsockname}) {
      sockaddr_in address{};
      socklen_t size = sizeof address;
      if (ask(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0 || address.sin_family != AF_INET) continue;
      int listens = 0;
      socklen_t int_size = sizeof listens;
      getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &int_size);
      if (ntohs(address.sin_port) == port && listens == 0) all.push_back(fd);
    }
  }
  return all;
}

TEST_F(dialer, and_server_send_small_frames_at_once) {
  std::optional<h2::stream> at_server;
  const h2::server server(io_.get_executor(), {.cleartext = true},
                          [&](const request&, const h2::stream& s) { at_server = s; });
  const auto s = open_now(io_, server.url());
  EXPECT_TRUE(run_until(io_, [&] { return at_server.has_value(); }));
  const auto both = sockets_of(server.port());
  EXPECT_EQ(both.size(), 2U);
  for (const auto fd : both) {
    int no_delay = 0;
    socklen_t size = sizeof no_delay;
    EXPECT_EQ(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, &size), 0);
    EXPECT_NE(no_delay, 0);
  }
}

// Unix sockets

class dialer_on_a_unix_socket : public dialer {
 protected:
  using unix_protocol = asio::local::stream_protocol;
  temporary_folder folder_;
};

TEST_F(dialer_on_a_unix_socket, connects) {
  const auto path = folder_.path("socket");
  unix_protocol::acceptor acceptor(io_, unix_protocol::endpoint(path));
  options opts;
  opts.unix_socket = path;
  EXPECT_EQ(told(dial({false, "no-such-host.invalid", 80}, opts)), "connected to " + path);
}

TEST_F(dialer_on_a_unix_socket, says_why_it_cannot) {
  options opts;
  opts.unix_socket = folder_.path("missing");
  EXPECT_THAT(told(dial({false, "h", 80}, opts)),
              AllOf(StartsWith("connect_failed: "), HasSubstr(opts.unix_socket), HasSubstr("No such file")));
  opts.unix_socket = folder_.write("file", "");
  EXPECT_THAT(told(dial({false, "h", 80}, opts)), AllOf(StartsWith("connect_failed: "), HasSubstr("refused")));
  opts.unix_socket = folder_.path(std::string(108, 'x'));
  EXPECT_THAT(told(dial({false, "h", 80}, opts)), AllOf(StartsWith("invalid_argument: "), HasSubstr("unix_socket")));
}

TEST_F(dialer_on_a_unix_socket, does_tls_for_the_urls_host) {
  const auto path = folder_.path("socket");
  const auto cert = make_self_signed({"far.example"});
  asio::ssl::context context(asio::ssl::context::tls_server);
  context.use_certificate_chain(asio::buffer(cert.certificate_pem));
  context.use_private_key(asio::buffer(cert.key_pem), asio::ssl::context::pem);
  SSL_CTX_set_alpn_select_cb(
      context.native_handle(),
      [](SSL*, const unsigned char** out, unsigned char* size, const unsigned char* in, unsigned, void*) {
        *out = in + 1;
        *size = in[0];
        return SSL_TLSEXT_ERR_OK;
      },
      nullptr);
  unix_protocol::acceptor acceptor(io_, unix_protocol::endpoint(path));
  spawn(io_, [](auto& from, auto& with) -> asio::awaitable<void> {
    auto [ec, socket] = co_await from.async_accept(as_value);
    asio::ssl::stream<unix_protocol::socket> tls(std::move(socket), with);
    co_await tls.async_handshake(asio::ssl::stream_base::server, as_value);
    co_await read_to_end(tls);
  }(acceptor, context));
  options opts;
  opts.unix_socket = path;
  opts.tls.ca_file = folder_.write("ca.pem", cert.certificate_pem);
  EXPECT_EQ(told(dial({true, "far.example", 443}, opts)), "connected to " + path);
  EXPECT_TRUE(run_until_idle(io_));
}

}  // namespace
}  // namespace duplex::test
