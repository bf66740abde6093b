// Two sessions and a path between them that takes its time.

#include "delayed_link.hpp"
#include "raw_frames.hpp"

#include <algorithm>
#include <utility>

namespace duplex::test {
namespace {

constexpr std::size_t piece = 262144;

}  // namespace

delayed_link::delayed_link(path of, const options& for_client, const options& for_server)
    : client({.role = role::client, .defaults = for_client}, now),
      server({.role = role::server, .defaults = for_server, .max_concurrent_streams = 1000}, now),
      path_(of),
      client_options_(for_client) {
  run_for(2 * of.round_trip);
}

std::int32_t delayed_link::download() {
  const auto id = client.open(client_options_);
  downloads_.insert(id);
  return id;
}

double delayed_link::throughput(std::chrono::milliseconds time) {
  const auto before = read;
  run_for(time);
  return static_cast<double>(read - before) / std::chrono::duration<double>(time).count();
}

void delayed_link::run_for(std::chrono::milliseconds time) {
  const auto end = now + time;
  for (;;) {
    bool busy = true;
    while (busy) {
      busy = deliver(up_, server);
      busy = deliver(down_, client) || busy;
      serve();
      take();
      busy = write(client, up_) || busy;
      busy = write(server, down_) || busy;
    }
    const auto then = next();
    if (!then || *then > end) break;
    now = *then;
  }
  now = end;
}

bool delayed_link::deliver(direction& from, endpoint& to) {
  bool any = false;
  for (; !from.under_way.empty() && from.under_way.front().arrives <= now; any = true) {
    to->feed(from.under_way.front().bytes);
    to.collect();
    from.under_way.pop_front();
  }
  return any;
}

void delayed_link::serve() {
  for (const auto id : downloads_) {
    if (!server.knows(id)) continue;
    const auto& s = server.stream(id);
    if (s.local == core::progress::head && s.header_ops.empty()) server.respond(id);
    if (s.out.bytes() == 0) server.send(id, std::string(piece, 'x'));
  }
}

void delayed_link::take() {
  if (!client_reads) return;
  for (const auto id : downloads_) {
    while (const auto m = client->receive(id)) {
      const auto* d = std::get_if<data>(&*m);
      if (!d) continue;
      read += d->bytes.size();
      client.consume(id, d->bytes.size());
    }
  }
}

bool delayed_link::write(endpoint& from, direction& to) {
  if (to.busy_until > now + time_of(path_.queue)) return false;
  std::string bytes;
  if (!from.pull(bytes, now)) return false;
  from.collect();
  if (&from == &client) bytes = watch_pings(std::move(bytes));
  to.busy_until = std::max(now, to.busy_until) + time_of(bytes.size());
  to.under_way.push_back({to.busy_until + path_.round_trip / 2, std::move(bytes)});
  return true;
}

std::string delayed_link::watch_pings(std::string bytes) {
  seen_ += bytes;
  std::string kept;
  if (seen_.starts_with(raw::preface)) kept = raw::preface;
  for (const auto& f : raw::take_frames(seen_)) {
    const bool is_ping = f.kind == raw::type_ping && (f.flags & raw::ack) == 0;
    if (is_ping) ++pings_;
    if (!is_ping || !loses_pings) kept += raw::frame(f.kind, f.flags, f.id, f.payload);
  }
  return kept;
}

std::chrono::nanoseconds delayed_link::time_of(std::size_t bytes) const {
  return std::chrono::nanoseconds(static_cast<std::int64_t>(static_cast<double>(bytes) * 1e9 / path_.bytes_per_second));
}

std::optional<time_point> delayed_link::next() const {
  std::optional<time_point> first;
  const auto consider = [&](time_point t) {
    if (t > now && (!first || t < *first)) first = t;
  };
  for (const auto* d : {&up_, &down_}) {
    if (!d->under_way.empty()) consider(d->under_way.front().arrives);
    consider(d->busy_until - time_of(path_.queue) + 1ns);
  }
  return first;
}

}  // namespace duplex::test
