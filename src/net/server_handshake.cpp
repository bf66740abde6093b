// The TLS handshakes of a server.

#include "net/server_handshake.hpp"

#include "net/socket_transport.hpp"
#include "net/tls.hpp"
#include "net/tls_failure.hpp"

#include <boost/asio/dispatch.hpp>

#include <utility>

namespace duplex::net {

server::handshake::handshake(const std::shared_ptr<server>& owner, const strand& executor, stream_socket socket,
                             h2::connection_info client)
    : owner_(owner),
      timeout_(owner->options_.handshake_timeout),
      strand_(executor),
      timer_(strand_),
      client_(std::move(client)),
      tls_(
          std::make_unique<tls_transport>(std::make_unique<socket_transport<stream_socket>>(std::move(socket), strand_),
                                          owner->context_, asio::ssl::stream_base::server)) {}

void server::handshake::start() {
  timer_.expires_at(core::after(connection::now(), timeout_));
  timer_.async_wait([self = shared_from_this()](error_code ec) {
    if (!ec) self->stop(ending::late);
  });
  tls_->async_handshake([self = shared_from_this()](error_code ec) { self->finish(ec); });
}

void server::handshake::cancel() {
  asio::dispatch(strand_, [self = shared_from_this()] { self->stop(ending::canceled); });
}

void server::handshake::drain() {
  asio::dispatch(strand_, [self = shared_from_this()] {
    if (self->tls_ && SSL_get_state(self->tls_->native_handle()) == TLS_ST_BEFORE) self->stop(ending::canceled);
  });
}

void server::handshake::stop(ending why) {
  ending_ = why;
  if (tls_) tls_->close();
}

// A client that hangs up before it said a word only wanted to know whether we listen.
bool server::handshake::is_failure(error_code ec) const {
  if (ending_ != ending::none) return ending_ == ending::late;
  return is_of_tls(ec) || SSL_get_state(tls_->native_handle()) != TLS_ST_BEFORE;
}

failure server::handshake::explain(error_code ec) const {
  if (ending_ == ending::none) return explain_client(tls_->native_handle(), ec, peer());
  failure why;
  why.code = errc::timeout;
  why.message = "the TLS handshake with " + peer() + " took longer than handshake_timeout";
  why.origin = origin::peer;
  why.scope = scope::connection;
  return why;
}

void server::handshake::finish(error_code ec) {
  timer_.cancel();
  auto info = client_;
  const auto owner = owner_.lock();
  if (!owner) return;
  if (ec) {
    if (is_failure(ec)) owner->options_.on_failure(info, explain(ec));
    tls_.reset();
    return asio::dispatch(owner->strand_, [self = shared_from_this(), owner] { owner->forget(self); });
  }
  describe_session(tls_->native_handle(), info);
  const auto link = std::make_shared<std::unique_ptr<transport>>(std::move(tls_));
  asio::dispatch(owner->strand_, [self = shared_from_this(), owner, link, info = std::move(info)] {
    owner->handshakes_.erase(self);
    if (owner->stopped_ && !owner->drain_) return owner->left(self->peer());
    const auto speaks = info.tls_alpn == "h2" ? core::client_speaks::http2 : core::client_speaks::other;
    try {
      owner->serve(self->strand_, std::move(*link), info, speaks);
    } catch (const std::exception&) {
      owner->left(self->peer());
    }
  });
}

}  // namespace duplex::net
