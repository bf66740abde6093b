// URLs and requests, parsed by Boost.URL.

#include "net/target.hpp"

#include "core/validate.hpp"
#include "net/host_name.hpp"
#include "net/http_connect.hpp"

#include <boost/url/authority_view.hpp>
#include <boost/url/host_type.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include <algorithm>
#include <cctype>
#include <optional>
#include <utility>

namespace duplex::net {
namespace {

using core::quoted;

// `host` in the headers takes the place of the URL's authority (RFC 9113, section 8.3.1).
core::problem take_host(fields& headers, std::string& authority) {
  const auto* host = headers.find("host");
  if (!host) return std::nullopt;
  if (auto bad = core::check_fields(headers)) return bad;
  const auto parsed = boost::urls::parse_authority(host->value);
  const auto same_name = [](const field& f) { return f.name == "host"; };
  if (std::count_if(headers.begin(), headers.end(), same_name) > 1) return "field \"host\" is there more than once";
  if (!parsed || parsed->has_userinfo() || parsed->encoded_host().empty())
    return "field \"host\": " + quoted(host->value) + " is no host";
  authority = host->value;
  headers.erase("host");
  return std::nullopt;
}

struct parsed_url {
  target where{};
  std::string host{};       // as it is sent: without a zone, which has a meaning on this machine only
  std::string authority{};  // without a port that the scheme has anyway
  std::string path{};       // with the query
  std::string login{};      // what `authorization` becomes, if the URL has a user
};

std::string with_port(const std::string& host, std::uint16_t port) { return host + ":" + std::to_string(port); }

bool in_range(boost::core::string_view digits, std::uint16_t number) {
  const auto first = digits.find_first_not_of('0');
  return number != 0 && first != boost::core::string_view::npos && digits.substr(first) == std::to_string(number);
}

bool may_be_in_zone(unsigned char c) {
  constexpr std::string_view delimiters = "/?#@\\[]%";
  return c > ' ' && c < 0x7f && delimiters.find(static_cast<char>(c)) == std::string_view::npos;
}

// The host of `url`, whose `zone` was taken out.
std::optional<std::string> take_host(const boost::urls::authority_view& from, const std::string& zone, target& where,
                                     std::string& sent) {
  if (from.host_type() != boost::urls::host_type::name) {
    where.host = std::string(from.host_address()) + (zone.empty() ? "" : "%" + zone);
    sent = std::string(from.encoded_host());
    if (from.host_type() == boost::urls::host_type::ipvfuture) return "a host that is no name";
    return std::all_of(zone.begin(), zone.end(), may_be_in_zone) ? std::nullopt : std::optional("a zone that is none");
  }
  auto name = to_ascii_name(std::string(from.host()));
  if (auto* bad = std::get_if<bad_host>(&name)) return std::move(bad->why);
  where.host = sent = std::get<std::string>(std::move(name));
  return std::nullopt;
}

// Basic authentication (RFC 7617) with the user of the URL, as curl does.
std::optional<std::string> take_login(const boost::urls::authority_view& from, std::string& login) {
  if (!from.has_userinfo() || (from.encoded_user().empty() && !from.has_password())) return std::nullopt;
  const auto user = std::string(from.user());
  if (user.find(':') != std::string::npos) return "a user with a colon, which Basic authentication cannot tell";
  login = basic_credentials(user, std::string(from.password()));
  return std::nullopt;
}

// The parser does not say where it failed.
std::string why_not_parsed(std::string_view url) {
  constexpr std::string_view never = R"("<>\^`{|})";
  for (std::size_t i = 0; i < url.size(); ++i) {
    const char c = url[i];
    if (c <= ' ' || c > '~' || never.find(c) != std::string_view::npos) {
      return " has " + quoted(url.substr(i, 1)) + ", which has to be percent-encoded";
    }
    const auto is_digit = [&](std::size_t at) {
      return at < url.size() && std::isxdigit(static_cast<unsigned char>(url[at])) != 0;
    };
    if (c == '%' && !(is_digit(i + 1) && is_digit(i + 2))) return " has a % without two hexadecimal digits behind it";
  }
  return " is none by RFC 3986; [ and ] are for IPv6 addresses only";
}

std::variant<parsed_url, std::string> parse_url(const std::string& text) {
  if (text.empty()) return "URL is empty";
  const auto named = "URL " + quoted(without_login(text));
  const auto scheme_end = text.find("://");
  const auto begin = scheme_end == std::string::npos ? text.size() : scheme_end + 3;
  const auto end = std::min(text.find_first_of("/?#", begin), text.size());
  const auto [authority, zone] = make_plain(std::string_view(text).substr(begin, end - begin));
  const auto plain = text.substr(0, begin) + authority + text.substr(end);
  const auto parsed = boost::urls::parse_uri(plain);
  if (scheme_end == std::string::npos) return named + " does not begin with https:// or http://";
  if (!parsed) return named + why_not_parsed(plain);
  const boost::urls::url_view& url = *parsed;

  parsed_url out;
  if (url.scheme_id() == boost::urls::scheme::https) {
    out.where = {true, {}, 443};
  } else if (url.scheme_id() == boost::urls::scheme::http) {
    out.where = {false, {}, 80};
  } else {
    return named + " has the scheme " + quoted(std::string(url.scheme())) + ", which is neither https nor http";
  }
  if (url.encoded_host().empty()) return named + " has no host";
  if (auto bad = take_host(url.authority(), zone, out.where, out.host)) return named + " has " + *bad;
  if (auto bad = take_login(url.authority(), out.login)) return named + " has " + *bad;
  if (url.has_port() && !url.port().empty()) {
    // Boost.URL's number is modulo 2^16 when there are more digits than fit.
    if (!in_range(url.port(), url.port_number())) return named + " has a port out of range";
    out.where.port = url.port_number();
  }
  out.path = std::string(url.encoded_path());
  if (out.path.empty()) out.path = "/";
  // Behind a port without digits Boost.URL takes what follows for a path.
  if (!out.path.starts_with('/')) {
    return named + ": path " + quoted(without_login(out.path)) + " does not begin with a slash";
  }
  if (url.has_query()) out.path += "?" + std::string(url.encoded_query());
  if (auto bad = core::check_path(out.path)) return named + ": " + *bad;
  const bool default_port = out.where.port == (out.where.tls ? 443 : 80);
  out.authority = default_port ? out.host : with_port(out.host, out.where.port);
  return out;
}

// Calls of the same method follow each other, and taking the URL apart costs more than any other part of an open.
const std::variant<parsed_url, std::string>& remembered(const std::string& url) {
  struct memory {
    std::string url{};
    std::variant<parsed_url, std::string> parsed = parse_url({});
  };
  thread_local memory last;
  if (url != last.url) last = {url, parse_url(url)};
  return last.parsed;
}

// What is wrong with the rest of it. The host of its headers is taken out.
core::problem problem_of(core::request_head& head) {
  if (auto bad = core::check_method(head.method)) return bad;
  if (auto bad = core::check_protocol(head.protocol, head.method)) return bad;
  if (auto bad = take_host(head.headers, head.authority)) return bad;
  if (auto bad = core::check_fields(head.headers)) return bad;
  // RFC 8470, section 2: the safe methods, of those that have no body.
  const auto& method = head.method;
  if (head.early_data && method != "GET" && method != "HEAD" && method != "OPTIONS") {
    return "early_data is for GET, HEAD and OPTIONS, and not for " + quoted(method);
  }
  return std::nullopt;
}

}  // namespace

std::string to_string(const target& where) {
  return (where.tls ? "https://" : "http://") + where.host + ":" + std::to_string(where.port);
}

std::string to_authority(const target& where) {
  const bool is_v6 = where.host.find(':') != std::string::npos;
  return (is_v6 ? "[" + where.host + "]" : where.host) + ":" + std::to_string(where.port);
}

std::string name_of_peer(const target& where, const std::string& address) {
  const auto name = to_authority(where);
  return address.empty() || address == name ? name : name + " (" + address + ")";
}

std::variant<parsed_request, std::string> parse_request(const request& rq) {
  const auto& parsed = remembered(rq.url);
  if (const auto* bad = std::get_if<std::string>(&parsed)) return *bad;
  const auto& url = std::get<parsed_url>(parsed);

  std::variant<parsed_request, std::string> out;
  auto& [where, head] = std::get<parsed_request>(out);
  where = url.where;
  head.method = rq.method;
  head.scheme = where.tls ? "https" : "http";
  const bool is_plain_connect = rq.method == "CONNECT" && rq.protocol.empty();
  head.authority = is_plain_connect ? with_port(url.host, where.port) : url.authority;
  head.path = url.path;
  head.protocol = rq.protocol;
  head.headers = rq.headers;
  head.early_data = rq.early_data;
  if (auto bad = problem_of(head)) {
    out = *std::move(bad);
  } else if (!url.login.empty() && !head.headers.contains("authorization")) {
    head.headers.add("authorization", url.login, true);
  }
  return out;
}

std::variant<target, std::string> parse_host_port(std::string_view text, std::string_view what) {
  auto wrong = std::string(what) + " " + quoted(text) + " is not host:port";
  const auto [plain, zone] = make_plain(text);
  const auto parsed = boost::urls::parse_authority(plain);
  if (!parsed || parsed->has_userinfo() || !parsed->has_port() || !in_range(parsed->port(), parsed->port_number())) {
    return wrong;
  }
  target out{false, {}, parsed->port_number()};
  std::string sent;
  if (parsed->encoded_host().empty() || take_host(*parsed, zone, out, sent)) return wrong;
  return out;
}

}  // namespace duplex::net
