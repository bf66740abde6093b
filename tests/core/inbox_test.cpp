#include "core/inbox.hpp"

#include <duplex/options.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace duplex::core {
namespace {

std::string take_data(inbox& in) {
  const auto m = in.take();
  const auto* d = m ? std::get_if<data>(&*m) : nullptr;
  return d ? d->bytes : "not data";
}

TEST(inbox, gives_messages_in_the_order_of_their_arrival) {
  inbox in(100);
  in.push(response{200, {}});
  EXPECT_TRUE(in.push_data("abc"));
  in.push(trailers{{{"grpc-status", "0"}}});
  in.finish();

  EXPECT_EQ(std::get<response>(*in.take()).status, 200);
  EXPECT_EQ(take_data(in), "abc");
  EXPECT_EQ(std::get<trailers>(*in.take()).headers.value_or("grpc-status", ""), "0");
  EXPECT_TRUE(std::holds_alternative<done>(*in.take()));
  EXPECT_FALSE(in.take());
}

TEST(inbox, is_not_readable_until_something_comes) {
  inbox in(100);
  EXPECT_FALSE(in.readable());
  EXPECT_TRUE(in.empty());
  EXPECT_FALSE(in.take());
  EXPECT_FALSE(in.end());
}

TEST(inbox, does_not_keep_empty_data) {
  inbox in(100);
  EXPECT_TRUE(in.push_data(""));
  EXPECT_TRUE(in.empty());
}

TEST(inbox, counts_only_the_bytes_that_wait) {
  inbox in(100);
  EXPECT_TRUE(in.push_data("abc"));
  in.push(response{200, {{"name", "value"}}});
  EXPECT_TRUE(in.push_data("de"));
  EXPECT_EQ(in.bytes(), 5U);
  (void)in.take();
  EXPECT_EQ(in.bytes(), 2U);
}

TEST(inbox, takes_exactly_as_much_as_its_limit) {
  inbox in(5);
  EXPECT_TRUE(in.push_data("abc"));
  EXPECT_FALSE(in.push_data("def"));
  EXPECT_TRUE(in.push_data("de"));
  EXPECT_FALSE(in.push_data("f"));
  EXPECT_EQ(in.bytes(), 5U);
}

TEST(inbox, has_room_again_after_a_message_was_taken) {
  inbox in(3);
  EXPECT_TRUE(in.push_data("abc"));
  (void)in.take();
  EXPECT_TRUE(in.push_data("def"));
}

TEST(inbox, may_be_without_a_limit) {
  inbox in(infinity);
  EXPECT_TRUE(in.push_data(std::string(100000, 'x')));
  EXPECT_TRUE(in.push_data("y"));
}

TEST(inbox, ends_with_closed_after_done) {
  inbox in(100);
  in.finish();
  EXPECT_EQ(in.end(), errc::closed);
  EXPECT_TRUE(in.readable());
  (void)in.take();
  EXPECT_TRUE(in.readable());
  EXPECT_TRUE(in.empty());
}

TEST(inbox, keeps_what_was_buffered_before_an_error) {
  inbox in(100);
  EXPECT_TRUE(in.push_data("abc"));
  in.end(errc::connection_lost);
  EXPECT_EQ(take_data(in), "abc");
  EXPECT_EQ(in.end(), errc::connection_lost);
}

TEST(inbox, keeps_its_first_end) {
  inbox in(100);
  in.end(errc::stream_reset);
  in.end(errc::connection_lost);
  in.finish();
  EXPECT_EQ(in.end(), errc::stream_reset);

  inbox complete(100);
  complete.finish();
  complete.end(errc::connection_lost);
  EXPECT_EQ(complete.end(), errc::closed);
}

TEST(inbox, takes_nothing_after_its_end) {
  inbox in(100);
  in.end(errc::stream_reset);
  in.push(response{200, {}});
  EXPECT_TRUE(in.push_data("abc"));
  EXPECT_TRUE(in.empty());
  EXPECT_EQ(in.bytes(), 0U);
}

TEST(inbox, drops_what_waits_when_it_is_aborted) {
  inbox in(100);
  EXPECT_TRUE(in.push_data("abc"));
  in.end(errc::stream_reset);
  in.abort(errc::closed);
  EXPECT_TRUE(in.empty());
  EXPECT_EQ(in.bytes(), 0U);
  EXPECT_EQ(in.end(), errc::closed);
}

TEST(inbox, joins_many_small_pieces_and_loses_no_byte) {
  inbox in(infinity);
  std::string all;
  for (int i = 0; i < 50000; ++i) {
    const std::string piece(1, static_cast<char>('a' + i % 26));
    all += piece;
    ASSERT_TRUE(in.push_data(piece));
  }
  EXPECT_EQ(in.bytes(), all.size());

  std::string taken;
  std::size_t messages = 0;
  while (auto m = in.take()) {
    taken += std::get<data>(*m).bytes;
    ++messages;
  }
  EXPECT_EQ(taken, all);
  EXPECT_LT(messages, 100U);
  EXPECT_EQ(in.bytes(), 0U);
}

TEST(inbox, does_not_join_data_across_another_message) {
  inbox in(infinity);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(in.push_data("x"));
  in.push(trailers{});
  for (int i = 0; i < 100; ++i) in.push(informational{100, {}});
  std::string order;
  while (auto m = in.take()) {
    if (const auto* d = std::get_if<data>(&*m)) {
      order += d->bytes;
    } else {
      order += std::holds_alternative<trailers>(*m) ? 't' : 'i';
    }
  }
  std::string expected(201, 'x');
  expected[100] = 't';
  std::fill(expected.begin() + 101, expected.end(), 'i');
  EXPECT_EQ(order, expected);
}

}  // namespace
}  // namespace duplex::core
