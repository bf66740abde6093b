#include "core/fifo.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace duplex::core {
namespace {

TEST(fifo, does_what_a_deque_does) {
  std::mt19937 random(1);
  fifo<std::string> queue;
  std::deque<std::string> model;
  for (int i = 0; i < 20'000; ++i) {
    // Longer and shorter by turns.
    const bool grows = random() % 100 < (i / 1000 % 2 == 0 ? 60U : 40U);
    if (grows || model.empty()) {
      queue.push_back(std::to_string(i));
      model.push_back(std::to_string(i));
      ASSERT_EQ(queue.back(), model.back());
    } else {
      ASSERT_EQ(queue.front(), model.front());
      ASSERT_EQ(queue.pop_front(), model.front());
      model.pop_front();
    }
    ASSERT_EQ(queue.size(), model.size());
    ASSERT_EQ(queue.empty(), model.empty());
  }
  EXPECT_TRUE(std::equal(queue.begin(), queue.end(), model.begin(), model.end()));
  queue.clear();
  EXPECT_TRUE(queue.empty());
}

TEST(fifo, loses_any_of_its_elements) {
  fifo<int> queue;
  for (int i = 0; i < 6; ++i) queue.push_back(i);
  (void)queue.pop_front();
  queue.erase(queue.begin() + 1);
  queue.erase(queue.begin());
  queue.erase(queue.end() - 1);
  EXPECT_TRUE(std::ranges::equal(queue, std::vector{3, 4}));
  queue.erase(queue.end() - 1);
  queue.erase(queue.end() - 1);
  EXPECT_TRUE(queue.empty());
}

TEST(fifo, takes_what_can_only_be_moved) {
  fifo<std::unique_ptr<int>> queue;
  for (int i = 0; i < 10; ++i) queue.push_back(std::make_unique<int>(i));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(*queue.pop_front(), i);
}

TEST(fifo, does_not_keep_what_was_taken) {
  const auto shared = std::make_shared<int>();
  fifo<std::shared_ptr<int>> queue;
  queue.push_back(shared);
  queue.push_back(shared);
  (void)queue.pop_front();
  EXPECT_EQ(shared.use_count(), 2);
}

}  // namespace
}  // namespace duplex::core
