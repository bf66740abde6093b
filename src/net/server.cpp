// The accepting side.

#include "net/server.hpp"

#include "net/socket_transport.hpp"
#include "net/tls.hpp"
#include "net/tls_transport.hpp"

#include "core/validate.hpp"

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>

#include <utility>

namespace duplex::net {
namespace {

using boost::system::system_error;

// A process without file descriptors gets none by trying at once.
constexpr std::chrono::milliseconds accept_pause(50);

std::string peer_name(const asio::ip::tcp::socket& socket) {
  error_code ec;
  const auto e = socket.remote_endpoint(ec);
  if (ec) return {};
  const auto address = e.address().to_string();
  return (e.address().is_v6() ? "[" + address + "]" : address) + ":" + std::to_string(e.port());
}

void check(const h2::server_options& opts) {
  if (const auto bad = core::check_options(opts.stream)) throw system_error(errc::invalid_argument, *bad);
  if (opts.max_concurrent_streams == 0 || opts.max_connections == 0) {
    throw system_error(errc::invalid_argument, "max_concurrent_streams and max_connections must be more than 0");
  }
  if (opts.handshake_timeout.count() <= 0) {
    throw system_error(errc::invalid_argument, "option handshake_timeout must be more than 0");
  }
}

}  // namespace

// One TLS handshake, on the strand of the connection that it becomes.
class server::handshake : public std::enable_shared_from_this<handshake> {
 public:
  handshake(const std::shared_ptr<server>& owner, const strand& executor, tcp::socket socket)
      : owner_(owner),
        timeout_(owner->options_.handshake_timeout),
        strand_(executor),
        timer_(strand_),
        peer_(peer_name(socket)),
        tls_(std::make_unique<tls_transport>(std::make_unique<socket_transport<tcp::socket>>(std::move(socket)),
                                             owner->context_, asio::ssl::stream_base::server)) {}

  void start() {
    timer_.expires_at(core::after(connection::now(), timeout_));
    timer_.async_wait([self = shared_from_this()](error_code ec) {
      if (!ec) self->stop();
    });
    tls_->async_handshake([self = shared_from_this()](error_code ec) { self->finish(ec); });
  }

  /// From any thread.
  void cancel() {
    asio::dispatch(strand_, [self = shared_from_this()] { self->stop(); });
  }

 private:
  void stop() {
    if (tls_) tls_->close();
  }

  void finish(error_code ec) {
    timer_.cancel();
    std::unique_ptr<transport> link;
    h2::connection_info info{.peer = peer_};
    // Without ALPN the client cannot mean HTTP/2 (RFC 9113, section 3.2).
    if (!ec && chosen_protocol(tls_->native_handle()) == "h2") {
      describe_session(tls_->native_handle(), info);
      link = std::move(tls_);
    }
    const auto shared_link = std::make_shared<std::unique_ptr<transport>>(std::move(link));
    const auto owner = owner_.lock();
    if (!owner) return;
    asio::dispatch(owner->strand_, [self = shared_from_this(), owner, shared_link, info] {
      owner->handshakes_.erase(self);
      if (*shared_link && !owner->stopped_) {
        owner->serve(self->strand_, std::move(*shared_link), info);
      } else {
        owner->end_drain_if_idle();
        owner->accept();
      }
    });
  }

  std::weak_ptr<server> owner_;  // it keeps us until we are done
  h2::server_options::duration timeout_;
  strand strand_;
  asio::steady_timer timer_;
  std::string peer_;
  std::unique_ptr<tls_transport> tls_;
};

server::server(asio::any_io_executor executor, h2::server_options opts, h2::request_handler handler)
    : executor_(std::move(executor)),
      strand_(executor_),
      home_(strand_),
      options_(std::move(opts)),
      handler_(std::move(handler)),
      acceptor_(strand_),
      retry_(strand_),
      address_(options_.address) {
  check(options_);
  if (!options_.cleartext) context_ = make_server_context(options_);
  error_code ec;
  const auto address = asio::ip::make_address(options_.address, ec);
  if (ec) {
    throw system_error(errc::invalid_argument,
                       "option address " + core::quoted(options_.address) + " is no IP address");
  }
  const tcp::endpoint endpoint(address, options_.port);
  try {
    acceptor_.open(endpoint.protocol());
    acceptor_.set_option(tcp::acceptor::reuse_address(true));
    acceptor_.bind(endpoint);
    acceptor_.listen();
    port_ = acceptor_.local_endpoint().port();
  } catch (const system_error& e) {
    throw system_error(e.code(), "cannot listen on " + options_.address + ":" + std::to_string(options_.port));
  }
  if (address.is_v6()) address_ = "[" + address_ + "]";
}

std::string server::url() const {
  return (options_.cleartext ? "http://" : "https://") + address_ + ":" + std::to_string(port_);
}

void server::start() {
  asio::dispatch(strand_, [self = shared_from_this()] { self->accept(); });
}

// Above max_connections the kernel's queue holds the others, until one of ours ends.
void server::accept() {
  if (accepting_ || stopped_ || connections_.size() + handshakes_.size() >= options_.max_connections) return;
  accepting_ = true;
  const strand executor(executor_);
  acceptor_.async_accept(executor,
                         asio::bind_executor(strand_, [self = shared_from_this()](error_code ec, auto socket) {
                           self->accepting_ = false;
                           if (self->stopped_) return;
                           if (!ec) {
                             self->accepted(tcp::socket(std::move(socket)));
                             return self->accept();
                           }
                           self->retry_.expires_after(accept_pause);
                           self->retry_.async_wait([self](error_code canceled) {
                             if (!canceled) self->accept();
                           });
                         }));
}

void server::accepted(tcp::socket socket) {
  error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  const strand executor(*socket.get_executor().target<strand>());
  if (!context_) {
    h2::connection_info info{.peer = peer_name(socket)};
    return serve(executor, std::make_unique<socket_transport<tcp::socket>>(std::move(socket)), std::move(info));
  }
  const auto next = std::make_shared<handshake>(shared_from_this(), executor, std::move(socket));
  handshakes_.insert(next);
  asio::dispatch(executor, [next] { next->start(); });
}

void server::serve(const strand& executor, std::unique_ptr<transport> link, h2::connection_info info) {
  core::session_config config;
  config.role = core::role::server;
  config.defaults = options_.stream;
  config.defaults.on_message = nullptr;
  config.max_concurrent_streams = options_.max_concurrent_streams;
  config.trace = static_cast<bool>(options_.stream.on_frame);
  const auto c = std::make_shared<connection>(executor, std::move(link), std::move(config), std::move(info),
                                              std::string(), handler_);
  connections_.insert(c);
  c->add_handle();  // the server's: an idle connection stays until the client or the server ends it
  asio::dispatch(executor, [c, timeout = options_.handshake_timeout, weak = weak_from_this()] {
    c->start(timeout);
    c->when_closed(c->next_op(), completion<error_code>(
                                     [c, weak](error_code) {
                                       if (const auto self = weak.lock()) {
                                         asio::dispatch(self->strand_, [self, c] { self->forget(c); });
                                       }
                                     },
                                     c->home()));
  });
}

void server::forget(const std::shared_ptr<connection>& c) {
  connections_.erase(c);
  end_drain_if_idle();
  accept();
}

void server::end_drain_if_idle() {
  if (connections_.empty() && handshakes_.empty()) end_drain({});
}

void server::end_drain(error_code ec) {
  if (!drain_) return;
  drain_->timer.cancel();
  auto done = std::move(drain_->done);
  drain_.reset();
  done(ec);
}

void server::shutdown(std::chrono::milliseconds grace, asio::any_completion_handler<void(error_code)> handler) {
  auto slot = asio::get_associated_cancellation_slot(handler);
  if (slot.is_connected()) {
    slot.assign([weak = weak_from_this()](asio::cancellation_type) {
      const auto self = weak.lock();
      if (self) asio::dispatch(self->strand_, [self] { self->end_drain(errc::canceled); });
    });
  }
  asio::post(strand_,
             [self = shared_from_this(), grace, done = completion<error_code>(std::move(handler), home_)]() mutable {
               self->stopped_ = true;
               error_code ignored;
               self->acceptor_.close(ignored);
               self->retry_.cancel();
               if (self->drain_) return done(errc::closed);  // another shutdown is under way
               for (const auto& h : self->handshakes_) h->cancel();
               for (const auto& c : self->connections_) c->submit([c] { c->goaway(0, {}); });
               self->drain_.emplace(drain{std::move(done), asio::steady_timer(self->strand_)});
               self->drain_->timer.expires_at(core::after(connection::now(), grace));
               self->drain_->timer.async_wait([self](error_code ec) {
                 if (ec) return;
                 for (const auto& c : self->connections_) c->submit([c] { c->close(); });
               });
               self->end_drain_if_idle();
             });
}

void server::close() {
  asio::dispatch(strand_, [self = shared_from_this()] {
    self->stopped_ = true;
    error_code ignored;
    self->acceptor_.close(ignored);
    self->retry_.cancel();
    for (const auto& h : self->handshakes_) h->cancel();
    for (const auto& c : self->connections_) c->submit([c] { c->close(); });
  });
}

}  // namespace duplex::net
