// URLs and requests, parsed by Boost.URL.

#include "net/target.hpp"

#include "core/validate.hpp"

#include <boost/url/authority_view.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include <algorithm>

namespace duplex::net {
namespace {

using core::quoted;

// Percent-encoding must not smuggle in what has a meaning around a host.
bool is_host(std::string_view decoded) {
  constexpr std::string_view delimiters = "/?#@\\";
  return std::all_of(decoded.begin(), decoded.end(), [&](unsigned char c) {
    return c > ' ' && c != 0x7f && delimiters.find(static_cast<char>(c)) == std::string_view::npos;
  });
}

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
  std::string host{};  // as it is written
  std::string path{};  // with the query
};

bool in_range(boost::core::string_view digits, std::uint16_t number) {
  const auto first = digits.find_first_not_of('0');
  return number != 0 && first != boost::core::string_view::npos && digits.substr(first) == std::to_string(number);
}

std::variant<parsed_url, std::string> parse_url(const std::string& text) {
  if (text.empty()) return "URL is empty";
  const auto parsed = boost::urls::parse_uri(text);
  if (!parsed) return "URL " + quoted(text) + " cannot be parsed: " + parsed.error().message();
  const boost::urls::url_view& url = *parsed;

  parsed_url out;
  if (url.scheme_id() == boost::urls::scheme::https) {
    out.where = {true, {}, 443};
  } else if (url.scheme_id() == boost::urls::scheme::http) {
    out.where = {false, {}, 80};
  } else {
    return "URL " + quoted(text) + " has the unknown scheme " + quoted(std::string(url.scheme()));
  }
  if (url.encoded_host().empty()) return "URL " + quoted(text) + " has no host";
  if (url.has_userinfo()) return "URL with user information is not accepted; send an authorization header";
  out.where.host = std::string(url.host_address());
  if (!is_host(out.where.host)) return "URL " + quoted(text) + " has a host that is no name";
  if (url.has_port() && !url.port().empty()) {
    // Boost.URL's number is modulo 2^16 when there are more digits than fit.
    if (!in_range(url.port(), url.port_number())) return "URL " + quoted(text) + " has a port out of range";
    out.where.port = url.port_number();
  }
  out.host = std::string(url.encoded_host());
  out.path = std::string(url.encoded_path());
  if (out.path.empty()) out.path = "/";
  // Behind a port without digits Boost.URL takes what follows for a path.
  if (!out.path.starts_with('/')) {
    return "URL " + quoted(text) + ": path " + quoted(out.path) + " does not begin with a slash";
  }
  if (url.has_query()) out.path += "?" + std::string(url.encoded_query());
  if (auto bad = core::check_path(out.path)) return "URL " + quoted(text) + ": " + *bad;
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

}  // namespace

std::string to_string(const target& where) {
  return (where.tls ? "https://" : "http://") + where.host + ":" + std::to_string(where.port);
}

std::variant<parsed_request, std::string> parse_request(const request& rq) {
  const auto& parsed = remembered(rq.url);
  if (const auto* bad = std::get_if<std::string>(&parsed)) return *bad;
  const auto& url = std::get<parsed_url>(parsed);

  parsed_request out{url.where, {}};
  auto& head = out.head;
  head.method = rq.method;
  head.scheme = url.where.tls ? "https" : "http";
  head.authority = url.host;
  const bool default_port = url.where.port == (url.where.tls ? 443 : 80);
  if (!default_port || head.method == "CONNECT") head.authority += ":" + std::to_string(url.where.port);
  head.path = url.path;
  head.headers = rq.headers;

  if (auto bad = core::check_method(head.method)) return *bad;
  if (auto bad = take_host(head.headers, head.authority)) return *bad;
  if (auto bad = core::check_fields(head.headers)) return *bad;
  if (!rq.protocol.empty()) return "protocol " + quoted(rq.protocol) + ": extended CONNECT is not supported yet";
  return out;
}

std::variant<target, std::string> parse_host_port(std::string_view text, std::string_view what) {
  const auto parsed = boost::urls::parse_authority(boost::core::string_view(text.data(), text.size()));
  if (!parsed || parsed->has_userinfo() || !parsed->has_port() || !in_range(parsed->port(), parsed->port_number()) ||
      parsed->encoded_host().empty() || !is_host(std::string(parsed->host_address()))) {
    return std::string(what) + " " + quoted(text) + " is not host:port";
  }
  return target{false, std::string(parsed->host_address()), parsed->port_number()};
}

}  // namespace duplex::net
