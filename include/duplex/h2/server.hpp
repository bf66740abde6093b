#pragma once
// A server that hands every request to a handler, with the same stream type.

#include <duplex/h2/request_handler.hpp>
#include <duplex/h2/server_options.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace duplex::net {
class server;
}

namespace duplex::h2 {

/// Listens, accepts and serves until it is shut down or destroyed.
///
/// Thread-safety: members may be called from any thread. The executor's context must outlive the server.
class server {
 public:
  /// Binds and listens; serving begins at once. Throws `boost::system::system_error` if it cannot.
  ///
  /// `handler` is called as `void(request, stream)`, or returns `asio::awaitable<void>`, which then runs on the
  /// connection's executor; an exception that leaves it resets the stream with INTERNAL_ERROR.
  template <class Handler>
  server(asio::any_io_executor executor, server_options opts, Handler handler)
      : server(std::vector{std::move(executor)}, std::move(opts), std::move(handler)) {}
  /// Spreads the connections over several executors, in turn; each lives on one of them. With a context and a thread
  /// for each there is nothing that connections on different threads share.
  template <class Handler>
  server(std::vector<asio::any_io_executor> executors, server_options opts, Handler handler)
      : server(std::move(executors), std::move(opts), make_request_handler(std::move(handler)), adapted{}) {}
  server(server&&) noexcept;
  server& operator=(server&&) noexcept;
  /// Ends at once: every connection is closed.
  ~server();

  /// The first port that is listened on, in host byte order; 0 if there is none.
  [[nodiscard]] std::uint16_t port() const noexcept;
  /// The URL to reach it by: `https://127.0.0.1:8443`; of a Unix socket `unix:` and its path.
  [[nodiscard]] std::string url() const;
  /// That of every listener, in their order.
  [[nodiscard]] std::vector<std::string> urls() const;

  [[nodiscard]] server_stats stats() const noexcept;

  /// Reads the files of certificates, keys and `client_ca_file` again, for connections that come from now on. If one
  /// cannot be used, throws `boost::system::system_error`, which names it, and all goes on as before.
  void reload_certificates();

  /// Stops accepting, says GOAWAY (RFC 9113, section 6.8: first that there will be an end, and what is served a round
  /// trip later), lets running streams finish, and resets what still runs after `grace`. Complete when every socket is
  /// closed, so that the process may end.
  /// Completion signature: `void(error_code)`.
  template <asio::completion_token_for<void(error_code)> Token = asio::deferred_t>
  auto async_shutdown(std::chrono::milliseconds grace, Token&& token = Token{}) {
    return asio::async_initiate<Token, void(error_code)>(
        [impl = impl_, grace](auto handler) { start_shutdown(impl, grace, stream::send_handler(std::move(handler))); },
        token);
  }

 private:
  struct adapted {};
  server(std::vector<asio::any_io_executor> executors, server_options opts, request_handler handler, adapted);

  static void start_shutdown(const std::shared_ptr<net::server>& impl, std::chrono::milliseconds grace,
                             stream::send_handler handler);

  std::shared_ptr<net::server> impl_;
};

}  // namespace duplex::h2
