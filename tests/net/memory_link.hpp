#pragma once
// A client's and a server's connection, wired through memory on one context.

#include "faulty_transport.hpp"
#include "net/connection.hpp"
#include "net/memory_transport.hpp"
#include "net/stream.hpp"
#include "run.hpp"

#include <memory>
#include <utility>
#include <vector>

namespace duplex::test {

struct link_options {
  options client{.close_timeout = 2ms};
  options server{.close_timeout = 2ms};
  fault_plan client_fault{};
  fault_plan server_fault{};
};

class memory_link {
 public:
  /// Without `on_request` the server's streams go to `served`.
  explicit memory_link(link_options opts, net::connection::request_handler on_request = {})
      : opts_(std::move(opts)), strand_(io.get_executor()) {
    if (!on_request) on_request = [this](const request&, h2::stream s) { served.push_back(std::move(s)); };
    auto [near, far] = net::make_memory_pair(strand_);
    client = make(core::role::client, std::move(near), client_log, opts_.client_fault, opts_.client, {});
    server =
        make(core::role::server, std::move(far), server_log, opts_.server_fault, opts_.server, std::move(on_request));
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

  std::shared_ptr<net::connection> make(core::role side, std::unique_ptr<net::transport> wire,
                                        const std::shared_ptr<wire_log>& log, const fault_plan& plan,
                                        const options& opts, net::connection::request_handler on_request) {
    core::session_config config;
    config.role = side;
    config.defaults = opts;
    return std::make_shared<net::connection>(strand_, std::make_unique<faulty_transport>(std::move(wire), log, plan),
                                             std::move(config), h2::connection_info{.peer = "memory"}, "http://peer:80",
                                             std::move(on_request));
  }

  link_options opts_;
  net::strand strand_{
      asio::any_io_executor(io.get_executor())};  // of both ends: that is what a memory transport asks for
};

}  // namespace duplex::test
