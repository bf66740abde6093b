// Large and odd header blocks (RFC 9113, section 4.3, 6.10 and 10.5.1): what is legal arrives whole, what is too much
// is refused by name and in bounded memory.

#include "heap.hpp"
#include "session_test.hpp"

#include <algorithm>
#include <string_view>

namespace duplex::test {
namespace {

using raw::end_headers;
using raw::end_stream;
using raw::none;

constexpr std::size_t kilobyte = 1024;
constexpr std::size_t megabyte = kilobyte * kilobyte;
constexpr std::size_t largest_frame = 16384;

/// HEADERS and as many CONTINUATION frames as pieces of `size` are needed.
std::string split(std::int32_t id, std::string_view block, std::size_t size, std::uint8_t flags = none) {
  std::string frames;
  auto kind = raw::type_headers;
  do {
    const auto piece = block.substr(0, size);
    block.remove_prefix(piece.size());
    frames += raw::frame(kind, flags | (block.empty() ? end_headers : none), id, piece);
    kind = raw::type_continuation;
    flags = none;
  } while (!block.empty());
  return frames;
}

raw::list fields_of(std::size_t count, std::size_t size) {
  raw::list all;
  for (std::size_t i = 0; i < count; ++i) all.emplace_back("x-" + std::to_string(i), std::string(size, 'v'));
  return all;
}

raw::list with(raw::list all, const raw::list& more) {
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

const raw::list ok{{":status", "200"}};
const raw::list post{{":method", "POST"}, {":scheme", "http"}, {":authority", "peer"}, {":path", "/"}};

class header_block : public session_test {};
INSTANTIATE_TEST_SUITE_P(bytes_per_read, header_block, read_sizes(), name_of_read_size);

TEST_P(header_block, of_60_kilobytes_arrives_whole) {
  const auto big = fields_of(15, 4000);
  scripted_peer client(role::client, GetParam());
  client.greet();
  const auto id = client.open();
  client.say(split(id, raw::block(with(ok, big)), largest_frame, end_stream));
  const auto messages = client.us.take(id);
  ASSERT_EQ(messages.size(), 2U);
  EXPECT_EQ(std::get<response>(messages.front()).headers.size(), big.size());
  EXPECT_EQ(std::get<response>(messages.front()).headers.value_or("x-14", ""), big.back().second);

  scripted_peer server(role::server, GetParam());
  server.greet();
  server.say(split(1, raw::block(with(post, big)), largest_frame, end_stream));
  ASSERT_THAT(server.us.requests(), ElementsAre(1));
  EXPECT_EQ(server.us.stream(1).head->headers.size(), big.size());
}

TEST_P(header_block, of_60_kilobytes_may_be_trailers) {
  const auto big = fields_of(15, 4000);
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  p.say(raw::response(id) + raw::data(id, "abc") + split(id, raw::block(big), largest_frame, end_stream));
  const auto messages = p.us.take(id);
  ASSERT_GE(messages.size(), 4U);
  EXPECT_EQ(std::get<trailers>(messages.at(messages.size() - 2)).headers.size(), big.size());
}

// The engine itself would refuse it where it comes in small reads.
TEST_P(header_block, rfc9113_6_10_in_9_frames_is_legal_at_any_size_of_a_read) {
  const auto block = raw::block(with(ok, {{"a", "b"}, {"c", "d"}}));
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  p.say(split(id, block, block.size() / 9 + 1, end_stream));
  EXPECT_EQ(p.us.story(id), "response 200 {a: b, c: d}, done, closed");
}

TEST_P(header_block, rfc9113_6_2_and_6_10_may_have_frames_without_a_byte) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  p.say(raw::frame(raw::type_headers, end_stream, id, "") + raw::frame(raw::type_continuation, none, id, "") +
        raw::frame(raw::type_continuation, none, id, raw::block(ok)) +
        raw::frame(raw::type_continuation, end_headers, id, ""));
  EXPECT_EQ(p.us.story(id), "response 200, done, closed");
}

// Refused

class large_header_block : public ::testing::TestWithParam<role> {
 protected:
  // What follows the end of the connection is not looked at: stops there, as a driver does.
  static std::size_t say_until_it_ends(scripted_peer& p, std::string_view frames) {
    std::size_t most = heap_in_use();
    while (!frames.empty() && !p.us->finished()) {
      const auto n = std::min(frames.size(), largest_frame);
      p.say(frames.substr(0, n));
      most = std::max(most, heap_in_use());
      frames.remove_prefix(n);
    }
    return most;
  }
  static const raw::list& head() { return GetParam() == role::client ? ok : post; }
};
INSTANTIATE_TEST_SUITE_P(of_a, large_header_block, ::testing::Values(role::client, role::server),
                         [](const auto& p) { return p.param == role::client ? "client" : "server"; });

TEST_P(large_header_block, rfc9113_10_5_1_of_4_megabytes_is_refused_by_a_limit_and_in_bounded_memory) {
  const auto frames = split(1, raw::block(with(head(), fields_of(4096, kilobyte))), largest_frame, end_stream);
  scripted_peer p(GetParam(), whole);
  p.greet();
  if (GetParam() == role::client) p.open();
  (void)p.heard();
  const auto before = heap_in_use();
  EXPECT_LT(say_until_it_ends(p, frames), before + megabyte / 2);
  EXPECT_THAT(p.heard(), Contains(StartsWith("GOAWAY ENHANCE_YOUR_CALM")));
  EXPECT_THAT(p.us.failure_of_connection(), HasSubstr("peer connection ENHANCE_YOUR_CALM"));
  EXPECT_TRUE(p.us->finished());
  EXPECT_THAT(p.us.requests(), IsEmpty());
  if (GetParam() == role::client) {
    EXPECT_EQ(p.us.failure_of(1), "limit_exceeded local stream ENHANCE_YOUR_CALM");
    EXPECT_EQ(p.us.story(1), "limit_exceeded");
  }
}

// The engine takes no larger one, and says no more than that it could not decode the block.
TEST_P(large_header_block, of_one_field_above_64_kilobytes_is_a_compression_error_that_says_what_it_may_be) {
  options opts;
  opts.max_header_bytes = megabyte;
  for (const auto& [size, fits] : {std::pair(64 * kilobyte, true), std::pair(64 * kilobyte + 1, false)}) {
    scripted_peer p(GetParam(), whole, opts);
    p.greet();
    if (GetParam() == role::client) p.open();
    p.say(split(1, raw::block(with(head(), {{"x", std::string(size, 'v')}})), largest_frame, end_stream));
    if (fits) {
      EXPECT_EQ(p.us.failure_of_connection(), "none");
      continue;
    }
    EXPECT_EQ(p.us.failure_of_connection(), "protocol_error peer connection COMPRESSION_ERROR");
    EXPECT_THAT(p.us->failed()->message, HasSubstr("or a field above 64 KiB"));
    EXPECT_THAT(p.us.requests(), IsEmpty());
  }
}

// One byte refers to an entry of the table (RFC 7541, section 6.1): the fields are far more than the block.
TEST_P(large_header_block, rfc7541_7_3_of_few_bytes_that_refer_to_many_is_refused_by_a_limit_and_in_bounded_memory) {
  scripted_peer p(GetParam(), whole);
  p.greet();
  if (GetParam() == role::client) p.open();
  (void)p.heard();
  // A literal with incremental indexing, and then references to it.
  const std::string value(3900, 'v');
  auto literal = raw::block({{"x", value}});
  literal.front() = '\x40';
  const auto block = raw::block(head()) + literal + std::string(16000, '\xbe');
  const auto before = heap_in_use();
  EXPECT_LT(say_until_it_ends(p, split(1, block, largest_frame)), before + megabyte / 2);
  EXPECT_THAT(p.heard(), Contains(StartsWith("RST_STREAM 1 ")));
  if (GetParam() == role::client) {
    EXPECT_EQ(p.us.failure_of(1), "limit_exceeded local stream ENHANCE_YOUR_CALM");
    EXPECT_EQ(p.us.story(1), "limit_exceeded");
  } else {
    EXPECT_THAT(p.us.requests(), IsEmpty());
  }
  EXPECT_EQ(p.us.failure_of_connection(), "none");
}

}  // namespace
}  // namespace duplex::test
