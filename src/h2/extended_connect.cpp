#include "h2/extended_connect.hpp"

#include "core/no_memory.hpp"
#include "core/refusal.hpp"
#include "h2/connector.hpp"
#include "h2/failures.hpp"
#include "net/cancellation.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <memory>
#include <tuple>
#include <utility>

namespace duplex::h2 {
namespace {

using opened = std::pair<error_code, stream>;

opened failed(failure why) {
  const auto ec = why.code;
  return {ec, failed_stream(std::move(why))};
}

asio::awaitable<opened> open_when_offered(net::strand here, request head, options opts) {
  constexpr auto as_value = asio::as_tuple(asio::use_awaitable);
  const auto began = net::connection::now();
  auto [ec, link] = co_await connection::async_connect(here, head.url, opts, as_value);
  if (ec) {
    auto why = link.failure().value_or(core::refusal(errc::connection_lost, ec.message()));
    co_return opened{ec, failed_stream(std::move(why), link.info())};
  }
  if (opts.max_time) opts.max_time = time_left(*opts.max_time, began);
  opts.connect_timeout = time_left(opts.connect_timeout, began);
  auto [refused, s] = co_await link.async_open_stream(head, std::move(opts), as_value);
  co_return opened{refused, std::move(s)};
}

// What leaves the coroutine: a cancellation between its two steps, or that there is no memory.
failure why(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const boost::system::system_error&) {
    return core::refusal(errc::canceled, "the open was canceled");
  } catch (...) {
    return core::no_memory();
  }
}

}  // namespace

void start_extended_connect(const asio::any_io_executor& executor, const request& head, options opts,
                            connection::open_handler handler) {
  struct attempt {
    net::strand here;
    asio::cancellation_signal stop{};
  };
  const auto under_way = std::make_shared<attempt>(net::strand(executor));
  const net::cancellation stop(handler, under_way, net::on_its_strand,
                               [](attempt& a) { a.stop.emit(asio::cancellation_type::terminal); });
  const auto where = asio::get_associated_executor(handler, executor);
  auto done = [under_way, handler = std::move(handler)](const std::exception_ptr& error, opened result) mutable {
    if (error) result = failed(why(error));
    std::move(handler)(result.first, std::move(result.second));
  };
  asio::co_spawn(under_way->here, open_when_offered(under_way->here, head, std::move(opts)),
                 asio::bind_cancellation_slot(under_way->stop.slot(), asio::bind_executor(where, std::move(done))));
}

}  // namespace duplex::h2
