// A transport that fails at every operation and every byte of a stream's life: each pending operation is told why,
// nothing hangs, nothing is kept, and what was cut never looks whole.

#include "conversation.hpp"

#include <functional>
#include <string>

namespace duplex::test {
namespace {

using ::testing::AnyOf;
using ::testing::Each;
using ::testing::Eq;

enum class side { client, server };

class faults : public ::testing::TestWithParam<side> {
 protected:
  static link_options with(fault what, std::size_t at, std::size_t bytes_per_read = SIZE_MAX) {
    auto opts = conversing();
    const fault_plan plan{.what = what, .at = at, .bytes_per_read = bytes_per_read};
    (GetParam() == side::client ? opts.client_fault : opts.server_fault) = plan;
    return opts;
  }

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

  static void expect_told(const conversation& c, const std::string& error = "connection_lost") {
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

  // For every N until the life of the stream is over before the fault.
  static void at_every_point(fault what, std::size_t least, std::size_t bytes_per_read = SIZE_MAX) {
    std::size_t at = 0;
    for (;; ++at) {
      SCOPED_TRACE(at);
      const auto c = hold(with(what, at, bytes_per_read));
      expect_told(c);
      if (HasFailure() || !c.struck()) break;
    }
    EXPECT_GE(at, least) << "the fault hardly ever came to pass";
  }
};

INSTANTIATE_TEST_SUITE_P(on_the, faults, ::testing::Values(side::client, side::server),
                         [](const auto& p) { return p.param == side::client ? "client" : "server"; });

TEST_P(faults, every_operation_that_breaks_the_transport_is_told) { at_every_point(fault::fail_operation, 8); }

TEST_P(faults, every_single_operation_that_fails_is_told) { at_every_point(fault::fail_once, 8); }

TEST_P(faults, the_end_of_file_after_every_byte_is_told) { at_every_point(fault::cut_reading, 150); }

TEST_P(faults, the_end_of_file_after_every_byte_is_told_to_a_reader_of_three_bytes) {
  at_every_point(fault::cut_reading, 150, 3);
}

TEST_P(faults, a_write_that_breaks_after_every_byte_is_told) { at_every_point(fault::cut_writing, 150); }

// Nothing says that the peer no longer reads: time-outs do.
TEST_P(faults, a_peer_that_stops_reading_at_any_byte_is_timed_out) {
  constexpr std::size_t step = 17;
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
