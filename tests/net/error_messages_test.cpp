// What a failure says to a person: with whom, in which phase, why, and what to try. Over real sockets.

#include "peers.hpp"

#include <future>

namespace duplex::test {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::StartsWith;

class error_message : public ::testing::Test {
 protected:
  /// What opening `url` failed with, or what the stream did once it was open.
  std::string told(const std::string& url, options opts = {}) {
    opts.close_timeout = 20ms;
    last_ = open_now(io_, url, std::move(opts));
    if (!last_.ec) last_.ec = receive_now(io_, last_.stream).ec;
    const auto why = last_.stream.failure().value_or(failure());
    EXPECT_EQ(why.code, last_.ec);
    EXPECT_EQ(why.scope, scope::connection);
    return name(last_.ec) + ": " + why.message;
  }
  failure why() { return last_.stream.failure().value_or(failure()); }

  options trusting(const certificate& cert) {
    options opts;
    opts.tls.ca_file = folder_.write("ca.pem", cert.certificate_pem);
    return opts;
  }
  static std::string at(std::uint16_t port) {
    return "localhost:" + std::to_string(port) + " (127.0.0.1:" + std::to_string(port) + ")";
  }
  std::uint16_t closed_port() { return closed_.next().port(); }
  static asio::awaitable<void> hang_up(tcp::socket&) { co_return; }
  static asio::awaitable<void> answer(tcp::socket& socket, std::string bytes) {
    char piece[64];
    co_await socket.async_read_some(asio::buffer(piece), as_value);
    co_await say(socket, std::move(bytes));
    socket.shutdown(tcp::socket::shutdown_send);
    co_await read_to_end(socket);
  }

  temporary_folder folder_;
  asio::io_context io_;
  closed_ports closed_{io_};
  certificate cert_ = make_self_signed();
  opened last_;
};

// Resolving and connecting

TEST_F(error_message, names_the_host_that_does_not_resolve) {
  EXPECT_THAT(told("http://no-such-host.invalid/"),
              StartsWith("resolve_failed: cannot resolve no-such-host.invalid: Host not found"));
}

TEST_F(error_message, says_that_nothing_listens) {
  const auto port = std::to_string(closed_port());
  EXPECT_EQ(told("http://127.0.0.1:" + port),
            "connect_failed: cannot connect to 127.0.0.1:" + port + " (Connection refused); nothing listens there");
  EXPECT_THAT(told("http://localhost:" + port),
              AllOf(StartsWith("connect_failed: cannot connect to localhost:" + port + ": "),
                    HasSubstr("127.0.0.1:" + port + " (Connection refused)"), EndsWith("; nothing listens there")));
}

TEST_F(error_message, says_which_addresses_took_too_long) {
  tcp::acceptor full(io_);  // a queue that is full drops what knocks
  full.open(tcp::v4());
  full.bind(loopback());
  full.listen(0);
  std::vector<tcp::socket> waiting;
  for (int i = 0; i < 4; ++i) waiting.emplace_back(io_).async_connect(full.local_endpoint(), [](error_code) {});
  const auto port = std::to_string(full.local_endpoint().port());
  options opts;
  opts.connect_timeout = 30ms;
  EXPECT_EQ(told("http://127.0.0.1:" + port, opts),
            "timeout: connecting to 127.0.0.1:" + port + " took longer than connect_timeout, 30 ms");
  opts.connect_to = "127.0.0.1:" + port;
  EXPECT_EQ(told("http://far.example", opts),
            "timeout: connecting to far.example:80 took longer than connect_timeout, "
            "30 ms: 127.0.0.1:" +
                port);
}

// TLS

TEST_F(error_message, says_that_the_tls_handshake_took_too_long) {
  std::vector<tcp::socket> held;
  tcp_peer silent(io_, [&](tcp::socket& socket) -> asio::awaitable<void> {
    held.push_back(std::move(socket));
    co_return;
  });
  const auto address = "127.0.0.1:" + std::to_string(silent.port());
  EXPECT_EQ(
      told("https://far.example", {.connect_timeout = 250ms, .connect_to = address}),
      "timeout: the TLS handshake with far.example:443 (" + address + ") took longer than connect_timeout, 250 ms");
}

TEST_F(error_message, says_how_to_trust_an_authority) {
  tls_peer peer(io_, {.cert = cert_});
  EXPECT_THAT(told(peer.url("localhost")),
              AllOf(StartsWith("certificate_invalid: the certificate of " + at(peer.port()) +
                               " is not valid: self-signed certificate: subject CN="),
                    ContainsRegex(", issuer CN=.*, from 20.* UTC to 20.* UTC; "),
                    EndsWith("; to trust its authority, give its PEM file as tls.ca_file")));
  EXPECT_EQ(why().origin, origin::local);
}

TEST_F(error_message, says_that_the_authority_is_not_in_ca_file) {
  tls_peer peer(io_, {.cert = cert_});
  const auto opts = trusting(make_self_signed({"another"}));
  EXPECT_THAT(told(peer.url(), opts), EndsWith("; its authority is not in tls.ca_file " + opts.tls.ca_file));
}

TEST_F(error_message, has_the_day_on_which_a_certificate_expired) {
  const auto old = expired(cert_);
  tls_peer peer(io_, {.cert = old});
  EXPECT_THAT(told(peer.url(), trusting(old)),
              MatchesRegex(".* is not valid: certificate has expired: it ended on "
                           "20[0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9] UTC; subject CN=.*, issuer .*"));
}

TEST_F(error_message, has_the_wanted_name_and_those_of_the_certificate) {
  const auto other = make_self_signed({"other.example", "127.0.0.2", "::1", "a.example", "b.example", "c.example"});
  tls_peer peer(io_, {.cert = other});
  EXPECT_THAT(
      told(peer.url("localhost"), trusting(other)),
      AllOf(HasSubstr(" is not valid: hostname mismatch: it is for \"other.example\", 127.0.0.2, ::1, "
                      "\"a.example\", \"b.example\" and 1 more, not for \"localhost\"; subject CN=other.example, "
                      "issuer CN=other.example, from 20"),
            EndsWith("; tls.server_name verifies another name")));
  EXPECT_THAT(told(peer.url("127.0.0.1"), trusting(other)),
              AllOf(HasSubstr("IP address mismatch: it is for "), HasSubstr(", not for \"127.0.0.1\"; ")));
}

TEST_F(error_message, says_that_the_server_chose_nothing_by_alpn) {
  tls_peer peer(io_, {.cert = cert_, .alpn = alpn::silent});
  EXPECT_EQ(told(peer.url("localhost"), trusting(cert_)),
            "protocol_not_negotiated: " + at(peer.port()) +
                " does not speak HTTP/2 on this port: by ALPN it chose no protocol, and h2 is needed");
}

TEST_F(error_message, says_that_the_server_refused_alpn) {
  tls_peer peer(io_, {.cert = cert_, .alpn = alpn::refuses, .protocol = "http/1.1"});
  EXPECT_EQ(told(peer.url("localhost"), trusting(cert_)),
            "protocol_not_negotiated: " + at(peer.port()) + " does not speak HTTP/2 on this port: it refused ALPN h2");
}

TEST_F(error_message, says_that_tls_1_2_is_the_least) {
  tls_peer peer(io_, {.cert = cert_, .least_version = TLS1_VERSION, .last_version = TLS1_1_VERSION});
  EXPECT_THAT(told(peer.url("localhost"), trusting(cert_)),
              AllOf(StartsWith("tls_failed: TLS handshake with " + at(peer.port())), EndsWith("TLS 1.2 is the least")));
}

TEST_F(error_message, says_that_a_cleartext_port_was_asked_for_tls) {
  for (const std::string text : {"HTTP/1.1 400 Bad Request\r\n\r\n", "SSH-2.0-OpenSSH_9.2p1\r\n"}) {
    tcp_peer peer(io_, [&](tcp::socket& socket) { return answer(socket, text); });
    EXPECT_EQ(told(peer.url("https", "localhost")),
              "tls_failed: TLS handshake with " + at(peer.port()) +
                  " failed: its answer is not TLS (wrong version number); for cleartext use http://");
  }
  const h2::server cleartext(io_.get_executor(), {.cleartext = true}, [](const request&, const h2::stream&) {});
  EXPECT_THAT(told("https://localhost:" + std::to_string(cleartext.port())),
              AllOf(StartsWith("tls_failed: "), EndsWith("its answer is not TLS (wrong version number); for cleartext "
                                                         "use http://")));
}

TEST_F(error_message, says_that_the_server_closed_in_the_tls_handshake) {
  tcp_peer peer(io_, [](tcp::socket& socket) { return answer(socket, ""); });
  EXPECT_EQ(told(peer.url("https", "localhost")),
            "tls_failed: " + at(peer.port()) + " closed the connection in the TLS handshake");
}

TEST_F(error_message, says_that_tls_was_cut) {
  tls_peer peer(io_, {.cert = cert_}, [](tls_socket& tls) -> asio::awaitable<void> {
    co_await say(tls, make_frame(4, 0, 0));
    tls.next_layer().shutdown(tcp::socket::shutdown_send);
    co_await read_to_end(tls.next_layer());
  });
  EXPECT_EQ(told(peer.url("localhost"), trusting(cert_)),
            "connection_lost: " + at(peer.port()) + " closed the connection without ending TLS");
  EXPECT_EQ(why().origin, origin::network);
}

class error_message_of_mutual_tls : public error_message, public ::testing::WithParamInterface<int> {
 protected:
  error_message_of_mutual_tls() {
    auto* native = context_.native_handle();
    SSL_CTX_set_max_proto_version(native, GetParam());
    context_.use_certificate_chain(asio::buffer(cert_.certificate_pem));
    context_.use_private_key(asio::buffer(cert_.key_pem), asio::ssl::context::pem);
    context_.set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert);
    SSL_CTX_set_alpn_select_cb(
        native,
        [](SSL*, const unsigned char** out, unsigned char* size, const unsigned char* in, unsigned, void*) {
          *out = in + 1;
          *size = in[0];
          return SSL_TLSEXT_ERR_OK;
        },
        nullptr);
    opts_ = trusting(cert_);
  }
  asio::awaitable<void> serve(tcp::socket& socket) {
    tls_socket tls(std::move(socket), context_);
    co_await tls.async_handshake(asio::ssl::stream_base::server, as_value);
    co_await read_to_end(tls.next_layer());  // so that the alert is not lost to a reset
  }

  asio::ssl::context context_{asio::ssl::context::tls_server};
  tcp_peer peer_{io_, [this](tcp::socket& socket) { return serve(socket); }};
  options opts_;
};

INSTANTIATE_TEST_SUITE_P(over, error_message_of_mutual_tls, ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& p) { return p.param == TLS1_2_VERSION ? "tls_1_2" : "tls_1_3"; });

TEST_P(error_message_of_mutual_tls, says_that_the_server_wants_a_certificate) {
  EXPECT_THAT(told(peer_.url("https", "localhost"), opts_),
              AllOf(HasSubstr(at(peer_.port())), HasSubstr("alert"),
                    EndsWith("; it wants a client's certificate: give tls.cert_file and tls.key_file")));
  EXPECT_EQ(why().origin, origin::peer);
}

TEST_P(error_message_of_mutual_tls, says_which_certificate_the_server_does_not_accept) {
  const auto mallory = make_self_signed({"mallory"});
  opts_.tls.cert_file = folder_.write("mallory.pem", mallory.certificate_pem);
  opts_.tls.key_file = folder_.write("mallory.key", mallory.key_pem);
  EXPECT_THAT(told(peer_.url("https", "localhost"), opts_),
              AllOf(HasSubstr(at(peer_.port())), HasSubstr("alert unknown ca"),
                    EndsWith("; it does not accept the certificate of tls.cert_file " + opts_.tls.cert_file)));
  EXPECT_EQ(why().origin, origin::peer);
}

// HTTP/2

TEST_F(error_message, says_that_the_settings_did_not_come) {
  tcp_peer peer(io_, [](tcp::socket& socket) -> asio::awaitable<void> { co_await read_to_end(socket); });
  EXPECT_THAT(told(peer.url(), {.connect_timeout = 250ms}),
              StartsWith("timeout: 127.0.0.1:" + std::to_string(peer.port()) + " sent no SETTINGS"));
}

TEST_F(error_message, says_that_a_tls_port_was_asked_for_cleartext) {
  for (const std::string& record :
       {std::string("\x15\x03\x03\x00\x02\x02\x0a", 7), std::string("\x16\x03\x01\x00", 4)}) {
    tcp_peer peer(io_, [&](tcp::socket& socket) { return answer(socket, record); });
    EXPECT_EQ(told(peer.url("http", "localhost")),
              "protocol_not_negotiated: " + at(peer.port()) + " speaks TLS on this port; use https://");
    EXPECT_EQ(why().origin, origin::peer);
  }
}

TEST_F(error_message, suggests_tls_where_the_server_closes_without_a_word) {
  tcp_peer peer(io_, hang_up);
  EXPECT_THAT(told(peer.url("http", "localhost")),
              AllOf(StartsWith("connection_lost: "), HasSubstr(at(peer.port())),
                    EndsWith(", and it had said nothing; if it wants TLS, use https://")));
  const h2::server tls(io_.get_executor(), {.certificate_pem = cert_.certificate_pem, .key_pem = cert_.key_pem},
                       [](const request&, const h2::stream&) {});
  EXPECT_THAT(told("http://localhost:" + std::to_string(tls.port())), EndsWith("if it wants TLS, use https://"));
}

TEST_F(error_message, does_not_suggest_tls_behind_tls_or_words) {
  tls_peer silent(io_, {.cert = cert_},
                  [](tls_socket& tls) -> asio::awaitable<void> { co_await tls.async_shutdown(as_value); });
  EXPECT_THAT(told(silent.url("localhost"), trusting(cert_)), Not(HasSubstr("https")));
  tcp_peer polite(io_, [](tcp::socket& socket) { return answer(socket, make_frame(4, 0, 0)); });
  EXPECT_EQ(told(polite.url("http", "localhost")), "connection_lost: " + at(polite.port()) + " closed the connection");
}

TEST_F(error_message, quotes_the_answer_of_http1) {
  tcp_peer peer(io_, [](tcp::socket& socket) { return answer(socket, "HTTP/1.1 400 Bad Request\r\n\r\n"); });
  EXPECT_EQ(told(peer.url("http", "localhost")),
            "protocol_not_negotiated: " + at(peer.port()) +
                " answered the preface of HTTP/2 with HTTP/1.x: \"HTTP/1.1 400 Bad Request\"");
}

TEST_F(error_message, quotes_the_debug_data_of_goaway) {
  const auto goaway = make_frame(7, 0, 0, std::string("\0\0\0\1\0\0\0\x0b", 8) + "too\nmany");
  tcp_peer peer(io_, [&](tcp::socket& socket) { return answer(socket, make_frame(4, 0, 0) + goaway); });
  EXPECT_EQ(told(peer.url("http", "localhost")),
            "goaway: " + at(peer.port()) + " ended the connection with GOAWAY ENHANCE_YOUR_CALM \"too\\x0amany\"");
  EXPECT_EQ(why().debug_data, "too\nmany");
  EXPECT_EQ(why().last_stream_id, 1);
}

TEST_F(error_message, of_a_blocking_call_is_what_the_exception_says) {
  const auto url = "http://127.0.0.1:" + std::to_string(closed_port());
  try {
    (void)h2::open({.url = url});
    FAIL();
  } catch (const boost::system::system_error& e) {
    EXPECT_THAT(e.what(), HasSubstr("nothing listens there"));
  }
}

}  // namespace
}  // namespace duplex::test
