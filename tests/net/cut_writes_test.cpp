// Writes that a real socket takes only in part: what is left of the pieces follows, in order, over TCP's kin and TLS.

#include "conversation.hpp"
#include "net/socket_transport.hpp"

#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include <numeric>
#include <string>
#include <vector>

namespace duplex::test {
namespace {

using ::testing::Each;
using ::testing::Eq;

class cut_writes : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(over, cut_writes, ::testing::Values(false, true),
                         [](const auto& p) { return p.param ? "tls" : "a_socket"; });

// The least that the system allows: a few kilobytes.
wire_pair sockets_with_little_room(const asio::any_io_executor& executor) {
  using socket = asio::local::stream_protocol::socket;
  socket here(executor);
  socket there(executor);
  asio::local::connect_pair(here, there);
  for (auto* s : {&here, &there}) s->set_option(asio::socket_base::send_buffer_size(1));
  return {std::make_unique<net::socket_transport<socket>>(std::move(here), net::strand(executor)),
          std::make_unique<net::socket_transport<socket>>(std::move(there), net::strand(executor))};
}

std::string letters(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>('a' + (i * 7 + i / 251) % 26);
  return bytes;
}

TEST_P(cut_writes, carry_large_and_small_messages_both_ways) {
  link_options opts;
  opts.wires = sockets_with_little_room;
  opts.tls = GetParam();
  const std::vector<std::string> words{letters(300000), "x", letters(70000), letters(20), letters(100000)};
  const auto c = hold(opts, words);
  const auto all = std::accumulate(words.begin(), words.end(), std::string());
  for (const auto* log : {&c.client, &c.server}) {
    EXPECT_THAT(log->sends, Each(Eq("ok")));
    EXPECT_TRUE(log->body == all) << "changed on the way: " << log->body.size() << " of " << all.size();
  }
  EXPECT_EQ(c.client.messages, client_messages());
  EXPECT_EQ(c.server.messages, server_messages());
  EXPECT_TRUE(c.let_go) << "a connection is still there";
}

// A ticket in several records, of which the first has come: until OpenSSL has the others, it writes nothing.
TEST(a_write_that_waits_for_the_rest_of_a_tls_message, goes_on_when_that_has_come_without_data) {
  asio::io_context io;
  const auto log = std::make_shared<wire_log>();
  auto [near, far] = net::make_memory_pair(io.get_executor());
  auto faulty = std::make_unique<faulty_transport>(std::move(near), log);
  auto& below = *faulty;
  auto [client, server] = shake_hands(io, {std::move(faulty), std::move(far)});
  auto* ssl = dynamic_cast<net::tls_transport&>(*server).native_handle();
  std::string plain(1000, '\0');
  error_code ec;
  while (!net::must_wait(ec)) client->read_some(asio::buffer(plain), ec);  // those that come with the handshake
  const std::string much(2000, 'x');
  ASSERT_EQ(SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), much.data(), much.size()), 1);
  SSL_set_max_send_fragment(ssl, 512);
  ASSERT_EQ(SSL_new_session_ticket(ssl), 1);
  ASSERT_EQ(SSL_do_handshake(ssl), 1);
  server->write_some({}, ec);
  below.follow({.what = fault::split_reading, .at = 600});
  EXPECT_EQ(client->read_some(asio::buffer(plain), ec), 0U);
  EXPECT_EQ(client->write_some(asio::buffer(plain), ec), 0U);
  EXPECT_EQ(ec, net::needs_input);

  const core::session_config config{.defaults = {.close_timeout = 2ms}};
  const auto c = std::make_shared<net::connection>(net::strand(io.get_executor()), std::move(client), config,
                                                   h2::connection_info(), net::target{false, "peer", 80});
  c->add_handle();
  c->start();
  EXPECT_EQ(log->bytes_written, 0U);
  EXPECT_TRUE(run_until(io, [&log] { return log->bytes_written > 0; }));
  EXPECT_GT(server->read_some(asio::buffer(plain), ec), 0U) << ec.message();
  EXPECT_THAT(plain, ::testing::StartsWith("PRI * HTTP/2.0\r\n"));
  c->submit([c] { c->close(); });
  EXPECT_TRUE(run_until_idle(io));
}

}  // namespace
}  // namespace duplex::test
