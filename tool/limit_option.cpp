// --limit: how often a peer may do what costs it little.

#include "limit_option.hpp"

#include "command_line.hpp"
#include "units.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace duplex::tool {
namespace {

using rate = rate_limit peer_limits::*;
using number = std::size_t peer_limits::*;

struct row {
  std::string_view name;
  std::variant<rate, number> member;
};

constexpr std::array rows{
    row{"resets", &peer_limits::resets},
    row{"pings", &peer_limits::pings},
    row{"settings", &peer_limits::settings},
    row{"other_frames", &peer_limits::other_frames},
    row{"empty_data", &peer_limits::empty_data},
    row{"window_updates", &peer_limits::window_updates},
    row{"discarded_headers", &peer_limits::discarded_headers},
    row{"max_empty_data_in_a_row", &peer_limits::max_empty_data_in_a_row},
    row{"max_continuations", &peer_limits::max_continuations},
    row{"max_queued_control", &peer_limits::max_queued_control},
};

constexpr auto name = "--limit";
constexpr std::size_t longest_line = 40;

[[noreturn]] void refuse(const std::string& why) { throw CLI::ValidationError(name, why); }

// `line_end`: after every few of them.
std::string all_names(std::string_view line_end = " ") {
  std::string out;
  std::size_t line = 0;
  for (const auto& r : rows) {
    if (!out.empty()) {
      const bool full = out.size() - line > longest_line;
      out.append(",").append(full ? line_end : " ");
      if (full) line = out.size();
    }
    out += r.name;
  }
  return out;
}

std::optional<std::size_t> parse_number(std::string_view text) {
  return text == "infinity" ? infinity : parse_count(text);
}

// Without its second part it leaves that as it is.
bool set_rate(rate_limit& limit, std::string_view text) {
  const auto plus = text.find('+');
  const auto burst = parse_number(text.substr(0, plus));
  if (!burst || *burst == 0) return false;
  limit.burst = *burst;
  if (plus == std::string_view::npos) return true;
  const auto per_second = parse_number(text.substr(plus + 1));
  if (per_second) limit.per_second = *per_second;
  return per_second.has_value();
}

bool set_number(std::size_t& limit, std::string_view text) {
  const auto n = parse_number(text);
  if (n) limit = *n;
  return n.has_value();
}

void set_limit(peer_limits& limits, std::string_view text) {
  const auto equals = std::min(text.find('='), text.size());
  const auto found = std::ranges::find(rows, text.substr(0, equals), &row::name);
  if (found == rows.end()) {
    refuse("'" + std::string(text.substr(0, equals)) + "' is no limit; there are " + all_names());
  }
  const auto value = text.substr(std::min(equals + 1, text.size()));
  const auto* frequency = std::get_if<rate>(&found->member);
  const bool good =
      frequency ? set_rate(limits.*(*frequency), value) : set_number(limits.*std::get<number>(found->member), value);
  if (good) return;
  refuse("'" + std::string(text) + "' is not " + std::string(found->name) + (frequency ? "=N[+PER_SECOND]" : "=N"));
}

}  // namespace

void add_limit_option(CLI::App& app, peer_limits& limits) {
  add_repeated(
      app, name, "NAME=N[+PER_SECOND]",
      "How often a peer may do something on a connection (repeat):\npings=1000+33 is 1000 times at once, and 33 a "
      "second in the long run.\nThere are " +
          all_names("\n"),
      [&limits](const std::string& text) { set_limit(limits, text); })
      ->group("Limits");
}

}  // namespace duplex::tool
