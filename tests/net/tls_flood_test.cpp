// What arrives without end and brings nothing: nobody waits behind it, and it has an end.

#include "memory_link.hpp"
#include "net/proxy_talk.hpp"
#include "net/tls_failure.hpp"
#include "peers.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>

namespace duplex::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

/// There is always more of the same to read.
class endless final : public net::transport {
 public:
  endless(asio::any_io_executor executor, std::string bytes)
      : executor_(std::move(executor)), bytes_(std::move(bytes)) {}

  std::size_t read_some(asio::mutable_buffer to, error_code& ec) override {
    ec = {};
    const auto size = to.size();
    for (; to.size() > 0; ++at_, to += 1) *static_cast<char*>(to.data()) = bytes_[at_ % bytes_.size()];
    return size;
  }
  std::size_t write_some(asio::const_buffer from, error_code& ec) override {
    ec = {};
    return from.size();
  }
  error_code shutdown() override { return {}; }
  void close() override {}
  void async_wait(net::direction, wait_handler handler) override {
    asio::post(executor_, [handler = std::move(handler)]() mutable { std::move(handler)(error_code()); });
  }
  asio::any_io_executor get_executor() override { return executor_; }

 private:
  asio::any_io_executor executor_;
  std::string bytes_;
  std::size_t at_ = 0;
};

/// So many KeyUpdates (RFC 8446, section 4.6.3), of which nothing else comes.
void update_keys(SSL* ssl, int count) {
  for (int i = 0; i < count; ++i) {
    ASSERT_EQ(SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
    ASSERT_EQ(SSL_do_handshake(ssl), 1);
  }
}

TEST(tls_flood, of_hello_requests_fails_the_handshake) {
  asio::io_context io;
  const std::string four_requests("\x16\x03\x03\x00\x10", 5);
  const auto client =
      tls_client_over(std::make_unique<endless>(io.get_executor(), four_requests + std::string(16, '\0')));
  std::optional<error_code> told;
  client->async_handshake([&](error_code ec) { told = ec; });
  EXPECT_TRUE(run_until(io, [&] { return told.has_value(); }));
  EXPECT_EQ(told, error_code(errc::limit_exceeded));
  const auto why = net::explain_handshake(client->native_handle(), *told, {}, "localhost", "localhost:443");
  EXPECT_EQ(name(why.code), "tls_failed");
  EXPECT_EQ(why.origin, origin::peer);
  EXPECT_THAT(why.message, HasSubstr("handshake messages without end"));
}

TEST(tls_flood, of_key_updates_fails_the_connection_and_says_why) {
  asio::io_context io;
  tls_peer peer(io, {}, [](tls_socket& tls) -> asio::awaitable<void> {
    std::string said;
    co_await read_frame(tls, 1, said);
    update_keys(tls.native_handle(), 100);
    co_await say(tls, server_greeting() + ok_response(1));  // with what comes before it
    co_await read_to_end(tls);
  });
  options opts;
  opts.tls.verify = false;
  auto s = open_now(io, peer.url(), opts);
  ASSERT_EQ(name(s.ec), "ok") << s.message;
  EXPECT_EQ(name(receive_now(io, s.stream).ec), "limit_exceeded");
  const auto why = s.stream.failure().value();
  EXPECT_THAT(why.message, AllOf(HasSubstr(peer.url().substr(8)), HasSubstr("handshake messages without end")));
  EXPECT_EQ(why.origin, origin::peer);
  EXPECT_EQ(why.scope, scope::connection);
}

TEST(tls_flood, is_none_where_data_comes_with_the_key_updates) {
  asio::io_context io;
  auto [client, server] = shake_hands(io, net::make_memory_pair(io.get_executor()));
  auto* ssl = dynamic_cast<net::tls_transport&>(*client).native_handle();
  std::string plain(1 << 16, '\0');
  error_code ec;
  for (int i = 0; i < 20 && !ec; ++i) {
    update_keys(ssl, 10);
    (void)client->write_some(asio::buffer(plain), ec);
    while (!net::must_wait(ec) && !HasFailure()) {
      server->read_some(asio::buffer(plain), ec);
      ASSERT_TRUE(!ec || net::must_wait(ec)) << ec.message();
    }
    ec = {};
  }
}

// The rest waits below, so that "would block" would be wrong.
TEST(tls_flood, behind_our_own_end_is_dropped_a_piece_at_a_time) {
  asio::io_context io;
  auto [client, server] = shake_hands(io, net::make_memory_pair(io.get_executor()));
  EXPECT_EQ(server->shutdown(), error_code());
  std::string plain(1 << 16, 'x');
  error_code ec;
  for (int i = 0; i < 8; ++i) EXPECT_EQ(client->write_some(asio::buffer(plain), ec), plain.size());
  int pieces = 0;
  for (; !net::must_wait(ec) && pieces < 100; ++pieces) {
    EXPECT_EQ(server->read_some(asio::buffer(plain), ec), 0);
    ASSERT_TRUE(!ec || net::must_wait(ec)) << ec.message();
  }
  EXPECT_GE(pieces, 8);
}

TEST(proxy_talk, lets_others_have_their_turn_where_input_brings_nothing) {
  asio::io_context io;
  auto [near, far] = shake_hands(io, net::make_memory_pair(io.get_executor()));
  update_keys(dynamic_cast<net::tls_transport&>(*far).native_handle(), 3);
  error_code ec;
  far->write_some({}, ec);
  std::optional<net::proxy_verdict> verdict;
  net::talk_to_proxy(*near, net::http_connect("h:1", {}), [&](net::proxy_verdict v) { verdict = std::move(v); });
  settle(io);
  EXPECT_EQ(verdict, std::nullopt);
  far->write_some(asio::buffer(std::string_view("HTTP/1.1 200 OK\r\n\r\n")), ec);
  EXPECT_TRUE(run_until(io, [&] { return verdict.has_value(); }));
  EXPECT_EQ(verdict->refused, "");
}

}  // namespace
}  // namespace duplex::test
