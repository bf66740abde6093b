// How large a window should be, and when it is worth a PING to ask.

#include "core/window_estimator.hpp"

#include <gtest/gtest.h>

namespace duplex::test {
namespace {

using core::time_point;
using core::window_estimator;
using namespace std::chrono_literals;

constexpr std::size_t first = 65536;
constexpr std::size_t most = std::size_t{16} << 20;

/// Reads half a window, and then `bytes` within a round trip. Returns whether there was a PING.
bool sample(window_estimator& e, time_point& now, std::size_t bytes, std::chrono::milliseconds round_trip) {
  e.read(e.window() / 2);
  if (!e.begin_sample(now)) return false;
  e.read(bytes);
  now += round_trip;
  e.end_sample(now);
  return true;
}

/// Grows as far as a path without a bottleneck lets it.
void fill(window_estimator& e, time_point& now, std::size_t up_to) {
  while (e.window() < up_to) ASSERT_TRUE(sample(e, now, e.window(), 50ms));
}

TEST(window_estimator, asks_for_nothing_before_half_a_window_was_read) {
  window_estimator e(first, most);
  EXPECT_FALSE(e.begin_sample({}));
  e.read(first / 2 - 1);
  EXPECT_FALSE(e.begin_sample({}));
  e.read(1);
  EXPECT_TRUE(e.begin_sample({}));
}

TEST(window_estimator, has_one_sample_under_way) {
  window_estimator e(first, most);
  e.read(first);
  EXPECT_TRUE(e.begin_sample({}));
  e.read(100 * first);
  EXPECT_FALSE(e.begin_sample(time_point(24h)));
}

TEST(window_estimator, doubles_a_small_window_when_a_quarter_of_it_was_read_in_a_round_trip) {
  time_point now{};
  window_estimator e(first, most);
  sample(e, now, first / 4 - 1, 50ms);
  EXPECT_EQ(e.window(), first);
  now += 1s;
  sample(e, now, first / 4, 50ms);
  EXPECT_EQ(e.window(), 2 * first);
}

TEST(window_estimator, doubles_a_large_window_when_half_of_it_was_read_in_a_round_trip) {
  time_point now{};
  window_estimator e(first, most);
  fill(e, now, most / 2);
  sample(e, now, most / 4 - 1, 1ms);
  EXPECT_EQ(e.window(), most / 2);
  now += 1s;
  sample(e, now, most / 4, 1ms);
  EXPECT_EQ(e.window(), most);
}

TEST(window_estimator, goes_to_its_bound_and_then_asks_no_more) {
  time_point now{};
  window_estimator e(first, 1000000);
  fill(e, now, 1000000);
  EXPECT_EQ(e.window(), 1000000U);
  EXPECT_FALSE(sample(e, now, e.window(), 50ms));
}

TEST(window_estimator, stays_when_only_a_queue_grows) {
  time_point now{};
  window_estimator e(first, most);
  fill(e, now, most / 8);
  const auto window = e.window();
  for (int i = 0; i < 10; ++i, now += 1h) sample(e, now, window, 100ms);
  EXPECT_EQ(e.window(), window);
  sample(e, now, window, 50ms);
  EXPECT_EQ(e.window(), 2 * window);
}

TEST(window_estimator, does_not_take_a_reader_that_was_behind_for_bandwidth) {
  time_point now{};
  window_estimator e(first, most);
  fill(e, now, most / 8);
  sample(e, now, 100 * e.window(), 50ms);
  const auto window = e.window();
  sample(e, now, window, 50ms);
  EXPECT_EQ(e.window(), 2 * window);
}

TEST(window_estimator, rests_longer_with_every_sample_that_changes_nothing) {
  time_point now{};
  window_estimator e(first, most);
  std::vector<std::chrono::milliseconds> rests;
  for (int i = 0; i < 10; ++i) {
    const auto before = now;
    while (!sample(e, now, 0, 0ms)) now += 10ms;
    rests.push_back(std::chrono::duration_cast<std::chrono::milliseconds>(now - before));
  }
  const std::vector<std::chrono::milliseconds> expected{0ms,    100ms,  200ms,  400ms,   800ms,
                                                        1600ms, 3200ms, 6400ms, 10000ms, 10000ms};
  EXPECT_EQ(rests, expected);
}

TEST(window_estimator, does_not_rest_after_growth) {
  time_point now{};
  window_estimator e(first, most);
  sample(e, now, 0, 50ms);
  now += 100ms;
  sample(e, now, first, 50ms);
  EXPECT_TRUE(sample(e, now, 2 * first, 50ms));
}

TEST(window_estimator, takes_an_answer_in_no_time) {
  time_point now{};
  window_estimator e(first, most);
  fill(e, now, most / 2);
  sample(e, now, e.window(), 0ms);
  EXPECT_EQ(e.window(), most);
}

TEST(window_estimator, ignores_an_answer_that_nobody_asked_for) {
  window_estimator e(first, most);
  e.read(first);
  e.end_sample(time_point(1s));
  EXPECT_EQ(e.window(), first);
}

TEST(window_estimator, never_asks_for_a_window_that_stays) {
  for (const std::size_t window : {std::size_t{0}, std::size_t{1000}, most}) {
    window_estimator e(window, window);
    e.read(10 * most);
    EXPECT_FALSE(e.begin_sample({})) << window;
  }
}

}  // namespace
}  // namespace duplex::test
