#pragma once
// Memory that a thread needs only while it is inside one connection, shared by all it serves.

#include "core/session.hpp"

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace duplex::net {

struct scratch {
  static constexpr std::size_t size = 65536;
  // A message of that size comes with the heads of its frames or records: together in one read.
  static constexpr std::size_t input_size = size + size / 8;

  std::array<char, input_size> plain{};
  std::array<char, input_size> cipher{};
  core::outgoing frames{};
  std::string joined{};
  std::string records{};
  std::vector<core::event> events{};

  /// The calling thread's. Nobody keeps anything in it.
  static scratch& here() {
    thread_local const auto instance = std::make_unique<scratch>();
    return *instance;
  }
};

}  // namespace duplex::net
