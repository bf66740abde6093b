// Proxies, parsed by Boost.URL.

#include "net/proxy.hpp"

#include "core/lower.hpp"
#include "core/validate.hpp"

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

namespace duplex::net {
namespace {

using core::lower;
using core::quoted;
namespace ip = boost::asio::ip;

constexpr std::array kinds{std::pair{std::string_view("http"), proxy::kind::http},
                           std::pair{std::string_view("https"), proxy::kind::https},
                           std::pair{std::string_view("socks5"), proxy::kind::socks5},
                           std::pair{std::string_view("socks5h"), proxy::kind::socks5h}};

std::optional<ip::address> address_of(const std::string& host) {
  boost::system::error_code ec;
  const auto address = ip::make_address(host, ec);
  return ec ? std::nullopt : std::optional(address);
}

bool is_loopback(const std::string& host) {
  const auto name = lower(host);
  if (name == "localhost" || name.ends_with(".localhost")) return true;
  const auto address = address_of(host);
  return address && address->is_loopback();
}

bool in_network(const std::string& network, const ip::address& a) {
  boost::system::error_code ec;
  if (a.is_v4()) {
    const auto n = ip::make_network_v4(network, ec);
    return !ec && n.canonical() == ip::make_network_v4(a.to_v4(), n.prefix_length()).canonical();
  }
  const auto n = ip::make_network_v6(network, ec);
  return !ec && n.canonical() == ip::network_v6(a.to_v6(), n.prefix_length()).canonical();
}

bool matches(std::string entry, const std::string& host) {
  if (entry == "*") return true;
  if (entry.starts_with('[') && entry.ends_with(']')) entry = entry.substr(1, entry.size() - 2);
  if (const auto address = address_of(host)) {
    if (entry.find('/') != std::string::npos) return in_network(entry, *address);
    return address_of(entry) == address;
  }
  auto pattern = std::string_view(entry);
  if (pattern.starts_with('.')) pattern.remove_prefix(1);
  if (pattern.ends_with('.')) pattern.remove_suffix(1);
  std::string_view name = host;
  if (name.ends_with('.')) name.remove_suffix(1);
  if (pattern.empty() || !name.ends_with(pattern)) return false;
  return name.size() == pattern.size() || name[name.size() - pattern.size() - 1] == '.';
}

// http_proxy in lower case only, as servers put the field "Proxy" of a request into the other one.
std::optional<std::pair<std::string, std::string>> from_environment(bool tls, const environment& env) {
  std::vector<const char*> names;
  if (tls) names = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"};
  if (!tls) names = {"http_proxy", "all_proxy", "ALL_PROXY"};
  for (const auto* name : names) {
    if (auto value = env(name); value && !value->empty()) return std::pair(std::string(name), std::move(*value));
  }
  return std::nullopt;
}

}  // namespace

std::string proxy::name() const {
  const auto* const found =
      std::find_if(kinds.begin(), kinds.end(), [this](const auto& k) { return k.second == speaks; });
  return std::string(found->first) + "://" + to_authority(where);
}

std::variant<proxy, std::string> parse_proxy(const std::string& text, std::string_view what) {
  // Never the text itself: it may have a password.
  const auto wrong = [&](const std::string& why) { return std::string(what) + " " + why; };
  const auto whole = text.find("://") == std::string::npos ? "http://" + text : text;
  const auto parsed = boost::urls::parse_uri(whole);
  if (!parsed) return wrong("is no URL of a proxy: " + parsed.error().message());
  const boost::urls::url_view& url = *parsed;

  proxy out;
  const auto scheme = lower(std::string(url.scheme()));
  const auto* const kind = std::find_if(kinds.begin(), kinds.end(), [&](const auto& k) { return k.first == scheme; });
  if (kind == kinds.end()) {
    return wrong("has the scheme " + quoted(scheme) + ", which is none of http, https, socks5, socks5h");
  }
  constexpr std::uint16_t usual_port = 1080;
  constexpr std::uint16_t https_port = 443;
  out.speaks = kind->second;
  out.where = {out.speaks == proxy::kind::https, {}, out.speaks == proxy::kind::https ? https_port : usual_port};
  if (url.encoded_host().empty()) return wrong("has no host");
  const auto port = url.port().empty() ? std::to_string(out.where.port) : std::string(url.port());
  auto there = parse_host_port(std::string(url.encoded_host()) + ":" + port, what);
  if (auto* bad = std::get_if<std::string>(&there)) return std::move(*bad);
  out.where.host = std::get<target>(there).host;
  out.where.port = std::get<target>(there).port;
  if (!url.encoded_path().empty() && url.encoded_path() != "/") return wrong("has a path");
  if (url.has_query() || url.has_fragment()) return wrong("has a query or a fragment");
  out.user = url.user();
  out.password = url.password();
  return out;
}

bool in_no_proxy(std::string_view list, const std::string& host) {
  constexpr std::string_view separators = ", \t";
  const auto name = lower(host);
  while (!list.empty()) {
    const auto entry = list.substr(0, list.find_first_of(separators));
    if (!entry.empty() && matches(lower(std::string(entry)), name)) return true;
    list.remove_prefix(std::min(entry.size() + 1, list.size()));
  }
  return false;
}

std::optional<std::string> process_environment(const char* name) {
  const auto* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): as everybody who reads it
  return value ? std::optional<std::string>(value) : std::nullopt;
}

std::variant<std::optional<proxy>, std::string> choose_proxy(const target& to, const proxy_options& opts,
                                                             const environment& env) {
  const auto parsed = [](const std::string& text,
                         std::string_view what) -> std::variant<std::optional<proxy>, std::string> {
    auto p = parse_proxy(text, what);
    if (auto* bad = std::get_if<std::string>(&p)) return std::move(*bad);
    return std::get<proxy>(std::move(p));
  };
  if (opts.except && in_no_proxy(*opts.except, to.host)) return std::nullopt;
  if (opts.url) {
    if (opts.url->empty()) return std::nullopt;
    return parsed(*opts.url, "option proxy.url");
  }
  if (is_loopback(to.host)) return std::nullopt;
  const auto found = from_environment(to.tls, env);
  if (!found) return std::nullopt;
  if (!opts.except) {
    auto except = env("no_proxy");
    if (!except) except = env("NO_PROXY");
    if (except && in_no_proxy(*except, to.host)) return std::nullopt;
  }
  return parsed(found->second, "environment variable " + found->first);
}

}  // namespace duplex::net
