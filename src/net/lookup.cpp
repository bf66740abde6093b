// Looking up addresses.

#include "net/lookup.hpp"

#include "core/validate.hpp"

#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>

#include <exception>
#include <utility>

namespace duplex::net {

lookup::lookup(const strand& executor, resolve_query what, resolve_function resolver)
    : strand_(executor), query_(std::move(what)), ask_(std::move(resolver)), system_(strand_) {}

void lookup::start(handler done) {
  done_ = std::move(done);
  if (ask_) return ask_resolver();
  ask_system(query_.family);
}

void lookup::cancel() {
  done_ = nullptr;
  system_.cancel();
  stop_.request_stop();
}

void lookup::finish(answer a) {
  if (const auto done = std::exchange(done_, nullptr)) done(std::move(a));
}

void lookup::ask_system(address_family family) {
  const auto whole = [self = shared_from_this(), family](error_code ec, const tcp::resolver::results_type& found) {
    // The name is unknown, or it has addresses of the other family only: the system says the same of both.
    if (ec == asio::error::host_not_found && family != address_family::any && self->done_) {
      return self->ask_system(address_family::any);
    }
    answer a;
    if (ec) a.problem = ec.message();
    for (const auto& entry : found) a.found.push_back(entry.endpoint());
    self->finish(std::move(a));
  };
  const auto port = std::to_string(query_.port);
  constexpr auto flags = tcp::resolver::numeric_service;
  try {
    if (family == address_family::any) {
      system_.async_resolve(query_.host, port, flags, whole);
    } else {
      const auto protocol = family == address_family::v4 ? tcp::v4() : tcp::v6();
      system_.async_resolve(protocol, query_.host, port, flags, whole);
    }
  } catch (const boost::system::system_error& e) {  // Asio asks the system on a thread, which it makes here
    fail("no thread for it: " + e.code().message());
  }
}

// Who answers may be on another thread, and later than all of this is gone: it keeps nothing alive.
void lookup::ask_resolver() {
  auto query = query_;
  query.stop = stop_.get_token();
  resolve_handler whole = [weak = weak_from_this()](error_code ec, std::vector<resolved_address> list) {
    const auto self = weak.lock();
    if (!self) return;
    asio::post(self->strand_, [self, ec, list = std::move(list)] { self->take(ec, list); });
  };
  try {
    ask_(std::move(query), std::move(whole));
  } catch (const std::exception& e) {
    fail("the resolver threw: " + core::quoted(e.what()));
  } catch (...) {
    fail("the resolver threw something that is no std::exception");
  }
}

void lookup::fail(std::string why) {
  asio::post(strand_, [self = shared_from_this(), why = std::move(why)] { self->finish({why, origin::local, {}}); });
}

void lookup::take(error_code ec, const std::vector<resolved_address>& list) {
  answer a;
  if (ec) a.problem = ec.message();
  if (!ec && list.empty() && query_.family == address_family::any) a.problem = "the resolver has no address for it";
  for (const auto& r : list) {
    error_code bad;
    const auto address = asio::ip::make_address(r.address, bad);
    if (bad && !a.problem) a.problem = "the resolver's " + core::quoted(r.address) + " is no IP address";
    a.found.emplace_back(address, r.port == 0 ? query_.port : r.port);
  }
  finish(std::move(a));
}

}  // namespace duplex::net
