// The commands of --script, one a line: what they are and how they are written.

#include "script.hpp"

#include "units.hpp"

#include <duplex/h2/code.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace duplex::tool::script {
namespace {

[[noreturn]] void refuse(const std::string& why) { throw syntax_error(why); }

std::string quote(std::string_view text) { return "'" + std::string(text) + "'"; }

// An argument that must be there, in the form that `expected` describes.
template <class Parse>
auto need(std::string_view text, std::string_view expected, Parse parse) {
  const auto value = parse(text);
  if (!value) refuse((text.empty() ? "missing argument: " : quote(text) + ": ") + std::string(expected));
  return *value;
}

void need_nothing(std::string_view text) {
  if (!text.empty()) refuse(quote(text) + " is one argument too many");
}

std::optional<std::size_t> parse_bytes(std::string_view text) {
  const auto size = parse_size(text);
  return size && text != "infinity" ? size : std::nullopt;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Pairs of digits, which spaces may part.
std::optional<std::string> parse_hex(std::string_view text) {
  std::string out;
  int high = -1;
  for (const char c : text) {
    if (high < 0 && (c == ' ' || c == '\t')) continue;
    const int digit = hex_digit(c);
    if (digit < 0) return std::nullopt;
    if (high < 0) {
      high = digit;
    } else {
      out += static_cast<char>(high << 4 | digit);
      high = -1;
    }
  }
  if (high >= 0 || out.empty()) return std::nullopt;
  return out;
}

// The library checks every field before it sends it. The script is checked before anything is sent at all.
bool is_field(std::string_view name, std::string_view value) {
  constexpr std::string_view symbols = "!#$%&'*+-.^_`|~";
  const auto of_a_token = [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           symbols.find(c) != std::string_view::npos;
  };
  return !name.empty() && std::all_of(name.begin(), name.end(), of_a_token) &&
         value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

fields parse_trailers(std::string_view text) {
  fields list;
  while (!text.empty()) {
    const auto end = text.find(';');
    const auto part = trim(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (part.empty()) continue;
    const auto colon = part.find(':');
    if (colon == std::string_view::npos) refuse(quote(part) + ": expected NAME: VALUE");
    const auto name = part.substr(0, colon);
    const auto value = trim(part.substr(colon + 1));
    if (!is_field(name, value)) refuse(quote(part) + " cannot be sent as a field");
    list.add(name, value);
  }
  if (list.empty()) refuse("missing argument: expected NAME: VALUE");
  return list;
}

recv_until parse_until(std::string_view text) {
  using kind = recv_until::kind;
  constexpr std::array<std::pair<std::string_view, kind>, 4> names{
      {{"response", kind::response}, {"data", kind::data}, {"trailers", kind::trailers}, {"done", kind::done}}};
  for (const auto& [name, what] : names) {
    if (text == name) return {what, 0};
  }
  constexpr std::string_view bytes = "bytes=";
  if (text.starts_with(bytes)) {
    return {kind::bytes, need(text.substr(bytes.size()), "expected a size, such as bytes=64K", parse_bytes)};
  }
  refuse(quote(text) + ": expected response, data, trailers, done or bytes=N");
}

command parse_command(std::string_view name, std::string_view raw) {
  const auto argument = trim(raw);
  if (name == "send") {
    if (raw.empty()) refuse("missing argument: expected the text to send");
    return send{std::string(raw)};
  }
  if (name == "send-hex") return send{need(argument, "expected pairs of hexadecimal digits", parse_hex)};
  if (name == "send-random") return send_random{need(argument, "expected a size, such as 64K", parse_bytes)};
  if (name == "send-file") {
    if (argument.empty()) refuse("missing argument: expected a path");
    return send_file{std::string(argument)};
  }
  if (name == "trailers") return send_trailers{parse_trailers(argument)};
  if (name == "recv") return recv{argument.empty() ? 1 : need(argument, "expected how many messages", parse_count)};
  if (name == "recv-until") return parse_until(argument);
  if (name == "consume") {
    if (argument == "all") return consume{std::nullopt};
    return consume{need(argument, "expected a size or all", parse_bytes)};
  }
  if (name == "sleep") return sleep{need(argument, "expected a duration, such as 250ms", parse_duration)};
  if (name == "reset") return reset{need(argument, "expected an HTTP/2 code, such as CANCEL or 8", h2::parse_code)};

  command plain;
  if (name == "fin") {
    plain = finish{};
  } else if (name == "ping") {
    plain = ping{};
  } else if (name == "stats") {
    plain = stats{};
  } else if (name == "close") {
    plain = close{};
  } else {
    refuse("unknown command " + quote(name));
  }
  need_nothing(argument);
  return plain;
}

}  // namespace

std::optional<step> parse_line(std::string_view text, std::size_t number) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos || text[first] == '#') return std::nullopt;
  text.remove_prefix(first);
  const auto name_end = text.find_first_of(" \t\r");
  const auto name = text.substr(0, name_end);
  // One blank parts the name from the argument: what `send` sends may start with another.
  auto argument = name_end == std::string_view::npos ? std::string_view() : text.substr(name_end + 1);
  if (name != "send" && argument.ends_with('\r')) argument.remove_suffix(1);
  try {
    return step{number, std::string(name), parse_command(name, argument)};
  } catch (const syntax_error& error) {
    throw syntax_error("script, line " + std::to_string(number) + ": " + error.what());
  }
}

std::vector<step> parse(std::string_view text) {
  std::vector<step> steps;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto end = text.find('\n');
    if (auto found = parse_line(text.substr(0, end), number)) steps.push_back(std::move(*found));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return steps;
}

}  // namespace duplex::tool::script
