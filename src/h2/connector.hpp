#pragma once
// What opening a stream and making a connection share: check everything, dial, hand over.

#include "core/no_memory.hpp"
#include "core/refusal.hpp"
#include "net/cancellation.hpp"
#include "net/completion.hpp"
#include "net/connection.hpp"
#include "net/dialer.hpp"
#include "net/handed_in.hpp"
#include "net/stream.hpp"
#include "net/target.hpp"

#include <duplex/h2/connection.hpp>

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <variant>

namespace duplex::h2 {

/// The request taken apart, or what is wrong with it or with the options.
[[nodiscard]] std::variant<net::parsed_request, std::string> check_open(const request& head, const options& opts);

/// On the strand: opens a stream on a connection that is there.
[[nodiscard]] std::pair<error_code, stream> open_on(const std::shared_ptr<net::connection>& link,
                                                    const core::request_head& head, const options& opts,
                                                    bool dedicated);

/// What is left of a time that began at `began`: more than 0, so that what it bounds still comes to its end.
[[nodiscard]] inline options::duration time_left(options::duration whole, core::time_point began) {
  const auto passed = std::chrono::ceil<options::duration>(net::connection::now() - began);
  return std::max(whole - passed, options::duration(1));
}

/// Why `make`, which makes a connection of a transport, could not: there may be no memory, or no descriptor.
template <class Make>
[[nodiscard]] std::optional<failure> failure_of(Make make) {
  try {
    make();
    return std::nullopt;
  } catch (const std::bad_alloc&) {
    return core::no_memory();
  } catch (const std::system_error& e) {
    auto why = core::refusal(errc::connect_failed, std::string("the connection cannot be served: ") + e.what());
    why.scope = scope::connection;
    return why;
  }
}

[[nodiscard]] std::shared_ptr<net::connection> make_client(const net::strand& executor, net::dialed link,
                                                           const options& opts, const net::target& where);

/// What a connection that `make_client` makes, with one stream for `head`, writes first; empty if there is no memory.
[[nodiscard]] std::string first_bytes(const core::request_head& head, const options& opts);

/// Checks, dials, and completes with `use(connection, head, opts)` → (error_code, Result), or with `fail(failure,
/// connection_info)` → Result. The peer has `preface_timeout` for its SETTINGS, connect_timeout unless told otherwise.
/// `over`: what was handed in is not dialed.
template <class Result, class Use, class Fail>
void connect(const asio::any_io_executor& executor, const request& head, options opts,
             asio::any_completion_handler<void(error_code, Result)> handler, Use use, Fail fail,
             std::optional<options::duration> preface_timeout = {}, std::optional<net::handed_in> over = {}) {
  using completion = net::completion<error_code, Result>;
  const net::strand here(executor);
  const asio::any_completion_executor home(here);

  // The dialer that is under way, for the cancellation slot; used on the strand only. The slot may outlive the context,
  // which a strand must not.
  struct attempt {
    net::strand here;
    std::weak_ptr<net::dialer> dialer{};  // which owns the handler, and with it this
  };
  const auto under_way = std::make_shared<attempt>(attempt{here});
  const net::cancellation stop(handler, under_way, net::on_its_strand, [](attempt& a) {
    if (const auto dialer = a.dialer.lock()) dialer->cancel();
  });

  completion done(std::move(handler), home);
  auto checked = check_open(head, opts);
  if (const auto* bad = std::get_if<std::string>(&checked)) {
    auto why = core::refusal(errc::invalid_argument, *bad);
    why.scope = scope::connection;
    return asio::post(here, [done = std::move(done), why = std::move(why), fail]() mutable {
      const auto code = why.code;
      done(code, fail(std::move(why), {}));
    });
  }

  auto parsed = std::get<net::parsed_request>(std::move(checked));
  const auto shared_done = std::make_shared<completion>(std::move(done));
  asio::dispatch(here, [here, parsed = std::move(parsed), opts = std::move(opts), shared_done, under_way, stop, use,
                        fail, preface_timeout, over = std::move(over)]() mutable {
    const auto dialer = net::dial(
        here, parsed.where, opts,
        [here, parsed, opts, shared_done, keep = under_way, use, fail, preface_timeout, began = net::connection::now()](
            std::optional<failure> why, net::dialed result) mutable {
          if (why) {
            const auto code = why->code;
            return (*shared_done)(code, fail(std::move(*why), std::move(result.info)));
          }
          if (opts.max_time) opts.max_time = time_left(*opts.max_time, began);
          std::pair<error_code, Result> made;
          if (const auto no_connection = failure_of([&] {
                const auto link = make_client(here, std::move(result), opts, parsed.where);
                made = use(link, parsed.head, opts);
                link->start(preface_timeout.value_or(opts.connect_timeout));
              })) {
            made = {no_connection->code, fail(*no_connection, {})};
          }
          (*shared_done)(made.first, std::move(made.second));
        },
        over ? over->take(here) : net::dialed(),
        parsed.head.early_data ? first_bytes(parsed.head, opts) : std::string());
    under_way->dialer = dialer;
    stop.catch_up(*under_way);
  });
}

}  // namespace duplex::h2
