#include "core/credit.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace duplex::core {
namespace {

TEST(credit, is_balanced_by_what_waits_in_the_inbox) {
  credit c(flow_control::automatic);
  EXPECT_TRUE(c.balanced(0));
  c.arrive(10);
  EXPECT_TRUE(c.balanced(10));
  EXPECT_FALSE(c.balanced(9));
  EXPECT_FALSE(c.balanced(11));
  EXPECT_EQ(c.unread(), 10U);
}

TEST(credit, returns_on_delivery_when_automatic) {
  credit c(flow_control::automatic);
  c.arrive(10);
  EXPECT_EQ(c.deliver(4), 4U);
  EXPECT_EQ(c.unread(), 6U);
  EXPECT_EQ(c.owed(), 0U);
  EXPECT_TRUE(c.balanced(6));
}

TEST(credit, consume_does_nothing_when_automatic) {
  credit c(flow_control::automatic);
  c.arrive(10);
  (void)c.deliver(10);
  EXPECT_EQ(c.consume(10), 0U);
  EXPECT_TRUE(c.balanced(0));
}

TEST(credit, returns_on_consume_when_manual) {
  credit c(flow_control::manual);
  c.arrive(10);
  EXPECT_EQ(c.deliver(10), 0U);
  EXPECT_EQ(c.owed(), 10U);
  EXPECT_EQ(c.consume(3), 3U);
  EXPECT_EQ(c.owed(), 7U);
  EXPECT_EQ(c.consume(7), 7U);
  EXPECT_EQ(c.owed(), 0U);
  EXPECT_TRUE(c.balanced(0));
}

TEST(credit, clamps_consume_to_what_was_delivered) {
  credit c(flow_control::manual);
  c.arrive(10);
  EXPECT_EQ(c.consume(10), 0U) << "nothing was delivered yet";
  (void)c.deliver(6);
  EXPECT_EQ(c.consume(std::numeric_limits<std::size_t>::max()), 6U);
  EXPECT_EQ(c.consume(1), 0U);
  EXPECT_TRUE(c.balanced(4));
}

TEST(credit, a_consume_too_many_is_not_kept_for_later) {
  credit c(flow_control::manual);
  c.arrive(5);
  (void)c.deliver(5);
  EXPECT_EQ(c.consume(100), 5U);
  c.arrive(5);
  (void)c.deliver(5);
  EXPECT_EQ(c.owed(), 5U);
  EXPECT_EQ(c.consume(2), 2U);
}

TEST(credit, counts_beyond_32_bits) {
  constexpr std::size_t step = std::size_t{1} << 30;
  credit c(flow_control::manual);
  for (int i = 0; i < 16; ++i) {
    c.arrive(step);
    (void)c.deliver(step);
  }
  EXPECT_EQ(c.owed(), std::uint64_t{16} << 30);
  EXPECT_EQ(c.consume(std::numeric_limits<std::size_t>::max()), std::uint64_t{16} << 30);
  EXPECT_TRUE(c.balanced(0));
}

}  // namespace
}  // namespace duplex::core
