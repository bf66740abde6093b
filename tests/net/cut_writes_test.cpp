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

}  // namespace
}  // namespace duplex::test
