// Accepting: within the bounds, in turn for the executors, and whatever goes wrong.

#include "net/server.hpp"
#include "net/server_handshake.hpp"
#include "net/socket_transport.hpp"

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <utility>

namespace duplex::net {
namespace {

// A process without file descriptors, or memory, gets none by trying at once.
constexpr std::chrono::milliseconds accept_pause(50);

// Before others on the same thread have their turn.
constexpr int accepts_per_turn = 16;

// Of a client that left before it was accepted, and not of ours (accept(2)).
bool is_of_client(error_code ec) {
  return ec == asio::error::connection_aborted || ec == asio::error::interrupted ||
         ec == boost::system::errc::protocol_error;
}

}  // namespace

// Above max_connections the kernel's queues hold the others, until one of ours ends.
void server::accept() {
  if (stopped_ || retrying_) return;
  for (auto& each : doors_) {
    if (!each.waits) accept_at(each);
  }
}

// Nothing that goes wrong with one client, not even for want of memory, may be the end of accepting.
void server::accept_at(door& at) try {
  for (int i = 0; i < accepts_per_turn; ++i) {
    if (stopped_ || is_full()) return;
    error_code ec;
    auto socket = at.on->acceptor().accept(executors_[turn_], ec);
    if (ec == asio::error::would_block || ec == asio::error::try_again) return wait_at(at);
    if (is_of_client(ec)) continue;
    if (ec) return accept_later();
    turn_ = (turn_ + 1) % executors_.size();
    accepted(stream_socket(std::move(socket)), *at.on);
  }
  wait_at(at);
} catch (const std::exception&) {
  accept_later();
}

void server::wait_at(door& at) {
  at.on->acceptor().async_wait(listening::acceptor_type::wait_read,
                               asio::bind_executor(strand_, [self = shared_from_this(), &at](error_code ec) {
                                 at.waits = false;
                                 if (!self->stopped_ && !self->retrying_)
                                   ec ? self->accept_later() : self->accept_at(at);
                               }));
  at.waits = true;
}

// Without memory for this, the end of a connection or of a handshake has us try again.
void server::accept_later() {
  if (retrying_) return;
  try {
    retry_.expires_after(accept_pause);
    retry_.async_wait([self = shared_from_this()](error_code canceled) {
      self->retrying_ = false;
      if (!canceled) self->accept();
    });
    retrying_ = true;
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch)
  }
}

void server::stop_accepting() {
  stopped_ = true;
  for (auto& each : doors_) each.on->close();
  retry_.cancel();
}

void server::accepted(stream_socket socket, const listening& on) {
  const auto id = ++counters_->connections_accepted;
  error_code ignored;
  if (on.is_tcp()) socket.set_option(asio::ip::tcp::no_delay(true), ignored);
  const h2::connection_info client{.peer = peer_name(socket, on), .id = id};
  const auto address = options_.max_connections_per_address == infinity ? std::string() : address_in(client.peer);
  if (!address.empty()) {
    const auto found = of_address_.find(address);
    if (found != of_address_.end() && found->second >= options_.max_connections_per_address) return refuse(client);
  }
  if (!address.empty()) ++of_address_[address];
  ++counters_->connections;
  try {
    admit(std::move(socket), client);
  } catch (...) {
    uncount(client.peer);
    throw;
  }
}

void server::admit(stream_socket socket, h2::connection_info client) {
  const strand executor(socket.get_executor());
  if (!context_) {
    return serve(executor, std::make_unique<socket_transport<stream_socket>>(std::move(socket), executor),
                 std::move(client), core::client_speaks::unknown);
  }
  const auto next = std::make_shared<handshake>(shared_from_this(), executor, std::move(socket), std::move(client));
  handshakes_.insert(next);
  asio::dispatch(executor, [next] { next->start(); });
}

void server::refuse(const h2::connection_info& client) {
  ++counters_->connections_refused;
  failure why;
  why.code = errc::limit_exceeded;
  why.message = address_in(client.peer) + " has more connections than max_connections_per_address";
  why.origin = origin::peer;
  why.scope = scope::connection;
  options_.on_failure(client, why);
}

void server::uncount(const std::string& peer) {
  --counters_->connections;
  const auto found = of_address_.empty() ? of_address_.end() : of_address_.find(address_in(peer));
  if (found != of_address_.end() && --found->second == 0) of_address_.erase(found);
}

void server::left(const std::string& peer) {
  uncount(peer);
  end_drain_if_idle();
  accept();
}

}  // namespace duplex::net
