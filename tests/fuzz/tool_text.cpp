// The script of the command line: a command, or a syntax error that names its line. Durations, sizes and counts: what
// is accepted is in range and was nothing but a number.

#include "fuzz/input.hpp"

#include "script.hpp"
#include "units.hpp"

#include <string>

namespace duplex::fuzz {
namespace {

void check_script(std::string_view text) {
  namespace script = tool::script;
  try {
    for (const auto& step : script::parse(text)) require(step.line > 0 && !step.name.empty());
  } catch (const script::syntax_error& e) {
    require(std::string_view(e.what()).find_first_of("0123456789") != std::string_view::npos);
  }
}

void check_units(std::string_view text) {
  const auto trimmed = tool::trim(text);
  require(trimmed.empty() || (trimmed.front() != ' ' && trimmed.back() != '\t'));
  if (const auto duration = tool::parse_duration(text)) require(duration->count() >= 0 && !text.empty());
  const auto count = tool::parse_count(text);
  const auto size = tool::parse_size(text);
  if (count) require(text.find_first_not_of("0123456789") == std::string_view::npos && size == count);
  if (size) require(text.find('-') == std::string_view::npos && text.find('\0') == std::string_view::npos);
}

}  // namespace
}  // namespace duplex::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = duplex::fuzz::input(data, size).all();
  duplex::fuzz::check_script(text);
  duplex::fuzz::check_units(text);
  return 0;
}
