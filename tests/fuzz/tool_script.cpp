// The script of the command line: a command, or a syntax error that names its line.

#include "fuzz/input.hpp"

#include "script.hpp"

#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace script = duplex::tool::script;
  const auto text = duplex::fuzz::input(data, size).all();
  try {
    for (const auto& step : script::parse(text)) duplex::fuzz::require(step.line > 0 && !step.name.empty());
  } catch (const script::syntax_error& e) {
    duplex::fuzz::require(std::string(e.what()).size() > 0);
  }
  return 0;
}
