#include "core/block_cache.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <functional>
#include <unordered_map>
#include <utility>

namespace duplex::test {
namespace {

using core::block_cache;

constexpr std::size_t small = 216;
constexpr std::size_t large = 4096;

TEST(block_cache, gives_a_block_again_for_the_same_size) {
  block_cache cache;
  auto* const first = cache.take(small);
  cache.give_back(first, block_cache::class_of(small));
  auto* const other = cache.take(small / 2);
  EXPECT_NE(other, first);
  auto* const again = cache.take(small);
  EXPECT_EQ(again, first);
  cache.give_back(again, block_cache::class_of(small));
  cache.give_back(other, block_cache::class_of(small / 2));
}

TEST(block_cache, has_room_for_every_size_of_a_class) {
  block_cache cache;
  for (std::size_t size = 1; size < small; ++size) {
    auto* const block = cache.take(size);
    std::memset(block, 1, size);
    cache.give_back(block, block_cache::class_of(size));
    for (auto larger = size; block_cache::class_of(larger) == block_cache::class_of(size) && larger < small; ++larger) {
      auto* const same = cache.take(larger);
      std::memset(same, 2, larger);
      cache.give_back(same, block_cache::class_of(larger));
    }
  }
}

TEST(block_cache, keeps_no_large_ones) {
  EXPECT_EQ(block_cache::class_of(large), 0);
  block_cache cache;
  cache.give_back(cache.take(large), block_cache::class_of(large));
}

TEST(block_cache, serves_a_map) {
  using allocator = core::cached_allocator<std::pair<const int, int>>;
  block_cache cache;
  std::unordered_map<int, int, std::hash<int>, std::equal_to<>, allocator> map{allocator(cache)};
  for (int i = 0; i < 100; ++i) {
    map[i] = i;
    if (i % 2 == 1) map.erase(i);
  }
  EXPECT_EQ(map.size(), 50U);
}

}  // namespace
}  // namespace duplex::test
