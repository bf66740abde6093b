#include "core/deadlines.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace duplex::core {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr time_point start{};

TEST(deadlines, has_none_at_first) {
  deadlines<int> d;
  EXPECT_FALSE(d.next());
  EXPECT_THAT(d.expire(start + 1h), IsEmpty());
}

TEST(deadlines, knows_the_nearest) {
  deadlines<int> d;
  d.set(1, start + 3s);
  d.set(2, start + 1s);
  d.set(3, start + 2s);
  EXPECT_EQ(*d.next(), start + 1s);
}

TEST(deadlines, gives_what_is_due_the_earliest_first) {
  deadlines<int> d;
  d.set(1, start + 3s);
  d.set(2, start + 1s);
  d.set(3, start + 2s);
  d.set(4, start + 4s);
  EXPECT_THAT(d.expire(start + 3s), ElementsAre(2, 3, 1)) << "what is due now is due";
  EXPECT_EQ(*d.next(), start + 4s);
}

TEST(deadlines, gives_each_only_once) {
  deadlines<int> d;
  d.set(1, start);
  EXPECT_THAT(d.expire(start), ElementsAre(1));
  EXPECT_THAT(d.expire(start + 1h), IsEmpty());
}

TEST(deadlines, moves_one_that_is_set_again) {
  deadlines<std::string> d;
  d.set("a", start + 1s);
  d.set("a", start + 5s);
  EXPECT_EQ(*d.next(), start + 5s);
  EXPECT_THAT(d.expire(start + 4s), IsEmpty());
  d.set("a", start + 1s);
  EXPECT_THAT(d.expire(start + 4s), ElementsAre("a"));
}

TEST(deadlines, forgets_one_that_is_cleared) {
  deadlines<int> d;
  d.set(1, start + 1s);
  d.set(2, start + 1s);
  d.clear(1);
  d.clear(3);
  EXPECT_THAT(d.expire(start + 1s), ElementsAre(2));
  EXPECT_FALSE(d.next());
}

TEST(deadlines, forgets_a_range_of_keys) {
  deadlines<int> d;
  for (int key = 1; key <= 5; ++key) d.set(key, start + std::chrono::seconds(6 - key));
  d.clear(2, 4);
  EXPECT_THAT(d.expire(start + 1h), ElementsAre(5, 4, 1));
  d.clear(0, 9);
  EXPECT_FALSE(d.next());
}

TEST(deadlines, keeps_keys_with_the_same_time_apart) {
  deadlines<int> d;
  d.set(2, start + 1s);
  d.set(1, start + 1s);
  EXPECT_EQ(d.expire(start + 1s).size(), 2U);
}

}  // namespace
}  // namespace duplex::core
