#include "core/outbox.hpp"

#include "memory_peers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace duplex::core {
namespace {

using kind = outbox::kind;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::size_t capacity = 10;

struct queue : outbox {
  using outbox::outbox;
  completed done{};
};

std::string read(queue& out, std::size_t size) {
  outgoing to;
  const auto n = out.read(to, size, out.done);
  EXPECT_EQ(n, to.size());
  out.keep_what_fits(out.done);
  return test::joined(to);
}

std::vector<op_id> take_completed(queue& out) { return std::exchange(out.done, {}); }

void push(queue& out, op_id op, std::initializer_list<std::string_view> parts, bool end, kind how) {
  out.push(op, std::span(parts.begin(), parts.size()), end, how, out.done);
}

TEST(outbox, has_nothing_to_send_at_first) {
  queue out(capacity);
  EXPECT_FALSE(out.ready());
  EXPECT_FALSE(out.closed());
  EXPECT_FALSE(out.at_end());
  EXPECT_EQ(read(out, 5), "");
}

TEST(outbox, gives_bytes_in_the_order_of_the_sends) {
  queue out(capacity);
  push(out, 1, {"ab"}, false, kind::borrowed);
  push(out, 2, {"cd"}, false, kind::buffered);
  push(out, 3, {"ef", "", "gh"}, false, kind::borrowed);
  EXPECT_EQ(out.bytes(), 8U);
  EXPECT_EQ(read(out, 100), "abcdefgh");
  EXPECT_EQ(out.bytes(), 0U);
  EXPECT_FALSE(out.ready());
}

// Borrowed sends

TEST(outbox, completes_a_borrowed_send_when_its_last_byte_was_framed) {
  queue out(capacity);
  push(out, 7, {"abc", "def"}, false, kind::borrowed);
  EXPECT_EQ(read(out, 3), "abc");
  EXPECT_THAT(take_completed(out), IsEmpty());
  EXPECT_EQ(read(out, 2), "de");
  EXPECT_THAT(take_completed(out), IsEmpty());
  EXPECT_TRUE(out.lends());
  EXPECT_EQ(read(out, 2), "f");
  EXPECT_THAT(take_completed(out), ElementsAre(7));
  EXPECT_FALSE(out.lends());
}

TEST(outbox, does_not_copy_a_borrowed_send) {
  queue out(capacity);
  std::string mine = "abc";
  push(out, 1, {mine}, false, kind::borrowed);
  mine = "xyz";
  EXPECT_EQ(read(out, 3), "xyz");
}

TEST(outbox, takes_a_borrowed_send_of_any_size) {
  queue out(capacity);
  const std::string big(1000, 'x');
  push(out, 1, {big}, false, kind::borrowed);
  EXPECT_EQ(out.bytes(), 1000U);
  EXPECT_EQ(read(out, 2000), big);
}

TEST(outbox, completes_an_empty_send_at_once) {
  queue out(capacity);
  push(out, 1, {""}, false, kind::borrowed);
  push(out, 2, {}, false, kind::buffered);
  EXPECT_THAT(take_completed(out), ElementsAre(1, 2));
  EXPECT_FALSE(out.ready());
}

TEST(outbox, completes_sends_in_their_order) {
  queue out(capacity);
  push(out, 1, {"a"}, false, kind::borrowed);
  push(out, 2, {"b"}, false, kind::borrowed);
  push(out, 3, {"c"}, true, kind::borrowed);
  EXPECT_EQ(read(out, 2), "ab");
  EXPECT_THAT(take_completed(out), ElementsAre(1, 2));
  EXPECT_EQ(read(out, 2), "c");
  EXPECT_THAT(take_completed(out), ElementsAre(3));
  EXPECT_THAT(take_completed(out), IsEmpty());
}

// Buffered sends

TEST(outbox, completes_a_buffered_send_that_fits_at_once) {
  queue out(capacity);
  push(out, 1, {"abcde"}, false, kind::buffered);
  push(out, 2, {"fghij"}, false, kind::buffered);
  EXPECT_THAT(take_completed(out), ElementsAre(1, 2));
  EXPECT_FALSE(out.lends());
}

TEST(outbox, copies_a_buffered_send_that_fits) {
  queue out(capacity);
  std::string mine = "abc";
  push(out, 1, {mine}, false, kind::buffered);
  mine = "xyz";
  EXPECT_EQ(read(out, 3), "abc");
}

TEST(outbox, does_not_copy_a_large_buffered_send_that_is_framed_at_once) {
  const std::string mine(2 * outgoing::least_lent, 'x');
  queue out(mine.size());
  push(out, 1, {mine}, false, kind::buffered);
  EXPECT_TRUE(out.waits());
  EXPECT_TRUE(out.waits(1));
  outgoing to;
  EXPECT_EQ(out.read(to, mine.size(), out.done), mine.size());
  EXPECT_EQ(to.pieces().front().data(), mine.data());
  EXPECT_THAT(take_completed(out), ElementsAre(1));
  EXPECT_FALSE(out.waits());
}

TEST(outbox, copies_what_framing_left_of_a_large_buffered_send) {
  std::string mine(outgoing::least_lent, 'x');
  queue out(mine.size());
  push(out, 1, {mine}, false, kind::buffered);
  outgoing to;
  EXPECT_EQ(out.read(to, 10, out.done), 10U);
  EXPECT_THAT(take_completed(out), IsEmpty());
  out.keep_what_fits(out.done);
  EXPECT_THAT(take_completed(out), ElementsAre(1));
  EXPECT_FALSE(out.waits(1));
  mine.assign(mine.size(), 'y');
  EXPECT_EQ(read(out, mine.size()), std::string(mine.size() - 10, 'x'));
}

TEST(outbox, keeps_a_buffered_send_waiting_until_the_rest_of_it_fits) {
  queue out(capacity);
  std::string mine = "abcdefghijklmno";
  push(out, 1, {mine}, false, kind::buffered);
  EXPECT_THAT(take_completed(out), IsEmpty());
  EXPECT_EQ(read(out, 4), "abcd");
  EXPECT_THAT(take_completed(out), IsEmpty()) << "11 bytes are left, 10 fit";
  EXPECT_EQ(read(out, 1), "e");
  EXPECT_THAT(take_completed(out), ElementsAre(1));

  mine.assign(mine.size(), 'X');
  EXPECT_EQ(read(out, 100), "fghijklmno") << "from here on it is a copy";
  EXPECT_THAT(take_completed(out), IsEmpty());
}

TEST(outbox, holds_back_a_small_buffered_send_behind_one_that_waits) {
  queue out(capacity);
  push(out, 1, {"abcdefgh"}, false, kind::buffered);
  push(out, 2, {"ijkl"}, false, kind::buffered);
  push(out, 3, {"m"}, false, kind::buffered);
  EXPECT_THAT(take_completed(out), ElementsAre(1)) << "the third would fit, but is not the next";
  EXPECT_EQ(read(out, 2), "ab");
  EXPECT_THAT(take_completed(out), ElementsAre(2));
  EXPECT_EQ(read(out, 1), "c");
  EXPECT_THAT(take_completed(out), ElementsAre(3));
  EXPECT_EQ(read(out, 100), "defghijklm");
}

TEST(outbox, counts_only_copies_against_its_capacity) {
  queue out(capacity);
  const std::string big(1000, 'x');
  push(out, 1, {big}, false, kind::borrowed);
  push(out, 2, {"abcdefghij"}, false, kind::buffered);
  EXPECT_THAT(take_completed(out), ElementsAre(2));
  push(out, 3, {"k"}, false, kind::buffered);
  EXPECT_EQ(read(out, 1000), big);
  EXPECT_THAT(take_completed(out), ElementsAre(1));
  EXPECT_EQ(read(out, 1), "a");
  EXPECT_THAT(take_completed(out), ElementsAre(3));
}

TEST(outbox, frames_a_waiting_buffered_send_from_the_memory_of_the_caller) {
  queue out(capacity);
  std::string mine(100, 'a');
  push(out, 1, {mine}, false, kind::buffered);
  EXPECT_EQ(read(out, 50), std::string(50, 'a'));
  mine.assign(100, 'b');
  EXPECT_EQ(read(out, 10), std::string(10, 'b'));
}

TEST(outbox, keeps_the_parts_of_a_waiting_buffered_send_together) {
  queue out(capacity);
  push(out, 1, {"abcdef", "ghijkl", "mnopqr"}, true, kind::buffered);
  EXPECT_EQ(read(out, 7), "abcdefg");
  EXPECT_THAT(take_completed(out), IsEmpty());
  EXPECT_EQ(read(out, 1), "h");
  EXPECT_THAT(take_completed(out), ElementsAre(1));
  EXPECT_EQ(read(out, 100), "ijklmnopqr");
  EXPECT_TRUE(out.at_end());
}

TEST(outbox, joins_many_small_sends_and_loses_no_byte) {
  constexpr std::size_t count = 20000;
  queue out(count);
  std::string all;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string piece(1, static_cast<char>('a' + i % 26));
    all += piece;
    push(out, i + 1, {piece}, false, kind::buffered);
    if (i % 3 == 0) {
      ASSERT_EQ(read(out, 1), all.substr(0, 1));
      all.erase(0, 1);
    }
  }
  EXPECT_EQ(take_completed(out).size(), count);
  EXPECT_EQ(out.bytes(), all.size());
  EXPECT_EQ(read(out, count), all);
}

// The end

TEST(outbox, ends_behind_the_bytes_of_its_last_send) {
  queue out(capacity);
  push(out, 1, {"abc"}, true, kind::borrowed);
  EXPECT_TRUE(out.closed());
  EXPECT_FALSE(out.at_end());
  EXPECT_EQ(read(out, 2), "ab");
  EXPECT_FALSE(out.at_end());
  EXPECT_EQ(read(out, 2), "c");
  EXPECT_TRUE(out.at_end());
  EXPECT_FALSE(out.has_trailers());
}

TEST(outbox, completes_a_borrowed_end_without_bytes_when_it_is_framed) {
  queue out(capacity);
  push(out, 4, {}, true, kind::borrowed);
  EXPECT_TRUE(out.ready());
  EXPECT_THAT(take_completed(out), IsEmpty());
  EXPECT_TRUE(out.lends());
  EXPECT_EQ(read(out, 10), "");
  EXPECT_THAT(take_completed(out), ElementsAre(4));
  EXPECT_TRUE(out.at_end());
  EXPECT_TRUE(out.ready()) << "END_STREAM itself is still to be sent";
}

TEST(outbox, ends_with_a_buffered_end_without_bytes) {
  queue out(capacity);
  push(out, 4, {""}, true, kind::buffered);
  EXPECT_THAT(take_completed(out), ElementsAre(4));
  EXPECT_TRUE(out.ready());
  EXPECT_EQ(read(out, 10), "");
  EXPECT_TRUE(out.at_end());
}

TEST(outbox, ends_with_a_buffered_end_that_waits_behind_others) {
  queue out(capacity);
  push(out, 1, {"abcdefghijkl"}, false, kind::buffered);
  push(out, 2, {""}, true, kind::buffered);
  EXPECT_THAT(take_completed(out), IsEmpty());
  EXPECT_EQ(read(out, 2), "ab");
  EXPECT_THAT(take_completed(out), ElementsAre(1, 2));
  EXPECT_FALSE(out.at_end());
  EXPECT_EQ(read(out, 100), "cdefghijkl");
  EXPECT_TRUE(out.at_end());
}

TEST(outbox, keeps_trailers_behind_all_bytes) {
  queue out(capacity);
  push(out, 1, {"abc"}, false, kind::borrowed);
  out.push_trailers({{"grpc-status", "0"}});
  EXPECT_TRUE(out.closed());
  EXPECT_TRUE(out.has_trailers());
  EXPECT_FALSE(out.at_end());
  EXPECT_EQ(read(out, 3), "abc");
  EXPECT_TRUE(out.at_end());
  EXPECT_EQ(out.take_trailers().value_or("grpc-status", ""), "0");
}

TEST(outbox, forgets_everything_when_it_is_cleared) {
  queue out(capacity);
  push(out, 1, {"abcdefghijklm"}, false, kind::buffered);
  push(out, 2, {"abc"}, false, kind::borrowed);
  out.clear();
  EXPECT_EQ(out.bytes(), 0U);
  EXPECT_FALSE(out.lends());
  EXPECT_FALSE(out.ready());
  EXPECT_EQ(read(out, 10), "");
  EXPECT_THAT(take_completed(out), IsEmpty());
}

TEST(outbox, is_closed_still_after_it_was_cleared) {
  queue out(capacity);
  push(out, 1, {"abc"}, true, kind::borrowed);
  out.clear();
  EXPECT_TRUE(out.closed()) << "a fin is never undone";
}

}  // namespace
}  // namespace duplex::core
