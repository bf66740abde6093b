#pragma once
// Just enough of HTTP/2 framing (RFC 9113, section 4.1) to see what was written, and to play a bare peer.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace duplex::test {

inline constexpr std::string_view client_preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

struct seen_frame {
  std::uint8_t type = 0;
  std::uint8_t flags = 0;
  std::uint32_t stream = 0;
  std::string payload{};
};

/// The whole frames in `bytes`; a client's preface is skipped.
inline std::vector<seen_frame> parse_frames(std::string_view bytes) {
  constexpr std::size_t header = 9;
  const auto byte = [&](std::size_t at) { return static_cast<std::uint32_t>(static_cast<std::uint8_t>(bytes[at])); };
  if (bytes.starts_with(client_preface)) bytes.remove_prefix(client_preface.size());
  std::vector<seen_frame> out;
  while (bytes.size() >= header) {
    const std::size_t size = byte(0) << 16U | byte(1) << 8U | byte(2);
    if (bytes.size() < header + size) break;
    out.push_back({static_cast<std::uint8_t>(byte(3)), static_cast<std::uint8_t>(byte(4)),
                   byte(5) << 24U | byte(6) << 16U | byte(7) << 8U | byte(8), std::string(bytes.substr(header, size))});
    bytes.remove_prefix(header + size);
  }
  return out;
}

/// The names of the frames in `bytes`, in order.
inline std::vector<std::string> frame_names(std::string_view bytes) {
  static const std::vector<std::string> names{"DATA",         "HEADERS", "PRIORITY", "RST_STREAM",    "SETTINGS",
                                              "PUSH_PROMISE", "PING",    "GOAWAY",   "WINDOW_UPDATE", "CONTINUATION"};
  std::vector<std::string> out;
  for (const auto& f : parse_frames(bytes)) {
    auto text = f.type < names.size() ? names[f.type] : "unknown";
    if (f.type == 4 && (f.flags & 1U) != 0) text += " ack";
    if (f.type <= 1 && (f.flags & 1U) != 0) text += " end";
    out.push_back(std::move(text));
  }
  return out;
}

inline std::string make_frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream,
                              std::string_view payload = {}) {
  const auto size = static_cast<std::uint32_t>(payload.size());
  std::string out;
  for (const std::uint32_t b : {size >> 16U, size >> 8U, size, std::uint32_t{type}, std::uint32_t{flags}, stream >> 24U,
                                stream >> 16U, stream >> 8U, stream}) {
    out += static_cast<char>(b & 0xffU);
  }
  return out.append(payload);
}

/// What a server says first.
inline std::string server_greeting() { return make_frame(4, 0, 0) + make_frame(4, 1, 0); }
/// `:status: 200`, from the static table (RFC 7541, appendix A).
inline std::string ok_response(std::uint32_t stream, bool end = false) {
  return make_frame(1, end ? 5 : 4, stream, "\x88");
}

}  // namespace duplex::test
