#pragma once
// A server that answers CONNECT with a tunnel (RFC 9113, section 8.5), and what stands behind it.

#include "support.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <functional>
#include <string>
#include <utility>

namespace duplex::test {

using tcp = asio::ip::tcp;
using tls_over_stream = asio::ssl::stream<h2::byte_stream>;

/// Carries bytes one way, to the end.
template <class From, class To>
asio::awaitable<void> carry(From& from, To& to) {
  std::array<char, 4096> some{};
  for (;;) {
    auto [ec, n] = co_await from.async_read_some(asio::buffer(some), as_value);
    if (ec) co_return;
    auto [failed, written] = co_await asio::async_write(to, asio::buffer(some.data(), n), as_value);
    if (failed) co_return;
  }
}

/// A server's handler: connects to the authority, on loopback, and carries bytes both ways.
inline asio::awaitable<void> tunnel(request head, h2::stream s) {
  using asio::experimental::awaitable_operators::operator&&;
  response answer{head.method == "CONNECT" ? 200 : 405, {}};
  const auto authority = std::string(head.authority());
  const auto port = static_cast<std::uint16_t>(std::stoi(authority.substr(authority.rfind(':') + 1)));
  tcp::socket there(co_await asio::this_coro::executor);
  auto [ec] = co_await there.async_connect({asio::ip::address_v4::loopback(), port}, as_value);
  if (ec) answer.status = 502;
  const auto [failed] = co_await s.async_send_response(answer, as_value);
  if (failed || answer.status != 200) co_return;
  h2::byte_stream here(std::move(s));
  const auto out = [&]() -> asio::awaitable<void> {
    co_await carry(here, there);
    error_code ignored;
    there.shutdown(tcp::socket::shutdown_send, ignored);
  };
  const auto back = [&]() -> asio::awaitable<void> {
    co_await carry(there, here);
    here.shutdown_send();
  };
  co_await (out() && back());
}

/// Listens on loopback, and gives each socket to the script, which runs on a thread of its own.
class tcp_service {
 public:
  using script = std::function<asio::awaitable<void>(tcp::socket)>;

  explicit tcp_service(script s) : script_(std::move(s)) {
    asio::co_spawn(threads_.executor(), accept(), asio::detached);
  }

  [[nodiscard]] std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  [[nodiscard]] std::string authority() const { return "localhost:" + std::to_string(port()); }

 private:
  asio::awaitable<void> accept() {
    for (;;) {
      auto [ec, socket] = co_await acceptor_.async_accept(as_value);
      if (ec) co_return;
      asio::co_spawn(acceptor_.get_executor(), script_(std::move(socket)), asio::detached);
    }
  }

  script script_;
  context_threads threads_;
  tcp::acceptor acceptor_{threads_.executor(), tcp::endpoint(asio::ip::address_v4::loopback(), 0)};
};

/// Of the certificate that clients of `trusting_localhost` trust.
[[nodiscard]] inline asio::ssl::context server_context() {
  asio::ssl::context context(asio::ssl::context::tls_server);
  context.use_certificate_chain(asio::buffer(localhost_certificate().certificate_pem));
  context.use_private_key(asio::buffer(localhost_certificate().key_pem), asio::ssl::context::pem);
  return context;
}
[[nodiscard]] inline asio::ssl::context client_context() {
  asio::ssl::context context(asio::ssl::context::tls_client);
  context.add_certificate_authority(asio::buffer(localhost_certificate().certificate_pem));
  context.set_verify_mode(asio::ssl::verify_peer);
  return context;
}

/// The stream of a CONNECT through `proxy` to `authority`.
[[nodiscard]] inline request connect_request(const std::string& proxy, const std::string& authority) {
  return {.method = "CONNECT", .url = proxy, .headers = {{"host", authority}}};
}

}  // namespace duplex::test
