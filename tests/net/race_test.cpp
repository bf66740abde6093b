// Happy Eyeballs (RFC 8305): the order of the addresses, and who wins.

#include "net/race.hpp"

#include "net/endpoint.hpp"
#include "peers.hpp"

#include <netinet/tcp.h>
#include <sys/socket.h>

namespace duplex::test {
namespace {

using net::to_string;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

tcp::endpoint at(const char* address, std::uint16_t port = 80) { return {asio::ip::make_address(address), port}; }

std::vector<std::string> turns(const std::vector<tcp::endpoint>& list) {
  std::vector<std::string> out;
  for (const auto& e : net::in_turns(list)) out.push_back(e.address().to_string());
  return out;
}

TEST(rfc8305_4, families_take_turns_from_the_first_ones_on) {
  EXPECT_THAT(turns({at("::1"), at("::2"), at("::3"), at("1.1.1.1"), at("2.2.2.2")}),
              ElementsAre("::1", "1.1.1.1", "::2", "2.2.2.2", "::3"));
  EXPECT_THAT(turns({at("1.1.1.1"), at("::1"), at("::2")}), ElementsAre("1.1.1.1", "::1", "::2"));
  EXPECT_THAT(turns({at("1.1.1.1"), at("2.2.2.2")}), ElementsAre("1.1.1.1", "2.2.2.2"));
  EXPECT_THAT(turns({}), IsEmpty());
}

// Addresses of this machine on which connecting is accepted, refused, or has no end.
class race : public ::testing::Test {
 protected:
  /// Its queue is full, and drops what knocks.
  tcp::endpoint silent() {
    auto& a = acceptors_.emplace_back(io_);
    a.open(tcp::v4());
    a.bind(loopback());
    a.listen(0);
    for (int i = 0; i < 4; ++i) waiting_.emplace_back(io_).async_connect(a.local_endpoint(), [](error_code) {});
    return a.local_endpoint();
  }
  tcp::endpoint open() { return acceptors_.emplace_back(io_, loopback()).local_endpoint(); }
  tcp::endpoint refused() { return closed_.next(); }

  struct outcome {
    std::unique_ptr<tcp::socket> winner{};
    std::string told{};
    std::size_t tried = 0;
    bool all_refused = false;
  };
  outcome run(const std::vector<tcp::endpoint>& list, std::chrono::milliseconds head_start, tcp_options opts = {}) {
    outcome result;
    bool over = false;
    const auto r = std::make_shared<net::race>(
        net::strand(io_.get_executor()), list, opts,
        [&](std::unique_ptr<tcp::socket> s, const tcp::endpoint& to) {
          EXPECT_FALSE(std::exchange(over, true));
          EXPECT_TRUE(!s || s->remote_endpoint() == to);
          result.winner = std::move(s);
        },
        head_start);
    r->start();
    EXPECT_TRUE(run_until(io_, [&] { return over; }));
    result.told = r->told();
    result.tried = r->attempts().size();
    result.all_refused = r->all_refused();
    return result;
  }

  asio::io_context io_;
  std::list<tcp::acceptor> acceptors_;
  closed_ports closed_{io_};
  std::list<tcp::socket> waiting_;
};

TEST_F(race, rfc8305_5_one_that_does_not_answer_loses_its_head_start_to_the_next) {
  const auto slow = silent();
  const auto good = open();
  const auto o = run({slow, good}, 1ms);
  ASSERT_TRUE(o.winner);
  EXPECT_EQ(o.winner->remote_endpoint(), good);
  EXPECT_EQ(o.told, to_string(slow) + ", " + to_string(good));
}

TEST_F(race, rfc8305_5_one_that_fails_is_followed_at_once) {
  const auto bad = refused();
  const auto good = open();
  const auto o = run({bad, good}, std::chrono::hours(1));
  ASSERT_TRUE(o.winner);
  EXPECT_EQ(o.told, to_string(bad) + " (Connection refused), " + to_string(good));
}

TEST_F(race, of_one_that_answers_troubles_no_other) {
  const auto good = open();
  const auto o = run({good, refused()}, std::chrono::hours(1));
  ASSERT_TRUE(o.winner);
  EXPECT_EQ(o.told, to_string(good));
  o.winner->close();
  EXPECT_TRUE(run_until_idle(io_)) << "a timer is left";
}

TEST_F(race, that_nobody_wins_says_so_of_all) {
  const auto one = refused();
  const auto other = refused();
  const auto o = run({one, other}, 0ms);
  EXPECT_FALSE(o.winner);
  EXPECT_TRUE(o.all_refused);
  EXPECT_EQ(o.told, to_string(one) + " (Connection refused), " + to_string(other) + " (Connection refused)");
  EXPECT_FALSE(run({}, 0ms).winner);
}

TEST_F(race, of_very_many_addresses_tries_the_first_and_tells_of_fewer) {
  const auto at_once = run(std::vector(20000, at("::1")), 0ms, {.local_address = "127.0.0.1"});
  EXPECT_FALSE(at_once.winner);
  EXPECT_EQ(at_once.tried, 64U);
  EXPECT_THAT(at_once.told, ::testing::EndsWith(" and 56 more"));
  EXPECT_LT(at_once.told.size(), 1000U);

  const auto later = run(std::vector(70, refused()), 0ms);
  EXPECT_FALSE(later.winner);
  EXPECT_EQ(later.tried, 64U);
  EXPECT_TRUE(later.all_refused);
}

TEST_F(race, that_is_canceled_says_nothing_and_leaves_nothing) {
  const auto r = std::make_shared<net::race>(
      net::strand(io_.get_executor()), std::vector{silent(), silent()}, tcp_options(),
      [](auto, const auto&) { ADD_FAILURE(); }, 0ms);
  r->start();
  EXPECT_TRUE(run_until(io_, [&] { return r->told().find(", ") != std::string::npos; }));
  r->cancel();
  for (auto& s : waiting_) s.close();
  EXPECT_TRUE(run_until_idle(io_));
}

int number(tcp::socket& s, int level, int option) {
  int value = -1;
  socklen_t size = sizeof value;
  EXPECT_EQ(::getsockopt(s.native_handle(), level, option, &value, &size), 0);
  return value;
}

TEST_F(race, gives_the_socket_its_options) {
  auto plain = run({open()}, 0ms);
  ASSERT_TRUE(plain.winner);
  EXPECT_EQ(number(*plain.winner, IPPROTO_TCP, TCP_NODELAY), 1);
  EXPECT_EQ(number(*plain.winner, SOL_SOCKET, SO_KEEPALIVE), 0);
  EXPECT_EQ(number(*plain.winner, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);

  auto o = run({open()}, 0ms, {.keepalive = 1500ms, .user_timeout = 3456ms, .local_address = "127.0.0.3"});
  ASSERT_TRUE(o.winner);
  EXPECT_EQ(number(*o.winner, SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(number(*o.winner, IPPROTO_TCP, TCP_KEEPIDLE), 2);
  EXPECT_EQ(number(*o.winner, IPPROTO_TCP, TCP_KEEPINTVL), 2);
  EXPECT_EQ(number(*o.winner, IPPROTO_TCP, TCP_USER_TIMEOUT), 3456);
  EXPECT_EQ(o.winner->local_endpoint().address().to_string(), "127.0.0.3");
}

TEST_F(race, says_which_address_cannot_be_reached_from_the_local_one) {
  const auto o = run({open(), at("::1")}, 0ms, {.local_address = "::1"});
  EXPECT_FALSE(o.winner);
  EXPECT_FALSE(o.all_refused);
  EXPECT_THAT(o.told, ::testing::HasSubstr("(Address family not supported"));
}

}  // namespace
}  // namespace duplex::test
