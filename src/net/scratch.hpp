#pragma once
// Memory that a thread needs only while it is inside one connection, shared by all it serves.

#include "core/session.hpp"

#include <boost/asio/buffer.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace duplex::net {

namespace asio = boost::asio;

struct scratch {
  static constexpr std::size_t size = 65536;
  // A message of that size comes with the heads of its frames or records: together in one read.
  static constexpr std::size_t input_size = size + size / 8;

  using input = std::array<char, input_size>;

  input plain{};
  std::vector<std::unique_ptr<input>> ciphers{};  // that are not lent
  core::outgoing frames{};
  std::string joined{};
  std::string records{};
  std::vector<core::event> events{};
  std::vector<core::ended_stream> ended{};

  /// The calling thread's. Nobody keeps anything in it.
  static scratch& here() {
    thread_local const auto instance = std::make_unique<scratch>();
    return *instance;
  }
};

/// Memory for ciphertext, for as long as this lives. Where TLS lies over TLS, what the lower one decrypts goes into
/// what the upper one was lent, so that each needs its own.
class cipher_memory {
 public:
  cipher_memory() {
    auto& free = scratch::here().ciphers;
    if (free.empty()) {
      memory_ = std::make_unique<scratch::input>();
      free.reserve(depth_that_is_usual);
      return;
    }
    memory_ = std::move(free.back());
    free.pop_back();
  }
  cipher_memory(const cipher_memory&) = delete;
  cipher_memory& operator=(const cipher_memory&) = delete;
  ~cipher_memory() {
    auto& free = scratch::here().ciphers;
    if (free.size() < free.capacity()) free.push_back(std::move(memory_));
  }

  [[nodiscard]] asio::mutable_buffer get() noexcept { return asio::buffer(*memory_); }

 private:
  static constexpr std::size_t depth_that_is_usual = 2;

  std::unique_ptr<scratch::input> memory_;
};

}  // namespace duplex::net
