#pragma once
// Accepts, does the TLS handshake, and lets a connection hand its requests to the user's handler.

#include "net/connection.hpp"

#include <duplex/h2/server.hpp>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>

namespace duplex::net {

class server : public std::enable_shared_from_this<server> {
 public:
  /// Binds and listens. Throws `boost::system::system_error`.
  server(asio::any_io_executor executor, h2::server_options opts, h2::request_handler handler);

  void start();
  /// Stops accepting; lets streams finish for `grace`.
  void shutdown(std::chrono::milliseconds grace, asio::any_completion_handler<void(error_code)> handler);
  /// Ends everything now.
  void close();

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] std::string url() const;

 private:
  using tcp = asio::ip::tcp;
  class handshake;
  struct drain {
    completion<error_code> done;
    asio::steady_timer timer;
  };

  void accept();
  void accepted(tcp::socket socket);
  void serve(const strand& executor, std::unique_ptr<transport> link, h2::connection_info info);
  void forget(const std::shared_ptr<connection>& c);
  void end_drain_if_idle();
  void end_drain(error_code ec);

  asio::any_io_executor executor_;
  strand strand_;
  asio::any_completion_executor home_;
  h2::server_options options_;
  h2::request_handler handler_;
  std::shared_ptr<asio::ssl::context> context_;
  tcp::acceptor acceptor_;
  asio::steady_timer retry_;
  std::uint16_t port_ = 0;
  std::string address_;

  // On the server's strand.
  std::set<std::shared_ptr<connection>> connections_;
  std::set<std::shared_ptr<handshake>> handshakes_;
  std::optional<drain> drain_;
  bool accepting_ = false;
  bool stopped_ = false;
};

}  // namespace duplex::net
