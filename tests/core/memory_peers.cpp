// Two sessions wired by strings.

#include "memory_peers.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace duplex::test {
namespace {

constexpr std::size_t shown = 40;
constexpr int too_many_rounds = 100000;

void add(std::string& story, const std::string& what) {
  if (!story.empty()) story += ", ";
  story += what;
}

struct teller {
  std::string& story;
  std::string& joined;

  void flush() const {
    if (joined.empty()) return;
    add(story, "data " + (joined.size() <= shown ? joined : "#" + std::to_string(joined.size())));
    joined.clear();
  }
  static std::string head(const std::string& what, const fields& list) {
    return list.empty() ? what : what + " " + describe(list);
  }
  void operator()(const data& m) const {
    EXPECT_FALSE(m.bytes.empty()) << "empty data was delivered";
    joined += m.bytes;
  }
  void operator()(const response& m) const { say(head("response " + std::to_string(m.status), m.headers)); }
  void operator()(const informational& m) const { say(head("informational " + std::to_string(m.status), m.headers)); }
  void operator()(const trailers& m) const { say(head("trailers", m.headers)); }
  void operator()(const done&) const { say("done"); }

 private:
  void say(const std::string& what) const {
    flush();
    add(story, what);
  }
};

}  // namespace

std::string name(error_code ec) {
  if (!ec) return "ok";
  return ec.category() == error_category() ? std::string(to_string(static_cast<errc>(ec.value()))) : ec.message();
}

std::string joined(core::outgoing& out) {
  std::string all;
  for (const auto piece : out.pieces()) all += piece;
  return all;
}

std::string describe(const fields& list) {
  std::string text;
  for (const auto& f : list) add(text, f.name + ": " + f.value);
  return "{" + text + "}";
}

std::string describe(const std::optional<failure>& f) {
  if (!f) return "none";
  EXPECT_FALSE(f->message.empty()) << "a failure has nothing to say to a person";
  std::string text = name(f->code) + " " + std::string(to_string(f->origin)) + " " + std::string(to_string(f->scope));
  if (f->http2_code) text += " " + h2::code_name(*f->http2_code);
  if (f->last_stream_id) text += " last=" + std::to_string(*f->last_stream_id);
  if (!f->debug_data.empty()) text += " debug=" + f->debug_data;
  if (f->retry_safe) text += " retry_safe";
  return text;
}

std::string tell(const std::vector<message>& messages) {
  std::string text;
  std::string joined;
  const teller to{text, joined};
  for (const auto& m : messages) std::visit(to, m);
  to.flush();
  return text;
}

// The endpoint

endpoint::endpoint(session_config config, const time_point& now) : session_(std::move(config)), now_(now) {}

std::int32_t endpoint::open(const options& opts, const fields& headers, const std::string& method) {
  const auto id = session_.open({method, "http", "peer", "/", "", headers}, opts);
  if (id != 0) ids_.insert(id);
  return id;
}

error_code endpoint::open_when_possible(const options& opts) {
  return session_.open_when_possible(++last_op_, {"POST", "http", "peer", "/", "", {}}, opts,
                                     core::after(now_, opts.connect_timeout));
}

std::vector<std::int32_t> endpoint::opened() {
  std::vector<std::int32_t> ids;
  for (const auto& e : events()) {
    if (e.what == core::event::kind::opened) ids.push_back(e.stream);
  }
  return ids;
}

error_code endpoint::respond(std::int32_t id, int status, const fields& headers, bool end) {
  return session_.respond(id, ++last_op_, {status, headers}, end);
}

error_code endpoint::inform(std::int32_t id, int status, const fields& headers) {
  return session_.inform(id, ++last_op_, {status, headers});
}

error_code endpoint::start_send(std::int32_t id, std::string_view bytes, bool end, outbox::kind how) {
  const auto op = ++last_op_;
  auto copy = std::make_unique<std::string>(bytes);
  const std::string_view view = *copy;
  lent_.emplace(op, lent_buffer{id, std::move(copy)});
  const auto ec = session_.send(id, op, {&view, 1}, end, how);
  if (ec) lent_.erase(op);
  collect();
  return ec;
}

error_code endpoint::send(std::int32_t id, std::string_view bytes, bool end) {
  return start_send(id, bytes, end, outbox::kind::borrowed);
}

error_code endpoint::send_buffered(std::int32_t id, std::string_view bytes, bool end) {
  return start_send(id, bytes, end, outbox::kind::buffered);
}

error_code endpoint::send_trailers(std::int32_t id, const fields& list) {
  return session_.send_trailers(id, ++last_op_, list);
}

void endpoint::reset(std::int32_t id, h2::code code, errc why) {
  session_.reset(id, static_cast<std::uint32_t>(code), why, "a test wanted it");
}

void endpoint::abandon(std::int32_t id, h2::code code, errc why) {
  session_.abandon(id, static_cast<std::uint32_t>(code), why, "a test wanted it");
}

void endpoint::release(std::int32_t id) { session_.release(id); }

std::vector<message> endpoint::take(std::int32_t id) {
  std::vector<message> messages;
  while (auto m = session_.receive(id)) messages.push_back(std::move(*m));
  return messages;
}

std::string endpoint::story(std::int32_t id) {
  collect();
  if (!knows(id)) return "unknown stream";
  auto text = tell(take(id));
  if (const auto end = stream(id).in.end()) add(text, name(end));
  return text;
}

std::string endpoint::body(std::int32_t id) {
  collect();
  std::string bytes;
  for (const auto& m : take(id)) {
    if (const auto* d = std::get_if<data>(&m)) bytes += d->bytes;
  }
  return bytes;
}

void endpoint::collect() {
  for (const auto& e : session_.take_events()) {
    events_.push_back(e);
    if (e.what == core::event::kind::request || e.what == core::event::kind::opened) ids_.insert(e.stream);
    if (e.what == core::event::kind::sent) {
      sent_.push_back(e.value);
      lent_.erase(e.value);
    }
    if (e.what == core::event::kind::closed) {
      std::erase_if(lent_, [&](const auto& entry) { return entry.second.stream == e.stream; });
    }
  }
  for (const auto id : ids_) {
    const auto* s = session_.find(id);
    EXPECT_TRUE(!s || s->ledger.balanced(s->in.bytes())) << "stream " << id;
  }
}

const std::vector<op_id>& endpoint::sent() {
  collect();
  return sent_;
}

bool endpoint::is_sent(op_id op) { return std::count(sent().begin(), sent().end(), op) == 1; }

const std::vector<core::event>& endpoint::events() {
  collect();
  return events_;
}

std::size_t endpoint::count(core::event::kind what, std::int32_t id) {
  return static_cast<std::size_t>(std::count_if(events().begin(), events().end(), [&](const core::event& e) {
    return e.what == what && (id == 0 || e.stream == id);
  }));
}

std::vector<std::int32_t> endpoint::requests() {
  std::vector<std::int32_t> ids;
  for (const auto& e : events()) {
    if (e.what == core::event::kind::request) ids.push_back(e.stream);
  }
  return ids;
}

std::string endpoint::failure_of(std::int32_t id) {
  if (!knows(id)) return "unknown stream";
  const auto& why = stream(id).failed;
  return describe(why ? std::optional(*why) : std::nullopt);
}

bool endpoint::pull(std::string& to, time_point now) {
  core::outgoing out;
  const bool any = session_.pull(out, now);
  to += joined(out);
  session_.settle_sends(now);
  return any;
}

// The pair

memory_peers::memory_peers(std::size_t read_size, const options& for_client, const options& for_server,
                           std::uint32_t max_concurrent_streams)
    : client_options(for_client),
      bytes_per_read(read_size),
      client({.role = role::client, .defaults = for_client}, now),
      server({.role = role::server, .defaults = for_server, .max_concurrent_streams = max_concurrent_streams}, now) {
  pump();
}

bool memory_peers::move(endpoint& from, endpoint& to) {
  std::string bytes;
  const bool moved = from.pull(bytes, now);
  from.collect();
  // A driver that was told so waits for an event before it asks again.
  if (!moved) {
    EXPECT_FALSE(from.pull(bytes, now)) << "pull said that there is nothing, and left something";
  }
  for (std::string_view rest = bytes; !rest.empty();) {
    const auto n = std::min(bytes_per_read, rest.size());
    to->feed(rest.substr(0, n));
    to.collect();
    rest.remove_prefix(n);
  }
  return moved;
}

void memory_peers::pump() {
  for (int round = 0; round < too_many_rounds; ++round) {
    const bool forth = move(client, server);
    const bool back = move(server, client);
    if (!forth && !back) return;
  }
  ADD_FAILURE() << "the peers never become quiet";
}

std::string memory_peers::story(endpoint& reader, std::int32_t id) {
  std::vector<message> all;
  for (bool more = true; more;) {
    pump();
    auto some = reader.take(id);
    more = !some.empty();
    std::move(some.begin(), some.end(), std::back_inserter(all));
  }
  auto text = tell(all);
  if (reader.knows(id) && reader.stream(id).in.end()) add(text, name(reader.stream(id).in.end()));
  return text;
}

void memory_peers::advance(std::chrono::milliseconds by) {
  client->settle_sends(now);  // time passes between turns
  server->settle_sends(now);
  now += by;
  client->handle_timeout(now);
  server->handle_timeout(now);
  pump();
}

std::int32_t memory_peers::open() {
  const auto id = client.open(client_options);
  pump();
  return id;
}

}  // namespace duplex::test
