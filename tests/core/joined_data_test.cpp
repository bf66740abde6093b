// DATA frames of one stream that are read together (RFC 9113, section 6.1): large ones become one message, which costs
// one allocation and one turn of the reader instead of four for 64 KiB.

#include "core/data_run.hpp"
#include "session_test.hpp"

#include <string>
#include <variant>
#include <vector>

namespace duplex::test {
namespace {

constexpr std::size_t full_frame = 16384;

constexpr std::size_t least = core::least_in_run;

TEST(data_run, is_the_payload_of_the_frames_of_one_stream_that_follow) {
  const auto frames = raw::data(1, pattern(least + 100)) + raw::data(1, pattern(least), raw::end_stream);
  EXPECT_EQ(core::data_run(frames, 1), 2 * least + 100);
  EXPECT_EQ(core::data_run(frames + raw::data(3, "abc") + raw::data(1, "abc"), 1), 2 * least + 100);
  EXPECT_EQ(core::data_run(frames + raw::ping("12345678") + raw::data(1, "abc"), 1), 2 * least + 100);
  EXPECT_EQ(core::data_run(frames + raw::padded_data(1, "abc", 4), 1), 2 * least + 100);
  EXPECT_EQ(core::data_run(frames, 3), 0U);
}

TEST(data_run, ends_with_a_small_frame) {
  const auto small = raw::data(1, "x");
  EXPECT_EQ(core::data_run(small + small + small, 1), 1U);
  EXPECT_EQ(core::data_run(raw::data(1, pattern(least)) + small + small, 1), least + 1);
}

TEST(data_run, counts_what_is_there_of_a_frame_that_was_cut) {
  const auto frames = raw::data(1, pattern(least)) + raw::data(1, pattern(50));
  const auto begin_of_second = 9 + least + 9;
  for (std::size_t size = 0; size <= frames.size(); ++size) {
    const auto first = size < 9 ? 0 : std::min(size - 9, least);
    const auto second = size < begin_of_second ? 0 : size - begin_of_second;
    EXPECT_EQ(core::data_run(std::string_view(frames).substr(0, size), 1), first + second) << size;
  }
}

/// The sizes of the data that a stream delivers.
std::vector<std::size_t> sizes(scripted_peer& p, std::int32_t id) {
  std::vector<std::size_t> all;
  for (const auto& m : p.us.take(id)) {
    if (const auto* d = std::get_if<data>(&m)) all.push_back(d->bytes.size());
  }
  return all;
}

class joined_data : public ::testing::Test {
 protected:
  joined_data() {
    p_.greet();
    id_ = p_.open();
    p_.say(raw::response(id_));
    (void)p_.us.take(id_);
  }

  std::string split(std::string_view bytes, std::size_t frame = full_frame) const {
    std::string frames;
    for (std::size_t at = 0; at < bytes.size(); at += frame) frames += raw::data(id_, bytes.substr(at, frame));
    return frames;
  }

  static options wide() {
    options opts;
    opts.stream_window = std::size_t{1} << 20;
    return opts;
  }

  scripted_peer p_{role::client, whole, wide()};
  std::int32_t id_ = 0;
};

TEST_F(joined_data, is_one_message_of_large_frames_that_were_read_together) {
  const auto bytes = pattern(4 * full_frame);
  p_.say(split(bytes));
  const auto messages = p_.us.take(id_);
  ASSERT_EQ(messages.size(), 1U);
  EXPECT_EQ(std::get<data>(messages.front()).bytes, bytes);
}

TEST_F(joined_data, takes_the_memory_that_it_needs_and_no_more) {
  p_.say(split(pattern(3 * full_frame)));
  const auto messages = p_.us.take(id_);
  EXPECT_EQ(std::get<data>(messages.front()).bytes.capacity(), 3 * full_frame);
}

TEST_F(joined_data, is_never_larger_than_64_KiB) {
  p_.say(split(pattern(6 * full_frame)));
  EXPECT_THAT(sizes(p_, id_), ElementsAre(4 * full_frame, 2 * full_frame));
}

TEST_F(joined_data, leaves_small_frames_as_they_came) {
  p_.say(raw::data(id_, "abc") + raw::data(id_, pattern(1000)) + raw::data(id_, pattern(1000)));
  EXPECT_THAT(sizes(p_, id_), ElementsAre(3, 1000, 1000));
}

TEST_F(joined_data, is_not_joined_over_what_stands_between) {
  p_.say(split(pattern(full_frame)) + raw::ping("12345678") + split(pattern(full_frame)));
  EXPECT_THAT(sizes(p_, id_), ElementsAre(full_frame, full_frame));
}

TEST_F(joined_data, is_not_joined_over_reads) {
  p_.say(split(pattern(full_frame)));
  p_.say(split(pattern(full_frame)));
  EXPECT_THAT(sizes(p_, id_), ElementsAre(full_frame, full_frame));
}

// Padding may look like frames: nothing is prepared for what it promises.
TEST_F(joined_data, does_not_believe_padding) {
  p_.say(raw::padded_data(id_, pattern(5000), 200) + split(pattern(full_frame)));
  const auto messages = p_.us.take(id_);
  ASSERT_EQ(messages.size(), 2U);
  EXPECT_EQ(std::get<data>(messages.front()).bytes.capacity(), 5000U);
}

TEST_F(joined_data, returns_all_of_its_credit) {
  p_.say(split(pattern(16 * full_frame)));
  EXPECT_EQ(p_.us.body(id_).size(), 16 * full_frame);
  p_.say(split(pattern(16 * full_frame)));
  EXPECT_EQ(p_.us.body(id_).size(), 16 * full_frame);
  EXPECT_GE(p_.credit(id_), 16 * full_frame);
}

TEST_F(joined_data, ends_with_its_stream) {
  p_.say(split(pattern(2 * full_frame)) + raw::data(id_, pattern(full_frame), raw::end_stream));
  EXPECT_EQ(p_.us.story(id_), "data #49152, done, closed");
}

}  // namespace
}  // namespace duplex::test
