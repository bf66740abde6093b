#include "core/outgoing.hpp"

#include "memory_peers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace duplex::core {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr auto least = outgoing::least_lent;

TEST(outgoing, is_empty_at_first) {
  outgoing out;
  EXPECT_TRUE(out.empty());
  EXPECT_EQ(out.size(), 0U);
  EXPECT_THAT(out.pieces(), IsEmpty());
}

TEST(outgoing, joins_what_is_small) {
  outgoing out;
  out.append("ab");
  out.lend("cd");
  out.lend("");
  out.append("ef");
  EXPECT_THAT(out.pieces(), ElementsAre("abcdef"));
  EXPECT_EQ(out.size(), 6U);
}

TEST(outgoing, copies_what_is_small) {
  outgoing out;
  std::string mine(least - 1, 'x');
  out.lend(mine);
  mine.assign(mine.size(), 'y');
  EXPECT_THAT(out.pieces(), ElementsAre(std::string(least - 1, 'x')));
}

TEST(outgoing, leaves_what_is_large_where_it_is) {
  outgoing out;
  const std::string mine(least, 'x');
  out.append("head");
  out.lend(mine);
  ASSERT_EQ(out.pieces().size(), 2U);
  EXPECT_EQ(out.pieces()[1].data(), mine.data());
  EXPECT_EQ(out.size(), 4 + least);
}

TEST(outgoing, keeps_the_order) {
  outgoing out;
  const std::string first(least, 'x');
  const std::string second(least + 1, 'y');
  out.lend(first);
  out.lend(second);
  out.append("a");
  out.lend("b");
  out.lend(first);
  out.append("c");
  EXPECT_THAT(out.pieces(), ElementsAre(first, second, "ab", first, "c"));
  EXPECT_EQ(test::joined(out), first + second + "ab" + first + "c");
}

TEST(outgoing, starts_anew_after_it_was_cleared) {
  outgoing out;
  const std::string mine(least, 'x');
  out.append("a");
  out.lend(mine);
  out.clear();
  EXPECT_TRUE(out.empty());
  out.append("b");
  EXPECT_THAT(out.pieces(), ElementsAre("b"));
}

}  // namespace
}  // namespace duplex::core
