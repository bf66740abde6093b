#pragma once
// What the files of the session share about the engine. Nothing else includes nghttp2.

#include <duplex/fields.hpp>

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace duplex::core {

class session;

/// A new nghttp2 session whose callbacks record into `owner`.
[[nodiscard]] nghttp2_session* make_engine(bool server, session* owner);

/// What the window estimator's PING carries. The driver's are named by its operations, which it counts from 1.
inline constexpr std::uint64_t window_ping = ~std::uint64_t{0};

/// Reads payload from the stream's outbox.
[[nodiscard]] nghttp2_data_provider payload_source() noexcept;

/// A field section in the engine's form. The engine copies names and values, so it is lent them as they are.
class name_values {
 public:
  /// `expected`: how many there will be, so that it allocates once.
  explicit name_values(std::size_t expected) { list_.reserve(expected); }

  void add(std::string_view name, std::string_view value, bool sensitive = false) {
    list_.push_back({bytes(name), bytes(value), name.size(), value.size(),
                     static_cast<std::uint8_t>(sensitive ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE)});
  }
  void add(const fields& list) {
    for (const auto& f : list) add(f.name, f.value, f.sensitive);
  }
  [[nodiscard]] const nghttp2_nv* data() const noexcept { return list_.data(); }
  [[nodiscard]] std::size_t size() const noexcept { return list_.size(); }

 private:
  static std::uint8_t* bytes(std::string_view text) noexcept {
    // The C interface lacks a const; the engine does not write.
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
  }
  std::vector<nghttp2_nv> list_;
};

}  // namespace duplex::core
