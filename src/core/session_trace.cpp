// Frames in words (RFC 9113, section 6).

#include "core/session_trace.hpp"

#include <array>
#include <string_view>

namespace duplex::core {
namespace {

constexpr std::array<std::string_view, 10> frame_names{"DATA",          "HEADERS",      "PRIORITY", "RST_STREAM",
                                                       "SETTINGS",      "PUSH_PROMISE", "PING",     "GOAWAY",
                                                       "WINDOW_UPDATE", "CONTINUATION"};

constexpr std::array<std::string_view, 10> setting_names{"?",
                                                         "HEADER_TABLE_SIZE",
                                                         "ENABLE_PUSH",
                                                         "MAX_CONCURRENT_STREAMS",
                                                         "INITIAL_WINDOW_SIZE",
                                                         "MAX_FRAME_SIZE",
                                                         "MAX_HEADER_LIST_SIZE",
                                                         "?",
                                                         "ENABLE_CONNECT_PROTOCOL",
                                                         "NO_RFC7540_PRIORITIES"};

void add_field(std::string& out, std::string_view name, std::string_view value, bool sensitive) {
  out.append("\n").append(name).append(": ").append(sensitive ? "(sensitive)" : value);
}

void add_flags(std::string& out, const nghttp2_frame& frame) {
  const auto type = frame.hd.type;
  const auto flags = frame.hd.flags;
  if ((type == NGHTTP2_SETTINGS || type == NGHTTP2_PING) && (flags & NGHTTP2_FLAG_ACK) != 0) out += " ack";
  if ((type == NGHTTP2_DATA || type == NGHTTP2_HEADERS) && (flags & NGHTTP2_FLAG_END_STREAM) != 0) out += " end_stream";
}

void add_contents(std::string& out, const nghttp2_frame& frame) {
  switch (frame.hd.type) {
    case NGHTTP2_SETTINGS:
      for (std::size_t i = 0; i < frame.settings.niv; ++i) {
        const auto& entry = frame.settings.iv[i];
        const auto id = static_cast<std::size_t>(entry.settings_id);
        out.append(" ").append(id < setting_names.size() ? setting_names.at(id) : "?");
        out.append("=").append(std::to_string(entry.value));
      }
      break;
    case NGHTTP2_RST_STREAM:
      out.append(" ").append(h2::code_name(frame.rst_stream.error_code));
      break;
    case NGHTTP2_GOAWAY:
      out.append(" ").append(h2::code_name(frame.goaway.error_code));
      out.append(" last_stream_id=").append(std::to_string(frame.goaway.last_stream_id));
      break;
    case NGHTTP2_WINDOW_UPDATE:
      out.append(" +").append(std::to_string(frame.window_update.window_size_increment));
      break;
    default:
      break;
  }
}

frame_info begin(const nghttp2_frame& frame, bool sent) {
  frame_info info;
  info.sent = sent;
  info.type = frame.hd.type;
  info.flags = frame.hd.flags;
  info.stream_id = frame.hd.stream_id;
  info.length = frame.hd.length;
  info.text = frame_name(frame.hd.type);
  add_flags(info.text, frame);
  add_contents(info.text, frame);
  return info;
}

}  // namespace

std::string frame_name(std::uint8_t type) {
  return type < frame_names.size() ? std::string(frame_names.at(type)) : "frame type " + std::to_string(type);
}

frame_info trace_sent(const nghttp2_frame& frame) {
  auto info = begin(frame, true);
  if (frame.hd.type != NGHTTP2_HEADERS) return info;
  for (std::size_t i = 0; i < frame.headers.nvlen; ++i) {
    const auto& nv = frame.headers.nva[i];
    add_field(info.text, {reinterpret_cast<const char*>(nv.name), nv.namelen},
              {reinterpret_cast<const char*>(nv.value), nv.valuelen}, (nv.flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0);
  }
  return info;
}

frame_info trace_received(const nghttp2_frame& frame, const request_head& pseudo, int status, const fields& list) {
  auto info = begin(frame, false);
  if (frame.hd.type != NGHTTP2_HEADERS) return info;
  if (status != 0) add_field(info.text, ":status", std::to_string(status), false);
  for (const auto& [name, value] : {std::pair(":method", &pseudo.method), std::pair(":scheme", &pseudo.scheme),
                                    std::pair(":authority", &pseudo.authority), std::pair(":path", &pseudo.path),
                                    std::pair(":protocol", &pseudo.protocol)}) {
    if (!value->empty()) add_field(info.text, name, *value, false);
  }
  for (const auto& f : list) add_field(info.text, f.name, f.value, f.sensitive);
  return info;
}

}  // namespace duplex::core
