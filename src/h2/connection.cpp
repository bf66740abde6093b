// The verbs of a connection, and how one is made.

#include <duplex/h2/connection.hpp>

#include "core/refusal.hpp"
#include "h2/connector.hpp"
#include "h2/failures.hpp"
#include "net/ask.hpp"
#include "net/background.hpp"
#include "net/blocking.hpp"
#include "net/cancellation.hpp"
#include "net/stream.hpp"

#include <boost/asio/system_executor.hpp>
#include <boost/system/system_error.hpp>

#include <utility>

namespace duplex::h2 {
namespace {

const std::shared_ptr<net::connection>& link_of(const std::shared_ptr<net::connection_handle>& handle) {
  static const std::shared_ptr<net::connection> none;
  return handle ? handle->get() : none;
}

// The request taken apart, or what is wrong with it.
std::variant<net::parsed_request, std::string> check_request(const net::connection& link, const request& head,
                                                             const options& opts) {
  auto checked = check_open(head, opts);
  const auto* parsed = std::get_if<net::parsed_request>(&checked);
  if (parsed && parsed->where != link.origin()) {
    checked = "URL is of " + net::to_string(parsed->where) + ", the connection of " + net::to_string(link.origin());
  }
  return checked;
}

constexpr auto submit = [](net::connection& c, auto f) { c.submit(std::move(f)); };

// Options are large, and so is a head: they are copied and moved only where the open has to wait.
void open_inside(const std::shared_ptr<net::connection_handle>& handle, core::op_id op,
                 std::variant<net::parsed_request, std::string>& checked, const options& opts,
                 net::completion<error_code, stream> done) {
  auto& link = *handle->get();
  if (auto* parsed = std::get_if<net::parsed_request>(&checked)) {
    return link.open_when_possible(op, std::move(parsed->head), opts, handle, std::move(done));
  }
  link.ready().add(
      [done = std::move(done), why = core::refusal(errc::invalid_argument, std::get<std::string>(checked))]() mutable {
        done(errc::invalid_argument, failed_stream(std::move(why)));
      });
}

}  // namespace

connection::connection(handle_ptr handle) noexcept : handle_(std::move(handle)) {}

connection::operator bool() const noexcept { return link_of(handle_) != nullptr; }

connection::executor_type connection::get_executor() const {
  const auto& link = link_of(handle_);
  return link ? link->any_executor() : executor_type(asio::system_executor());
}

connection_info connection::info() const { return handle_ ? handle_->info() : connection_info(); }

std::optional<failure> connection::failure() const { return handle_ ? handle_->why_failed() : std::nullopt; }

void connection::goaway(std::uint32_t http2_code, std::string debug_data) {
  const auto& link = link_of(handle_);
  if (!link) return;
  link->submit([link, http2_code, debug_data = std::move(debug_data)] { link->goaway(http2_code, debug_data); });
}

void connection::close() {
  const auto& link = link_of(handle_);
  if (link) link->submit([link] { link->close(); });
}

connection connection::connect(const asio::any_io_executor& executor, std::string url, options opts, error_code& ec) {
  connection c;
  ec = net::check_blocking(executor);
  if (ec) return c;
  std::tie(ec, c) = net::wait_for<connection>(
      [&](auto waker) { start_connect(executor, std::move(url), std::move(opts), connect_handler(std::move(waker))); });
  return c;
}

connection connection::connect(const asio::any_io_executor& executor, std::string url, options opts) {
  error_code ec;
  auto c = connect(executor, std::move(url), std::move(opts), ec);
  if (ec) raise(c.failure(), ec);
  return c;
}

connection connection::connect(std::string url, options opts, error_code& ec) {
  return connect(net::background_executor(), std::move(url), std::move(opts), ec);
}

connection connection::connect(std::string url, options opts) {
  return connect(net::background_executor(), std::move(url), std::move(opts));
}

namespace {

void connect_to(const asio::any_io_executor& executor, std::string url, options opts,
                connection::connect_handler handler, std::optional<net::handed_in> over = {}) {
  h2::connect(
      executor, request{.url = std::move(url)}, std::move(opts), std::move(handler),
      [](const std::shared_ptr<net::connection>& link, const core::request_head&, const options&) {
        return std::pair(error_code(), connection(std::make_shared<net::connection_handle>(link)));
      },
      [](duplex::failure why, connection_info info) {
        return connection(std::make_shared<net::connection_handle>(std::move(why), std::move(info)));
      },
      {}, std::move(over));
}

}  // namespace

void connection::start_connect(const asio::any_io_executor& executor, std::string url, options opts,
                               connect_handler handler) {
  connect_to(executor, std::move(url), std::move(opts), std::move(handler));
}

// Over a stream that was handed in

namespace {

connection not_open() {
  auto why = core::refusal(errc::invalid_argument, "the stream that was handed in is not open");
  why.scope = scope::connection;
  return connection(std::make_shared<net::connection_handle>(std::move(why)));
}

}  // namespace

void connection::start_over(lower_ptr lower, std::string url, options opts, connect_handler handler) {
  net::handed_in stream(std::move(lower));
  const auto executor = stream.executor();
  if (!stream.is_open()) {
    return asio::post(executor,
                      [done = net::completion<error_code, connection>(std::move(handler), executor)]() mutable {
                        done(errc::invalid_argument, not_open());
                      });
  }
  connect_to(executor, std::move(url), std::move(opts), std::move(handler), std::move(stream));
}

connection connection::make_over(lower_ptr lower, std::string url, options opts, error_code& ec) {
  net::handed_in stream(std::move(lower));
  if (!stream.is_open()) {
    ec = errc::invalid_argument;
    return not_open();
  }
  const auto executor = stream.is_socket() ? net::background_executor() : stream.executor();
  connection c;
  ec = net::check_blocking(executor);
  if (ec) return c;
  std::tie(ec, c) = net::wait_for<connection>([&](auto waker) {
    connect_to(executor, std::move(url), std::move(opts), connect_handler(std::move(waker)), std::move(stream));
  });
  return c;
}

connection connection::make_over(lower_ptr lower, std::string url, options opts) {
  error_code ec;
  auto c = make_over(std::move(lower), std::move(url), std::move(opts), ec);
  if (ec) raise(c.failure(), ec);
  return c;
}

void connection::start_open_stream(const handle_ptr& handle, const request& head, const options& opts,
                                   open_handler handler) {
  const auto& link = link_of(handle);
  if (!link) return net::complete_elsewhere(std::move(handler), make_error_code(errc::closed), stream());
  const auto op = link->next_op();
  const net::cancellation stop(handler, link, submit, [op](net::connection& c) { c.cancel_open(op); });
  auto checked = check_request(*link, head, opts);
  using completion = net::completion<error_code, stream>;
  if (link->submit_here(
          [&] { open_inside(handle, op, checked, opts, completion(std::move(handler), link->home())); })) {
    return;
  }
  link->submit([link, handle, op, stop, checked = std::move(checked), opts = opts,
                done = completion(std::move(handler), link->home())]() mutable {
    open_inside(handle, op, checked, opts, std::move(done));
    stop.catch_up(*link);
  });
}

stream connection::open_stream(const request& head, const options& opts, error_code& ec) {
  stream s;
  ec = net::check_blocking(link_of(handle_));
  if (ec) return s;
  std::tie(ec, s) = net::wait_for<stream>(
      link_of(handle_), [&](auto waker) { start_open_stream(handle_, head, opts, open_handler(std::move(waker))); },
      std::nullopt, net::sends::later);
  return s;
}

stream connection::open_stream(const request& head, const options& opts) {
  error_code ec;
  auto s = open_stream(head, opts, ec);
  if (ec) raise(s.failure(), ec);
  return s;
}

void connection::start_ping(const handle_ptr& handle, ping_handler handler) {
  const auto& link = link_of(handle);
  if (!link) {
    return net::complete_elsewhere(std::move(handler), make_error_code(errc::closed), std::chrono::microseconds());
  }
  const auto op = link->next_op();
  const net::cancellation stop(handler, link, submit, [op](net::connection& c) { c.cancel_ping(op); });
  link->submit(
      [handle, op, stop,
       done = net::completion<error_code, std::chrono::microseconds>(std::move(handler), link->home())]() mutable {
        handle->get()->ping(op, std::move(done));
        stop.catch_up(*handle->get());
      });
}

std::chrono::microseconds connection::ping(error_code& ec) {
  std::chrono::microseconds rtt{};
  ec = net::check_blocking(link_of(handle_));
  if (ec) return rtt;
  std::tie(ec, rtt) = net::wait_for<std::chrono::microseconds>(
      link_of(handle_), [&](auto waker) { start_ping(handle_, ping_handler(std::move(waker))); });
  return rtt;
}

std::chrono::microseconds connection::ping() {
  error_code ec;
  const auto rtt = ping(ec);
  if (ec) raise(failure(), ec);
  return rtt;
}

// Ending

void connection::start_shutdown(const handle_ptr& handle, std::chrono::milliseconds grace, end_handler handler) {
  const auto& link = link_of(handle);
  if (!link) return net::complete_elsewhere(std::move(handler), make_error_code(errc::closed));
  const auto op = link->next_op();
  const net::cancellation stop(handler, link, submit, [op](net::connection& c) { c.cancel_close_wait(op); });
  link->submit(
      [handle, op, stop, grace, done = net::completion<error_code>(std::move(handler), link->home())]() mutable {
        handle->get()->shutdown(grace);
        handle->get()->when_closed(op, std::move(done));
        stop.catch_up(*handle->get());
      });
}

void connection::shutdown(std::chrono::milliseconds grace, error_code& ec) {
  ec = net::check_blocking(link_of(handle_));
  if (!ec) {
    std::tie(ec) = net::wait_for<>(link_of(handle_),
                                   [&](auto waker) { start_shutdown(handle_, grace, end_handler(std::move(waker))); });
  }
}

void connection::shutdown(std::chrono::milliseconds grace) {
  error_code ec;
  shutdown(grace, ec);
  if (ec) raise(failure(), ec);
}

// Statistics

void connection::start_stats(const handle_ptr& handle, stats_handler handler) {
  const auto& link = link_of(handle);
  if (!link) return net::complete_elsewhere(std::move(handler), make_error_code(errc::closed), connection_stats());
  net::ask(link, std::move(handler), [link] { return link->stats(); });
}

connection_stats connection::stats(error_code& ec) const {
  return net::ask_now<connection_stats>(link_of(handle_), ec, [](net::connection& c) { return c.stats(); });
}

connection_stats connection::stats() const {
  error_code ec;
  auto out = stats(ec);
  if (ec) raise(failure(), ec);
  return out;
}

}  // namespace duplex::h2
