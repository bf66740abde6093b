// What a hostile header block costs grows with its bytes, and no faster (RFC 9113, section 10.5.1), in however small
// pieces it comes. Every allocation is counted, with all of its bytes: who begins a field anew with each piece, or
// moves what it has to a larger place each time, is seen by both.

#include "failing_memory.hpp"

#include "core/raw_frames.hpp"
#include "core/session_test.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>

namespace duplex::test {
namespace {

struct cost {
  std::size_t allocations;
  std::size_t bytes;
};

// A field whose value has the Huffman code (RFC 7541, section 5.2); 0x00 is in it `0`, `0` and the begin of another.
std::string large_field(std::size_t size) {
  std::string out("\0\1x\xff", 4);
  auto rest = size - 127;
  for (; rest >= 128; rest /= 128) out += static_cast<char>(rest % 128 + 128);
  return out + static_cast<char>(rest) + std::string(size, '\0');
}

std::string many_fields(std::size_t size) {
  std::string out;
  while (out.size() < size) out += std::string("\0\1x\1v", 5);
  return out;
}

// Of one section with `fields`, in frames and reads of `piece` bytes.
cost cost_of(role side, std::string_view fields, std::size_t piece) {
  options opts;
  opts.max_header_bytes = 1 << 20;
  opts.max_header_fields = infinity;
  opts.limits.max_continuations = infinity;
  core::session s({.role = side, .defaults = opts});
  core::outgoing out;
  s.feed((side == role::server ? std::string(raw::preface) : std::string()) + raw::settings() + raw::settings_ack());
  if (side == role::client) {
    EXPECT_EQ(s.open({"POST", "http", "peer", "/", "", {}}, opts), 1);
  }
  s.pull(out, {});
  const auto head = side == role::server
                        ? raw::block({{":method", "GET"}, {":scheme", "http"}, {":authority", "p"}, {":path", "/"}})
                        : raw::block({{":status", "200"}});
  s.feed(raw::frame(raw::type_headers, raw::none, 1, head));
  memory::fail(0, memory::failing::once);
  while (!fields.empty()) {
    const auto now = fields.substr(0, piece);
    fields.remove_prefix(now.size());
    const auto frame = raw::frame(raw::type_continuation, fields.empty() ? raw::end_headers : raw::none, 1, now);
    const memory::duty on_duty;
    s.feed(frame);
  }
  EXPECT_FALSE(s.failed());
  EXPECT_TRUE(s.find(1) && !s.find(1)->failed) << "all of it was taken";
  return {memory::count(), memory::bytes()};
}

class cve_2022_41723_header_block : public ::testing::TestWithParam<role> {};
INSTANTIATE_TEST_SUITE_P(of_a, cve_2022_41723_header_block, ::testing::Values(role::client, role::server),
                         [](const auto& p) { return p.param == role::client ? "client" : "server"; });

TEST_P(cve_2022_41723_header_block, costs_four_times_as_much_if_it_is_four_times_as_large) {
  constexpr std::size_t size = 15000;
  for (const std::size_t piece : {1, 2, 9, 1000}) {
    for (const auto& make : {large_field, many_fields}) {
      SCOPED_TRACE(std::to_string(piece) + " bytes a piece");
      const auto small = cost_of(GetParam(), make(size), piece);
      const auto large = cost_of(GetParam(), make(4 * size), piece);
      EXPECT_LE(large.allocations, 4 * small.allocations + 50);
      EXPECT_LE(large.bytes, 5 * small.bytes) << "a list that doubles is up to twice as large as it has to be";
      EXPECT_LE(large.bytes, 100 * 4 * size);
    }
  }
}

}  // namespace
}  // namespace duplex::test
