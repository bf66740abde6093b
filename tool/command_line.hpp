#pragma once
// What the command lines of all verbs share.

#include "units.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <memory>
#include <string>
#include <vector>

namespace duplex::tool {

/// An empty command line for `verb`, with help that ends with `examples`.
[[nodiscard]] std::unique_ptr<CLI::App> make_command_line(const std::string& verb, const std::string& description,
                                                          const std::string& examples);

/// False if help was asked for, which is then printed. Throws `problem` for what cannot be understood.
[[nodiscard]] bool parse_or_show_help(CLI::App& app, int argc, const char* const* argv);

/// Adds an option that takes one of `choices`.
CLI::Option* add_choice(CLI::App& app, const std::string& name, const std::vector<std::string>& choices,
                        const std::string& help, std::string& target);

/// Adds an option whose value is parsed by `parse` (to an optional) and handed to `set`.
template <class Parse, class Set>
CLI::Option* add_parsed(CLI::App& app, const std::string& names, const std::string& type, const std::string& help,
                        Parse parse, Set set) {
  return app
      .add_option_function<std::string>(
          names,
          [names, type, parse, set](const std::string& text) {
            const auto value = parse(text);
            if (!value) throw CLI::ValidationError(names, "'" + text + "' is no " + type);
            set(*value);
          },
          help)
      ->type_name(type);
}

/// Adds an option that may be given again and again; `take` gets each value.
template <class Take>
CLI::Option* add_repeated(CLI::App& app, const std::string& names, const std::string& type, const std::string& help,
                          Take take) {
  return app
      .add_option_function<std::vector<std::string>>(
          names,
          [take](const std::vector<std::string>& list) {
            for (const auto& text : list) take(text);
          },
          help)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false)
      ->type_name(type);
}

template <class Set>
CLI::Option* add_duration(CLI::App& app, const std::string& names, const std::string& help, Set set) {
  return add_parsed(app, names, "DURATION", help, parse_duration, set);
}

template <class Set>
CLI::Option* add_size(CLI::App& app, const std::string& names, const std::string& help, Set set) {
  return add_parsed(app, names, "SIZE", help, parse_size, set);
}

}  // namespace duplex::tool
