// Passwords on a command line, which `ps` shows to every user of the machine.

#include "secret_arguments.hpp"

#include "certificate_argument.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace duplex::tool {
namespace {

enum class secret { all, of_certificate, of_url };

struct flag {
  std::string_view name;
  secret what;
};

constexpr std::array flags{flag{"--pass", secret::all},
                           flag{"--proxy-user", secret::all},
                           flag{"-x", secret::of_url},
                           flag{"--cert", secret::of_certificate},
                           flag{"--proxy", secret::of_url},
                           flag{"--socks5", secret::of_url},
                           flag{"--socks5-hostname", secret::of_url}};

// The password in `SCHEME://USER:PASSWORD@HOST`.
std::string_view password_in(std::string_view url) {
  const auto scheme = url.find("://");
  if (scheme != std::string_view::npos) url.remove_prefix(scheme + 3);
  const auto user = url.substr(0, url.find_first_of("/?#"));
  const auto end = user.rfind('@');
  const auto colon = user.find(':');
  if (end == std::string_view::npos || colon >= end) return {};
  return user.substr(colon + 1, end - colon - 1);
}

std::string_view secret_in(std::string_view text, secret what) {
  if (what == secret::of_url) return password_in(text);
  return what == secret::all ? text : text.substr(text.size() - parse_certificate(text).password.size());
}

void hide(char* value, secret what) {
  const std::string_view text(value);
  const auto found = secret_in(text, what);
  if (!found.empty()) std::fill_n(value + (found.data() - text.data()), found.size(), '*');
}

}  // namespace

void hide_secrets(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view text(argv[i]);
    const auto* const named = std::find_if(flags.begin(), flags.end(), [&](const flag& f) {
      return text == f.name || (text.starts_with(f.name) && text[f.name.size()] == '=') ||
             (f.name == "-x" && text.starts_with(f.name));
    });
    if (named == flags.end()) {
      if (text.find("://") != std::string_view::npos) hide(argv[i], secret::of_url);
    } else if (text == named->name) {
      if (i + 1 < argc) hide(argv[++i], named->what);
    } else {
      hide(argv[i] + named->name.size() + (text[named->name.size()] == '=' ? 1 : 0), named->what);
    }
  }
}

}  // namespace duplex::tool
