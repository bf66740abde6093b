#pragma once
// One TLS handshake, on the strand of the connection that it becomes.

#include "net/server.hpp"
#include "net/tls_transport.hpp"

#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <memory>
#include <string>

namespace duplex::net {

class server::handshake : public std::enable_shared_from_this<handshake> {
 public:
  /// On the server's strand. Throws `boost::system::system_error` if OpenSSL cannot make a session.
  handshake(const std::shared_ptr<server>& owner, const strand& executor, stream_socket socket,
            h2::connection_info client);

  [[nodiscard]] const std::string& peer() const noexcept { return client_.peer; }

  void start();
  /// From any thread.
  void cancel();
  /// As well; but if the client has begun it goes on: its first request may be on its way.
  void drain();

 private:
  /// Which is not the client's.
  enum class ending { none, late, canceled };

  void stop(ending why);
  [[nodiscard]] bool is_failure(error_code ec) const;
  [[nodiscard]] failure explain(error_code ec) const;
  void finish(error_code ec);

  std::weak_ptr<server> owner_;  // it keeps us until we are done
  h2::server_options::duration timeout_;
  strand strand_;
  asio::steady_timer timer_;
  const h2::connection_info client_;  // what is known of it without TLS
  std::unique_ptr<tls_transport> tls_;
  ending ending_ = ending::none;
};

}  // namespace duplex::net
