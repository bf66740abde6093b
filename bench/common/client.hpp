#pragma once
// The program of a client that calls and waits: a member function for each workload that it has.

#include "common/plan.hpp"
#include "common/program.hpp"

#include <stdexcept>

namespace bench {

template <class Client>
void perform(Client& c, workload what) {
  switch (what) {
    case workload::ping_pong:
      return c.ping_pong();
    case workload::up:
      return c.up();
    case workload::down:
      return c.down();
    case workload::echo:
      return c.echo();
    case workload::connect:
    case workload::reconnect:
      return c.connect();
    case workload::idle_connections:
      return c.idle_connections();
    case workload::open:
    case workload::idle:
      if constexpr (requires { c.open(), c.idle(); }) {
        return what == workload::open ? c.open() : c.idle();
      } else {
        throw std::runtime_error("a raw connection has no streams");
      }
  }
}

/// `main` of a client: one for each thread.
template <class Client>
int run_clients(int argc, char** argv) {
  return run([&] {
    const auto p = parse(argc, argv);
    on_threads(p.threads, [&] {
      Client c(p);
      perform(c, p.workload);
    });
  });
}

}  // namespace bench
