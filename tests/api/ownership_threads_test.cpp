// Handles dropped and closed by one thread while others run the context, or wait in blocking verbs.

#include "life.hpp"
#include "raw_peer.hpp"

#include <thread>

namespace duplex::test {
namespace {

template <class Predicate>
bool wait_until(Predicate ready) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!ready() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  return ready();
}

enum class ends_by { drop, close };

class from_another_thread : public testing::TestWithParam<ends_by> {
 protected:
  static void end(life& l) { GetParam() == ends_by::drop ? l.drop() : l.close(); }
};
INSTANTIATE_TEST_SUITE_P(by, from_another_thread, testing::Values(ends_by::drop, ends_by::close),
                         [](const auto& p) { return p.param == ends_by::drop ? "drop" : "close"; });

// After every few completions of a life, which goes on meanwhile.
constexpr std::size_t last = 60;
constexpr std::size_t stride = 4;

TEST_P(from_another_thread, handles_may_go_while_threads_run_the_context) {
  service server(echo_back, for_life(cleartext()), 2);
  for (std::size_t n = 0; n <= last && !HasFailure(); n += stride) {
    SCOPED_TRACE("after completion " + std::to_string(n));
    asio::io_context io;
    const auto tally = std::make_shared<life::tally>();
    auto lived = std::make_shared<life>(io.get_executor(), server.url(), for_life(), tally);
    const std::weak_ptr<life> watch = lived;
    lived->begin();
    std::vector<std::future<void>> running;
    for (int i = 0; i < 3; ++i) running.push_back(std::async(std::launch::async, [&] { io.run(); }));
    EXPECT_TRUE(wait_until([&] { return tally->completed >= n; }));
    end(*lived);
    if (GetParam() == ends_by::close) {
      EXPECT_TRUE(wait_until([&] { return tally->over(); }));
      lived->drop();
    }
    lived.reset();
    for (auto& r : running) get(std::move(r));  // there is nothing left to do
    EXPECT_TRUE(tally->over()) << tally->completed << " of " << tally->begun << " operations are complete";
    EXPECT_TRUE(watch.expired());
  }
}

TEST_P(from_another_thread, handles_may_go_while_the_librarys_thread_runs_them) {
  service server(echo_back, for_life(cleartext()), 2);
  const h2::client librarys;
  for (std::size_t n = 0; n <= last && !HasFailure(); n += stride) {
    SCOPED_TRACE("after completion " + std::to_string(n));
    const auto tally = std::make_shared<life::tally>();
    auto lived = std::make_shared<life>(librarys.get_executor(), server.url(), for_life(), tally);
    const std::weak_ptr<life> watch = lived;
    lived->begin();
    EXPECT_TRUE(wait_until([&] { return tally->completed >= n; }));
    end(*lived);
    EXPECT_TRUE(wait_until([&] { return tally->over(); }))
        << tally->completed << " of " << tally->begun << " operations are complete";
    lived->drop();
    lived.reset();
    EXPECT_TRUE(wait_until([&] { return watch.expired(); })) << "something still owns a handler";
  }
}

TEST(from_inside_a_handler, handles_may_go_while_the_librarys_thread_runs_them) {
  service server(echo_back, for_life(cleartext()), 2);
  const h2::client librarys;
  for (std::size_t n = 1; n <= last && !testing::Test::HasFailure(); ++n) {
    SCOPED_TRACE("in completion " + std::to_string(n));
    const auto tally = std::make_shared<life::tally>();
    auto lived = std::make_shared<life>(librarys.get_executor(), server.url(), for_life(), tally);
    const std::weak_ptr<life> watch = lived;
    lived->drop_at(n);
    lived->begin();
    EXPECT_TRUE(wait_until([&] { return tally->over(); }))
        << tally->completed << " of " << tally->begun << " operations are complete";
    lived->drop();
    lived.reset();
    EXPECT_TRUE(wait_until([&] { return watch.expired(); })) << "something still owns a handler";
  }
}

// A blocking verb on one thread, whose end another brings about; a third waits for something of its own meanwhile.

struct blocked {
  explicit blocked(h2::server_options opts = for_life(cleartext()))
      : server(std::move(opts)), link(h2::connection::connect(server.url(), bounded())) {
    near = link.open_stream({.url = server.url()}, bounded());
    far = server.accept().stream;
  }
  template <class Verb>
  static std::future<std::string> on_thread(Verb verb) {
    return std::async(std::launch::async, [verb = std::move(verb)]() mutable {
      try {
        verb();
        return std::string("ok");
      } catch (const boost::system::system_error& e) {
        return name(e.code());
      }
    });
  }

  peer server;
  h2::connection link;
  h2::stream near;
  h2::stream far;
  std::string payload = pattern(2'000'000);  // above the windows and the send buffer
};

using ending_verb = std::function<void(blocked&)>;
const std::vector<std::pair<std::string, ending_verb>>& endings() {
  static const std::vector<std::pair<std::string, ending_verb>> all{
      {"close_of_the_stream", [](blocked& b) { h2::stream(b.near).close(); }},
      {"reset_of_the_stream", [](blocked& b) { h2::stream(b.near).reset(0x8); }},
      {"close_of_the_connection", [](blocked& b) { h2::connection(b.link).close(); }},
      {"shutdown_of_the_connection_without_grace",
       [](blocked& b) { h2::connection(b.link).shutdown(std::chrono::milliseconds(0)); }}};
  return all;
}

class a_blocking_verb : public testing::TestWithParam<std::pair<std::string, ending_verb>> {};
INSTANTIATE_TEST_SUITE_P(is_ended_by, a_blocking_verb, testing::ValuesIn(endings()),
                         [](const auto& p) { return p.param.first; });

TEST_P(a_blocking_verb, that_sends_and_one_that_receives_come_back_together) {
  blocked b;
  auto sending = blocked::on_thread([&] { b.near.send(b.payload); });
  auto receiving = blocked::on_thread([&] { (void)b.near.recv(); });
  ASSERT_TRUE(wait_until([&] {
    const auto now = b.near.stats();
    return now.recv_waits && now.sends_waiting == 1;
  }));
  // Copies come and go, and mean nothing.
  for (int i = 0; i < 100; ++i) {
    auto copy = b.near;
    auto of_link = b.link;
  }
  GetParam().second(b);
  EXPECT_EQ(get(std::move(sending)), "canceled");
  EXPECT_EQ(get(std::move(receiving)), "canceled");
}

TEST_P(a_blocking_verb, that_waits_for_a_place_gets_it_or_is_told) {
  blocked b;
  auto second = b.link.open_stream({.url = b.server.url()}, bounded());
  (void)b.link.ping();  // the limit of two is known
  auto opening = blocked::on_thread([&] { (void)b.link.open_stream({.url = b.server.url()}, bounded()); });
  ASSERT_TRUE(wait_until([&] { return b.link.stats().waiting_opens == 1; }));
  GetParam().second(b);
  EXPECT_THAT(get(std::move(opening)), testing::AnyOf("ok", "canceled", "refused"));
}

TEST_P(a_blocking_verb, of_another_stream_goes_on_or_is_told) {
  blocked b;
  auto other = b.link.open_stream({.url = b.server.url()}, bounded());
  auto other_far = b.server.accept().stream;
  auto leading = blocked::on_thread([&] { (void)b.near.recv(); });
  ASSERT_TRUE(wait_until([&] { return b.near.stats().recv_waits; }));
  auto following = blocked::on_thread([&] { (void)other.recv(); });
  ASSERT_TRUE(wait_until([&] { return other.stats().recv_waits; }));
  GetParam().second(b);
  EXPECT_EQ(get(std::move(leading)), "canceled");
  error_code ec;
  other_far.send_response({200, {}}, ec);
  EXPECT_THAT(get(std::move(following)), testing::AnyOf("ok", "canceled"));
}

TEST(a_blocking_ping, that_is_never_answered_comes_back_when_the_connection_is_closed) {
  raw_peer silent;
  auto connecting = std::async(std::launch::async, [&] { return h2::connection::connect(silent.url(), bounded()); });
  silent.accept_http2();
  auto link = get(std::move(connecting));
  auto waiting = blocked::on_thread([&] { (void)link.ping(); });
  ASSERT_TRUE(wait_until([&] { return link.stats().ping_unanswered.has_value(); }));
  link.close();
  silent.close();
  EXPECT_NE(get(std::move(waiting)), "ok");
}

TEST(a_blocking_open_of_a_client, comes_back_when_the_client_is_closed) {
  raw_peer silent;  // never does the handshake
  h2::client client;
  auto opening = blocked::on_thread([&] { (void)client.open({.url = silent.url("https")}, bounded()); });
  auto fetching = blocked::on_thread([&] {
    h2::fetch_options opts;
    opts.stream = bounded();
    (void)h2::fetch(client, {.url = silent.url("https")}, "abc", opts);
  });
  ASSERT_TRUE(wait_until([&] { return client.stats().pending_opens == 2; }));
  h2::client(client).close();
  EXPECT_EQ(get(std::move(opening)), "canceled");
  EXPECT_EQ(get(std::move(fetching)), "canceled");
}

// The last handles go on many threads at the same moment, while one still waits.
TEST(the_last_handles, of_a_connection_may_go_on_many_threads_at_once) {
  const service server(echo_back);
  for (int round = 0; round < 50; ++round) {
    auto s = h2::open({.url = server.url()}, bounded());
    std::vector<std::future<std::string>> users;
    for (int t = 0; t < 3; ++t) {
      users.push_back(blocked::on_thread([copy = s, t]() mutable {
        auto link = copy.connection();
        if (t == 0) copy.send("abc");
        if (t == 1) (void)copy.recv();
        copy = {};
        link = {};
      }));
    }
    s = {};
    for (auto& u : users) EXPECT_THAT(get(std::move(u)), testing::AnyOf("ok", "canceled"));
  }
}

}  // namespace
}  // namespace duplex::test
