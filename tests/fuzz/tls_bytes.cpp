// TLS between two engines over a wire that may change, drop and invent bytes, and end anywhere. What is read was
// written, in order; an end is one only behind close_notify; an error is final.

#include "fuzz/input.hpp"
#include "net/server_tls.hpp"
#include "net/tls.hpp"
#include "net/tls_engine.hpp"

#include <duplex/certificate.hpp>

#include <boost/asio/error.hpp>

#include <array>
#include <memory>
#include <string>

namespace duplex::fuzz {
namespace {

namespace asio = net::asio;
using asio::ssl::stream_base;

const error_code would_block = asio::error::would_block;

std::shared_ptr<asio::ssl::context> server_context(int version) {
  const auto made = make_self_signed();
  h2::server_options opts;
  opts.certificate_pem = made.certificate_pem;
  opts.key_pem = made.key_pem;
  auto context = net::make_server_contexts(opts);
  SSL_CTX_set_max_proto_version(context->native_handle(), version);
  return context;
}

struct contexts {
  std::array<std::shared_ptr<asio::ssl::context>, 2> servers{server_context(TLS1_2_VERSION),
                                                             server_context(TLS1_3_VERSION)};
  std::shared_ptr<asio::ssl::context> client = net::make_client_context({.verify = false});
};

contexts& all_contexts() {
  static contexts all;
  return all;
}

/// An engine, what its user knows, and the bytes on their way to it.
struct end {
  end(const std::shared_ptr<asio::ssl::context>& context, net::tls_engine::role role) : engine(context, role) {}

  // As far as the input goes.
  void advance() {
    if (!open) {
      const auto now = engine.handshake();
      if (now) return see(now);
      open = true;
    }
    std::array<char, 1000> to{};
    for (error_code now; !now;) {
      const auto n = engine.read(asio::buffer(to), now);
      require(n == 0 || !failed);
      plain.append(to.data(), n);
      if (now) see(now);
    }
  }
  void see(error_code now) {
    require(!failed || now == failed);
    if (now != would_block) failed = now;
  }
  void write(std::string_view bytes) {
    if (!open) return;
    error_code ec;
    const auto n = engine.write(asio::buffer(bytes), ec);
    require(n <= bytes.size() && (n == bytes.size() || ec));
    written += bytes.substr(0, n);
  }

  net::tls_engine engine;
  bool open = false;
  bool said_end = false;
  bool ended = false;   // nothing more arrives
  error_code failed{};  // or the end
  std::string plain{};
  std::string written{};
  std::string wire{};  // towards it
};

class walk {
 public:
  explicit walk(input in)
      : in_(in),
        client_(all_contexts().client, stream_base::client),
        server_(all_contexts().servers.at(in_.coin() ? 1 : 0), stream_base::server) {
    require(net::prepare_client(client_.engine.native_handle(), {.verify = false}, "localhost"));
  }

  void run() {
    client_.advance();
    if (in_.coin()) converse();
    while (!in_.empty()) {
      step();
      check(client_, server_);
      check(server_, client_);
    }
    converse();
    check(client_, server_);
    check(server_, client_);
    if (!harmed_) require(client_.open && server_.open && server_.plain == client_.written);
  }

 private:
  void step() {
    auto& from = in_.coin() ? client_ : server_;
    auto& to = &from == &client_ ? server_ : client_;
    switch (in_.below(10)) {
      case 0:
      case 1:
        from.write(std::string(in_.number(), static_cast<char>(from.written.size())));
        return collect(from, to);
      case 2:
      case 3:
        return deliver(to, in_.number());
      case 4: {
        harmed_ = true;
        const auto at = in_.number();
        if (at < to.wire.size()) to.wire[at] = static_cast<char>(to.wire[at] ^ static_cast<char>(1U << in_.below(8)));
        return;
      }
      case 5:
        harmed_ = true;
        to.wire.erase(0, in_.byte());
        return;
      case 6:
        harmed_ = true;
        to.wire.insert(0, in_.bytes(in_.number() % 2000));
        return;
      case 7:
        from.said_end = from.said_end || from.open;
        from.engine.shutdown();
        return collect(from, to);
      case 8:
        harmed_ = true;
        deliver(to, to.wire.size());
        to.engine.feed_end();
        to.ended = true;
        to.advance();
        return collect(to, from);
      default:
        from.engine.rest();
        return;
    }
  }

  static void collect(end& from, end& to) {
    while (!from.engine.drained()) {
      const auto next = from.engine.output();
      to.wire.append(static_cast<const char*>(next.data()), next.size());
      from.engine.sent(next.size());
    }
  }

  void deliver(end& to, std::size_t n) {
    if (to.ended) return to.wire.clear();
    if (to.engine.hungry()) {
      // In memory of its own, so that a sanitizer sees who uses it for too long.
      const auto lent = to.wire.substr(0, n);
      to.wire.erase(0, n);
      to.engine.feed(asio::buffer(lent));
      to.advance();
      to.engine.keep();
    } else {
      to.advance();
    }
    collect(to, &to == &client_ ? server_ : client_);
  }

  void converse() {
    collect(client_, server_);
    collect(server_, client_);
    while ((!server_.wire.empty() && server_.engine.hungry()) || (!client_.wire.empty() && client_.engine.hungry())) {
      deliver(server_, server_.wire.size());
      deliver(client_, client_.wire.size());
    }
  }

  static void check(const end& from, const end& to) {
    require(from.written.starts_with(to.plain));
    if (to.failed == asio::error::eof) require(from.said_end && to.plain == from.written);
  }

  input in_;
  end client_;
  end server_;
  bool harmed_ = false;
};

}  // namespace
}  // namespace duplex::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  duplex::fuzz::walk(duplex::fuzz::input(data, size)).run();
  return 0;
}
