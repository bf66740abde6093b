// Every allocation of the core fails once, and every one from there on: what is done then is an error, never a crash,
// an exception, a leak, a wait without end, or a message that nobody sent.

#include "failing_memory.hpp"
#include "parties.hpp"

#include "core/raw_frames.hpp"
#include "core/session_test.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>
#include <tuple>

namespace duplex::test {
namespace {

constexpr std::size_t most_allocations = 100000;
const fields some_fields{{"a-name-that-needs-memory", "and a value that needs some as well"},
                         {"secret", "a value that is kept out of the tables", true}};

struct scenario {
  std::string_view name;
  std::function<void(parties&)> play;
  std::size_t least_read = 1;  // where much is sent
};

std::vector<std::int32_t> arrivals(party& p, std::size_t most) {
  auto ids = p.arrivals();
  if (ids.size() > most) ids.resize(most);
  return ids;
}

// Headers, data of both kinds and trailers, both ways.
void exchange(parties& p) {
  p.begin({.stream_window = 3000, .informational = true}, {.stream_window = 2000});
  const auto id = p.client.open({.priority = priority{}, .informational = true}, some_fields);
  p.client.send(id, pattern(6000), false, outbox::kind::borrowed);
  p.client.send(id, "small", false, outbox::kind::buffered);
  p.pump();
  for (const auto each : p.server.arrivals()) {
    p.server.inform(each, some_fields);
    p.server.respond(each, some_fields);
    p.server.send(each, pattern(5000), false, outbox::kind::buffered);
    p.server.send(each, pattern(300), false, outbox::kind::buffered);
    p.pump();
    p.server.send_trailers(each, some_fields);
    p.pump();
  }
  p.client.send_trailers(id, some_fields);
  p.pump();
  p.client.release(id);
  p.server.release(id);
  p.pump();
}

// More opens than the peer allows, of which some are given up.
void many_streams(parties& p) {
  p.begin({}, {}, 2);
  const auto deadline = p.now + 1s;
  std::vector<op_id> ops;
  for (int i = 0; i < 6; ++i) ops.push_back(p.client.open_when_possible({}, deadline));
  p.pump();
  p.client.cancel_open(ops[3]);
  for (int i = 0; i < 2; ++i) {
    for (const auto id : p.client.arrivals()) p.client.send(id, "hello", true, outbox::kind::buffered);
    p.pump();
    for (const auto id : arrivals(p.server, 1)) p.server.respond(id, {}, true);
    p.pump();
  }
  p.advance(2s);
  p.client.goaway(h2::code::no_error);
  p.client.lost();
  p.server.lost();
}

// Every way in which one side ends a stream early.
void resets(parties& p) {
  p.begin();
  std::vector<std::int32_t> ids;
  for (int i = 0; i < 6; ++i) ids.push_back(p.client.open({}, some_fields));
  for (const auto id : ids) p.client.send(id, pattern(id == ids[0] ? 4500 : 100), false, outbox::kind::borrowed);
  p.client.abandon(ids[4]);
  p.pump();
  for (const auto id : p.server.arrivals()) p.server.respond(id, some_fields);
  p.pump();
  p.client.reset(ids[0]);
  p.server.reset(ids[1]);
  p.client.release(ids[2]);
  p.server.send(ids[3], "the end", true, outbox::kind::borrowed);
  p.server.release(ids[3]);
  p.pump();
  p.server.lost();
  p.client.lost();
}

void goaways(parties& p) {
  p.begin();
  const auto first = p.client.open({});
  p.pump();
  p.server.goaway(h2::code::no_error);
  const auto second = p.client.open_when_possible({}, p.now + 1s);
  p.pump();
  p.client.send(first, "still here", true, outbox::kind::borrowed);
  p.pump();
  for (const auto id : p.server.arrivals()) p.server.respond(id, {}, true);
  p.pump();
  p.client.cancel_open(second);
  p.client.goaway(h2::code::enhance_your_calm);
  p.pump();
}

// The graceful end of a server, in its two steps.
void drains(parties& p) {
  p.begin();
  p.client.open({});
  p.pump();
  p.server.shut_down(p.now);
  for (const auto id : p.server.arrivals()) {
    p.server.respond(id, {});
    p.server.send(id, "the last words", true, outbox::kind::borrowed);
  }
  p.pump();
}

// A reader that does not read, and time that passes.
void times_out(parties& p) {
  p.begin({.send_timeout = 1s}, {.send_timeout = 1s, .flow = flow_control::manual, .stream_window = 1000}, 1);
  const auto id = p.client.open({.send_timeout = 1s, .send_buffer = 2000});
  p.client.open_when_possible({}, p.now + 500ms);
  p.client.expect(id, p.now + 100ms);
  p.client.send(id, pattern(1500), false, outbox::kind::borrowed);
  p.client.send(id, pattern(6000), false, outbox::kind::buffered);
  p.client.ping();
  p.pump();
  p.server.consume(id, 500);
  p.advance(200ms);
  p.advance(400ms);
  p.advance(2s);
  p.server.lost();
  p.client.lost();
}

// The connection's window, its PINGs, and the streams that get more.
void windows_grow(parties& p) {
  p.begin();
  const auto id = p.client.open({});
  p.pump();
  for (const auto each : p.server.arrivals()) {
    p.server.respond(each, {});
    for (int i = 0; i < 8; ++i) {
      p.server.send(each, pattern(60000), i == 7, outbox::kind::borrowed);
      p.advance(10ms);
    }
  }
  p.client.send(id, "", true, outbox::kind::borrowed);
  p.pump();
}

void unread_bytes_overflow(parties& p) {
  p.begin({.max_recv_buffer = 20000, .max_connection_buffer = 30000});
  const auto a = p.client.open({});
  const auto b = p.client.open({});
  for (const auto id : {a, b}) p.client.leave_unread(id);
  p.pump();
  for (const auto id : p.server.arrivals()) {
    p.server.respond(id, {});
    p.server.send(id, pattern(18000), false, outbox::kind::borrowed);
  }
  p.pump();
  p.server.lost();
  p.client.lost();
}

// Not what an engine would send.
void broken_frames(parties& p) {
  p.begin({}, {.max_header_bytes = 1000});
  p.server.feed(raw::request(1) + raw::data(1, pattern(100)));
  p.server.feed(raw::request(3, raw::none, {{"long", pattern(2000)}}));
  p.server.feed(raw::request(5, raw::none, {{"UPPER", "case"}}));
  p.server.feed(raw::frame(0xfa, 0, 1, "unknown"));
  p.pump();
  p.server.feed(raw::window_update(0, 0));
  p.pump();
}

void not_http2(parties& p) {
  p.client.begin({.role = role::client, .trace = true});
  p.client.open({}, some_fields);
  p.client.feed("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n");
  p.server.begin({.role = role::server, .trace = true});
  p.server.feed("GET / HTTP/1.1\r\nHost: here\r\n\r\n");
  p.server.lost();
}

const std::vector<scenario> scenarios{
    {"exchange", exchange},
    {"many_streams", many_streams},
    {"resets", resets},
    {"goaways", goaways},
    {"drains", drains},
    {"times_out", times_out},
    {"windows_grow", windows_grow, 8000},
    {"overflow", unread_bytes_overflow, 1000},
    {"broken_frames", broken_frames},
    {"not_http2", not_http2},
};

using stories = std::map<std::int32_t, std::string>;

void expect_prefixes(const stories& told, const stories& truth, std::string_view who) {
  for (const auto& [id, story] : told) {
    const auto at = truth.find(id);
    EXPECT_TRUE(at != truth.end() && at->second.starts_with(story))
        << who << ": stream " << id << " was told what nobody said: " << story.substr(0, 200);
  }
}

class core_memory : public testing::TestWithParam<std::tuple<std::size_t, memory::failing, std::size_t>> {};

TEST_P(core_memory, that_fails_ends_the_connection_and_nothing_else) {
  const auto& [index, how, read_size] = GetParam();
  const auto& play = scenarios.at(index).play;
  const auto bytes_per_read = std::max(read_size, scenarios.at(index).least_read);
  stories client_truth;
  stories server_truth;
  memory::fail(0, how);
  {
    parties p(bytes_per_read);
    play(p);
    p.check();
    client_truth = p.client.stories();
    server_truth = p.server.stories();
  }
  ASSERT_GT(memory::count_of_engine(), 0U) << "the engine does not use the allocator that fails";

  std::size_t number = 0;
  do {
    memory::fail(++number, how);
    const auto before = memory::live();
    {
      parties p(bytes_per_read);
      play(p);
      p.check();
      expect_prefixes(p.client.stories(), client_truth, "client");
      expect_prefixes(p.server.stories(), server_truth, "server");
      const bool noticed = !p.client.begun() || !p.server.begun() || p.client.failed() || p.server.failed();
      EXPECT_TRUE(noticed || !memory::has_failed()) << "nobody heard of it";
    }
    EXPECT_EQ(memory::live(), before) << "what was allocated was not given back";
    if (HasFailure()) FAIL() << "when allocation " << number << " fails";
  } while (memory::has_failed() && number < most_allocations);
  EXPECT_LT(number, most_allocations);
  RecordProperty("allocations", static_cast<int>(number - 1));
}

std::string name_of(const testing::TestParamInfo<core_memory::ParamType>& info) {
  const auto& [index, how, bytes_per_read] = info.param;
  return std::string(scenarios.at(index).name) + (how == memory::failing::once ? "_once_" : "_from_then_on_") +
         read_size_name(bytes_per_read);
}

INSTANTIATE_TEST_SUITE_P(every, core_memory,
                         testing::Combine(testing::Range(std::size_t{0}, scenarios.size()),
                                          testing::Values(memory::failing::once, memory::failing::from_then_on),
                                          testing::Values(std::size_t{9}, whole)),
                         name_of);

}  // namespace
}  // namespace duplex::test
