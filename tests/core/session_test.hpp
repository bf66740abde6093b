#pragma once
// What the tests of the session share: they run with every number of bytes in a read that has ever broken a parser.

#include "memory_peers.hpp"
#include "raw_frames.hpp"
#include "scripted_peer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>

namespace duplex::test {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using kind = core::event::kind;

/// The parameter is the number of bytes in a read.
class session_test : public ::testing::TestWithParam<std::size_t> {};

inline constexpr std::array<std::size_t, 6> every_read_size{1, 2, 3, 8, 9, whole};

inline auto read_sizes() { return ::testing::ValuesIn(every_read_size); }

inline std::string read_size_name(std::size_t size) { return size == whole ? "whole" : std::to_string(size); }

inline std::string name_of_read_size(const ::testing::TestParamInfo<std::size_t>& info) {
  return read_size_name(info.param);
}

/// `size` bytes that differ from place to place.
inline std::string pattern(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>('a' + (i * 7 + i / 251) % 26);
  return bytes;
}

}  // namespace duplex::test
