// HTTP/1.1 spoken to a server's port gets a short answer that its client understands (RFC 9110, section 15.6.6).

#include "peers.hpp"

namespace duplex::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr std::string_view get = "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

class http1_client : public ::testing::Test {
 protected:
  http1_client() {
    opts_.on_failure = [this](const h2::connection_info&, const failure& why) {
      reports_.push_back(name(why.code));
      message_ = why.message;
    };
  }
  void start(bool cleartext) {
    opts_.cleartext = cleartext;
    opts_.certificate_pem = cert_.certificate_pem;
    opts_.key_pem = cert_.key_pem;
    server_.emplace(io_.get_executor(), opts_, [](const request&, const h2::stream&) {});
  }
  // What a client hears that says `pieces`, each in a write of its own, and how it ends.
  template <class Stream>
  asio::awaitable<void> talk(Stream& to, std::vector<std::string> pieces) {
    for (const auto& each : pieces) co_await say(to, each);
    std::tie(heard_, end_) = co_await read_to_end(to);
  }
  void talk_plainly(std::vector<std::string> pieces) {
    EXPECT_TRUE(run(io_, [&]() -> asio::awaitable<void> {
      tcp::socket socket(io_);
      co_await socket.async_connect(loopback(server_->port()), as_value);
      socket.set_option(tcp::no_delay(true));
      co_await talk(socket, pieces);
    }()));
  }
  void talk_over_tls(const std::string& alpn, std::vector<std::string> pieces) {
    EXPECT_TRUE(run(io_, [&]() -> asio::awaitable<void> {
      asio::ssl::context context(asio::ssl::context::tls_client);
      tls_socket tls(io_, context);
      if (!alpn.empty()) {
        SSL_set_alpn_protos(tls.native_handle(), reinterpret_cast<const unsigned char*>(alpn.data()),
                            static_cast<unsigned>(alpn.size()));
      }
      co_await tls.next_layer().async_connect(loopback(server_->port()), as_value);
      auto [ec] = co_await tls.async_handshake(asio::ssl::stream_base::client, as_value);
      end_ = ec;
      if (!ec) co_await talk(tls, pieces);
    }()));
  }

  asio::io_context io_;
  certificate cert_ = make_self_signed();
  h2::server_options opts_;
  std::optional<h2::server> server_;
  std::vector<std::string> reports_;
  std::string message_;
  std::string heard_;
  error_code end_;
};

TEST_F(http1_client, in_cleartext_gets_505_and_an_orderly_end) {
  start(true);
  talk_plainly({std::string(get)});
  EXPECT_THAT(heard_, StartsWith("HTTP/1.1 505 HTTP Version Not Supported\r\n"));
  EXPECT_THAT(heard_, HasSubstr("connection: close\r\n"));
  EXPECT_EQ(end_, asio::error::eof);
  EXPECT_TRUE(run_until(io_, [&] { return !reports_.empty(); }));
  EXPECT_THAT(reports_, ElementsAre("protocol_not_negotiated"));
  EXPECT_THAT(message_, HasSubstr("\"GET / HTTP/1.1\""));
  EXPECT_EQ(server_->stats().connections_failed, 1U);
}

TEST_F(http1_client, may_send_its_request_byte_by_byte) {
  start(true);
  std::vector<std::string> bytes;
  for (const char c : get) bytes.emplace_back(1, c);
  talk_plainly(bytes);
  EXPECT_THAT(heard_, StartsWith("HTTP/1.1 505 "));
  EXPECT_EQ(end_, asio::error::eof);
}

// A socket that is closed before all was read answers with RST, and the answer may be lost.
TEST_F(http1_client, with_a_large_body_hears_the_answer_all_the_same) {
  start(true);
  talk_plainly({"POST / HTTP/1.1\r\ncontent-length: 200000\r\n\r\n", std::string(200000, 'x')});
  EXPECT_THAT(heard_, StartsWith("HTTP/1.1 505 "));
  EXPECT_EQ(end_, asio::error::eof);
}

TEST_F(http1_client, over_tls_without_alpn_gets_505) {
  start(false);
  talk_over_tls("", {std::string(get)});
  EXPECT_THAT(heard_, StartsWith("HTTP/1.1 505 "));
  EXPECT_THAT(heard_, HasSubstr("with the ALPN protocol h2"));
  EXPECT_EQ(end_, asio::error::eof) << end_.message();
  EXPECT_TRUE(run_until(io_, [&] { return !reports_.empty(); }));
  EXPECT_THAT(message_, HasSubstr("does not offer h2 by ALPN"));
}

TEST_F(http1_client, rfc7301_3_2_that_offers_nothing_but_http_1_1_gets_an_alert) {
  start(false);
  talk_over_tls("\x08http/1.1", {});
  EXPECT_THAT(end_.message(), HasSubstr("no application protocol"));
  EXPECT_THAT(heard_, IsEmpty());
  EXPECT_TRUE(run_until(io_, [&] { return !reports_.empty(); }));
  EXPECT_THAT(message_, HasSubstr("does not offer h2 by ALPN"));
}

TEST_F(http1_client, leaves_the_server_well) {
  start(true);
  talk_plainly({std::string(get)});
  auto s = open_now(io_, server_->url());
  EXPECT_EQ(name(s.ec), "ok");
  bool answered = false;
  s.stream.connection().async_ping([&](error_code ec, std::chrono::microseconds) { answered = !ec; });
  EXPECT_TRUE(run_until(io_, [&] { return answered; }));
}

}  // namespace
}  // namespace duplex::test
