// Listeners in words, and those that systemd passes (sd_listen_fds(3)).

#include <duplex/h2/listener.hpp>

#include <duplex/error.hpp>

#include "core/validate.hpp"

#include <boost/system/system_error.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <limits>
#include <optional>

namespace duplex::h2 {
namespace {

using boost::system::system_error;

constexpr std::string_view unix_prefix = "unix:";
constexpr std::string_view fd_prefix = "fd:";
constexpr std::string_view mode_suffix = ",mode=";
constexpr int first_inherited = 3;
constexpr unsigned most_mode = 07777;
constexpr int octal = 8;
constexpr int decimal = 10;

template <class Number>
std::optional<Number> parse(std::string_view text, int base = decimal) {
  Number n{};
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n, base);
  if (ec != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return n;
}

[[noreturn]] void refuse(std::string_view text) {
  throw system_error(errc::invalid_argument, core::quoted(text) + " is not ADDR:PORT, unix:PATH or fd:N");
}

listener parse_unix(std::string_view text) {
  unix_listener out;
  auto path = text.substr(unix_prefix.size());
  if (const auto at = path.rfind(mode_suffix); at != std::string_view::npos) {
    const auto mode = parse<unsigned>(path.substr(at + mode_suffix.size()), octal);
    if (!mode || *mode > most_mode) refuse(text);
    out.mode = *mode;
    path = path.substr(0, at);
  }
  if (path.empty()) refuse(text);
  out.path = path;
  return out;
}

listener parse_tcp(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) refuse(text);
  const auto port = parse<std::uint16_t>(text.substr(colon + 1));
  if (!port) refuse(text);
  auto host = text.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (host.empty() || (!bracketed && host.find(':') != std::string_view::npos)) refuse(text);
  return tcp_listener{host == "localhost" ? "127.0.0.1" : std::string(host), *port};
}

std::string in_words(const tcp_listener& what) {
  const bool v6 = what.address.find(':') != std::string::npos;
  return (v6 ? "[" + what.address + "]" : what.address) + ":" + std::to_string(what.port);
}

std::string in_words(const unix_listener& what) {
  std::string text(unix_prefix);
  text += what.path;
  if (what.mode == unix_listener().mode) return text;
  std::array<char, 8> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), what.mode, octal).ptr;
  return text.append(mode_suffix).append(digits.data(), end);
}

std::string in_words(const inherited_listener& what) {
  return std::string(fd_prefix) + std::to_string(what.descriptor);
}

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): as documented
  return value ? value : "";
}

}  // namespace

listener parse_listener(std::string_view text) {
  if (text.starts_with(unix_prefix)) return parse_unix(text);
  if (!text.starts_with(fd_prefix)) return parse_tcp(text);
  const auto descriptor = parse<int>(text.substr(fd_prefix.size()));
  if (!descriptor || *descriptor < 0) refuse(text);
  return inherited_listener{*descriptor};
}

std::string to_string(const listener& what) {
  return std::visit([](const auto& each) { return in_words(each); }, what);
}

std::vector<listener> inherited_listeners() {
  std::vector<listener> out;
  const auto count = parse<int>(environment("LISTEN_FDS"));
  if (!count || *count <= 0 || *count > std::numeric_limits<int>::max() - first_inherited) return out;
  if (parse<::pid_t>(environment("LISTEN_PID")) != ::getpid()) return out;
  for (int i = first_inherited; i < first_inherited + *count; ++i) {
    if (::fcntl(i, F_SETFD, FD_CLOEXEC) != 0) break;  // there is none
    out.emplace_back(inherited_listener{i});
  }
  return out;
}

}  // namespace duplex::h2
