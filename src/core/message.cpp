// The parts of a request's URL, as written. Dialing parses it properly; here it is only taken apart.

#include <duplex/message.hpp>

namespace duplex {
namespace {

std::size_t after_scheme(std::string_view url) noexcept {
  const auto at = url.find("://");
  return at == std::string_view::npos ? 0 : at + 3;
}

}  // namespace

std::string_view request::scheme() const noexcept {
  const auto at = std::string_view(url).find("://");
  return at == std::string_view::npos ? std::string_view() : std::string_view(url).substr(0, at);
}

std::string_view request::authority() const noexcept {
  const std::string_view rest = std::string_view(url).substr(after_scheme(url));
  const auto authority = rest.substr(0, rest.find_first_of("/?#"));
  return authority.substr(authority.rfind('@') + 1);  // all of it if there is no user
}

std::string request::path() const {
  const std::string_view rest = std::string_view(url).substr(after_scheme(url));
  const auto at = rest.find_first_of("/?#");
  if (at == std::string_view::npos) return "/";
  const auto path = rest.substr(at, rest.find('#', at) - at);
  return path.starts_with('/') ? std::string(path) : "/" + std::string(path);
}

}  // namespace duplex
