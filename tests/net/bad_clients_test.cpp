// What a server tells its operator of clients that fail: who, what and why, once. And of whom it says nothing.

#include "peers.hpp"

#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <functional>
#include <mutex>
#include <set>
#include <stdexcept>

namespace duplex::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

struct report {
  h2::connection_info info;
  failure why;
};

// A request for / on this stream, with fields of `more` (RFC 7541, section 6).
std::string request_frame(std::uint32_t stream, const std::string& more = {}, bool end = true) {
  return make_frame(1, end ? 5 : 4, stream, "\x83\x86\x84\x01\x01x" + more);
}

std::string literal(const std::string& name, const std::string& value) {
  std::string out(1, '\0');
  out += static_cast<char>(name.size());
  out += name;
  out += static_cast<char>(value.size());
  return out + value;
}

const std::string greeting = std::string(client_preface) + make_frame(4, 0, 0);
const std::string acknowledged = greeting + make_frame(4, 1, 0);

class bad_client : public ::testing::Test {
 protected:
  explicit bad_client(bool cleartext) {
    opts_.cleartext = cleartext;
    if (!cleartext) {
      opts_.certificate_pem = cert_.certificate_pem;
      opts_.key_pem = cert_.key_pem;
    }
    opts_.stream.close_timeout = 20ms;
    opts_.on_failure = [this](const h2::connection_info& info, const failure& why) { reports_.push_back({info, why}); };
  }

  void start() {
    server_.emplace(io_.get_executor(), opts_, [this](const request&, const h2::stream& s) { streams_.push_back(s); });
  }

  // A client that says `bytes`, and reads until the server ends the connection; the server's answer.
  std::string talk(const std::string& bytes) {
    std::string all;
    EXPECT_TRUE(run(io_, [&]() -> asio::awaitable<void> {
      tcp::socket socket(io_);
      co_await socket.async_connect(loopback(server_->port()), as_value);
      address_ = "127.0.0.1:" + std::to_string(socket.local_endpoint().port());
      co_await say(socket, bytes);
      all = (co_await read_to_end(socket)).first;
    }()));
    return all;
  }

  // A client that says `bytes`, reads until `seen` holds, and goes away: by a reset, or an end of file.
  void talk_and_go(const std::string& bytes, const std::function<bool(const std::string&)>& seen, bool by_reset) {
    EXPECT_TRUE(run(io_, [&]() -> asio::awaitable<void> {
      tcp::socket socket(io_);
      co_await socket.async_connect(loopback(server_->port()), as_value);
      address_ = "127.0.0.1:" + std::to_string(socket.local_endpoint().port());
      co_await say(socket, bytes);
      std::string all;
      while (!seen(all)) {
        char piece[512];
        auto [ec, n] = co_await socket.async_read_some(asio::buffer(piece), as_value);
        if (ec) break;
        all.append(piece, n);
      }
      if (by_reset) socket.set_option(asio::socket_base::linger(true, 0));
    }()));
  }

  // All that the server has to tell, in words. Ends it.
  std::vector<std::string> told() {
    bool over = false;
    streams_.clear();
    server_->async_shutdown(1s, [&](error_code) { over = true; });
    EXPECT_TRUE(run_until(io_, [&] { return over; }));
    std::vector<std::string> all;
    for (const auto& [info, why] : reports_) {
      EXPECT_EQ(info.peer, address_);
      EXPECT_THAT(why.message, HasSubstr(address_.empty() ? info.peer : address_));
      EXPECT_FALSE(why.retry_safe);
      all.push_back(name(why.code) + " " + std::string(to_string(why.origin)) + " " +
                    std::string(to_string(why.scope)) + (why.http2_code ? " " + h2::code_name(*why.http2_code) : ""));
    }
    return all;
  }
  [[nodiscard]] std::string message() const { return reports_.empty() ? std::string() : reports_.front().why.message; }

  asio::io_context io_;
  certificate cert_ = make_self_signed();
  h2::server_options opts_;
  std::vector<report> reports_;
  std::vector<h2::stream> streams_;
  std::string address_;  // of the client
  std::optional<h2::server> server_;
};

// In cleartext

class bad_client_over_tcp : public bad_client {
 protected:
  bad_client_over_tcp() : bad_client(true) {}
};

TEST_F(bad_client_over_tcp, that_speaks_http1_is_told_of_with_what_it_said) {
  start();
  (void)talk("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  EXPECT_THAT(told(), ElementsAre("protocol_not_negotiated peer connection"));
  EXPECT_EQ(message(), address_ + " does not begin with the preface of HTTP/2, but with \"GET / HTTP/1.1\"");
}

TEST_F(bad_client_over_tcp, that_speaks_tls_is_told_of) {
  start();
  (void)talk(std::string("\x16\x03\x01\x00\x10", 5) + std::string(40, '\1'));
  EXPECT_THAT(told(), ElementsAre("protocol_not_negotiated peer connection"));
  EXPECT_EQ(message(), address_ + " speaks TLS on a port without it");
}

TEST_F(bad_client_over_tcp, that_breaks_the_connection_is_told_of_with_the_code_of_our_goaway) {
  start();
  (void)talk(acknowledged + make_frame(0, 0, 1, "data of an idle stream"));
  EXPECT_THAT(told(), ElementsAre("protocol_error peer connection PROTOCOL_ERROR"));
  EXPECT_THAT(message(), StartsWith(address_ + " broke HTTP/2: "));
}

TEST_F(bad_client_over_tcp, that_breaks_header_compression_is_told_of_once) {
  start();
  (void)talk(acknowledged + make_frame(1, 5, 1, "\xff\xff\xff\xff\xff\xff"));
  EXPECT_THAT(told(), ElementsAre("protocol_error peer connection COMPRESSION_ERROR"));
}

TEST_F(bad_client_over_tcp, whose_request_is_malformed_is_told_of_and_goes_on) {
  start();
  const auto bad = literal("x-bad", "a\nb");
  talk_and_go(
      acknowledged + request_frame(1, bad) + make_frame(6, 0, 0, "first...") + request_frame(3),
      [&](const std::string& all) { return frame_names(all).size() > 3 && !streams_.empty(); }, false);
  EXPECT_THAT(streams_, SizeIs(1)) << "the malformed one is never handed over";
  EXPECT_TRUE(run_until(io_, [&] { return reports_.size() == 2; }));
  EXPECT_THAT(told(), ElementsAre("protocol_error peer stream PROTOCOL_ERROR", "connection_lost network connection"))
      << "it has left a request without waiting for an answer";
}

TEST_F(bad_client_over_tcp, whose_request_has_too_many_fields_is_told_of) {
  opts_.stream.max_header_fields = 2;
  start();
  const auto many = literal("a", "b") + literal("c", "d") + literal("e", "f");
  talk_and_go(
      acknowledged + request_frame(1, many), [](const std::string& all) { return frame_names(all).size() > 2; }, false);
  EXPECT_THAT(told(), ElementsAre("limit_exceeded local stream ENHANCE_YOUR_CALM"));
  EXPECT_THAT(message(), HasSubstr("max_header_fields"));
}

TEST_F(bad_client_over_tcp, that_goes_above_a_budget_is_told_of) {
  opts_.stream.limits.pings = {.burst = 1, .per_second = 0};
  start();
  (void)talk(acknowledged + make_frame(6, 0, 0, "12345678") + make_frame(6, 0, 0, "12345678"));
  EXPECT_THAT(told(), ElementsAre("limit_exceeded peer connection ENHANCE_YOUR_CALM"));
  EXPECT_EQ(message(), address_ + " went above limits.pings: too many PING frames");
}

TEST_F(bad_client_over_tcp, whose_requests_end_the_connection_is_told_of_by_that_alone) {
  opts_.stream.limits.resets = {.burst = 1, .per_second = 0};
  start();
  const auto bad = literal("x-bad", "a\nb");
  (void)talk(acknowledged + request_frame(1, bad) + request_frame(3, bad) + request_frame(5, bad));
  EXPECT_EQ(told().back(), "limit_exceeded peer connection ENHANCE_YOUR_CALM");
}

TEST_F(bad_client_over_tcp, that_never_begins_is_told_of) {
  opts_.handshake_timeout = 30ms;
  start();
  (void)talk("");
  EXPECT_THAT(told(), ElementsAre("timeout network connection"));
}

TEST_F(bad_client_over_tcp, that_does_not_acknowledge_settings_is_told_of) {
  opts_.stream.settings_timeout = 30ms;
  start();
  (void)talk(greeting);
  EXPECT_THAT(told(), ElementsAre("timeout peer connection SETTINGS_TIMEOUT"));
}

TEST_F(bad_client_over_tcp, that_does_not_end_its_header_section_is_told_of) {
  opts_.stream.header_timeout = 30ms;
  start();
  (void)talk(acknowledged + make_frame(1, 0, 1, "\x83\x86\x84"));
  EXPECT_THAT(told(), ElementsAre("timeout peer connection ENHANCE_YOUR_CALM"));
}

TEST_F(bad_client_over_tcp, that_does_not_answer_a_ping_is_told_of) {
  opts_.stream.keepalive_time = 20ms;
  opts_.stream.keepalive_timeout = 20ms;
  start();
  (void)talk(acknowledged + request_frame(1));
  EXPECT_THAT(told(), ElementsAre("keepalive_timeout network connection"));
}

TEST_F(bad_client_over_tcp, that_leaves_a_stream_behind_is_told_of) {
  for (const bool by_reset : {false, true}) {
    reports_.clear();
    start();
    talk_and_go(
        acknowledged + request_frame(1), [&](const std::string&) { return !streams_.empty(); }, by_reset);
    EXPECT_TRUE(run_until(io_, [&] { return !reports_.empty(); }));
    EXPECT_THAT(told(), ElementsAre("connection_lost network connection"));
  }
}

TEST_F(bad_client_over_tcp, is_not_one_that_goes_away_without_a_stream) {
  const auto nothing = [](const std::string&) { return true; };
  const auto greeted = [](const std::string& all) { return !frame_names(all).empty(); };
  const auto half_a_frame = std::string(4, '\0');
  start();
  for (const bool by_reset : {false, true}) {
    talk_and_go("", nothing, by_reset);
    talk_and_go("P", nothing, by_reset);
    talk_and_go(greeting, greeted, by_reset);
    talk_and_go(acknowledged, greeted, by_reset);
    talk_and_go(acknowledged + half_a_frame, greeted, by_reset);
    talk_and_go(acknowledged + make_frame(7, 0, 0, std::string(8, '\0')), greeted, by_reset);
  }
  EXPECT_THAT(told(), IsEmpty());
}

TEST_F(bad_client_over_tcp, is_not_one_that_the_server_ends) {
  opts_.idle_timeout = 30ms;
  start();
  (void)talk(acknowledged);
  talk_and_go(
      acknowledged + request_frame(1),
      [&](const std::string&) {
        if (!streams_.empty()) server_.reset();
        return !server_;
      },
      false);
  settle(io_);
  EXPECT_THAT(reports_, IsEmpty());
}

TEST_F(bad_client_over_tcp, harms_nobody_by_what_the_handler_throws) {
  int told_of = 0;
  opts_.on_failure = [&](const h2::connection_info&, const failure&) {
    ++told_of;
    throw std::runtime_error("no room for logs");
  };
  start();
  (void)talk("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  talk_and_go(
      acknowledged + request_frame(1, literal("x-bad", "a\nb")) + request_frame(3),
      [&](const std::string&) { return !streams_.empty(); }, true);
  EXPECT_TRUE(run_until(io_, [&] { return told_of == 3; }));
  EXPECT_THAT(told(), IsEmpty());
}

TEST_F(bad_client_over_tcp, may_be_told_of_by_what_ends_the_server) {
  opts_.on_failure = [this](const h2::connection_info&, const failure&) { server_.reset(); };
  start();
  (void)talk("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  EXPECT_FALSE(server_);
  EXPECT_TRUE(run_until_idle(io_));
}

TEST(bad_clients, of_several_threads_are_told_of_once_each) {
  constexpr int clients = 40;
  std::mutex mutex;
  std::set<std::string> peers;
  std::atomic<int> calls = 0;
  asio::thread_pool threads(3);
  h2::server_options opts{.cleartext = true};
  opts.on_failure = [&](const h2::connection_info& info, const failure& why) {
    EXPECT_EQ(name(why.code), "protocol_not_negotiated");
    const std::lock_guard lock(mutex);
    peers.insert(info.peer);
    ++calls;
  };
  {
    const h2::server server(threads.get_executor(), opts, [](const request&, const h2::stream&) {});
    asio::io_context io;
    int over = 0;
    const auto talk = [&]() -> asio::awaitable<void> {
      tcp::socket socket(io);
      co_await socket.async_connect(loopback(server.port()), as_value);
      co_await say(socket, "GET / HTTP/1.1\r\n\r\n");
      co_await read_to_end(socket);
      ++over;
    };
    for (int i = 0; i < clients; ++i) spawn(io, talk());
    EXPECT_TRUE(run_until(io, [&] { return over == clients; }));
  }
  threads.join();
  EXPECT_EQ(calls, clients);
  EXPECT_THAT(peers, SizeIs(clients));
}

// Over TLS

class bad_client_over_tls : public bad_client {
 protected:
  bad_client_over_tls() : bad_client(false) {}

  // A handshake with this ALPN; what it came to for the client. Then it reads to the end.
  std::string shake_hands(const std::string& protocols, asio::ssl::context& context) {
    std::string outcome;
    EXPECT_TRUE(run(io_, [&]() -> asio::awaitable<void> {
      tls_socket tls(io_, context);
      if (!protocols.empty()) {
        SSL_set_alpn_protos(tls.native_handle(), reinterpret_cast<const unsigned char*>(protocols.data()),
                            static_cast<unsigned>(protocols.size()));
      }
      co_await tls.next_layer().async_connect(loopback(server_->port()), as_value);
      address_ = "127.0.0.1:" + std::to_string(tls.next_layer().local_endpoint().port());
      auto [ec] = co_await tls.async_handshake(asio::ssl::stream_base::client, as_value);
      outcome = name(ec);
      if (!ec) co_await read_to_end(tls);
    }()));
    return outcome;
  }
  std::string shake_hands(const std::string& protocols) {
    asio::ssl::context context(asio::ssl::context::tls_client);
    return shake_hands(protocols, context);
  }

  temporary_folder folder_;
};

TEST_F(bad_client_over_tls, that_speaks_cleartext_is_told_of) {
  start();
  (void)talk("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  EXPECT_THAT(told(), ElementsAre("tls_failed peer connection"));
  EXPECT_EQ(message(), address_ + " does not speak TLS on this port (http request)");
}

TEST_F(bad_client_over_tls, that_speaks_http2_in_cleartext_is_told_of) {
  start();
  (void)talk(acknowledged);
  EXPECT_THAT(told(), ElementsAre("tls_failed peer connection"));
  EXPECT_THAT(message(), StartsWith(address_ + " does not speak TLS on this port ("));
}

TEST_F(bad_client_over_tls, that_does_not_offer_h2_is_told_of) {
  start();
  (void)shake_hands("\x08http/1.1");
  EXPECT_THAT(told(), ElementsAre("protocol_not_negotiated peer connection"));
  EXPECT_EQ(message(), address_ + " does not offer h2 by ALPN");
}

TEST_F(bad_client_over_tls, that_knows_no_alpn_is_told_of_when_it_leaves) {
  start();
  EXPECT_TRUE(run(io_, [&]() -> asio::awaitable<void> {
    asio::ssl::context context(asio::ssl::context::tls_client);
    tls_socket tls(io_, context);
    co_await tls.next_layer().async_connect(loopback(server_->port()), as_value);
    address_ = "127.0.0.1:" + std::to_string(tls.next_layer().local_endpoint().port());
    co_await tls.async_handshake(asio::ssl::stream_base::client, as_value);
  }()));
  EXPECT_TRUE(run_until(io_, [&] { return !reports_.empty(); }));
  EXPECT_THAT(told(), ElementsAre("protocol_not_negotiated peer connection"));
  EXPECT_EQ(message(), address_ + " does not offer h2 by ALPN");
}

TEST_F(bad_client_over_tls, that_does_not_trust_the_server_is_told_of) {
  start();
  asio::ssl::context context(asio::ssl::context::tls_client);
  context.set_verify_mode(asio::ssl::verify_peer);
  (void)shake_hands("\x02h2", context);
  EXPECT_TRUE(run_until(io_, [&] { return !reports_.empty(); }));
  EXPECT_THAT(told(), ElementsAre("tls_failed peer connection"));
  EXPECT_THAT(message(), HasSubstr("refused the TLS handshake: "));
  EXPECT_THAT(message(), HasSubstr("alert unknown ca"));
  EXPECT_THAT(message(), ::testing::Not(HasSubstr("tls.cert_file"))) << "that is advice for a client";
}

TEST_F(bad_client_over_tls, without_a_certificate_is_told_of_where_one_is_wanted) {
  opts_.client_ca_file = folder_.write("ca.pem", make_self_signed({"alice"}).certificate_pem);
  start();
  (void)shake_hands("\x02h2");
  EXPECT_THAT(told(), ElementsAre("certificate_invalid peer connection"));
  EXPECT_EQ(message(), address_ + " has no certificate, and client_ca_file wants one");
}

TEST_F(bad_client_over_tls, with_a_certificate_of_another_authority_is_told_of) {
  opts_.client_ca_file = folder_.write("ca.pem", make_self_signed({"alice"}).certificate_pem);
  start();
  const auto mallory = make_self_signed({"mallory"});
  asio::ssl::context context(asio::ssl::context::tls_client);
  context.use_certificate_chain(asio::buffer(mallory.certificate_pem));
  context.use_private_key(asio::buffer(mallory.key_pem), asio::ssl::context::pem);
  (void)shake_hands("\x02h2", context);
  EXPECT_THAT(told(), ElementsAre("certificate_invalid local connection"));
  EXPECT_THAT(message(), StartsWith("the certificate of " + address_ + " is not valid: "));
  EXPECT_THAT(message(), HasSubstr("mallory"));
}

TEST_F(bad_client_over_tls, that_is_late_is_told_of) {
  opts_.handshake_timeout = 30ms;
  start();
  (void)talk("");
  EXPECT_THAT(told(), ElementsAre("timeout peer connection"));
  EXPECT_EQ(message(), "the TLS handshake with " + address_ + " took longer than handshake_timeout");
}

TEST_F(bad_client_over_tls, that_hangs_up_in_its_handshake_is_told_of) {
  start();
  EXPECT_TRUE(run(io_, [&]() -> asio::awaitable<void> {
    asio::ssl::context context(asio::ssl::context::tls_client);
    tls_socket tls(io_, context);
    co_await tls.next_layer().async_connect(loopback(server_->port()), as_value);
    address_ = "127.0.0.1:" + std::to_string(tls.next_layer().local_endpoint().port());
    // It says hello, and leaves at the answer.
    SSL_set_alpn_protos(tls.native_handle(), reinterpret_cast<const unsigned char*>("\x02h2"), 3);
    bool over = false;
    tls.async_handshake(asio::ssl::stream_base::client, [&over](error_code) { over = true; });
    co_await tls.next_layer().async_wait(tcp::socket::wait_read, as_value);
    tls.next_layer().close();
    while (!over) co_await asio::post(as_value);
  }()));
  EXPECT_TRUE(run_until(io_, [&] { return !reports_.empty(); }));
  EXPECT_THAT(told(), ElementsAre("tls_failed network connection"));
}

TEST_F(bad_client_over_tls, is_not_one_that_hangs_up_before_it_said_a_word) {
  start();
  const auto nothing = [](const std::string&) { return true; };
  for (const bool by_reset : {false, true}) talk_and_go("", nothing, by_reset);
  EXPECT_THAT(told(), IsEmpty());
}

TEST_F(bad_client_over_tls, is_not_one_that_the_server_ends_in_its_handshake) {
  start();
  tcp::socket silent(io_);
  silent.connect(loopback(server_->port()));
  settle(io_);
  EXPECT_THAT(told(), IsEmpty());
}

TEST_F(bad_client_over_tls, that_breaks_an_open_connection_by_an_alert_is_told_of_even_without_a_stream) {
  start();
  EXPECT_TRUE(run(io_, [&]() -> asio::awaitable<void> {
    asio::ssl::context context(asio::ssl::context::tls_client);
    tls_socket tls(io_, context);
    SSL_set_alpn_protos(tls.native_handle(), reinterpret_cast<const unsigned char*>("\x02h2"), 3);
    co_await tls.next_layer().async_connect(loopback(server_->port()), as_value);
    address_ = "127.0.0.1:" + std::to_string(tls.next_layer().local_endpoint().port());
    co_await tls.async_handshake(asio::ssl::stream_base::client, as_value);
    co_await say(tls, acknowledged);
    co_await say(tls.next_layer(),
                 std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, '\0'));  // no record of ours
    co_await read_to_end(tls.next_layer());
  }()));
  EXPECT_THAT(told(), ElementsAre("connection_lost network connection"));
  EXPECT_THAT(message(), StartsWith("TLS with " + address_ + " broke: "));
}

}  // namespace
}  // namespace duplex::test
