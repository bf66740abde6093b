// Two sessions whose memory fails.

#include "parties.hpp"

#include "failing_memory.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <type_traits>

namespace duplex::test {
namespace {

constexpr int too_many_rounds = 10000;

struct teller {
  std::string& story;
  void operator()(const data& m) const { story += m.bytes; }
  void operator()(const response& m) const { say("response " + std::to_string(m.status), m.headers); }
  void operator()(const informational& m) const { say("informational " + std::to_string(m.status), m.headers); }
  void operator()(const trailers& m) const { say("trailers", m.headers); }
  void operator()(const done&) const { story += "<done>"; }
  void say(const std::string& what, const fields& list) const { story += "<" + what + " " + describe(list) + ">"; }
};

}  // namespace

template <class Call>
auto party::call(Call what) {
  using result = decltype(what());
  const memory::duty on_duty;
  try {
    return what();
  } catch (...) {
    ADD_FAILURE() << name_ << ": a call has thrown";
  }
  if constexpr (!std::is_void_v<result>) return result{};
}

bool party::begin(const session_config& config) {
  auto copy = config;
  try {
    const memory::duty on_duty;
    session_ = std::make_unique<session>(std::move(copy));
  } catch (const std::bad_alloc&) {
    EXPECT_TRUE(memory::has_failed());
  }
  return begun();
}

std::int32_t party::open(const options& opts, const fields& headers) {
  if (!begun()) return 0;
  const core::request_head head{"POST", "http", "peer", "/a/path/that/is/not/short", "", headers};
  const auto id = call([&] { return session_->open(head, opts); });
  if (id != 0) ids_.insert(id);
  EXPECT_TRUE(id != 0 || session_->failed()) << name_ << ": no stream, and nobody says why";
  return id;
}

op_id party::open_when_possible(const options& opts, time_point deadline) {
  if (!begun()) return 0;
  core::request_head head{"POST", "http", "peer", "/a/path/that/is/not/short", "", {}};
  auto copy = opts;
  const auto op = begin_op(0);
  end_if(call([&] { return session_->open_when_possible(op, std::move(head), std::move(copy), deadline); }), op);
  return op;
}

void party::cancel_open(op_id op) {
  if (begun() && call([&] { return session_->cancel_open(op); })) ops_.erase(op);
}

void party::respond(std::int32_t id, const fields& headers, bool end) {
  const response head{200, headers};
  const auto op = begin_op(id);
  end_if(call([&] { return session_->respond(id, op, head, end); }), op);
}

void party::inform(std::int32_t id, const fields& headers) {
  const informational head{103, headers};
  const auto op = begin_op(id);
  end_if(call([&] { return session_->inform(id, op, head); }), op);
}

void party::send(std::int32_t id, std::string_view bytes, bool end, outbox::kind how) {
  if (!begun()) return;
  const auto op = begin_op(id);
  ops_[op].lent = std::make_unique<const std::string>(bytes);
  const std::string_view view = *ops_[op].lent;
  end_if(call([&] { return session_->send(id, op, {&view, 1}, end, how); }), op);
}

void party::send_trailers(std::int32_t id, const fields& list) {
  if (!begun()) return;
  const auto op = begin_op(id);
  end_if(call([&] { return session_->send_trailers(id, op, list); }), op);
}

void party::expect(std::int32_t id, time_point until) {
  if (!begun()) return;
  const auto op = begin_op(id);
  call([&] { session_->set_deadline(id, op, until); });
  if (session_->failed()) ops_.erase(op);
}

void party::reset(std::int32_t id) {
  if (!begun()) return;
  std::string why = "a test that is long enough wanted it";
  call([&] { session_->reset(id, static_cast<std::uint32_t>(h2::code::cancel), errc::canceled, std::move(why)); });
}

void party::abandon(std::int32_t id) {
  if (!begun()) return;
  std::string why = "a test that is long enough wanted it";
  call([&] { session_->abandon(id, static_cast<std::uint32_t>(h2::code::cancel), errc::canceled, std::move(why)); });
}

void party::release(std::int32_t id) {
  if (begun()) call([&] { session_->release(id); });
}

void party::ping() {
  if (!begun()) return;
  const auto op = begin_op(0);
  call([&] { session_->ping(op); });
}

void party::goaway(h2::code code) {
  if (begun()) call([&] { session_->goaway(static_cast<std::uint32_t>(code), "data for whoever debugs the peer"); });
}

void party::shut_down(time_point now) {
  if (begun()) call([&] { session_->shut_down(now); });
}

void party::lost() {
  if (!begun()) return;
  std::string why = "the transport has ended, as the test wanted";
  call([&] { session_->lost(errc::connection_lost, std::move(why)); });
  look();
}

void party::consume(std::int32_t id, std::size_t bytes) {
  if (begun()) call([&] { session_->consume(id, bytes); });
}

void party::handle_timeout(time_point now) {
  if (!begun()) return;
  const auto next = call([&] { return session_->next_deadline(); });
  if (next && *next <= now) call([&] { session_->handle_timeout(now); });
  look();
}

std::string party::pull(time_point now) {
  if (!begun()) return {};
  core::outgoing out;
  call([&] { return session_->pull(out, now); });
  auto bytes = joined(out);
  call([&] { session_->settle_sends(now); });
  (void)call([&] { return session_->next_deadline(); });
  look();
  return bytes;
}

void party::feed(std::string_view bytes) {
  if (begun()) call([&] { session_->feed(bytes); });
  look();
}

void party::look() {
  if (!begun()) return;
  using kind = core::event::kind;
  for (const auto& e : session_->take_events()) {
    if (e.what == kind::request || e.what == kind::opened) {
      ids_.insert(e.stream);
      arrivals_.push_back(e.stream);
    }
    const bool timed_out = e.what == kind::timed_out;
    if (e.what == kind::sent || e.what == kind::opened || e.what == kind::not_opened || e.what == kind::pong ||
        timed_out) {
      ops_.erase(e.value);
    }
    if (e.what == kind::not_opened) (void)call([&] { return session_->why_not_opened(); });
    if (e.what == kind::closed) end_all(e.stream);
  }
  (void)session_->take_frames();
  // What ended may have left no event.
  if (session_->failed()) ops_.clear();
  for (const auto id : ids_) {
    if (unread_.contains(id)) continue;
    while (auto m = call([&] { return session_->receive(id); })) std::visit(teller{stories_[id]}, *m);
  }
}

void party::check(time_point now) {
  if (!begun()) return;
  look();
  EXPECT_TRUE(ops_.empty()) << name_ << ": an operation never ends";
  const std::string_view byte = "x";
  for (const auto id : ids_) {
    const auto* s = session_->find(id);
    if (!s) continue;
    EXPECT_TRUE(s->ledger.balanced(s->in.bytes())) << name_ << ": stream " << id;
    EXPECT_TRUE(!s->failed || s->in.end()) << name_ << ": a reader of stream " << id << " never hears of its failure";
    if (!session_->failed()) continue;
    EXPECT_TRUE(s->in.end() && (s->send_end || s->complete()))
        << name_ << ": stream " << id << " has survived its connection";
    EXPECT_TRUE(call([&] { return session_->send(id, last_op_ + 1, {&byte, 1}, true, outbox::kind::buffered); }));
  }
  if (!session_->failed()) return;
  EXPECT_FALSE(session_->failed()->message.empty());
  const options opts;
  EXPECT_EQ(call([&] { return session_->open({}, opts); }), 0);
  EXPECT_TRUE(call([&] { return session_->open_when_possible(last_op_ + 1, {}, {}, now); }));
}

// The pair

void parties::begin(const options& for_client, const options& for_server, std::uint32_t max_concurrent_streams) {
  client.begin({.role = role::client, .defaults = for_client, .trace = true});
  server.begin(
      {.role = role::server, .defaults = for_server, .max_concurrent_streams = max_concurrent_streams, .trace = true});
  pump();
}

bool parties::move(party& from, party& to) {
  const auto bytes = from.pull(now);
  for (std::string_view rest = bytes; !rest.empty();) {
    const auto n = std::min(bytes_per_read_, rest.size());
    to.feed(rest.substr(0, n));
    rest.remove_prefix(n);
  }
  if (from.finished()) to.lost();
  return !bytes.empty();
}

void parties::pump() {
  for (int round = 0; round < too_many_rounds; ++round) {
    const bool forth = move(client, server);
    const bool back = move(server, client);
    if (!forth && !back) return;
  }
  ADD_FAILURE() << "the peers never become quiet";
}

void parties::advance(std::chrono::milliseconds by) {
  now += by;
  client.handle_timeout(now);
  server.handle_timeout(now);
  pump();
}

void parties::check() {
  client.check(now);
  server.check(now);
}

}  // namespace duplex::test
