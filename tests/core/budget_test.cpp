// Token buckets under a time that a test tells, and the options that make them.

#include "core/budget.hpp"
#include "core/validate.hpp"
#include "session_test.hpp"

#include <functional>

namespace duplex::test {
namespace {

using core::budget;

TEST(a_budget, is_its_burst_at_first) {
  time_point now{};
  budget b({10, 2});
  EXPECT_TRUE(b.settle(10, now));
  EXPECT_FALSE(b.settle(1, now));
}

TEST(a_budget, grows_with_time_up_to_its_burst) {
  time_point now = time_point{} + 5s;
  budget b({10, 2});
  EXPECT_TRUE(b.settle(10, now));
  EXPECT_TRUE(b.settle(2, now += 1s));
  EXPECT_FALSE(b.settle(1, now + 400ms));
  b = budget({10, 2});
  EXPECT_TRUE(b.settle(1, now));
  EXPECT_TRUE(b.settle(10, now += 1h));
  EXPECT_FALSE(b.settle(1, now)) << "an hour is no more than the burst";
}

TEST(a_budget, keeps_parts_of_one) {
  time_point now{};
  budget b({1, 1});
  EXPECT_TRUE(b.settle(1, now));
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(b.settle(0, now += 100ms));
  EXPECT_TRUE(b.settle(1, now += 1ms));
}

TEST(a_budget, saves_what_is_earned_above_its_burst) {
  time_point now{};
  budget b({10, 0});
  EXPECT_TRUE(b.settle(-1000, now));
  EXPECT_TRUE(b.settle(1010, now += 1h));
  EXPECT_FALSE(b.settle(1, now += 1h)) << "nothing a second";
}

TEST(a_budget, of_infinity_has_no_end) {
  budget b({infinity, 0});
  EXPECT_TRUE(b.settle(std::int64_t{1} << 62U, {}));
}

TEST(a_budget, ignores_a_time_that_goes_back) {
  const auto now = time_point{} + 10s;
  budget b({10, 1});
  EXPECT_TRUE(b.settle(10, now));
  EXPECT_FALSE(b.settle(1, now - 5s));
}

TEST(limits_of_options, are_refused_by_name) {
  const std::vector<std::pair<std::string, std::function<void(peer_limits&)>>> bad{
      {"limits.resets.burst", [](auto& l) { l.resets.burst = 0; }},
      {"limits.pings.burst", [](auto& l) { l.pings.burst = 0; }},
      {"limits.settings.burst", [](auto& l) { l.settings.burst = 0; }},
      {"limits.other_frames.burst", [](auto& l) { l.other_frames.burst = 0; }},
      {"limits.empty_data.burst", [](auto& l) { l.empty_data.burst = 0; }},
      {"limits.window_updates.burst", [](auto& l) { l.window_updates.burst = 0; }},
      {"limits.discarded_headers.burst", [](auto& l) { l.discarded_headers.burst = 0; }},
      {"limits.max_queued_control", [](auto& l) { l.max_queued_control = 0; }},
  };
  for (const auto& [member, spoil] : bad) {
    options opts;
    EXPECT_EQ(core::check_options(opts), std::nullopt);
    spoil(opts.limits);
    EXPECT_THAT(core::check_options(opts).value_or(""), HasSubstr("option " + member));
  }
}

// What busy peers do by the rules.

TEST(a_busy_peer, may_ping_for_every_frame_of_data_that_it_gets) {
  options opts;
  opts.limits.pings = {5, 1};
  scripted_peer p(role::server, whole, opts);
  p.greet();
  p.say(raw::request(1));
  EXPECT_EQ(name(p.us.respond(1)), "ok");
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(name(p.us.send(1, "x")), "ok");
    p.listen();
    p.say(raw::ping("12345678") + raw::window_update(0, 1) + raw::window_update(1, 1));
  }
  EXPECT_EQ(p.us.failure_of_connection(), "none");
}

TEST(a_busy_peer, may_answer_all_our_pings) {
  options opts;
  opts.limits.pings = {5, 1};
  scripted_peer p(role::client, whole, opts);
  p.greet();
  for (int i = 0; i < 1000; ++i) {
    p.us->ping(static_cast<std::uint64_t>(i));
    p.listen();
    p.say(raw::ping(p.frames().back().payload, raw::ack));
  }
  EXPECT_EQ(p.us.failure_of_connection(), "none");
}

TEST(a_busy_peer, may_end_every_stream_by_a_reset_and_say_something_about_each) {
  options opts;
  const rate_limit rate{5, 1};
  opts.limits = {.resets = rate, .other_frames = rate, .empty_data = rate, .discarded_headers = rate};
  scripted_peer p(role::client, whole, opts);
  p.greet();
  for (int i = 0; i < 1000; ++i) {
    const auto id = p.open();
    p.say(raw::response(id) + raw::data(id, "") + raw::frame(0xa, 0, id, "altsvc") +
          raw::headers(id, {{"grpc-status", "0"}}, raw::end_stream) + raw::rst_stream(id, h2::code::no_error));
    p.us.release(id);
  }
  EXPECT_EQ(p.us.failure_of_connection(), "none");
}

}  // namespace
}  // namespace duplex::test
