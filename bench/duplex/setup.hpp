#pragma once
// What the clients in all three styles have in common.

#include "common/plan.hpp"
#include "common/program.hpp"

#include <duplex/duplex.hpp>

#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <stdexcept>

namespace bench {

inline duplex::options options_of(const plan& p) {
  duplex::options o;
  o.tls.ca_file = p.ca;
  o.tls.resume = p.workload == workload::reconnect;
  o.max_pending_streams = std::max(o.max_pending_streams, p.streams);
  return o;
}

inline duplex::request request_of(const plan& p) { return {.url = p.url()}; }

/// Bytes of data in `m`; 0 for what else there is before the end.
inline std::size_t payload(const duplex::message& m) {
  if (const auto* d = std::get_if<duplex::data>(&m)) return d->bytes.size();
  if (std::holds_alternative<duplex::done>(m)) throw std::runtime_error("the server ended the stream");
  return 0;
}

inline bool is_done(const duplex::message& m) { return std::holds_alternative<duplex::done>(m); }

/// `main` of a client that is called back: one for each thread, on an io_context of its own.
template <class Client>
int run_on_contexts(int argc, char** argv) {
  return run([&] {
    const auto p = parse(argc, argv);
    on_threads(p.threads, [&] {
      boost::asio::io_context io(1);
      Client(p, io).run();
    });
  });
}

}  // namespace bench
