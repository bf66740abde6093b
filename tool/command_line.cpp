// What the command lines of all verbs share.

#include "command_line.hpp"

#include "exit_status.hpp"

#include <cstdio>

namespace duplex::tool {

std::unique_ptr<CLI::App> make_command_line(const std::string& verb, const std::string& description,
                                            const std::string& examples) {
  constexpr std::size_t column = 38;
  auto app = std::make_unique<CLI::App>(description, "duplex " + verb);
  app->get_formatter()->column_width(column);
  app->footer("\n" + examples);
  // A flag that is given twice means what it means once, as with curl.
  app->option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  return app;
}

bool parse_or_show_help(CLI::App& app, int argc, const char* const* argv) {
  try {
    app.parse(argc, argv);
    return true;
  } catch (const CLI::CallForHelp&) {
    std::fputs(app.help().c_str(), stdout);
    return false;
  } catch (const CLI::Error& error) {
    throw problem::usage(std::string(error.what()) + "\nTry '" + app.get_name() + " --help'.");
  }
}

}  // namespace duplex::tool
