#pragma once
// What the files of the session share about the engine. Nothing else includes nghttp2.

#include "core/frame_guard.hpp"

#include <duplex/fields.hpp>
#include <duplex/limits.hpp>

#include <nghttp2/nghttp2.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <string>
#include <string_view>
#include <vector>

namespace duplex::core {

class engine_memory;
class session;
struct stream;

/// A new nghttp2 session in `memory`, whose callbacks record into `owner`.
[[nodiscard]] nghttp2_session* make_engine(bool server, const peer_limits& limits, session* owner,
                                           engine_memory& memory);

/// At so many frames that wait to be sent the connection ends.
[[nodiscard]] std::size_t most_queued(const peer_limits& limits) noexcept;
inline constexpr excess queued_control{"frames that wait to be sent, as the peer does not take them",
                                       "max_queued_control"};

/// What the window estimator's PING carries. The driver's are named by its operations, which it counts from 1.
inline constexpr std::uint64_t window_ping = ~std::uint64_t{0};
/// What a keepalive PING carries.
inline constexpr std::uint64_t keepalive_ping = window_ping - 1;
/// What the PING behind the first GOAWAY of two carries.
inline constexpr std::uint64_t drain_ping = window_ping - 2;

/// What a call of the engine returned. One that found no memory has left it in no state to go on.
inline int checked(int result) {
  if (result == NGHTTP2_ERR_NOMEM) throw std::bad_alloc();
  return result;
}

/// Reads payload from the outbox of `s`, which must not go away before the engine has closed the stream.
[[nodiscard]] nghttp2_data_provider payload_source(stream& s) noexcept;

/// A field section in the engine's form. The engine copies names and values, so it is lent them as they are.
inline constexpr std::size_t field_overhead = 32;  // RFC 9113, section 10.5.1

class name_values {
 public:
  /// `most`: how many there may be. A few need no memory but this.
  explicit name_values(std::size_t most) {
    if (most > few_.size()) many_.resize(most);
  }

  void add(std::string_view name, std::string_view value, bool sensitive = false) {
    bytes_ += name.size() + value.size() + field_overhead;
    (many_.empty() ? few_.data() : many_.data())[size_++] = {
        bytes(name), bytes(value), name.size(), value.size(),
        static_cast<std::uint8_t>(sensitive ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE)};
  }
  void add(const fields& list) {
    for (const auto& f : list) add(f.name, f.value, f.sensitive);
  }
  [[nodiscard]] const nghttp2_nv* data() const noexcept { return many_.empty() ? few_.data() : many_.data(); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// As SETTINGS_MAX_HEADER_LIST_SIZE counts them.
  [[nodiscard]] std::uint32_t bytes() const noexcept { return static_cast<std::uint32_t>(bytes_); }

 private:
  static std::uint8_t* bytes(std::string_view text) noexcept {
    // The C interface lacks a const; the engine does not write.
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
  }
  std::array<nghttp2_nv, 10> few_;  // NOLINT(cppcoreguidelines-pro-type-member-init): as much as is used
  std::vector<nghttp2_nv> many_;
  std::size_t size_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace duplex::core
