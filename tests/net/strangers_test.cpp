// Peers that do not speak HTTP/2 (RFC 9113, section 3.4), at both ends. A server goes on serving the others.

#include "peers.hpp"

namespace duplex::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// To a client

TEST(stranger_to_a_client, of_http1_is_named_by_its_status_line) {
  asio::io_context io;
  tcp_peer peer(io, [](tcp::socket& socket) -> asio::awaitable<void> {
    char piece[64];
    co_await socket.async_read_some(asio::buffer(piece), as_value);
    co_await say(socket, "HTTP/1.1 505 HTTP Version Not Supported\r\ncontent-length: 0\r\n\r\n");
    co_await read_to_end(socket);
  });
  auto s = open_now(io, peer.url(), {.close_timeout = 20ms});
  EXPECT_EQ(name(s.ec), "ok") << "with prior knowledge nothing is known before the peer speaks";
  EXPECT_EQ(name(receive_now(io, s.stream).ec), "protocol_not_negotiated");
  EXPECT_EQ(name(receive_now(io, s.stream).ec), "protocol_not_negotiated") << "and stays so";
  const auto why = s.stream.failure();
  ASSERT_TRUE(why);
  EXPECT_THAT(why->message, HasSubstr("HTTP/1.1 505 HTTP Version Not Supported"));
  EXPECT_EQ(why->origin, origin::peer);
  EXPECT_EQ(why->scope, scope::connection);
  s.stream = {};
  peer.stop();
  EXPECT_TRUE(run_until_idle(io));
}

TEST(stranger_to_a_client, that_greets_in_another_protocol_is_quoted) {
  asio::io_context io;
  tcp_peer peer(io, [](tcp::socket& socket) -> asio::awaitable<void> {
    co_await say(socket, "SSH-2.0-OpenSSH_9.2p1 Debian\r\nand more that is no frame");
    co_await read_to_end(socket);
  });
  auto s = open_now(io, peer.url(), {.close_timeout = 20ms});
  EXPECT_EQ(name(receive_now(io, s.stream).ec), "protocol_not_negotiated");
  EXPECT_THAT(s.stream.failure().value().message,
              HasSubstr("it answered the preface with \"SSH-2.0-OpenSSH_9.2p1 Debian\""));
}

TEST(stranger_to_a_client, that_hangs_up_at_once_is_a_lost_connection) {
  asio::io_context io;
  tcp_peer peer(io, [](tcp::socket&) -> asio::awaitable<void> { co_return; });
  auto s = open_now(io, peer.url(), {.close_timeout = 20ms});
  EXPECT_EQ(name(receive_now(io, s.stream).ec), "connection_lost");
}

TEST(stranger_to_a_client, that_hangs_up_inside_a_status_line_is_a_lost_connection) {
  asio::io_context io;
  tcp_peer peer(io, [](tcp::socket& socket) -> asio::awaitable<void> {
    co_await say(socket, "HTT");
    socket.shutdown(tcp::socket::shutdown_send);
    co_await read_to_end(socket);
  });
  auto s = open_now(io, peer.url(), {.close_timeout = 20ms});
  EXPECT_EQ(name(receive_now(io, s.stream).ec), "connection_lost");
}

// To a server

class stranger : public ::testing::Test {
 protected:
  explicit stranger(bool cleartext) {
    opts_.cleartext = cleartext;
    if (!opts_.cleartext) {
      opts_.certificate_pem = cert_.certificate_pem;
      opts_.key_pem = cert_.key_pem;
    }
    opts_.stream.close_timeout = 20ms;
  }
  h2::server start() {
    return {io_.get_executor(), opts_, [this](const request&, h2::stream s) {
              ++requests_;
              s.async_send_response({200, {}}, h2::fin, [s](error_code) {});
            }};
  }
  void expect_served(const h2::server& server) {
    options opts;
    opts.tls.verify = false;
    opts.close_timeout = 20ms;
    const int before = requests_;
    auto s = open_now(io_, server.url(), opts);
    EXPECT_EQ(name(s.ec), "ok") << s.message;
    EXPECT_EQ(std::get<response>(receive_now(io_, s.stream).got).status, 200);
    EXPECT_EQ(requests_, before + 1);
  }
  // What the server answers to `bytes`, until it ends.
  std::string answer_to(const h2::server& server, const std::string& bytes) {
    std::string all;
    EXPECT_TRUE(run(io_, [&]() -> asio::awaitable<void> {
      tcp::socket socket(io_);
      co_await socket.async_connect(loopback(server.port()), as_value);
      co_await say(socket, bytes);
      all = (co_await read_to_end(socket)).first;
    }()));
    return all;
  }

  asio::io_context io_;
  certificate cert_ = make_self_signed();
  h2::server_options opts_;
  int requests_ = 0;
};

class stranger_to_a_server : public stranger, public ::testing::WithParamInterface<bool> {
 protected:
  stranger_to_a_server() : stranger(GetParam()) {}
};

class stranger_to_a_server_over_tcp : public stranger {
 protected:
  stranger_to_a_server_over_tcp() : stranger(true) {}
};

class stranger_to_a_server_over_tls : public stranger {
 protected:
  stranger_to_a_server_over_tls() : stranger(false) {}
};

INSTANTIATE_TEST_SUITE_P(over, stranger_to_a_server, ::testing::Values(true, false),
                         [](const auto& p) { return p.param ? "tcp" : "tls"; });

TEST_P(stranger_to_a_server, that_speaks_http1_is_closed) {
  const auto server = start();
  answer_to(server, "GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  expect_served(server);
}

TEST_P(stranger_to_a_server, that_says_garbage_is_closed) {
  const auto server = start();
  answer_to(server, std::string(1000, '\xff'));
  answer_to(server, std::string("PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n"));
  answer_to(server, std::string(client_preface) + std::string(100, '\xff'));
  EXPECT_EQ(requests_, 0);
  expect_served(server);
}

TEST_P(stranger_to_a_server, that_says_nothing_is_closed_at_the_handshake_timeout) {
  opts_.handshake_timeout = 1s;  // those who are served need less, also on a busy machine
  const auto server = start();
  answer_to(server, "");
  answer_to(server, "P");
  expect_served(server);
}

TEST_F(stranger_to_a_server_over_tcp, that_stops_after_its_preface_is_closed_at_the_handshake_timeout) {
  opts_.handshake_timeout = 1s;  // those who are served need less, also on a busy machine
  const auto server = start();
  answer_to(server, std::string(client_preface));
  answer_to(server, std::string(client_preface) + std::string(4, '\0'));  // half a SETTINGS frame
  expect_served(server);
}

TEST_P(stranger_to_a_server, that_hangs_up_anywhere_in_its_handshake_harms_nobody) {
  const auto server = start();
  const auto hello = std::string("\x16\x03\x01\x00\x10", 5) + std::string(8, '\1');
  for (const auto& bytes : {std::string(), std::string("P"), std::string(client_preface.substr(0, 12)),
                            std::string(client_preface), hello}) {
    EXPECT_TRUE(run(io_, [&]() -> asio::awaitable<void> {
      tcp::socket socket(io_);
      co_await socket.async_connect(loopback(server.port()), as_value);
      co_await say(socket, bytes);
    }()));
    EXPECT_TRUE(run(io_, [&]() -> asio::awaitable<void> {
      tcp::socket socket(io_);
      co_await socket.async_connect(loopback(server.port()), as_value);
      co_await say(socket, bytes);
      socket.set_option(asio::socket_base::linger(true, 0));  // and by a reset
    }()));
  }
  expect_served(server);
}

TEST_P(stranger_to_a_server, that_is_slow_does_not_hold_up_the_others) {
  const auto server = start();
  tcp::socket slow(io_);
  slow.connect(loopback(server.port()));
  for (int i = 0; i < 3; ++i) expect_served(server);
}

// A client whose TLS is well, and that does not mean HTTP/2.
TEST_F(stranger_to_a_server_over_tls, without_alpn_h2_is_closed) {
  const auto server = start();
  for (const std::string protocol : {"", "\x08http/1.1"}) {
    std::string said;
    EXPECT_TRUE(run(io_, [&]() -> asio::awaitable<void> {
      asio::ssl::context context(asio::ssl::context::tls_client);
      tls_socket tls(io_, context);
      if (!protocol.empty()) {
        SSL_set_alpn_protos(tls.native_handle(), reinterpret_cast<const unsigned char*>(protocol.data()),
                            static_cast<unsigned>(protocol.size()));
      }
      co_await tls.next_layer().async_connect(loopback(server.port()), as_value);
      auto [ec] = co_await tls.async_handshake(asio::ssl::stream_base::client, as_value);
      if (!protocol.empty()) {
        EXPECT_THAT(ec.message(), HasSubstr("no application protocol"));
      }
      if (ec) co_return;
      co_await say(tls, std::string(client_preface) + make_frame(4, 0, 0));
      said = (co_await read_to_end(tls)).first;
    }()));
    EXPECT_THAT(said, IsEmpty());
  }
  expect_served(server);
}

}  // namespace
}  // namespace duplex::test
