// What the command lines of all verbs share.

#include "command_line.hpp"

#include "exit_status.hpp"

#include <cstdio>

namespace duplex::tool {
namespace {

// CLI11's own adds which options exclude and need each other to every line, and then one does not find the rest.
class plain_help : public CLI::Formatter {
 public:
  std::string make_option_opts(const CLI::Option* option) const override {
    const auto type = option->get_type_name();
    auto out = type.empty() ? std::string() : " " + type;
    if (!option->get_envname().empty()) out += " ($" + option->get_envname() + ")";
    return out;
  }
};

}  // namespace

std::unique_ptr<CLI::App> make_command_line(const std::string& verb, const std::string& description,
                                            const std::string& examples) {
  constexpr std::size_t column = 38;
  auto app = std::make_unique<CLI::App>(description, "duplex " + verb);
  auto format = std::make_shared<plain_help>();
  format->column_width(column);
  app->formatter(format);
  app->footer("\n" + examples);
  // A flag that is given twice means what it means once, as with curl.
  app->option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  return app;
}

CLI::Option* add_choice(CLI::App& app, const std::string& name, const std::vector<std::string>& choices,
                        const std::string& help, std::string& target) {
  std::string type;
  for (const auto& choice : choices) type += (type.empty() ? "" : "|") + choice;
  // The type names the choices already; the validator would again.
  return app.add_option(name, target, help)->check(CLI::IsMember(choices).description(""))->type_name(type);
}

bool parse_or_show_help(CLI::App& app, int argc, const char* const* argv) {
  try {
    app.parse(argc, argv);
    return true;
  } catch (const CLI::CallForHelp&) {
    std::fputs(app.help().c_str(), stdout);
    return false;
  } catch (const CLI::Error& error) {
    // An option that is not known says more than the URL that it may have swallowed.
    const auto unknown = app.remaining();
    std::string what = error.what();
    if (!unknown.empty()) {
      what = (unknown.front().starts_with('-') ? "unknown option " : "one argument too many: ") + unknown.front();
    }
    throw problem::usage(what + "\nTry '" + app.get_name() + " --help'.");
  }
}

}  // namespace duplex::tool
