// A resolver of the user's own in place of the system's.

#include "net/lookup.hpp"

#include "h2/origin.hpp"
#include "peers.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <memory>
#include <stdexcept>
#include <thread>

namespace duplex::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class resolver_of_the_user : public ::testing::Test {
 protected:
  std::string dialed(const std::string& url, const options& opts) {
    last_ = open_now(io_, url, opts);
    return last_.ec ? name(last_.ec) + ": " + last_.message : "ok";
  }
  [[nodiscard]] std::string url(const std::string& host) const { return peer_.url("http", host); }
  static options answering(std::vector<resolved_address> list) {
    options opts;
    opts.close_timeout = 20ms;
    opts.resolver = [list = std::move(list)](const resolve_query&, const resolve_handler& done) { done({}, list); };
    return opts;
  }

  asio::io_context io_;
  tcp_peer peer_{io_, [](tcp::socket& socket) -> asio::awaitable<void> { co_await read_to_end(socket); }};
  opened last_;
};

TEST_F(resolver_of_the_user, is_asked_for_a_name_and_its_answer_is_dialed) {
  options opts;
  resolve_query asked;
  opts.resolver = [&asked](resolve_query q, const resolve_handler& done) {
    asked = std::move(q);
    done({}, {{"127.0.0.1"}});
  };
  EXPECT_EQ(dialed(url("service.invalid"), opts), "ok");
  EXPECT_EQ(asked.host, "service.invalid");
  EXPECT_EQ(asked.port, peer_.port());
  EXPECT_EQ(asked.family, address_family::any);
  EXPECT_EQ(last_.stream.connection().info().peer, "127.0.0.1:" + std::to_string(peer_.port()));
  EXPECT_TRUE(last_.stream.connection().info().times.resolve);
}

TEST_F(resolver_of_the_user, may_name_another_port) {
  EXPECT_EQ(dialed("http://service.invalid:1/", answering({{"127.0.0.1", peer_.port()}})), "ok");
}

TEST_F(resolver_of_the_user, that_knows_no_address_has_not_resolved_the_name) {
  auto opts = answering({});
  EXPECT_EQ(dialed(url("service.invalid"), opts),
            "resolve_failed: cannot resolve service.invalid: the resolver has no address for it");
  opts.family = address_family::v6;
  EXPECT_THAT(dialed(url("service.invalid"), opts),
              AllOf(StartsWith("connect_failed: "), HasSubstr("it has no address of the wanted family")));
}

TEST_F(resolver_of_the_user, is_not_asked_for_an_address) {
  options opts;
  opts.resolver = [](const resolve_query&, const resolve_handler&) { ADD_FAILURE(); };
  EXPECT_EQ(dialed(url("127.0.0.1"), opts), "ok");
}

TEST_F(resolver_of_the_user, has_its_error_told) {
  options opts;
  opts.resolver = [](const resolve_query&, const resolve_handler& done) { done(asio::error::host_not_found, {}); };
  EXPECT_THAT(dialed(url("service.invalid"), opts),
              StartsWith("resolve_failed: cannot resolve service.invalid: Host not found"));
}

TEST_F(resolver_of_the_user, that_throws_fails_the_dial_alone) {
  options opts;
  opts.resolver = [](const resolve_query&, const resolve_handler&) { throw std::runtime_error("no registry"); };
  EXPECT_EQ(dialed(url("service.invalid"), opts),
            "resolve_failed: cannot resolve service.invalid: the resolver threw: \"no registry\"");
  opts.resolver = [](const resolve_query&, const resolve_handler&) { throw std::runtime_error("a\x1b[2J\n"); };
  EXPECT_EQ(dialed(url("service.invalid"), opts),
            "resolve_failed: cannot resolve service.invalid: the resolver threw: \"a\\x1b[2J\\x0a\"");
  opts.resolver = [](const resolve_query&, const resolve_handler&) { throw 42; };
  EXPECT_THAT(dialed(url("service.invalid"), opts), HasSubstr("the resolver threw something"));
}

TEST_F(resolver_of_the_user, answers_with_addresses) {
  EXPECT_EQ(dialed(url("service.invalid"), answering({{"localhost"}})),
            "resolve_failed: cannot resolve service.invalid: the resolver's \"localhost\" is no IP address");
  auto opts = answering({{"::1"}});
  opts.family = address_family::v4;
  EXPECT_THAT(dialed(url("service.invalid"), opts), AllOf(StartsWith("connect_failed: "), HasSubstr("family")));
}

TEST_F(resolver_of_the_user, may_answer_from_another_thread) {
  options opts;
  std::thread other;
  opts.resolver = [&other](const resolve_query&, const resolve_handler& done) {
    other = std::thread([done] { done({}, {{"127.0.0.1"}}); });
  };
  EXPECT_EQ(dialed(url("service.invalid"), opts), "ok");
  other.join();
}

TEST_F(resolver_of_the_user, that_hangs_is_told_to_stop_and_its_late_answer_is_of_no_use) {
  options opts;
  opts.connect_timeout = 20ms;
  std::stop_token stop;
  resolve_handler late;
  opts.resolver = [&](const resolve_query& q, resolve_handler done) {
    stop = q.stop;
    late = std::move(done);
  };
  EXPECT_THAT(dialed(url("service.invalid"), opts),
              StartsWith("timeout: resolving service.invalid took longer than connect_timeout, 20 ms"));
  EXPECT_TRUE(stop.stop_requested());
  late({}, {{"127.0.0.1"}});
  late({}, {{"127.0.0.1"}});
  settle(io_);
  EXPECT_EQ(peer_.accepted, 0);
}

TEST_F(resolver_of_the_user, is_told_when_the_dial_is_canceled) {
  options opts;
  std::stop_token stop;
  opts.resolver = [&stop](const resolve_query& q, const resolve_handler&) { stop = q.stop; };
  asio::cancellation_signal cancel;
  std::optional<error_code> told;
  h2::async_open(io_.get_executor(), request{.url = url("service.invalid")}, opts,
                 asio::bind_cancellation_slot(cancel.slot(), [&](error_code ec, const h2::stream&) { told = ec; }));
  EXPECT_TRUE(run_until(io_, [&] { return stop.stop_possible(); }));
  EXPECT_FALSE(stop.stop_requested());
  cancel.emit(asio::cancellation_type::terminal);
  EXPECT_TRUE(run_until(io_, [&] { return told.has_value(); }));
  EXPECT_EQ(told, errc::canceled);
  EXPECT_TRUE(stop.stop_requested());
}

TEST_F(resolver_of_the_user, counts_its_first_answer) {
  options opts;
  opts.resolver = [](const resolve_query&, const resolve_handler& done) {
    done({}, {{"127.0.0.1"}});
    done(asio::error::host_not_found, {});
  };
  EXPECT_EQ(dialed(url("service.invalid"), opts), "ok");
}

TEST(resolver_of_a_context_that_is_gone, has_an_answer_for_nobody) {
  resolve_handler late;
  {
    asio::io_context io;
    options opts;
    opts.resolver = [&late](const resolve_query&, resolve_handler done) { late = std::move(done); };
    h2::async_open(io.get_executor(), request{.url = "http://service.invalid/"}, opts,
                   [](error_code, const h2::stream&) {});
    EXPECT_TRUE(run_until(io, [&] { return static_cast<bool>(late); }));
  }
  late({}, {{"127.0.0.1"}});
}

TEST(resolver_of_a_client, is_part_of_whom_its_connections_are_with) {
  const net::target where{false, "service.invalid", 80};
  const auto nobody = [](const resolve_query&, const resolve_handler&) {};
  options one;
  one.resolver = nobody;
  const options same = one;
  options other;
  other.resolver = nobody;
  EXPECT_EQ(h2::key_of(where, one), h2::key_of(where, same));
  EXPECT_NE(h2::key_of(where, one), h2::key_of(where, other));
  EXPECT_NE(h2::key_of(where, one), h2::key_of(where, {}));
}

}  // namespace
}  // namespace duplex::test
