// Passwords on a command line, which `ps` shows to every user of the machine.

#include "secret_arguments.hpp"

#include "certificate_argument.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace duplex::tool {
namespace {

constexpr std::string_view certificate = "--cert";
constexpr std::array<std::string_view, 3> flags{"--pass", "--proxy-user", certificate};

void hide(std::string_view flag, char* value) {
  const std::string_view text(value);
  const auto size = flag == certificate ? parse_certificate(text).password.size() : text.size();
  std::fill_n(value + text.size() - size, size, '*');
}

}  // namespace

void hide_secrets(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view text(argv[i]);
    const auto flag = text.substr(0, text.find('='));
    if (std::find(flags.begin(), flags.end(), flag) == flags.end()) continue;
    if (flag != text) {
      hide(flag, argv[i] + flag.size() + 1);
    } else if (i + 1 < argc) {
      hide(flag, argv[++i]);
    }
  }
}

}  // namespace duplex::tool
