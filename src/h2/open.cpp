// Opening: one stream on a connection of its own.

#include <duplex/h2/open.hpp>

#include "core/validate.hpp"
#include "h2/connector.hpp"
#include "h2/extended_connect.hpp"
#include "h2/failures.hpp"
#include "net/background.hpp"
#include "net/blocking.hpp"

#include <new>
#include <utility>

namespace duplex::h2 {
std::variant<net::parsed_request, std::string> check_open(const request& head, const options& opts) {
  if (auto bad = core::check_options(opts)) return *bad;
  if (!opts.connect_to.empty()) {
    auto there = net::parse_host_port(opts.connect_to, "option connect_to");
    if (auto* bad = std::get_if<std::string>(&there)) return std::move(*bad);
  }
  return net::parse_request(head);
}

std::pair<error_code, stream> open_on(const std::shared_ptr<net::connection>& link, const core::request_head& head,
                                      const options& opts, bool dedicated) {
  if (auto state = link->open_stream(head, opts, dedicated)) {
    return {error_code(), stream(std::make_shared<net::stream_handle>(std::move(state)))};
  }
  auto why = core::refusal(errc::refused, "the connection takes no more streams");
  why.scope = scope::connection;
  return {errc::refused, failed_stream(std::move(why))};
}

namespace {

core::session_config client_config(const options& opts, std::string peer) {
  core::session_config config;
  config.role = core::role::client;
  config.defaults = opts;
  config.defaults.on_message = nullptr;  // it is the first stream's, and may own a handle of it
  config.trace = static_cast<bool>(opts.on_frame);
  config.peer = std::move(peer);
  return config;
}

}  // namespace

// A session that nobody has writes the same as the connection's will, and needs no connection for it.
std::string first_bytes(const core::request_head& head, const options& opts) try {
  core::session rehearsal(client_config(opts, {}));
  core::outgoing out;
  if (rehearsal.open(head, opts) == 0) return {};
  while (rehearsal.pull(out, net::connection::now())) continue;
  if (rehearsal.failed()) return {};
  std::string all;
  for (const auto piece : out.pieces()) all += piece;
  return all;
} catch (const std::bad_alloc&) {
  return {};
}

std::shared_ptr<net::connection> make_client(const net::strand& executor, net::dialed link, const options& opts,
                                             const net::target& where) {
  auto config = client_config(opts, net::name_of_peer(where, link.info.peer));
  return std::make_shared<net::connection>(executor, std::move(link.link), std::move(config), std::move(link.info),
                                           where);
}

void detail::start_open(const asio::any_io_executor& executor, const request& head, options opts,
                        open_handler handler) {
  if (!head.protocol.empty() && std::holds_alternative<net::parsed_request>(check_open(head, opts))) {
    return start_extended_connect(executor, head, std::move(opts), std::move(handler));
  }
  connect(
      executor, head, std::move(opts), std::move(handler),
      [](const std::shared_ptr<net::connection>& link, const core::request_head& parsed, const options& o) {
        return open_on(link, parsed, o, true);
      },
      [](failure why, connection_info info) { return failed_stream(std::move(why), std::move(info)); });
}

stream open(const asio::any_io_executor& executor, const request& head, options opts, error_code& ec) {
  stream result;
  ec = net::check_blocking(executor);
  if (ec) return result;
  std::tie(ec, result) = net::wait_for<stream>(
      [&](auto waker) { detail::start_open(executor, head, std::move(opts), open_handler(std::move(waker))); });
  return result;
}

stream open(const asio::any_io_executor& executor, const request& head, options opts) {
  error_code ec;
  auto s = open(executor, head, std::move(opts), ec);
  if (!ec) return s;
  raise(s.failure(), ec);
}

stream open(const request& head, options opts, error_code& ec) {
  return open(net::background_executor(), head, std::move(opts), ec);
}

stream open(const request& head, options opts) { return open(net::background_executor(), head, std::move(opts)); }

}  // namespace duplex::h2
