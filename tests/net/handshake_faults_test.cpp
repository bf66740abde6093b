// A TLS handshake over a transport that fails, stops or is cut at every operation and every byte (RFC 8446, section 4):
// both sides are told, and what only takes longer succeeds.

#include "memory_link.hpp"

#include <functional>
#include <optional>

namespace duplex::test {
namespace {

struct outcome {
  std::optional<error_code> client;
  std::optional<error_code> server;
  bool struck = false;

  [[nodiscard]] bool both_well() const { return client && server && !*client && !*server; }
};

outcome shake_hands_with(core::role side, fault_plan plan) {
  asio::io_context io;
  outcome result;
  const auto log = std::make_shared<wire_log>();
  auto [near, far] = net::make_memory_pair(io.get_executor());
  auto& below = side == core::role::client ? near : far;
  auto faulty = std::make_unique<faulty_transport>(std::move(below), log, plan);
  auto& faults = *faulty;
  below = std::move(faulty);
  const auto client = tls_client_over(std::move(near));
  const auto server = tls_server_over(std::move(far));
  // Who fails hangs up, as everybody does.
  client->async_handshake([&](error_code ec) {
    result.client = ec;
    result.struck = log->struck;
    if (ec) return client->close();
    if (side == core::role::client) faults.follow({});
    // What the handshake could not write leaves with what is written next, and a client of HTTP/2 speaks at once.
    error_code ignored;
    client->write_some(asio::buffer("PRI", 3), ignored);
  });
  server->async_handshake([&](error_code ec) {
    result.server = ec;
    if (ec) server->close();
  });
  EXPECT_TRUE(run_until_idle(io)) << "somebody waits for ever";
  result.struck = result.struck || log->struck;
  client->close();
  server->close();
  settle(io);
  return result;
}

class handshake_faults : public ::testing::TestWithParam<core::role> {
 protected:
  static void at_every_point(fault what, std::size_t step, std::size_t least,
                             const std::function<void(const outcome&)>& expect) {
    std::size_t at = 0;
    for (;; at += step) {
      SCOPED_TRACE(at);
      const auto result = shake_hands_with(GetParam(), {.what = what, .at = at});
      EXPECT_TRUE(result.client && result.server) << "somebody was told nothing";
      if (!result.struck) {
        EXPECT_TRUE(result.both_well());
        break;
      }
      expect(result);
      if (HasFailure()) break;
    }
    EXPECT_GE(at, least) << "the fault hardly ever came to pass";
  }
  static void expect_told(const outcome& result) {
    const auto& ours = GetParam() == core::role::client ? result.client : result.server;
    EXPECT_TRUE(ours && *ours) << "a broken handshake was called a good one";
  }
  static void expect_well(const outcome& result) { EXPECT_TRUE(result.both_well()); }
};

INSTANTIATE_TEST_SUITE_P(of_a, handshake_faults, ::testing::Values(core::role::client, core::role::server),
                         [](const auto& p) { return p.param == core::role::client ? "client" : "server"; });

constexpr std::size_t step = 7;  // bytes

TEST_P(handshake_faults, every_operation_that_fails_is_told) {
  at_every_point(fault::fail_operation, 1, 3, expect_told);
}

TEST_P(handshake_faults, the_end_of_file_at_every_byte_is_told) {
  at_every_point(fault::cut_reading, step, 50, expect_told);
}

TEST_P(handshake_faults, a_write_that_breaks_at_every_byte_is_told) {
  at_every_point(fault::cut_writing, step, 50, expect_told);
}

TEST_P(handshake_faults, every_operation_that_has_to_wait_changes_nothing) {
  at_every_point(fault::delay, 1, 3, expect_well);
}

TEST_P(handshake_faults, a_read_that_stops_at_every_byte_changes_nothing) {
  at_every_point(fault::split_reading, step, 50, expect_well);
}

TEST_P(handshake_faults, a_write_that_stops_at_every_byte_changes_nothing) {
  at_every_point(fault::split_writing, step, 50, expect_well);
}

}  // namespace
}  // namespace duplex::test
