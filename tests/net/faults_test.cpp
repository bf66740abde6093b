// A transport that fails at every operation and every byte of a stream's life: each pending operation is told why,
// nothing hangs, nothing is kept, and what was cut never looks whole.

#include "conversation.hpp"

#include <functional>
#include <ostream>
#include <string>

namespace duplex::test {
namespace {

using ::testing::AnyOf;
using ::testing::Each;
using ::testing::Eq;

/// Where the fault is.
struct place {
  core::role side;
  bool tls;

  friend void PrintTo(const place& p, std::ostream* out) {
    *out << (p.side == core::role::client ? "client" : "server") << (p.tls ? "_over_tls" : "");
  }
};

class faults : public ::testing::TestWithParam<place> {
 protected:
  static link_options with(fault what, std::size_t at, std::size_t bytes_per_read = SIZE_MAX) {
    auto opts = conversing();
    const fault_plan plan{.what = what, .at = at, .bytes_per_read = bytes_per_read};
    (GetParam().side == core::role::client ? opts.client_fault : opts.server_fault) = plan;
    opts.tls = GetParam().tls;
    return opts;
  }
  // Records are far larger than what is in them. Prime: it meets every place in a record sooner or later.
  static std::size_t step_of_bytes() { return GetParam().tls ? 13 : 1; }

  // Of one side: the outcome of everything it began.
  static void expect_told(const told& log, const std::vector<std::string>& whole, const std::string& error) {
    EXPECT_EQ(log.begun, log.ended) << "an operation never completed";
    EXPECT_THAT(log.sends, Each(AnyOf(Eq("ok"), Eq(error))));
    if (log.begun == 0) return;  // the request never came
    ASSERT_FALSE(log.messages.empty());
    auto messages = log.messages;
    if (messages.back() != "closed") {
      EXPECT_EQ(messages.back(), error);
      messages.pop_back();
      EXPECT_NE(messages, whole);
    }
    ASSERT_LE(messages.size(), whole.size());
    EXPECT_TRUE(std::equal(messages.begin(), messages.end(), whole.begin())) << ::testing::PrintToString(messages);
    const bool finished = std::find(messages.begin(), messages.end(), "done") != messages.end();
    if (finished) {
      EXPECT_EQ(log.body, whole_body()) << "cut, and called whole";
    }
    EXPECT_EQ(log.body, whole_body().substr(0, log.body.size()));
  }

  static void expect_failure_told(const conversation& c) {
    const std::string error = "connection_lost";
    EXPECT_EQ(c.client.begun, 1);
    {
      SCOPED_TRACE("client");
      expect_told(c.client, client_messages(), error);
    }
    {
      SCOPED_TRACE("server");
      expect_told(c.server, server_messages(), error);
    }
    EXPECT_EQ(c.client.closing, "ok");
    EXPECT_TRUE(c.let_go) << "a connection is still there";
  }

  static void expect_nothing_to_see(const conversation& c) {
    for (const auto* log : {&c.client, &c.server}) {
      EXPECT_EQ(log->begun, 1);
      EXPECT_EQ(log->ended, 1) << "an operation never completed";
      EXPECT_THAT(log->sends, Each(Eq("ok")));
      EXPECT_EQ(log->body, whole_body());
    }
    EXPECT_EQ(c.client.messages, client_messages());
    EXPECT_EQ(c.server.messages, server_messages());
    EXPECT_EQ(c.client.closing, "ok");
    EXPECT_TRUE(c.let_go) << "a connection is still there";
  }

  // For every N until the life of the stream is over before the fault.
  static void at_every_point(fault what, std::size_t least, std::size_t step = 1,
                             const std::function<void(const conversation&)>& expect = expect_failure_told,
                             std::size_t bytes_per_read = SIZE_MAX) {
    std::size_t at = 0;
    for (;; at += step) {
      SCOPED_TRACE(at);
      const auto c = hold(with(what, at, bytes_per_read));
      expect(c);
      if (HasFailure() || !c.struck()) break;
    }
    EXPECT_GE(at, least) << "the fault hardly ever came to pass";
  }
};

INSTANTIATE_TEST_SUITE_P(on_the, faults,
                         ::testing::Values(place{core::role::client, false}, place{core::role::server, false},
                                           place{core::role::client, true}, place{core::role::server, true}),
                         ::testing::PrintToStringParamName());

TEST_P(faults, every_operation_that_breaks_the_transport_is_told) { at_every_point(fault::fail_operation, 8); }

TEST_P(faults, every_single_operation_that_fails_is_told) { at_every_point(fault::fail_once, 8); }

TEST_P(faults, the_end_of_file_after_every_byte_is_told) { at_every_point(fault::cut_reading, 150, step_of_bytes()); }

TEST_P(faults, the_end_of_file_after_every_byte_is_told_to_a_reader_of_three_bytes) {
  at_every_point(fault::cut_reading, 150, step_of_bytes(), expect_failure_told, 3);
}

TEST_P(faults, a_write_that_breaks_after_every_byte_is_told) {
  at_every_point(fault::cut_writing, 150, step_of_bytes());
}

// What only takes longer

TEST_P(faults, every_operation_that_has_to_wait_changes_nothing) {
  at_every_point(fault::delay, 8, 1, expect_nothing_to_see);
}

TEST_P(faults, a_read_that_stops_at_every_byte_changes_nothing) {
  at_every_point(fault::split_reading, 150, step_of_bytes(), expect_nothing_to_see);
}

TEST_P(faults, a_write_that_stops_at_every_byte_changes_nothing) {
  at_every_point(fault::split_writing, 150, step_of_bytes(), expect_nothing_to_see);
}

// Nothing says that the peer no longer reads: time-outs do.
TEST_P(faults, a_peer_that_stops_reading_at_any_byte_is_timed_out) {
  const std::size_t step = GetParam().tls ? 101 : 17;  // each takes its time-outs
  for (std::size_t at = 0;; at += step) {
    SCOPED_TRACE(at);
    auto opts = with(fault::stall_writing, at);
    opts.client.recv_timeout = 10ms;
    opts.server.recv_timeout = 10ms;
    opts.client.send_timeout = 5ms;
    opts.server.send_timeout = 5ms;
    const auto c = hold(opts);
    for (const auto* log : {&c.client, &c.server}) {
      EXPECT_EQ(log->begun, log->ended) << "an operation never completed";
      const bool finished = std::find(log->messages.begin(), log->messages.end(), "done") != log->messages.end();
      if (finished) {
        EXPECT_EQ(log->body, whole_body()) << "cut, and called whole";
      }
    }
    EXPECT_EQ(c.client.closing, "ok");
    EXPECT_TRUE(c.let_go) << "a connection is still there";
    if (HasFailure() || !c.struck()) break;
  }
}

}  // namespace
}  // namespace duplex::test
