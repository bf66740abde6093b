// Tunnels through proxies that speak HTTP/2.

#include "net/http2_connect.hpp"

#include "net/http_connect.hpp"
#include "net/stream.hpp"
#include "net/stream_transport.hpp"

#include <duplex/h2/byte_stream.hpp>
#include <duplex/h2/lower_stream.hpp>

#include <boost/asio/bind_executor.hpp>

#include <new>
#include <utility>
#include <variant>

namespace duplex::net {
namespace {

// What was asked of the connection through the tunnel does not count for the one that carries it.
options carrying(options opts) {
  opts.active = active::off;
  opts.on_message = nullptr;
  opts.on_frame = nullptr;
  opts.recv_timeout.reset();
  opts.max_time.reset();
  opts.keepalive_time.reset();  // a PING through the tunnel asks both
  opts.flow = flow_control::automatic;
  opts.stream_window.reset();
  opts.priority.reset();
  opts.informational = false;
  return opts;
}

proxy_verdict judge(const h2::stream& s, error_code ec, const message& m) {
  if (ec) {
    const auto why = s.failure();
    return {{}, why ? why->message : ec.message()};
  }
  const auto* head = std::get_if<response>(&m);
  if (!head) return {{}, "it did not answer"};
  return {{}, refusal_of(head->status, "", head->headers.value_or("proxy-authenticate", ""))};
}

}  // namespace

h2::stream ask_http2_proxy(const strand& executor, std::unique_ptr<transport> link, const tunnel_request& wanted,
                           const options& opts, tunnel_handler done) {
  core::session_config config;
  config.role = core::role::client;
  config.defaults = carrying(opts);
  config.peer = wanted.proxy;
  const auto defaults = config.defaults;
  const auto carrier =
      std::make_shared<connection>(executor, std::move(link), std::move(config), h2::connection_info{}, target());
  core::request_head head;
  head.method = "CONNECT";
  head.authority = wanted.authority;
  head.headers = wanted.extra;
  auto state = carrier->open_stream(head, defaults, true);
  if (!state) throw std::bad_alloc();  // a connection that is new takes a stream
  h2::stream tunnel(std::make_shared<stream_handle>(std::move(state)));
  carrier->start(opts.connect_timeout);
  tunnel.async_recv(
      asio::bind_executor(executor, [executor, tunnel, done = std::move(done)](error_code ec, const message& m) {
        auto verdict = judge(tunnel, ec, m);
        if (!verdict.refused.empty()) return done(verdict, nullptr);
        auto below = std::make_shared<h2::lower_stream_of<h2::byte_stream>>(h2::byte_stream(tunnel));
        done(verdict, std::make_unique<stream_transport>(executor, std::move(below)));
      }));
  return tunnel;
}

}  // namespace duplex::net
