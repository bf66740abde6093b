// Frames that a peer makes us queue and does not take (CVE-2019-9512, CVE-2019-9515, CVE-2025-8671): above
// max_queued_control nothing more is to be read, and far above it the connection ends.

#include "heap.hpp"
#include "session_test.hpp"

namespace duplex::test {
namespace {

/// Every rate without an end, so that only the queue has one.
options queue_of(std::size_t frames) {
  const rate_limit any{infinity, 0};
  options opts;
  opts.limits = {.resets = any,
                 .pings = any,
                 .settings = any,
                 .other_frames = any,
                 .empty_data = any,
                 .window_updates = any,
                 .discarded_headers = any,
                 .max_queued_control = frames};
  return opts;
}

class queued_control : public session_test {
 protected:
  /// Reaches the session; it is asked for nothing.
  static void feed(scripted_peer& p, std::string_view bytes) {
    for (; !bytes.empty(); bytes.remove_prefix(std::min(GetParam(), bytes.size()))) {
      p.us->feed(bytes.substr(0, GetParam()));
    }
  }
};
INSTANTIATE_TEST_SUITE_P(bytes_per_read, queued_control, read_sizes(), name_of_read_size);

TEST_P(queued_control, does_not_count_a_clients_own_requests) {
  const auto opts = queue_of(10);
  scripted_peer p(role::client, GetParam(), opts);
  p.greet();
  for (int i = 0; i < 90; ++i) EXPECT_GT(p.us.open(opts), 0);
  feed(p, raw::ping("12345678"));
  EXPECT_FALSE(p.us->failed());
  for (int i = 0; i < 41; ++i) feed(p, raw::ping("12345678"));
  EXPECT_EQ(p.us.failure_of_connection(), "limit_exceeded peer connection ENHANCE_YOUR_CALM");
}

TEST_P(queued_control, above_its_bound_wants_no_input_until_it_is_out) {
  for (const auto side : {role::client, role::server}) {
    scripted_peer p(side, GetParam(), queue_of(10));
    p.greet();
    for (int i = 0; i < 10; ++i) feed(p, raw::ping("12345678"));
    EXPECT_TRUE(p.us->wants_input());
    feed(p, raw::ping("12345678"));
    EXPECT_FALSE(p.us->wants_input());
    EXPECT_EQ(p.us.failure_of_connection(), "none");
    EXPECT_EQ(p.heard().size(), 11U);
    EXPECT_TRUE(p.us->wants_input());
  }
}

TEST_P(queued_control, far_above_its_bound_ends_the_connection) {
  for (const auto side : {role::client, role::server}) {
    scripted_peer p(side, GetParam(), queue_of(10));
    p.greet();
    for (int i = 0; i < 40; ++i) feed(p, raw::ping("12345678"));
    EXPECT_EQ(p.us.failure_of_connection(), "none");
    for (int i = 0; i < 10; ++i) feed(p, raw::settings());
    EXPECT_EQ(p.us.failure_of_connection(), "limit_exceeded peer connection ENHANCE_YOUR_CALM");
    EXPECT_THAT(p.us->failed()->message, HasSubstr("limits.max_queued_control"));
    EXPECT_THAT(p.heard(), Contains(StartsWith("GOAWAY ENHANCE_YOUR_CALM ")));
  }
}

TEST_P(queued_control, cve_2025_8671_resets_that_nobody_reads_are_bounded) {
  scripted_peer p(role::server, GetParam(), queue_of(10));
  p.greet();
  const heap_use before;
  for (int i = 0; i < 10000; ++i) feed(p, raw::request(1 + 2 * i, raw::none, {{"Upper", "case"}}));
  EXPECT_TRUE(p.us->failed());
  EXPECT_LT(before.grown(), 2U << 20U);
}

// Streams before the acknowledgement of our SETTINGS

class early_streams : public session_test {};
INSTANTIATE_TEST_SUITE_P(bytes_per_read, early_streams, read_sizes(), name_of_read_size);

TEST_P(early_streams, above_the_limit_are_refused_although_the_client_does_not_know_it_yet) {
  scripted_peer p(role::server, GetParam());
  p.say(std::string(raw::preface) + raw::settings());
  (void)p.heard();
  for (int i = 0; i < 150; ++i) p.say(raw::request(1 + 2 * i));
  EXPECT_EQ(p.us.requests().size(), 100U);
  EXPECT_EQ(p.us->active_streams(), 100U);
  const auto heard = p.heard();
  EXPECT_EQ(std::count(heard.begin(), heard.end(), "RST_STREAM 201 REFUSED_STREAM"), 1);
  EXPECT_EQ(std::count_if(heard.begin(), heard.end(), [](const auto& f) { return f.ends_with("REFUSED_STREAM"); }), 50);
  EXPECT_EQ(p.us.failure_of_connection(), "none");
  p.say(raw::settings_ack() + raw::rst_stream(1, h2::code::cancel) + raw::request(1001));
  EXPECT_EQ(p.us.requests().back(), 1001) << "a place is free again";
}

TEST_P(early_streams, without_end_are_a_flood) {
  for (const bool reads : {true, false}) {
    options opts;
    opts.limits.resets = {50, 1};
    scripted_peer p(role::server, GetParam(), opts);
    p.say(std::string(raw::preface) + raw::settings());
    const heap_use before;
    int opened = 0;
    for (; opened < 5000 && !p.us->failed(); ++opened) {
      if (reads) {
        p.say(raw::request(1 + 2 * opened));
      } else {
        p.us->feed(raw::request(1 + 2 * opened));
        p.us->settle_budgets(p.now);
      }
    }
    EXPECT_LT(opened, 200);
    EXPECT_LE(p.us.requests().size(), 100U);
    EXPECT_EQ(p.us.failure_of_connection(), "limit_exceeded peer connection ENHANCE_YOUR_CALM");
    EXPECT_THAT(p.us->failed()->message, HasSubstr("limits.resets"));
    EXPECT_LT(before.grown(), 2U << 20U);
  }
}

}  // namespace
}  // namespace duplex::test
