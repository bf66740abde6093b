// Connections over streams that are handed in: sockets, TLS of Asio, tunnels, and what ends in the middle.

#include "raw_peer.hpp"
#include "tunnel.hpp"

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/system_executor.hpp>

#include <openssl/ssl.h>

#include <array>
#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <thread>

namespace duplex::test {
namespace {

using h2::fin;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;
using unix_socket = asio::local::stream_protocol::socket;

tcp::socket connected(const asio::any_io_executor& executor, std::uint16_t port) {
  tcp::socket s(executor);
  s.connect({asio::ip::address_v4::loopback(), port});
  return s;
}

// One exchange on a stream of `link`, in words.
std::vector<std::string> ask(h2::connection link, const std::string& url, const std::string& text = "hello") {
  auto s = link.open_stream({.url = url}, bounded());
  s.send(text, fin);
  return transcript(s);
}

const auto echoed = ElementsAre("response 200", "data hello", "done");

TEST(over, a_tcp_socket_without_a_thread_of_the_users) {
  service server(echo_back);
  asio::io_context io;  // which nobody runs
  auto link = h2::connection::over(connected(io.get_executor(), server.server().port()), server.url(), bounded());
  EXPECT_THAT(ask(link, server.url()), echoed);
  EXPECT_EQ(link.info().peer, "127.0.0.1:" + std::to_string(server.server().port()));
}

TEST(over, a_tcp_socket_on_its_own_executor) {
  service server(echo_back);
  context_threads threads;
  auto [ec, link] = get(h2::connection::async_over(connected(threads.executor(), server.server().port()), server.url(),
                                                   bounded(), as_future));
  ASSERT_FALSE(ec);
  EXPECT_THAT(ask(link, server.url()), echoed);
}

TEST(over, a_tcp_socket_with_tls_of_ours) {
  service server(echo_back, with_tls());
  asio::io_context io;
  const auto url = "https://localhost:" + std::to_string(server.server().port());
  auto link = h2::connection::over(connected(io.get_executor(), server.server().port()), url, trusting_localhost());
  EXPECT_THAT(link.info().tls_version, HasSubstr("TLS"));
  EXPECT_THAT(ask(link, url), echoed);

  error_code ec;
  const std::string other = "https://other.example/";
  link = h2::connection::over(connected(io.get_executor(), server.server().port()), other, trusting_localhost(), ec);
  EXPECT_EQ(name(ec), "certificate_invalid");
  EXPECT_THAT(link.failure()->message, HasSubstr("other.example"));
}

TEST(over, a_pair_of_unix_sockets) {
  service server(echo_back);
  context_threads threads;
  unix_socket ours(threads.executor());
  const auto theirs = std::make_shared<unix_socket>(threads.executor());
  asio::local::connect_pair(ours, *theirs);
  const auto there = std::make_shared<tcp::socket>(connected(threads.executor(), server.server().port()));
  // They are used until the threads end.
  const auto carry_on = [](auto from, auto to) -> asio::awaitable<void> { co_await carry(*from, *to); };
  asio::co_spawn(threads.executor(), carry_on(theirs, there), asio::detached);
  asio::co_spawn(threads.executor(), carry_on(there, theirs), asio::detached);
  auto link = h2::connection::over(std::move(ours), server.url(), bounded());
  EXPECT_THAT(ask(link, server.url()), echoed);
  link.shutdown(1s);
  link = {};
}

TEST(over, tls_of_asio) {
  service server(echo_back, with_tls());
  context_threads threads;
  auto context = client_context();
  const std::array<unsigned char, 3> h2{2, 'h', '2'};
  SSL_CTX_set_alpn_protos(context.native_handle(), h2.data(), h2.size());
  asio::ssl::stream<tcp::socket> tls(connected(threads.executor(), server.server().port()), context);
  EXPECT_EQ(outcome(tls.async_handshake(asio::ssl::stream_base::client, as_future)), "ok");
  const auto url = "http://localhost:" + std::to_string(server.server().port());
  auto link = h2::connection::over(std::move(tls), url, bounded());
  EXPECT_THAT(ask(link, url), echoed);
  const auto text = pattern(1000000);
  EXPECT_THAT(ask(link, url, text), ElementsAre("response 200", "data " + text, "done"));
  link.shutdown(1s);
}

/// A tunnel through `proxy` to `port`.
h2::byte_stream dig(h2::connection& link, const std::string& proxy, std::uint16_t port) {
  auto s = link.open_stream(connect_request(proxy, "localhost:" + std::to_string(port)), bounded());
  EXPECT_EQ(describe(s.recv()), "response 200");
  return h2::byte_stream(std::move(s));
}

TEST(over, tunnels_that_nest) {
  service origin(echo_back, with_tls());
  service inner(tunnel);
  service outer(tunnel, with_tls());
  const auto url = "https://localhost:" + std::to_string(origin.server().port());
  auto first = h2::connection::connect(outer.url(), trusting_localhost());
  auto second = h2::connection::over(dig(first, outer.url(), inner.server().port()), inner.url(), bounded());
  auto third = h2::connection::over(dig(second, inner.url(), origin.server().port()), url, trusting_localhost());
  EXPECT_THAT(ask(third, url), echoed);
  const auto text = pattern(500000);
  EXPECT_THAT(ask(third, url, text), ElementsAre("response 200", "data " + text, "done"));
  EXPECT_THAT(third.info().tls_version, HasSubstr("TLS"));

  auto s = third.open_stream({.url = url}, bounded());
  first.close();
  EXPECT_EQ(last_error(s), "connection_lost");
}

TEST(over, a_tunnel_on_the_users_executor) {
  service origin(echo_back);
  service proxy(tunnel);
  context_threads threads(2);
  auto [ec, link] = get(h2::connection::async_connect(threads.executor(), proxy.url(), bounded(), as_future));
  ASSERT_FALSE(ec);
  auto way = dig(link, proxy.url(), origin.server().port());
  h2::connection through;
  std::tie(ec, through) = get(h2::connection::async_over(std::move(way), origin.url(), bounded(), as_future));
  ASSERT_FALSE(ec);
  EXPECT_THAT(ask(through, origin.url()), echoed);
  // Its handles gone, it ends the tunnel, and the connection of the tunnel goes on.
  through = {};
  EXPECT_GE(link.ping().count(), 0);
}

TEST(over, an_invalid_url_or_option_is_refused_as_ever) {
  service server(echo_back);
  asio::io_context io;
  const auto try_it = [&](const std::string& url, const options& opts) {
    error_code ec;
    (void)h2::connection::over(connected(io.get_executor(), server.server().port()), url, opts, ec);
    return name(ec);
  };
  EXPECT_EQ(try_it("ftp://localhost/", bounded()), "invalid_argument");
  auto opts = bounded();
  opts.connection_window = 1;
  EXPECT_EQ(try_it(server.url(), opts), "invalid_argument");
}

TEST(over, a_socket_that_is_not_open_is_refused) {
  context_threads threads;
  auto context = client_context();
  auto [ec, link] =
      get(h2::connection::async_over(tcp::socket(threads.executor()), "http://localhost/", bounded(), as_future));
  EXPECT_EQ(name(ec), "invalid_argument");
  ASSERT_TRUE(link.failure());
  EXPECT_EQ(link.failure()->message, "the stream that was handed in is not open");

  asio::io_context io;  // which nobody runs
  link = h2::connection::over(tcp::socket(io), "http://localhost/", bounded(), ec);
  EXPECT_EQ(name(ec), "invalid_argument");
  EXPECT_THAT(link.failure()->message, HasSubstr("not open"));
  link = h2::connection::over(asio::ssl::stream<tcp::socket>(io, context), "http://localhost/", bounded(), ec);
  EXPECT_EQ(name(ec), "invalid_argument");
}

TEST(over, blocking_is_refused_on_the_streams_own_thread) {
  asio::io_context io;
  unix_socket ours(io);
  unix_socket theirs(io);
  asio::local::connect_pair(ours, theirs);
  auto context = client_context();
  std::string said;
  asio::post(io, [&] {
    error_code ec;
    (void)h2::connection::over(asio::ssl::stream<unix_socket>(std::move(ours), context), "http://localhost/", {}, ec);
    said = name(ec);
  });
  io.run();
  EXPECT_EQ(said, "would_deadlock");
}

TEST(over, the_handshake_ends_with_connect_timeout_or_a_cancellation) {
  raw_peer silent;
  context_threads threads;
  auto opts = bounded();
  opts.connect_timeout = 50ms;
  auto [ec, link] = get(
      h2::connection::async_over(connected(threads.executor(), silent.port()), "https://localhost/", opts, as_future));
  EXPECT_EQ(name(ec), "timeout");
  EXPECT_THAT(link.failure()->message, HasSubstr("TLS handshake with localhost:443"));

  asio::cancellation_signal stop;
  std::promise<std::string> told;
  h2::connection::async_over(
      connected(threads.executor(), silent.port()), "https://localhost/", bounded(),
      asio::bind_cancellation_slot(stop.slot(), [&](error_code e, const h2::connection&) { told.set_value(name(e)); }));
  stop.emit(asio::cancellation_type::terminal);
  EXPECT_EQ(get(told.get_future()), "canceled");
}

// What does the least that it must, and fails where it is told to.
class scripted_stream final : public h2::lower_stream {
 public:
  struct shared {
    std::atomic<int> closed = 0;
    std::atomic<int> ended = 0;
    std::promise<void> gone;
    scripted_stream* stream = nullptr;  // on the executor
  };

  scripted_stream(asio::any_io_executor executor, std::shared_ptr<shared> log, std::string input, error_code end,
                  error_code write_end, std::size_t takes)
      : executor_(std::move(executor)),
        log_(std::move(log)),
        input_(std::move(input)),
        end_(end),
        write_end_(write_end),
        takes_(takes) {
    log_->stream = this;
  }
  ~scripted_stream() override {
    log_->stream = nullptr;
    log_->gone.set_value();
  }

  // Says nothing before.
  void begin() {
    begun_ = true;
    if (auto handler = std::exchange(waiting_, std::nullopt)) async_read_some(into_, std::move(*handler));
  }

  asio::any_io_executor get_executor() override { return executor_; }
  void async_read_some(asio::mutable_buffer to, io_handler handler) override {
    if (!begun_ || (input_.empty() && !end_)) {
      into_ = to;
      waiting_.emplace(std::move(handler));
      return;
    }
    const auto n = std::min<std::size_t>({input_.size(), to.size(), 7});
    std::memcpy(to.data(), input_.data(), n);
    input_.erase(0, n);
    complete(std::move(handler), n > 0 ? error_code() : end_, n);
  }
  void async_write_some(asio::const_buffer from, io_handler handler) override {
    auto n = std::min<std::size_t>(from.size(), 5);
    if (write_end_) n = std::min(n, takes_);
    takes_ -= std::min(takes_, n);
    complete(std::move(handler), n > 0 ? error_code() : write_end_, n);
  }
  void async_shutdown(end_handler /*handler*/) override { ++log_->ended; }
  void close() override {
    ++log_->closed;
    end_ = asio::error::operation_aborted;
    if (waiting_) complete(std::move(*waiting_), end_, 0);
    waiting_.reset();
  }

 private:
  void complete(io_handler handler, error_code ec, std::size_t n) {
    asio::post(executor_, [h = std::move(handler), ec, n]() mutable {
      const asio::any_io_executor none = asio::system_executor();
      const auto executor = asio::get_associated_executor(h, none);
      asio::dispatch(executor, [h = std::move(h), ec, n]() mutable { std::move(h)(ec, n); });
    });
  }

  asio::any_io_executor executor_;
  std::shared_ptr<shared> log_;
  std::string input_;
  error_code end_;
  error_code write_end_;
  std::size_t takes_;  // before that
  std::optional<io_handler> waiting_;
  asio::mutable_buffer into_;
  bool begun_ = false;
};

struct scripted {
  explicit scripted(std::string input, error_code end = {}, error_code write_end = {}, std::size_t takes = 0) {
    auto s = std::make_unique<scripted_stream>(threads.executor(), log, std::move(input), end, write_end, takes);
    link = h2::connection::over(std::unique_ptr<h2::lower_stream>(std::move(s)), "http://localhost/", bounded());
  }
  // The stream keeps handlers itself, which a context that goes away does not know of: it has to be closed before.
  ~scripted() {
    link = {};
    EXPECT_TRUE(gone());
  }
  scripted(const scripted&) = delete;
  scripted& operator=(const scripted&) = delete;
  h2::stream open() {
    error_code ec;
    auto s = link.open_stream({.url = "http://localhost/"}, bounded(), ec);
    begin();
    return s;
  }
  void begin() {
    asio::post(threads.executor(), [log = log] {
      if (log->stream) log->stream->begin();
    });
  }
  [[nodiscard]] bool gone() { return is_gone.wait_for(patience) == std::future_status::ready; }

  context_threads threads;
  std::shared_ptr<scripted_stream::shared> log = std::make_shared<scripted_stream::shared>();
  std::future<void> is_gone = log->gone.get_future();
  h2::connection link;
};

const std::string settings = raw::frame(raw::settings, raw::none, 0, "");

TEST(over, a_stream_that_delivers_seven_bytes_at_a_time_is_read_whole) {
  scripted peer(settings + raw::ok(1) + raw::frame(raw::data, raw::end_stream, 1, "some longer text"));
  auto s = peer.open();
  EXPECT_THAT(transcript(s), ElementsAre("response 200", "data some longer text", "done"));
}

TEST(over, a_stream_that_ends_or_fails_in_a_frame_is_a_lost_connection) {
  const auto whole = settings + raw::ok(1) + raw::frame(raw::data, raw::none, 1, "cut");
  for (const auto& end : {error_code(asio::error::eof), error_code(asio::error::connection_reset)}) {
    scripted peer(whole + raw::frame(raw::data, raw::none, 1, "never whole").substr(0, 12), end);
    auto s = peer.open();
    EXPECT_EQ(last_error(s), "connection_lost");
    EXPECT_EQ(why(s).scope, scope::connection);
    s = {};
    peer.link = {};
    EXPECT_TRUE(peer.gone());
    EXPECT_EQ(peer.log->closed, 1);
  }
}

TEST(over, a_stream_that_cannot_be_written_is_a_lost_connection_even_if_it_could_be_read_for_ever) {
  scripted peer("", {}, asio::error::broken_pipe);
  error_code ec;
  peer.link.ping(ec);  // which is never answered
  EXPECT_TRUE(ec);
  ASSERT_TRUE(peer.link.failure());
  EXPECT_EQ(name(peer.link.failure()->code), "connection_lost");
}

TEST(over, a_stream_that_ends_behind_any_byte_is_never_a_clean_end) {
  const auto whole = settings + raw::ok(1) + raw::frame(raw::data, raw::none, 1, "some text");
  for (std::size_t at = 0; at <= whole.size(); ++at) {
    scripted peer(whole.substr(0, at), at % 2 == 0 ? error_code(asio::error::eof) : asio::error::connection_reset);
    auto s = peer.open();
    EXPECT_EQ(last_error(s), "connection_lost") << at;
    s = {};
    peer.link = {};
    EXPECT_TRUE(peer.gone()) << at;
    EXPECT_EQ(peer.log->closed, 1) << at;
  }
}

TEST(over, a_stream_that_takes_no_more_behind_any_byte_is_lost_as_well) {
  for (std::size_t at = 0; at < 54; ++at) {  // less than the preface, SETTINGS and a PING
    scripted peer("", {}, asio::error::broken_pipe, at);
    error_code ec;
    peer.link.ping(ec);
    EXPECT_TRUE(ec) << at;
    ASSERT_TRUE(peer.link.failure()) << at;
    EXPECT_EQ(name(peer.link.failure()->code), "connection_lost") << at;
  }
}

// Does with a handler what it is told to, once it was written to, and otherwise nothing before it is closed.
class rude_stream final : public h2::lower_stream {
 public:
  using action = std::function<void(std::size_t, io_handler)>;

  struct manners {
    action read{};
    action write{};
    bool ends_by_throwing = false;
    std::promise<void> gone{};
  };

  rude_stream(asio::any_io_executor executor, std::shared_ptr<manners> how)
      : executor_(std::move(executor)), how_(std::move(how)) {}
  ~rude_stream() override { how_->gone.set_value(); }

  asio::any_io_executor get_executor() override { return executor_; }
  void async_read_some(asio::mutable_buffer to, io_handler handler) override {
    if (how_->read) return how_->read(to.size(), std::move(handler));
    waiting_.emplace(std::move(handler));
  }
  void async_write_some(asio::const_buffer from, io_handler handler) override {
    if (how_->write) return how_->write(from.size(), std::move(handler));
    std::move(handler)(error_code(), from.size());
  }
  void async_shutdown(end_handler /*handler*/) override {
    if (how_->ends_by_throwing) throw std::runtime_error("no end");
  }
  void close() override {
    if (auto handler = std::exchange(waiting_, std::nullopt)) std::move (*handler)(asio::error::operation_aborted, 0);
    if (how_->ends_by_throwing) throw std::runtime_error("no close");
  }

 private:
  asio::any_io_executor executor_;
  std::shared_ptr<manners> how_;
  std::optional<io_handler> waiting_;
};

// What becomes of a connection over a rude stream, in words. `at_last` is called before the context goes away.
std::string end_over(
    rude_stream::action read, rude_stream::action write, const std::function<void()>& at_last = [] {}) {
  context_threads threads;
  const auto how = std::make_shared<rude_stream::manners>();
  how->read = std::move(read);
  how->write = std::move(write);
  auto gone = how->gone.get_future();
  auto s = std::make_unique<rude_stream>(threads.executor(), how);
  auto link = h2::connection::over(std::unique_ptr<h2::lower_stream>(std::move(s)), "http://localhost/", bounded());
  error_code ec;
  link.ping(ec);
  EXPECT_TRUE(ec);
  const auto why = link.failure();
  link = {};
  EXPECT_EQ(gone.wait_for(patience), std::future_status::ready);
  at_last();
  return why ? name(why->code) + ": " + why->message : "no failure";
}

TEST(over, a_stream_that_throws_has_failed) {
  const auto throws = [](std::size_t, const auto&) { throw std::runtime_error("rude"); };
  const auto says_why = [](std::size_t, const auto&) {
    throw boost::system::system_error(asio::error::host_unreachable);
  };
  EXPECT_THAT(end_over(throws, nullptr), AllOf(StartsWith("connection_lost"), HasSubstr("threw an exception")));
  EXPECT_THAT(end_over(nullptr, throws), AllOf(StartsWith("connection_lost"), HasSubstr("threw an exception")));
  EXPECT_THAT(end_over(says_why, nullptr), HasSubstr(error_code(asio::error::host_unreachable).message()));
}

TEST(over, a_stream_that_drops_its_handler_has_failed) {
  const auto drops = [](std::size_t, const h2::lower_stream::io_handler&) {};
  std::thread other;
  const auto drops_later = [&other](std::size_t, h2::lower_stream::io_handler h) {
    other = std::thread([h = std::move(h)] {});
  };
  EXPECT_THAT(end_over(drops, nullptr), AllOf(StartsWith("connection_lost"), HasSubstr("dropped its handler")));
  EXPECT_THAT(end_over(nullptr, drops), AllOf(StartsWith("connection_lost"), HasSubstr("dropped its handler")));
  const auto join = [&other] { other.join(); };
  EXPECT_THAT(end_over(drops_later, nullptr, join),
              AllOf(StartsWith("connection_lost"), HasSubstr("dropped its handler")));
}

TEST(over, a_stream_that_claims_more_than_it_was_given_has_failed) {
  const auto claims = [](std::size_t n, h2::lower_stream::io_handler h) { std::move(h)(error_code(), n + 1000000); };
  EXPECT_THAT(end_over(claims, nullptr), AllOf(StartsWith("connection_lost"), HasSubstr("claims more")));
  EXPECT_THAT(end_over(nullptr, claims), AllOf(StartsWith("connection_lost"), HasSubstr("claims more")));
}

TEST(over, a_stream_that_reads_nothing_may_do_so_at_times_but_not_for_ever) {
  const auto nothing = [](std::size_t, h2::lower_stream::io_handler h) { std::move(h)(error_code(), 0); };
  EXPECT_THAT(end_over(nothing, nullptr), AllOf(StartsWith("connection_lost"), HasSubstr("no bytes")));
  const auto at_times = [reads = 0](std::size_t, h2::lower_stream::io_handler h) mutable {
    std::move(h)(++reads == 90 ? asio::error::connection_reset : error_code(), 0);
  };
  EXPECT_THAT(end_over(at_times, nullptr), HasSubstr(error_code(asio::error::connection_reset).message()));
}

TEST(over, a_stream_that_throws_at_its_end_is_let_go) {
  context_threads threads;
  const auto how = std::make_shared<rude_stream::manners>();
  how->ends_by_throwing = true;
  auto gone = how->gone.get_future();
  auto s = std::make_unique<rude_stream>(threads.executor(), how);
  auto link = h2::connection::over(std::unique_ptr<h2::lower_stream>(std::move(s)), "http://localhost/", bounded());
  link = {};
  EXPECT_EQ(gone.wait_for(patience), std::future_status::ready);
}

TEST(over, its_stream_is_told_the_end_and_closed_when_the_handles_are_gone) {
  scripted peer(settings);
  EXPECT_TRUE(peer.link);
  peer.begin();
  peer.link = {};
  EXPECT_TRUE(peer.gone());
  EXPECT_EQ(peer.log->ended, 1);
  EXPECT_EQ(peer.log->closed, 1);
}

TEST(over, a_context_that_is_destroyed_takes_everything_along) {
  const auto log = std::make_shared<scripted_stream::shared>();
  service server(echo_back, with_tls());
  h2::connection left;
  h2::stream waiting;
  auto read = std::make_shared<int>(0);
  const std::weak_ptr<int> handler_lives = read;
  {
    asio::io_context io;
    auto context = client_context();
    asio::ssl::stream<tcp::socket> tls(connected(io.get_executor(), server.server().port()), context);
    tls.handshake(asio::ssl::stream_base::client);
    h2::connection::async_over(std::move(tls), "http://localhost/", bounded(),
                               [&](error_code, h2::connection c) { left = std::move(c); });
    EXPECT_TRUE(run_until(io, [&] { return bool(left); }));
    left.async_open_stream({.url = "http://localhost/"}, bounded(), [&](error_code, h2::stream s) {
      waiting = std::move(s);
      waiting.async_recv([keep = std::move(read)](error_code, const message&) {});
    });
    EXPECT_TRUE(run_until(io, [&] { return bool(waiting); }));
    waiting = {};
    left = {};
  }
  EXPECT_TRUE(handler_lives.expired());
}

}  // namespace
}  // namespace duplex::test
