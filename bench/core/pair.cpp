#include "pair.hpp"

#include <stdexcept>
#include <utility>
#include <variant>

namespace bench {

using namespace duplex;
using core::event;
using core::outbox;

namespace {

constexpr std::size_t largest_reply = std::size_t{64} << 10;

void check(error_code ec) {
  if (ec) throw std::runtime_error(ec.message());
}

core::session_config config(core::role role) { return {.role = role, .max_concurrent_streams = 1000}; }

}  // namespace

pair::pair(server_does what)
    : what_(what),
      client_(config(core::role::client)),
      server_(config(core::role::server)),
      reply_(largest_reply, 'x') {
  pump();
}

std::int32_t pair::open() {
  const auto id = client_.open({"POST", "http", "peer", "/echo", "", {}}, options());
  if (id == 0) throw std::runtime_error("the client takes no more streams");
  return id;
}

void pair::send(std::int32_t id, std::string_view bytes, bool fin) {
  check(client_.send(id, ++op_, {&bytes, 1}, fin, outbox::kind::borrowed));
}

void pair::pump() {
  for (bool moved = true; moved;) {
    moved = move(client_, server_);
    serve();
    moved = move(server_, client_) || moved;
    // What arrived is taken by `receive`.
    static_cast<void>(client_.take_events());
  }
}

bool pair::move(core::session& from, core::session& to) {
  wire_.clear();
  const bool any = from.pull(wire_, now_);
  from.settle_sends(now_);
  if (!any) return false;
  for (const auto piece : wire_.pieces()) to.feed(piece);
  return true;
}

void pair::serve() {
  for (const auto& e : server_.take_events()) {
    if (e.what == event::kind::request) check(server_.respond(e.stream, ++op_, {200, {}}, false));
    if (e.what == event::kind::readable || e.what == event::kind::request) serve(e.stream);
  }
}

void pair::serve(std::int32_t id) {
  while (server_.find(id)) {
    const auto m = server_.receive(id);
    if (!m) return;
    if (const auto* d = std::get_if<data>(&*m); d && what_ == server_does::echo) {
      const auto same_size = std::string_view(reply_).substr(0, d->bytes.size());
      check(server_.send(id, ++op_, {&same_size, 1}, false, outbox::kind::borrowed));
    }
    if (std::holds_alternative<done>(*m)) {
      check(server_.send(id, ++op_, {}, true, outbox::kind::borrowed));
      server_.release(id);
    }
  }
}

std::size_t pair::receive(std::int32_t id) {
  std::size_t bytes = 0;
  while (const auto m = client_.receive(id)) {
    if (const auto* d = std::get_if<data>(&*m)) bytes += d->bytes.size();
  }
  return bytes;
}

void pair::release(std::int32_t id) { client_.release(id); }

}  // namespace bench
