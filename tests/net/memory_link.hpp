#pragma once
// A client's and a server's connection, wired through memory, or TLS or sockets, on one context.

#include "faulty_transport.hpp"
#include "net/connection.hpp"
#include "net/memory_transport.hpp"
#include "net/server_tls.hpp"
#include "net/stream.hpp"
#include "net/tls.hpp"
#include "net/tls_transport.hpp"
#include "run.hpp"

#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace duplex::test {

using wire_pair = std::pair<std::unique_ptr<net::transport>, std::unique_ptr<net::transport>>;

struct link_options {
  options client{.close_timeout = 2ms};
  options server{.close_timeout = 2ms};
  fault_plan client_fault{};
  fault_plan server_fault{};
  /// Both ends of what is below: memory.
  std::function<wire_pair(const asio::any_io_executor&)> wires = net::make_memory_pair;
  /// TLS above it. Faults happen below, after the handshake.
  bool tls = false;
};

/// TLS that trusts everybody, before its handshake.
inline std::unique_ptr<net::tls_transport> tls_client_over(std::unique_ptr<net::transport> below) {
  static const tls_options trusting{.verify = false};
  static const auto context = net::make_client_context(trusting);
  auto link = std::make_unique<net::tls_transport>(std::move(below), context, net::tls_engine::role::client);
  EXPECT_TRUE(net::prepare_client(link->native_handle(), trusting, "localhost"));
  return link;
}

inline std::unique_ptr<net::tls_transport> tls_server_over(std::unique_ptr<net::transport> below) {
  static const auto context = [] {
    const auto cert = make_self_signed();
    h2::server_options opts;
    opts.certificate_pem = cert.certificate_pem;
    opts.key_pem = cert.key_pem;
    return net::make_server_contexts(opts);
  }();
  return std::make_unique<net::tls_transport>(std::move(below), context, net::tls_engine::role::server);
}

/// TLS over both, when the handshake is over.
inline wire_pair shake_hands(asio::io_context& io, wire_pair below) {
  auto client = tls_client_over(std::move(below.first));
  auto server = tls_server_over(std::move(below.second));
  int ready = 0;
  const auto note = [&ready](error_code ec) {
    EXPECT_FALSE(ec) << ec.message();
    ++ready;
  };
  client->async_handshake(note);
  server->async_handshake(note);
  EXPECT_TRUE(run_until(io, [&ready] { return ready == 2; }));
  return {std::move(client), std::move(server)};
}

class memory_link {
 public:
  /// Without `on_request` the server's streams go to `served`.
  explicit memory_link(link_options opts, net::connection::request_handler on_request = {})
      : opts_(std::move(opts)), strand_(io.get_executor()) {
    if (!on_request) on_request = [this](const request&, h2::stream s) { served.push_back(std::move(s)); };
    auto [near, far] = opts_.wires(strand_);
    auto client_end = std::make_unique<faulty_transport>(std::move(near), client_log);
    auto server_end = std::make_unique<faulty_transport>(std::move(far), server_log);
    auto& client_faults = *client_end;
    auto& server_faults = *server_end;
    wire_pair ends{std::move(client_end), std::move(server_end)};
    if (opts_.tls) ends = shake_hands(io, std::move(ends));
    client_faults.follow(opts_.client_fault);
    server_faults.follow(opts_.server_fault);
    client = make(core::role::client, std::move(ends.first), opts_.client, {});
    server = make(core::role::server, std::move(ends.second), opts_.server, std::move(on_request));
    server->add_handle();  // as net::server does: an idle connection stays
  }
  memory_link(const memory_link&) = delete;
  memory_link& operator=(const memory_link&) = delete;
  // Memory is not a service of the context: what waits in it must be ended, or it keeps its connection.
  ~memory_link() {
    if (client) client->submit([c = client] { c->close(); });
    if (server) server->submit([s = server] { s->close(); });
    served.clear();
    client.reset();
    server.reset();
    EXPECT_TRUE(run_until_idle(io));
    settle(io);
  }

  /// As h2::open: the stream first, then the first turn.
  h2::stream open(const fields& headers = {}) { return open_on(client, headers); }
  void start() {
    server->start();
    client->start();
  }
  h2::stream open_and_start(const fields& headers = {}) {
    auto s = open(headers);
    start();
    return s;
  }

  asio::io_context io;
  std::shared_ptr<wire_log> client_log = std::make_shared<wire_log>();
  std::shared_ptr<wire_log> server_log = std::make_shared<wire_log>();
  std::shared_ptr<net::connection> client;
  std::shared_ptr<net::connection> server;
  std::vector<h2::stream> served;

 private:
  h2::stream open_on(const std::shared_ptr<net::connection>& link, const fields& headers) {
    const core::request_head head{"POST", "http", "peer", "/", {}, headers};
    auto state = link->open_stream(head, opts_.client, true);
    if (!state) return {};
    return h2::stream(std::make_shared<net::stream_handle>(std::move(state)));
  }

  std::shared_ptr<net::connection> make(core::role side, std::unique_ptr<net::transport> wire, const options& opts,
                                        net::connection::request_handler on_request) {
    core::session_config config;
    config.role = side;
    config.defaults = opts;
    return std::make_shared<net::connection>(strand_, std::move(wire), std::move(config),
                                             h2::connection_info{.peer = "memory"}, net::target{false, "peer", 80},
                                             std::move(on_request));
  }

  link_options opts_;
  net::strand strand_{
      asio::any_io_executor(io.get_executor())};  // of both ends: that is what a memory transport asks for
};

}  // namespace duplex::test
