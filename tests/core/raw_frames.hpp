#pragma once
// Frames made and read byte by byte (RFC 9113, section 4.1 and 6), for what no well-behaved engine would send.

#include <duplex/h2/code.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace duplex::test::raw {

enum type : std::uint8_t {
  type_data = 0,
  type_headers = 1,
  type_priority = 2,
  type_rst_stream = 3,
  type_settings = 4,
  type_push_promise = 5,
  type_ping = 6,
  type_goaway = 7,
  type_window_update = 8,
  type_continuation = 9,
};

enum flag : std::uint8_t {
  none = 0,
  ack = 1,
  end_stream = 1,
  end_headers = 4,
  padded = 8,
};

enum setting : std::uint16_t {
  header_table_size = 1,
  enable_push = 2,
  max_concurrent_streams = 3,
  initial_window_size = 4,
  max_frame_size = 5,
};

using list = std::vector<std::pair<std::string, std::string>>;

inline constexpr std::string_view preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

std::string u16(std::uint32_t value);
std::string u32(std::uint32_t value);

std::string frame(std::uint8_t kind, std::uint8_t flags, std::int32_t id, std::string_view payload);

std::string settings(const std::vector<std::pair<std::uint16_t, std::uint32_t>>& entries = {});
std::string settings_ack();

/// Literal fields without indexing and without Huffman code (RFC 7541, section 6.2.2).
std::string block(const list& fields);
std::string headers(std::int32_t id, const list& fields, std::uint8_t flags = none);
/// A POST to http://peer/, with more fields if wanted.
std::string request(std::int32_t id, std::uint8_t flags = none, const list& more = {});
std::string response(std::int32_t id, std::uint8_t flags = none, const list& more = {});

std::string data(std::int32_t id, std::string_view bytes, std::uint8_t flags = none);
std::string padded_data(std::int32_t id, std::string_view bytes, std::uint8_t padding, std::uint8_t flags = none);
std::string rst_stream(std::int32_t id, h2::code code);
std::string goaway(std::int32_t last, h2::code code, std::string_view debug = {});
std::string window_update(std::int32_t id, std::uint32_t increment);
std::string ping(std::string_view opaque, std::uint8_t flags = none);

/// A frame as it was read.
struct seen {
  std::uint8_t kind = 0;
  std::uint8_t flags = 0;
  std::int32_t id = 0;
  std::string payload{};

  /// The 32 bits at `offset`.
  [[nodiscard]] std::uint32_t number(std::size_t offset = 0) const;
  /// `RST_STREAM 1 CANCEL`, `DATA 1 #5 end_stream`, `WINDOW_UPDATE 0 +100` …
  [[nodiscard]] std::string text() const;
};

/// Takes the whole frames out of `bytes`, and leaves the rest.
std::vector<seen> take_frames(std::string& bytes);

}  // namespace duplex::test::raw
