// Where to dial instead of where the URL says.

#include "dial_rules.hpp"

#include "exit_status.hpp"

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <utility>

namespace duplex::tool {
namespace {

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return text;
}

bool is_port(const std::string& text) {
  constexpr std::size_t most_digits = 5;
  return text.size() <= most_digits && text.find_first_not_of("0123456789") == std::string::npos;
}

bool is_address(const std::string& text) {
  error_code ec;
  boost::asio::ip::make_address(text, ec);
  return !ec;
}

std::string without_brackets(const std::string& host) {
  return host.starts_with('[') && host.ends_with(']') ? host.substr(1, host.size() - 2) : host;
}

// At most so many, of which the last has the rest. Colons in brackets are an address's.
std::vector<std::string> pieces(const std::string& text, std::size_t most) {
  std::vector<std::string> all(1);
  bool in_brackets = false;
  for (const char c : text) {
    if (c == '[' || c == ']') in_brackets = c == '[';
    if (c == ':' && !in_brackets && all.size() < most) {
      all.emplace_back();
    } else {
      all.back() += c;
    }
  }
  return all;
}

}  // namespace

connect_rule parse_connect_to(const std::string& text) {
  auto list = pieces(text, 5);
  if (list.size() == 2) list.insert(list.begin(), 2, "");
  if (list.size() != 4 || !is_port(list[1]) || !is_port(list[3])) {
    throw problem::usage("--connect-to: '" + text + "' is neither HOST:PORT nor HOST1:PORT1:HOST2:PORT2");
  }
  return {lower(list[0]), list[1], list[2], list[3]};
}

resolve_rule parse_resolve(const std::string& text) {
  if (text.starts_with('-')) throw problem::usage("--resolve: '" + text + "': there is nothing to remove");
  const auto list = pieces(text.starts_with('+') ? text.substr(1) : text, 3);
  if (list.size() != 3 || list[0].empty() || list[1].empty() || !is_port(list[1])) {
    throw problem::usage("--resolve: '" + text + "' is not HOST:PORT:ADDR[,ADDR]...");
  }
  resolve_rule rule{lower(list[0]), list[1], {}};
  for (std::size_t begin = 0; begin <= list[2].size();) {
    const auto end = std::min(list[2].find(',', begin), list[2].size());
    rule.addresses.push_back(without_brackets(list[2].substr(begin, end - begin)));
    if (!is_address(rule.addresses.back())) {
      throw problem::usage("--resolve: '" + text + "': '" + rule.addresses.back() + "' is no IP address");
    }
    begin = end + 1;
  }
  return rule;
}

void dial_rules::apply(const std::string& authority, options& opts) const {
  const auto colon = authority.rfind(':');
  auto host = authority.substr(0, colon);
  auto port = authority.substr(colon + 1);
  for (const auto& rule : connect_to) {
    if ((!rule.host.empty() && rule.host != host) || (!rule.port.empty() && rule.port != port)) continue;
    if (!rule.to_host.empty()) host = lower(rule.to_host);
    if (!rule.to_port.empty()) port = rule.to_port;
    opts.connect_to = host;
    opts.connect_to.append(":").append(port);
    break;
  }
  const resolve_rule* found = nullptr;
  for (const auto& rule : resolve) {
    const bool fits = (rule.host == host || rule.host == "*") && rule.port == port;
    if (fits && (!found || rule.host != "*" || found->host == "*")) found = &rule;
  }
  if (!found) return;
  if (found->addresses.size() == 1) {
    const auto& only = found->addresses.front();
    opts.connect_to = (only.find(':') == std::string::npos ? only : "[" + only + "]") + ":" + port;
    return;
  }
  if (is_address(without_brackets(host))) {
    throw problem::usage("--resolve: " + host + " is an address itself, for which there can be no more than one");
  }
  std::vector<resolved_address> list;
  list.reserve(found->addresses.size());
  for (const auto& address : found->addresses) list.push_back({address});
  opts.resolver = [name = host, list = std::move(list)](const resolve_query& asked, const resolve_handler& done) {
    if (asked.host != name) {  // a proxy
      throw std::runtime_error("--resolve has several addresses for " + name + ", and then no other name is looked up");
    }
    done({}, list);
  };
}

}  // namespace duplex::tool
