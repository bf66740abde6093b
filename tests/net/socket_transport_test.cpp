// Pieces of one write, on a real socket.

#include "net/socket_transport.hpp"

#include "net/memory_transport.hpp"
#include "run.hpp"

#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include <array>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

namespace duplex::test {
namespace {

using socket = asio::local::stream_protocol::socket;

class socket_transport : public ::testing::Test {
 protected:
  socket_transport() {
    socket here(io_);
    socket there(io_);
    asio::local::connect_pair(here, there);
    here_ = std::make_unique<net::socket_transport<socket>>(std::move(here), net::strand(io_.get_executor()));
    there_ = std::make_unique<net::socket_transport<socket>>(std::move(there), net::strand(io_.get_executor()));
  }
  std::string read_all() {
    std::string all;
    std::array<char, 65536> buffer{};
    for (error_code ec; !ec;) all.append(buffer.data(), there_->read_some(asio::buffer(buffer), ec));
    return all;
  }

  asio::io_context io_;
  std::unique_ptr<net::transport> here_;
  std::unique_ptr<net::transport> there_;
};

TEST_F(socket_transport, sends_pieces_in_their_order) {
  const std::array<std::string_view, 3> pieces{"one ", "two ", "three"};
  error_code ec;
  EXPECT_EQ(here_->write_pieces(pieces, ec), 13U);
  EXPECT_FALSE(ec);
  EXPECT_EQ(read_all(), "one two three");
}

TEST_F(socket_transport, says_how_much_it_took_of_more_pieces_than_go_into_one_call) {
  std::string all(200, '\0');
  std::iota(all.begin(), all.end(), '\0');
  std::vector<std::string_view> pieces;
  for (std::size_t i = 0; i < all.size(); ++i) pieces.push_back(std::string_view(all).substr(i, 1));
  std::span<const std::string_view> rest = pieces;
  while (!rest.empty()) {
    error_code ec;
    const auto n = here_->write_pieces(rest, ec);
    ASSERT_FALSE(ec);
    ASSERT_GT(n, 0U);
    rest = rest.subspan(n);
  }
  EXPECT_EQ(read_all(), all);
}

TEST_F(socket_transport, takes_a_part_of_the_pieces_when_there_is_no_room_for_all) {
  const std::string big(std::size_t{4} << 20, 'x');
  const std::array<std::string_view, 2> pieces{"head", big};
  error_code ec;
  const auto n = here_->write_pieces(pieces, ec);
  EXPECT_FALSE(ec);
  EXPECT_GT(n, 4U);
  EXPECT_LT(n, 4 + big.size());
  EXPECT_EQ(here_->write_pieces(pieces, ec), 0U);
  EXPECT_TRUE(net::must_wait(ec));
  EXPECT_EQ(read_all(), "head" + std::string(n - 4, 'x'));
}

TEST_F(socket_transport, fails_with_pieces_for_a_peer_that_is_gone) {
  there_->close();
  const std::array<std::string_view, 2> pieces{"one", "two"};
  error_code ec;
  EXPECT_EQ(here_->write_pieces(pieces, ec), 0U);
  EXPECT_EQ(ec, asio::error::broken_pipe);
}

TEST(transport, sends_pieces_one_by_one_where_it_knows_nothing_better) {
  asio::io_context io;
  const auto [here, there] = net::make_memory_pair(io.get_executor());
  const std::array<std::string_view, 2> pieces{"one ", "two"};
  error_code ec;
  EXPECT_EQ(here->write_pieces(pieces, ec), 7U);
  EXPECT_FALSE(ec);
  std::array<char, 16> buffer{};
  const auto n = there->read_some(asio::buffer(buffer), ec);
  EXPECT_EQ(std::string_view(buffer.data(), n), "one two");
  there->close();
  EXPECT_EQ(here->write_pieces(pieces, ec), 0U);
  EXPECT_EQ(ec, asio::error::broken_pipe);
}

}  // namespace
}  // namespace duplex::test
