// Checks of what the user wants to send.

#include "core/validate.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace duplex::core {
namespace {

constexpr std::size_t max_window = 0x7fffffff;          // RFC 9113, section 6.9.1
constexpr std::size_t least_connection_window = 65535;  // it cannot be lowered, section 6.9.2
constexpr std::uint8_t least_urgent = 7;                // RFC 9218, section 4.1

// RFC 9110, section 5.6.2
constexpr auto token_characters = [] {
  constexpr std::string_view symbols = "!#$%&'*+-.^_`|~";
  std::array<bool, 256> all{};
  for (unsigned c = 0; c < all.size(); ++c) {
    all[c] = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
             symbols.find(static_cast<char>(c)) != std::string_view::npos;
  }
  return all;
}();

bool is_token(unsigned char c) { return token_characters[c]; }

bool is_space(char c) { return c == ' ' || c == '\t'; }

// RFC 9110, section 5.5: none but a tab may be in a value.
bool is_control(unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; }

// RFC 9113, section 8.2.2
bool is_connection_specific(std::string_view name) {
  constexpr std::array<std::string_view, 4> names{"connection", "keep-alive", "proxy-connection", "transfer-encoding"};
  return std::find(names.begin(), names.end(), name) != names.end();
}

problem check_name(std::string_view name) {
  if (name.empty()) return "a field has an empty name";
  if (name.front() == ':') return "field " + quoted(name) + ": pseudo-fields are set by the library";
  if (!std::all_of(name.begin(), name.end(), is_token)) return "field " + quoted(name) + ": the name is not a token";
  if (name == "http2-settings" || name == "upgrade") {
    return "field " + quoted(name) +
           " is not allowed in HTTP/2: RFC 9113 dropped the upgrade to h2c, and http:// speaks HTTP/2 from the first "
           "byte";
  }
  if (is_connection_specific(name)) return "field " + quoted(name) + " is not allowed in HTTP/2";
  return std::nullopt;
}

problem check_value(std::string_view name, std::string_view value) {
  // A peer may drop such a field without a word.
  if (std::any_of(value.begin(), value.end(), is_control)) {
    for (const auto& [c, what] : {std::pair('\r', "CR"), std::pair('\n', "LF"), std::pair('\0', "NUL")}) {
      if (value.find(c) != std::string_view::npos) return "field " + quoted(name) + ": the value contains " + what;
    }
    return "field " + quoted(name) + ": the value contains a control character";
  }
  if (!value.empty() && (is_space(value.front()) || is_space(value.back()))) {
    return "field " + quoted(name) + ": the value starts or ends with white space";
  }
  if (name == "te" && value != "trailers") return "field \"te\": only \"trailers\" is allowed in HTTP/2";
  return std::nullopt;
}

problem check_positive(std::string_view name, options::duration value) {
  if (value.count() > 0) return std::nullopt;
  return "option " + std::string(name) + " must be more than 0";
}

problem check_limits(const peer_limits& limits) {
  const std::array<std::pair<std::string_view, rate_limit>, 7> rates{{{"resets", limits.resets},
                                                                      {"pings", limits.pings},
                                                                      {"settings", limits.settings},
                                                                      {"other_frames", limits.other_frames},
                                                                      {"empty_data", limits.empty_data},
                                                                      {"window_updates", limits.window_updates},
                                                                      {"discarded_headers", limits.discarded_headers}}};
  for (const auto& [name, rate] : rates) {
    if (rate.burst == 0) return "option limits." + std::string(name) + ".burst must be more than 0";
  }
  if (limits.max_queued_control == 0) return "option limits.max_queued_control must be more than 0";
  return std::nullopt;
}

}  // namespace

std::string quoted(std::string_view text, std::size_t most) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text.substr(0, most)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    } else {
      out += "\\x";
      out += digits[byte >> 4U];
      out += digits[byte & 0xfU];
    }
  }
  return out + (text.size() > most ? "...\"" : "\"");
}

problem check_method(std::string_view method) {
  if (!method.empty() && std::all_of(method.begin(), method.end(), is_token)) return std::nullopt;
  return "method " + quoted(method) + " is not a token";
}

problem check_protocol(std::string_view protocol, std::string_view method) {
  if (protocol.empty()) return std::nullopt;
  if (!std::all_of(protocol.begin(), protocol.end(), is_token)) {
    return "protocol " + quoted(protocol) + " is not a token";
  }
  if (method == "CONNECT") return std::nullopt;
  return "protocol " + quoted(protocol) + " needs the method CONNECT, not " + std::string(method);
}

problem check_path(std::string_view path) {
  if (path == "*") return std::nullopt;
  if (!path.starts_with('/')) return "path " + quoted(path) + " does not start with /";
  const auto printable = [](unsigned char c) { return c > 0x20 && c != 0x7f; };
  if (!std::all_of(path.begin(), path.end(), printable)) return "path " + quoted(path) + " contains a space or control";
  return std::nullopt;
}

problem check_fields(const fields& list) {
  for (const auto& f : list) {
    if (auto bad = check_name(f.name)) return bad;
    if (auto bad = check_value(f.name, f.value)) return bad;
  }
  return std::nullopt;
}

problem check_options(const options& opts) {
  if (auto bad = check_positive("connect_timeout", opts.connect_timeout)) return bad;
  if (auto bad = check_positive("send_timeout", opts.send_timeout)) return bad;
  if (opts.recv_timeout && opts.recv_timeout->count() < 0) return "option recv_timeout must not be negative";
  if (opts.close_timeout.count() < 0) return "option close_timeout must not be negative";
  if (auto bad = check_positive("settings_timeout", opts.settings_timeout)) return bad;
  if (auto bad = check_positive("header_timeout", opts.header_timeout)) return bad;
  if (auto bad = check_positive("keepalive_timeout", opts.keepalive_timeout)) return bad;
  if (opts.max_time) {
    if (auto bad = check_positive("max_time", *opts.max_time)) return bad;
  }
  if (opts.keepalive_time) {
    if (auto bad = check_positive("keepalive_time", *opts.keepalive_time)) return bad;
  }
  if (opts.tcp.keepalive) {
    if (auto bad = check_positive("tcp.keepalive", *opts.tcp.keepalive)) return bad;
  }
  if (opts.tcp.user_timeout) {
    if (auto bad = check_positive("tcp.user_timeout", *opts.tcp.user_timeout)) return bad;
  }
  if (opts.stream_window.value_or(0) > max_window) return "option stream_window is above 2^31-1";
  if (opts.connection_window > max_window) return "option connection_window is above 2^31-1";
  if (opts.connection_window < least_connection_window) return "option connection_window is below 65535";
  if (opts.max_recv_buffer == 0) return "option max_recv_buffer must be more than 0";
  if (opts.priority && opts.priority->urgency > least_urgent) return "option priority.urgency is above 7";
  if (opts.max_connection_buffer == 0) return "option max_connection_buffer must be more than 0";
  if (opts.send_buffer == 0) return "option send_buffer must be more than 0";
  if (opts.max_header_bytes == 0 || opts.max_header_bytes > max_window)
    return "option max_header_bytes is out of range";
  if (opts.max_header_fields == 0) return "option max_header_fields must be more than 0";
  if (auto bad = check_limits(opts.limits)) return bad;
  if (opts.active != active::off && !opts.on_message) return "option active needs on_message";
  return std::nullopt;
}

}  // namespace duplex::core
