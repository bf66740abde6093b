// The verbs of a connection, and how one is made.

#include <duplex/h2/connection.hpp>

#include "h2/connector.hpp"
#include "net/stream.hpp"

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/system_executor.hpp>

#include <utility>

namespace duplex::h2 {
namespace {

failure invalid(std::string message) {
  failure why;
  why.code = errc::invalid_argument;
  why.message = std::move(message);
  why.retry_safe = true;
  return why;
}

stream failed_stream(failure why) { return stream(std::make_shared<net::stream_handle>(std::move(why))); }

const std::shared_ptr<net::connection>& link_of(const std::shared_ptr<net::connection_handle>& handle) {
  static const std::shared_ptr<net::connection> none;
  return handle ? handle->get() : none;
}

}  // namespace

connection::connection(handle_ptr handle) noexcept : handle_(std::move(handle)) {}

connection::operator bool() const noexcept { return link_of(handle_) != nullptr; }

connection::executor_type connection::get_executor() const {
  const auto& link = link_of(handle_);
  return link ? executor_type(link->executor()) : executor_type(asio::system_executor());
}

connection_info connection::info() const {
  const auto& link = link_of(handle_);
  return link ? link->info() : connection_info();
}

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

void connection::start_connect(const asio::any_io_executor& executor, std::string url, options opts,
                               connect_handler handler) {
  connect(
      executor, request{.url = std::move(url)}, std::move(opts), std::move(handler),
      [](const std::shared_ptr<net::connection>& link, const core::request_head&, const options&) {
        return std::pair(error_code(), connection(std::make_shared<net::connection_handle>(link)));
      },
      [](duplex::failure why) { return connection(std::make_shared<net::connection_handle>(std::move(why))); });
}

void connection::start_open_stream(const handle_ptr& handle, const request& head, options opts, open_handler handler) {
  const auto& link = link_of(handle);
  if (!link) return net::complete_elsewhere(std::move(handler), make_error_code(errc::closed), stream());
  auto checked = check_open(head, opts);
  link->submit([link, handle, checked = std::move(checked), opts = std::move(opts),
                done = net::completion<error_code, stream>(std::move(handler), link->home())]() mutable {
    stream result;
    error_code ec;
    const auto* parsed = std::get_if<net::parsed_request>(&checked);
    if (!parsed) {
      ec = errc::invalid_argument;
      result = failed_stream(invalid(std::get<std::string>(checked)));
    } else if (const auto origin = net::to_string(parsed->where); origin != link->origin()) {
      ec = errc::invalid_argument;
      result = failed_stream(invalid("URL is of " + origin + ", the connection of " + link->origin()));
    } else {
      std::tie(ec, result) = open_on(link, parsed->head, opts, false);
    }
    link->ready().add(
        [done = std::move(done), ec, result = std::move(result)]() mutable { done(ec, std::move(result)); });
  });
}

void connection::start_ping(const handle_ptr& handle, ping_handler handler) {
  const auto& link = link_of(handle);
  if (!link) {
    return net::complete_elsewhere(std::move(handler), make_error_code(errc::closed), std::chrono::microseconds());
  }
  const auto op = link->next_op();
  auto slot = asio::get_associated_cancellation_slot(handler);
  if (slot.is_connected()) {
    slot.assign([weak = std::weak_ptr(link), op](asio::cancellation_type) {
      if (const auto c = weak.lock()) c->submit([c, op] { c->cancel_ping(op); });
    });
  }
  link->submit([handle, op,
                done = net::completion<error_code, std::chrono::microseconds>(
                    std::move(handler), link->home())]() mutable { handle->get()->ping(op, std::move(done)); });
}

}  // namespace duplex::h2
