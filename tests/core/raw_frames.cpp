// Frames made and read byte by byte (RFC 9113, section 4.1 and 6).

#include "raw_frames.hpp"

#include <array>

namespace duplex::test::raw {
namespace {

constexpr std::size_t header_size = 9;

char byte(std::uint32_t value) { return static_cast<char>(value & 0xffU); }

std::uint32_t at(std::string_view bytes, std::size_t index) { return static_cast<unsigned char>(bytes[index]); }

// An integer with a prefix of 7 bits, the highest bit 0: no Huffman code (RFC 7541, section 5.1).
std::string hpack_string(std::string_view text) {
  constexpr std::uint32_t prefix = 127;
  std::string out;
  auto n = static_cast<std::uint32_t>(text.size());
  if (n < prefix) {
    out += byte(n);
  } else {
    out += byte(prefix);
    for (n -= prefix; n >= 128; n >>= 7U) out += byte(n | 0x80U);
    out += byte(n);
  }
  return out.append(text);
}

}  // namespace

std::string u16(std::uint32_t value) { return {byte(value >> 8U), byte(value)}; }

std::string u32(std::uint32_t value) { return u16(value >> 16U) + u16(value); }

std::string frame(std::uint8_t kind, std::uint8_t flags, std::int32_t id, std::string_view payload) {
  const auto size = static_cast<std::uint32_t>(payload.size());
  std::string out{byte(size >> 16U), byte(size >> 8U), byte(size), byte(kind), byte(flags)};
  return out.append(u32(static_cast<std::uint32_t>(id))).append(payload);
}

std::string settings(const std::vector<std::pair<std::uint16_t, std::uint32_t>>& entries) {
  std::string payload;
  for (const auto& [id, value] : entries) payload += u16(id) + u32(value);
  return frame(type_settings, none, 0, payload);
}

std::string settings_ack() { return frame(type_settings, ack, 0, {}); }

std::string block(const list& fields) {
  std::string out;
  for (const auto& [name, value] : fields) out += std::string(1, '\0') + hpack_string(name) + hpack_string(value);
  return out;
}

std::string headers(std::int32_t id, const list& fields, std::uint8_t flags) {
  return frame(type_headers, flags | end_headers, id, block(fields));
}

std::string request(std::int32_t id, std::uint8_t flags, const list& more) {
  list all{{":method", "POST"}, {":scheme", "http"}, {":authority", "peer"}, {":path", "/"}};
  all.insert(all.end(), more.begin(), more.end());
  return headers(id, all, flags);
}

std::string response(std::int32_t id, std::uint8_t flags, const list& more) {
  list all{{":status", "200"}};
  all.insert(all.end(), more.begin(), more.end());
  return headers(id, all, flags);
}

std::string data(std::int32_t id, std::string_view bytes, std::uint8_t flags) {
  return frame(type_data, flags, id, bytes);
}

std::string padded_data(std::int32_t id, std::string_view bytes, std::uint8_t padding, std::uint8_t flags) {
  return frame(type_data, flags | padded, id, byte(padding) + std::string(bytes) + std::string(padding, '\0'));
}

std::string rst_stream(std::int32_t id, h2::code code) {
  return frame(type_rst_stream, none, id, u32(static_cast<std::uint32_t>(code)));
}

std::string goaway(std::int32_t last, h2::code code, std::string_view debug) {
  return frame(type_goaway, none, 0,
               (u32(static_cast<std::uint32_t>(last)) + u32(static_cast<std::uint32_t>(code))).append(debug));
}

std::string window_update(std::int32_t id, std::uint32_t increment) {
  return frame(type_window_update, none, id, u32(increment));
}

std::string ping(std::string_view opaque, std::uint8_t flags) { return frame(type_ping, flags, 0, opaque); }

std::uint32_t seen::number(std::size_t offset) const {
  return at(payload, offset) << 24U | at(payload, offset + 1) << 16U | at(payload, offset + 2) << 8U |
         at(payload, offset + 3);
}

std::string seen::text() const {
  constexpr std::array<std::string_view, 10> names{"DATA",          "HEADERS",      "PRIORITY", "RST_STREAM",
                                                   "SETTINGS",      "PUSH_PROMISE", "PING",     "GOAWAY",
                                                   "WINDOW_UPDATE", "CONTINUATION"};
  std::string out = kind < names.size() ? std::string(names.at(kind)) : "?";
  switch (kind) {
    case type_data:
      out += " " + std::to_string(id) + " #" + std::to_string(payload.size());
      break;
    case type_settings:
    case type_ping:
      break;
    case type_goaway:
      out += " " + h2::code_name(number(4)) + " last=" + std::to_string(number());
      break;
    case type_rst_stream:
      out += " " + std::to_string(id) + " " + h2::code_name(number());
      break;
    case type_window_update:
      out += " " + std::to_string(id) + " +" + std::to_string(number());
      break;
    default:
      out += " " + std::to_string(id);
  }
  if ((kind == type_data || kind == type_headers) && (flags & end_stream) != 0) out += " end_stream";
  if ((kind == type_settings || kind == type_ping) && (flags & ack) != 0) out += " ack";
  return out;
}

std::vector<seen> take_frames(std::string& bytes) {
  std::vector<seen> frames;
  std::size_t begin = bytes.starts_with(preface) ? preface.size() : 0;
  while (bytes.size() - begin >= header_size) {
    const std::string_view head = std::string_view(bytes).substr(begin, header_size);
    const auto size = at(head, 0) << 16U | at(head, 1) << 8U | at(head, 2);
    if (bytes.size() - begin - header_size < size) break;
    seen f;
    f.kind = static_cast<std::uint8_t>(at(head, 3));
    f.flags = static_cast<std::uint8_t>(at(head, 4));
    f.id = static_cast<std::int32_t>(at(head, 5) << 24U | at(head, 6) << 16U | at(head, 7) << 8U | at(head, 8));
    f.payload = bytes.substr(begin + header_size, size);
    frames.push_back(std::move(f));
    begin += header_size + size;
  }
  bytes.erase(0, begin);
  return frames;
}

}  // namespace duplex::test::raw
