// The verbs of a client: they check their arguments and hop to the pool's strand.

#include <duplex/h2/client.hpp>

#include "core/refusal.hpp"
#include "h2/connector.hpp"
#include "h2/failures.hpp"
#include "h2/pool.hpp"
#include "net/background.hpp"
#include "net/blocking.hpp"
#include "net/cancellation.hpp"

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/system/system_error.hpp>

#include <utility>

namespace duplex::h2 {
namespace {

using boost::system::system_error;

client_options checked(client_options opts) {
  const auto refuse = [](const char* what) { throw system_error(errc::invalid_argument, what); };
  if (opts.max_connections_per_origin == 0) refuse("option max_connections_per_origin must be more than 0");
  if (opts.max_attempts == 0) refuse("option max_attempts must be more than 0");
  if (opts.max_pending_opens == 0) refuse("option max_pending_opens must be more than 0");
  if (opts.idle_timeout.count() < 0) refuse("option idle_timeout must not be negative");
  constexpr client_options::duration longest_delay = std::chrono::hours(1);
  if (opts.retry_delay.count() < 0 || opts.retry_delay > longest_delay) refuse("option retry_delay is out of range");
  return opts;
}

}  // namespace

client::client(client_options opts) : client(net::background_executor(), opts) {}

client::client(const asio::any_io_executor& executor, client_options opts)
    : handle_(std::make_shared<pool_handle>(std::make_shared<pool>(executor, checked(opts)))) {}

client::executor_type client::get_executor() const {
  return handle_ ? handle_->get()->executor() : executor_type(asio::system_executor());
}

error_code client::check_blocking() const {
  return handle_ ? net::check_blocking(handle_->get()->executor()) : make_error_code(errc::closed);
}

void client::start_open(const handle_ptr& handle, const request& head, options opts, open_handler handler) {
  if (!handle) return net::complete_elsewhere(std::move(handler), make_error_code(errc::closed), stream());
  const auto& p = handle->get();
  const auto id = p->next_id();
  const net::cancellation stop(
      handler, p, [](pool& self, auto f) { asio::dispatch(self.strand(), std::move(f)); },
      [id](pool& self) { self.cancel(id); });
  pool::open_completion done(std::move(handler), p->home());
  auto parsed = check_open(head, opts);
  if (auto* bad = std::get_if<std::string>(&parsed)) {
    return asio::post(p->strand(),
                      [done = std::move(done), why = core::refusal(errc::invalid_argument, std::move(*bad))]() mutable {
                        done(errc::invalid_argument, failed_stream(std::move(why)));
                      });
  }
  asio::dispatch(p->strand(), [p, id, stop,
                               next = pool::pending_open{head.early_data ? head : request{.url = head.url},
                                                         std::get<net::parsed_request>(std::move(parsed)),
                                                         std::move(opts), std::move(done), handle}]() mutable {
    p->open(id, std::move(next));
    stop.catch_up(*p);
  });
}

stream client::open(const request& head, options opts, error_code& ec) {
  stream s;
  ec = check_blocking();
  if (ec) return s;
  std::tie(ec, s) = net::wait_for<stream>(
      [&](auto waker) { start_open(handle_, head, std::move(opts), open_handler(std::move(waker))); });
  return s;
}

stream client::open(const request& head, options opts) {
  error_code ec;
  auto s = open(head, std::move(opts), ec);
  if (!ec) return s;
  raise(s.failure(), ec);
}

void client::start_shutdown(const handle_ptr& handle, std::chrono::milliseconds grace, end_handler handler) {
  if (!handle) return net::complete_elsewhere(std::move(handler), make_error_code(errc::closed));
  const auto& p = handle->get();
  asio::dispatch(p->strand(),
                 [p, handle, grace, done = net::completion<error_code>(std::move(handler), p->home())]() mutable {
                   p->shutdown(grace, std::move(done));
                 });
}

void client::shutdown(std::chrono::milliseconds grace, error_code& ec) {
  ec = check_blocking();
  if (ec) return;
  std::tie(ec) = net::wait_for<>([&](auto waker) { start_shutdown(handle_, grace, end_handler(std::move(waker))); });
}

void client::shutdown(std::chrono::milliseconds grace) {
  error_code ec;
  shutdown(grace, ec);
  if (ec) throw system_error(ec);
}

void client::close() {
  if (!handle_) return;
  asio::dispatch(handle_->get()->strand(), [handle = handle_] { handle->get()->close(); });
}

void client::start_stats(const handle_ptr& handle, stats_handler handler) {
  if (!handle) return net::complete_elsewhere(std::move(handler), make_error_code(errc::closed), client_stats());
  const auto& p = handle->get();
  asio::post(p->strand(), [p, done = net::completion<error_code, client_stats>(
                                  std::move(handler), p->home())]() mutable { done({}, p->stats()); });
}

client_stats client::stats(error_code& ec) const {
  client_stats out;
  ec = check_blocking();
  if (ec) return out;
  std::tie(ec, out) =
      net::wait_for<client_stats>([&](auto waker) { start_stats(handle_, stats_handler(std::move(waker))); });
  return out;
}

client_stats client::stats() const {
  error_code ec;
  auto out = stats(ec);
  if (ec) throw system_error(ec);
  return out;
}

}  // namespace duplex::h2
