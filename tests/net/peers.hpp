#pragma once
// Bare peers on loopback that follow a script, to be other than a server or client of ours would be.

#include "files.hpp"
#include "frames.hpp"
#include "run.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace duplex::test {

using tls_socket = asio::ssl::stream<tcp::socket>;

/// Reads to the end of `from`, and returns what came and how it ended.
template <class Stream>
asio::awaitable<std::pair<std::string, error_code>> read_to_end(Stream& from) {
  std::string all;
  auto [ec, n] = co_await asio::async_read(from, asio::dynamic_buffer(all), as_value);
  co_return std::pair(std::move(all), ec);
}

/// Reads until `all` holds a frame of this type.
template <class Stream>
asio::awaitable<void> read_frame(Stream& from, std::uint8_t type, std::string& all) {
  for (;;) {
    for (const auto& f : parse_frames(all)) {
      if (f.type == type) co_return;
    }
    char piece[512];
    auto [ec, n] = co_await from.async_read_some(asio::buffer(piece), as_value);
    if (ec) co_return;
    all.append(piece, n);
  }
}

template <class Stream>
asio::awaitable<error_code> say(Stream& to, std::string bytes) {
  auto [ec, n] = co_await asio::async_write(to, asio::buffer(bytes), as_value);
  co_return ec;
}

/// Where nothing listens: bound while this lives, so that nobody else gets the port.
class closed_ports {
 public:
  explicit closed_ports(asio::io_context& io) : io_(io) {}
  [[nodiscard]] tcp::endpoint next() { return bound_.emplace_back(io_, loopback()).local_endpoint(); }

 private:
  asio::io_context& io_;
  std::list<tcp::socket> bound_;
};

/// Accepts, and gives each socket to the script.
class tcp_peer {
 public:
  using script = std::function<asio::awaitable<void>(tcp::socket&)>;

  tcp_peer(asio::io_context& io, script s, const tcp::endpoint& where = loopback())
      : io_(io), acceptor_(io, where), script_(std::move(s)) {
    spawn(io_, accept());
  }

  [[nodiscard]] std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  [[nodiscard]] std::string url(const std::string& scheme = "http", const std::string& host = "127.0.0.1") const {
    return scheme + "://" + host + ":" + std::to_string(port());
  }
  void stop() { acceptor_.close(); }

  int accepted = 0;

 private:
  asio::awaitable<void> accept() {
    for (;;) {
      auto [ec, socket] = co_await acceptor_.async_accept(as_value);
      if (ec) co_return;
      ++accepted;
      socket.set_option(tcp::no_delay(true));  // or a close may lose what was written last
      spawn(io_, serve(std::move(socket)));
    }
  }
  asio::awaitable<void> serve(tcp::socket socket) { co_await script_(socket); }

  asio::io_context& io_;
  tcp::acceptor acceptor_;
  script script_;
};

enum class alpn {
  silent,   // no ALPN at all, as of a server of old
  ignores,  // knows ALPN, but goes on without what it does not know
  refuses,  // ends the handshake if it is not offered `protocol`
  chooses,  // `protocol`, offered or not
};

struct tls_peer_options {
  certificate cert = make_self_signed();
  test::alpn alpn = alpn::chooses;
  std::string protocol = "h2";
  int least_version = TLS1_2_VERSION;
  int last_version = TLS1_3_VERSION;
  /// Of TLS 1.2; empty: OpenSSL's.
  std::string ciphers{};
};

/// As tcp_peer, over TLS.
class tls_peer {
 public:
  using script = std::function<asio::awaitable<void>(tls_socket&)>;

  tls_peer(
      asio::io_context& io, tls_peer_options opts, script s = [](tls_socket&) -> asio::awaitable<void> { co_return; })
      : options_(std::move(opts)), script_(std::move(s)), context_(asio::ssl::context::tls_server) {
    auto* native = context_.native_handle();
    if (options_.last_version < TLS1_2_VERSION) SSL_CTX_set_security_level(native, 0);
    SSL_CTX_set_min_proto_version(native, options_.least_version);
    SSL_CTX_set_max_proto_version(native, options_.last_version);
    if (!options_.ciphers.empty()) SSL_CTX_set_cipher_list(native, options_.ciphers.c_str());
    context_.use_certificate_chain(asio::buffer(options_.cert.certificate_pem));
    context_.use_private_key(asio::buffer(options_.cert.key_pem), asio::ssl::context::pem);
    if (options_.alpn != alpn::silent) SSL_CTX_set_alpn_select_cb(native, choose, &options_);
    SSL_CTX_set_tlsext_servername_callback(native, note_name);
    SSL_CTX_set_tlsext_servername_arg(native, this);
    listener_.emplace(io, [this](tcp::socket& socket) { return serve(socket); });
  }

  [[nodiscard]] std::uint16_t port() const { return listener_->port(); }
  [[nodiscard]] std::string url(const std::string& host = "127.0.0.1") const { return listener_->url("https", host); }

  void stop() { listener_->stop(); }
  /// With the clients to come.
  void speak(std::string protocol, test::alpn how) {
    options_.protocol = std::move(protocol);
    options_.alpn = how;
  }

  // Of the last client.
  std::optional<error_code> handshake{};
  std::optional<std::string> server_name{};
  std::string version{};
  std::string cipher{};

 private:
  static int choose(SSL*, const unsigned char** out, unsigned char* size, const unsigned char* offered,
                    unsigned offered_size, void* what) {
    const auto& opts = *static_cast<const tls_peer_options*>(what);
    const std::string_view all(reinterpret_cast<const char*>(offered), offered_size);
    const auto wanted = static_cast<char>(opts.protocol.size()) + opts.protocol;
    if (opts.alpn != alpn::chooses && all.find(wanted) == std::string_view::npos) {
      return opts.alpn == alpn::refuses ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_NOACK;
    }
    *out = reinterpret_cast<const unsigned char*>(opts.protocol.data());
    *size = static_cast<unsigned char>(opts.protocol.size());
    return SSL_TLSEXT_ERR_OK;
  }

  static int note_name(SSL* ssl, int*, void* self) {
    const auto* sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (sni) static_cast<tls_peer*>(self)->server_name = sni;
    return SSL_TLSEXT_ERR_OK;
  }

  asio::awaitable<void> serve(tcp::socket& socket) {
    tls_socket tls(std::move(socket), context_);
    auto [ec] = co_await tls.async_handshake(asio::ssl::stream_base::server, as_value);
    version = SSL_get_version(tls.native_handle());
    if (!ec) cipher = SSL_get_cipher_name(tls.native_handle());
    handshake = ec;
    if (!ec) co_await script_(tls);
  }

  tls_peer_options options_;
  script script_;
  asio::ssl::context context_;
  std::optional<tcp_peer> listener_;
};

/// What opening `url` came to.
struct opened {
  error_code ec{};
  std::string message{};
  h2::stream stream{};
  bool over = false;
};

inline asio::awaitable<void> open(opened& result, request head, options opts) {
  auto [ec, s] =
      co_await h2::async_open(co_await asio::this_coro::executor, std::move(head), std::move(opts), as_value);
  result.ec = ec;
  if (const auto why = s.failure()) result.message = why->message;
  result.stream = std::move(s);
  result.over = true;
}

/// Runs `io` until it is open or has failed.
inline opened open_now(asio::io_context& io, const std::string& url, options opts = {}) {
  opened result;
  EXPECT_TRUE(run(io, open(result, {.url = url}, std::move(opts)))) << url;
  return result;
}

/// The next message of a stream, or its error.
struct received {
  error_code ec{};
  message got{};
};
inline received receive_now(asio::io_context& io, h2::stream& s) {
  std::optional<received> result;
  s.async_recv([&](error_code ec, message m) { result = received{ec, std::move(m)}; });
  EXPECT_TRUE(run_until(io, [&] { return result.has_value(); }));
  return result.value_or(received{});
}

}  // namespace duplex::test
