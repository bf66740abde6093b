// The accepting side: what it is made of, and how it ends. How it accepts is in server_accept.cpp.

#include "net/server.hpp"

#include "core/validate.hpp"
#include "net/request_log.hpp"
#include "net/server_handshake.hpp"
#include "net/server_tls.hpp"

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>

#include <utility>

namespace duplex::net {
namespace {

using boost::system::system_error;

void check(const h2::server_options& opts) {
  if (const auto bad = core::check_options(opts.stream)) throw system_error(errc::invalid_argument, *bad);
  const auto require = [](const char* name, bool positive) {
    if (!positive) throw system_error(errc::invalid_argument, "option " + std::string(name) + " must be more than 0");
  };
  require("max_concurrent_streams", opts.max_concurrent_streams > 0);
  require("max_connections", opts.max_connections > 0);
  require("backlog", opts.backlog > 0);
  require("max_connections_per_address", opts.max_connections_per_address > 0);
  require("max_streams", opts.max_streams > 0);
  require("handshake_timeout", opts.handshake_timeout.count() > 0);
  require("idle_timeout", !opts.idle_timeout || opts.idle_timeout->count() > 0);
}

// One for all connections. What it throws is dropped: a log must not end what it tells of.
template <class... Args>
std::function<void(Args...)> contained(std::function<void(Args...)> handler) {
  if (!handler) return handler;
  return [shared = std::make_shared<std::function<void(Args...)>>(std::move(handler))](Args... args) noexcept {
    try {
      (*shared)(args...);
    } catch (...) {  // NOLINT(bugprone-empty-catch): nobody is left to be told
    }
  };
}

h2::failure_handler counting(h2::failure_handler handler, const std::shared_ptr<server_counters>& counters) {
  return [counters, handler = contained(std::move(handler))](const h2::connection_info& info, const failure& why) {
    if (why.scope == scope::connection) ++counters->connections_failed;
    if (handler) handler(info, why);
  };
}

}  // namespace

server::server(std::vector<asio::any_io_executor> executors, h2::server_options opts, h2::request_handler handler)
    : executors_(std::move(executors)),
      strand_(executors_.empty() ? throw system_error(errc::invalid_argument, "a server needs an executor")
                                 : executors_.front()),
      home_(strand_),
      options_(std::move(opts)),
      handler_(std::move(handler)),
      retry_(strand_) {
  check(options_);
  options_.on_failure = counting(std::move(options_.on_failure), counters_);
  options_.on_request_done = contained(std::move(options_.on_request_done));
  options_.on_frame = contained(std::move(options_.on_frame));
  if (!options_.cleartext) context_ = make_server_contexts(options_);
  listen();
}

void server::listen() {
  auto listeners = options_.listeners;
  if (listeners.empty()) listeners.emplace_back(h2::tcp_listener{options_.address, options_.port});
  doors_.reserve(listeners.size());
  for (const auto& each : listeners) {
    doors_.push_back({std::make_unique<listening>(strand_, each, options_.backlog, options_.reuse_port)});
    const auto& on = *doors_.back().on;
    names_.push_back(on.name());
    if (port_ == 0) port_ = on.port();
  }
}

std::vector<std::string> server::urls() const {
  const std::string scheme = options_.cleartext ? "http://" : "https://";
  auto out = names_;
  for (auto& name : out) {
    if (!name.starts_with("unix:")) name.insert(0, scheme);
  }
  return out;
}

void server::start() {
  asio::dispatch(strand_, [self = shared_from_this()] { self->accept(); });
}

void server::reload_certificates() {
  if (options_.cleartext) return;
  asio::dispatch(strand_,
                 [self = shared_from_this(), next = make_server_contexts(options_)] { self->context_ = next; });
}

void server::serve(const strand& executor, std::unique_ptr<transport> link, h2::connection_info info,
                   core::client_speaks speaks) {
  core::session_config config;
  config.role = core::role::server;
  config.speaks = speaks;
  config.defaults = options_.stream;
  config.defaults.on_message = nullptr;
  config.max_concurrent_streams = options_.max_concurrent_streams;
  config.idle_timeout = options_.idle_timeout;
  config.extended_connect = options_.extended_connect;
  config.defaults.on_frame = nullptr;
  if (options_.on_frame) {
    config.defaults.on_frame = [tell = options_.on_frame, info](const frame_info& frame) { tell(info, frame); };
  }
  config.trace = static_cast<bool>(options_.on_frame);
  config.tell_rejected = true;
  config.tell_ended = true;
  if (!info.peer.empty()) config.peer = info.peer;
  const auto c =
      std::make_shared<connection>(executor, std::move(link), std::move(config), std::move(info), target(), handler_);
  c->watch_failures(options_.on_failure);
  c->keep_log(std::make_unique<request_log>(counters_, options_.max_streams, options_.on_request_done));
  c->add_handle();  // the server's: an idle connection stays until the client or the server ends it
  const auto at = connections_.insert(c).first;
  try {
    begin(c);
    if (drain_) c->submit([c] { c->drain(); });
  } catch (...) {
    connections_.erase(at);
    throw;
  }
}

void server::begin(const std::shared_ptr<connection>& c) {
  asio::dispatch(c->executor(), [c, timeout = options_.handshake_timeout, weak = weak_from_this()] {
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
  left(c->info().peer);
}

void server::forget(const std::shared_ptr<handshake>& h) {
  handshakes_.erase(h);
  left(h->peer());
}

void server::end_drain_if_idle() {
  if (drain_ && connections_.empty() && handshakes_.empty()) end_drain(drain_->number, {});
}

void server::end_drain(std::uint64_t number, error_code ec) {
  if (!drain_ || drain_->number != number) return;
  drain_->timer.cancel();
  auto done = std::move(drain_->done);
  drain_.reset();
  done(ec);
}

void server::shutdown(std::chrono::milliseconds grace, asio::any_completion_handler<void(error_code)> handler) {
  const auto number = ++last_shutdown_;
  const auto on_strand = [](server& self, auto f) { asio::dispatch(self.strand_, std::move(f)); };
  cancellation stop(handler, shared_from_this(), on_strand,
                    [number](server& self) { self.end_drain(number, errc::canceled); });
  asio::post(strand_, [self = shared_from_this(), grace, number, stop = std::move(stop),
                       done = completion<error_code>(std::move(handler), home_)]() mutable {
    self->stop_accepting();
    if (self->drain_) return done(errc::closed);  // another shutdown is under way
    for (const auto& h : self->handshakes_) h->drain();
    for (const auto& c : self->connections_) c->submit([c] { c->drain(); });
    self->drain_.emplace(drain{std::move(done), asio::steady_timer(self->strand_), number});
    self->drain_->timer.expires_at(core::after(connection::now(), grace));
    self->drain_->timer.async_wait([self](error_code ec) {
      if (ec) return;
      for (const auto& h : self->handshakes_) h->cancel();
      for (const auto& c : self->connections_) c->submit([c] { c->close(); });
    });
    self->end_drain_if_idle();
    stop.catch_up(*self);
  });
}

void server::close() {
  asio::dispatch(strand_, [self = shared_from_this()] {
    self->stop_accepting();
    for (const auto& h : self->handshakes_) h->cancel();
    for (const auto& c : self->connections_) c->submit([c] { c->close(); });
  });
}

}  // namespace duplex::net
