#pragma once
// Accepts, does the TLS handshake, and lets a connection hand its requests to the user's handler.
//
// Connections live on the executors, in turn; what is below is on the strand of the server itself.

#include "core/session.hpp"
#include "net/cancellation.hpp"
#include "net/connection.hpp"
#include "net/listening.hpp"
#include "net/server_counters.hpp"

#include <duplex/h2/server.hpp>

#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace duplex::net {

class server : public std::enable_shared_from_this<server> {
 public:
  /// Binds and listens. Throws `boost::system::system_error`.
  server(std::vector<asio::any_io_executor> executors, h2::server_options opts, h2::request_handler handler);

  void start();
  /// Stops accepting; lets streams finish for `grace`.
  void shutdown(std::chrono::milliseconds grace, asio::any_completion_handler<void(error_code)> handler);
  /// Ends everything now.
  void close();
  /// From any thread. Throws as the constructor.
  void reload_certificates();

  // From any thread, what does not change.
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] std::vector<std::string> urls() const;
  [[nodiscard]] h2::server_stats stats() const noexcept { return counters_->snapshot(); }

 private:
  class handshake;
  /// A socket that listens, and whether somebody waits for it.
  struct door {
    std::unique_ptr<listening> on;
    bool waits = false;
  };
  struct drain {
    completion<error_code> done;
    asio::steady_timer timer;
    std::uint64_t number;
  };

  void listen();
  void accept();
  void accept_at(door& at);
  void accept_later();
  void wait_at(door& at);
  void stop_accepting();
  [[nodiscard]] bool is_full() const noexcept {
    return connections_.size() + handshakes_.size() >= options_.max_connections;
  }
  void accepted(stream_socket socket, const listening& on);
  void admit(stream_socket socket, h2::connection_info client);
  void refuse(const h2::connection_info& client);
  void uncount(const std::string& peer);
  void serve(const strand& executor, std::unique_ptr<transport> link, h2::connection_info info,
             core::client_speaks speaks);
  void begin(const std::shared_ptr<connection>& c);
  void forget(const std::shared_ptr<connection>& c);
  void forget(const std::shared_ptr<handshake>& h);
  void left(const std::string& peer);
  void end_drain_if_idle();
  void end_drain(std::uint64_t number, error_code ec);

  std::vector<asio::any_io_executor> executors_;
  strand strand_;
  asio::any_completion_executor home_;
  h2::server_options options_;
  h2::request_handler handler_;
  std::shared_ptr<server_counters> counters_ = std::make_shared<server_counters>();
  std::uint16_t port_ = 0;
  std::vector<std::string> names_;  // of what is listened on
  std::atomic<std::uint64_t> last_shutdown_ = 0;

  // On the server's strand.
  std::shared_ptr<asio::ssl::context> context_;
  std::vector<door> doors_;
  asio::steady_timer retry_;
  bool retrying_ = false;
  std::size_t turn_ = 0;  // of the executors
  std::set<std::shared_ptr<connection>> connections_;
  std::set<std::shared_ptr<handshake>> handshakes_;
  std::map<std::string, std::size_t> of_address_;  // if they are bounded
  std::optional<drain> drain_;
  bool stopped_ = false;
};

}  // namespace duplex::net
