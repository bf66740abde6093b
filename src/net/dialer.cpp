// Dialing, one address after the other.

#include "net/dialer.hpp"

#include "net/socket_transport.hpp"
#include "net/tls.hpp"
#include "net/tls_contexts.hpp"
#include "net/tls_sessions.hpp"
#include "net/tls_transport.hpp"

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/system_error.hpp>

#include <utility>
#include <vector>

namespace duplex::net {
namespace {

// What the exception says, without the code that it names behind it.
std::string explanation(const boost::system::system_error& e) {
  std::string text = e.what();
  const auto code = ": " + e.code().what();
  if (text.ends_with(code)) text.resize(text.size() - code.size());
  return text;
}

using tcp = asio::ip::tcp;
using unix_protocol = asio::local::stream_protocol;

std::string to_string(const tcp::endpoint& e) {
  const auto address = e.address().to_string();
  return (e.address().is_v6() ? "[" + address + "]" : address) + ":" + std::to_string(e.port());
}

class attempt final : public dialer, public std::enable_shared_from_this<attempt> {
 public:
  attempt(const strand& executor, target where, const options& opts, dial_handler handler)
      : strand_(executor),
        origin_(where),
        where_(std::move(where)),
        options_(opts),
        handler_(std::move(handler)),
        timer_(strand_),
        resolver_(strand_) {}

  void start() {
    timer_.expires_at(core::after(connection::now(), options_.connect_timeout));
    timer_.async_wait([self = shared_from_this()](error_code ec) {
      if (!ec) self->fail(errc::timeout, "connecting took longer than connect_timeout" + self->attempts());
    });
    if (!options_.connect_to.empty()) {
      auto there = parse_host_port(options_.connect_to, "option connect_to");
      if (const auto* bad = std::get_if<std::string>(&there)) return fail(errc::invalid_argument, *bad);
      where_ = std::get<target>(std::move(there));
    }
    if (origin_.tls) {
      try {
        context_ = asio::use_service<tls_contexts>(asio::query(strand_, asio::execution::context)).get(options_.tls);
      } catch (const boost::system::system_error& e) {
        return fail(e.code(), explanation(e));
      }
    }
    if (!options_.unix_socket.empty()) return connect_unix();
    error_code not_an_address;
    const auto address = asio::ip::make_address(where_.host, not_an_address);
    if (not_an_address) return resolve();
    endpoints_.emplace_back(address, where_.port);
    connect_next();
  }

  void cancel() override { fail(errc::canceled, "opening was canceled"); }

 private:
  // The first outcome counts; what is still under way finds the attempt over.
  bool over() const noexcept { return !handler_; }

  void finish(std::optional<failure> why, dialed result) {
    if (over()) return;
    asio::post(strand_, [handler = std::exchange(handler_, nullptr), why = std::move(why),
                         result = std::make_shared<dialed>(std::move(result))]() mutable {
      handler(std::move(why), std::move(*result));
    });
    timer_.cancel();
    resolver_.cancel();
    error_code ignored;
    if (socket_) socket_->close(ignored);
    if (unix_) unix_->close(ignored);
    if (tls_) tls_->close();
  }

  void fail(error_code ec, std::string message, origin from = origin::local) {
    failure why;
    why.code = ec;
    why.message = std::move(message);
    why.origin = from;
    why.scope = scope::connection;
    why.retry_safe = true;  // nothing was written
    finish(std::move(why), {});
  }

  [[nodiscard]] std::string dialed_address() const {
    if (!options_.unix_socket.empty()) return options_.unix_socket;
    return where_.host + ":" + std::to_string(where_.port);
  }

  [[nodiscard]] std::string attempts() const { return tried_.empty() ? "" : ": " + tried_; }

  void resolve() {
    const auto handler = [self = shared_from_this()](error_code ec, const tcp::resolver::results_type& found) {
      if (self->over()) return;
      if (ec) {
        return self->fail(errc::resolve_failed, "cannot resolve " + self->where_.host + ": " + ec.message(),
                          origin::network);
      }
      for (const auto& entry : found) self->endpoints_.push_back(entry.endpoint());
      self->connect_next();
    };
    const auto port = std::to_string(where_.port);
    constexpr auto flags = tcp::resolver::numeric_service;
    if (options_.family == address_family::any) {
      resolver_.async_resolve(where_.host, port, flags, handler);
    } else {
      const auto protocol = options_.family == address_family::v4 ? tcp::v4() : tcp::v6();
      resolver_.async_resolve(protocol, where_.host, port, flags, handler);
    }
  }

  void connect_next() {
    while (next_ < endpoints_.size() && !allowed(endpoints_[next_])) ++next_;
    if (next_ == endpoints_.size()) {
      if (tried_.empty()) tried_ = "no address of the wanted family for " + where_.host;
      return fail(errc::connect_failed, "cannot connect: " + tried_, origin::network);
    }
    const auto endpoint = endpoints_[next_++];
    socket_ = std::make_unique<tcp::socket>(strand_);
    socket_->async_connect(endpoint, [self = shared_from_this(), endpoint](error_code ec) {
      if (self->over()) return;
      if (ec) {
        self->tried_ += (self->tried_.empty() ? "" : ", ") + to_string(endpoint) + " (" + ec.message() + ")";
        return self->connect_next();
      }
      error_code ignored;
      self->socket_->set_option(tcp::no_delay(true), ignored);
      self->connected(std::move(self->socket_), to_string(endpoint));
    });
  }

  [[nodiscard]] bool allowed(const tcp::endpoint& e) const {
    if (options_.family == address_family::any) return true;
    return e.address().is_v6() == (options_.family == address_family::v6);
  }

  void connect_unix() {
    constexpr std::size_t longest = 107;  // of sockaddr_un on Linux
    if (options_.unix_socket.size() > longest) {
      return fail(errc::invalid_argument, "option unix_socket is longer than 107 bytes");
    }
    unix_ = std::make_unique<unix_protocol::socket>(strand_);
    unix_->async_connect(options_.unix_socket, [self = shared_from_this()](error_code ec) {
      if (self->over()) return;
      const auto& path = self->options_.unix_socket;
      if (ec) return self->fail(errc::connect_failed, "cannot connect: " + path + " (" + ec.message() + ")");
      self->connected(std::move(self->unix_), path);
    });
  }

  template <class Socket>
  void connected(std::unique_ptr<Socket> socket, std::string peer) {
    info_.peer = std::move(peer);
    std::unique_ptr<transport> link = std::make_unique<socket_transport<Socket>>(std::move(*socket));
    if (!context_) return finish(std::nullopt, {std::move(link), info_});

    tls_ = std::make_unique<tls_transport>(std::move(link), context_, asio::ssl::stream_base::client);
    if (!prepare_client(tls_->native_handle(), options_.tls, origin_.host)) {
      return fail(errc::invalid_argument, "the name to verify is not one that a certificate can have");
    }
    resume_session(tls_->native_handle(), {verified_name(options_.tls, origin_.host), dialed_address()});
    tls_->async_handshake([self = shared_from_this()](error_code ec) {
      if (!self->over()) self->shook_hands(ec);
    });
  }

  void shook_hands(error_code ec) {
    if (ec) return finish(explain_handshake(tls_->native_handle(), ec, origin_.host), {});
    const auto protocol = chosen_protocol(tls_->native_handle());
    if (protocol != "h2") {
      return fail(errc::protocol_not_negotiated,
                  protocol.empty() ? "the server chose no protocol by ALPN, h2 is needed"
                                   : "the server chose " + protocol + " by ALPN, h2 is needed",
                  origin::peer);
    }
    describe_session(tls_->native_handle(), info_);
    finish(std::nullopt, {std::move(tls_), info_});
  }

  strand strand_;
  target origin_;  // of the URL: what the certificate must name
  target where_;   // to dial
  options options_;
  dial_handler handler_;
  asio::steady_timer timer_;
  tcp::resolver resolver_;
  std::shared_ptr<asio::ssl::context> context_;
  std::vector<tcp::endpoint> endpoints_;
  std::size_t next_ = 0;
  std::string tried_;
  h2::connection_info info_;
  std::unique_ptr<tcp::socket> socket_;
  std::unique_ptr<unix_protocol::socket> unix_;
  std::unique_ptr<tls_transport> tls_;
};

}  // namespace

std::shared_ptr<dialer> dial(const strand& executor, const target& where, const options& opts, dial_handler handler) {
  auto self = std::make_shared<attempt>(executor, where, opts, std::move(handler));
  self->start();
  return self;
}

}  // namespace duplex::net
