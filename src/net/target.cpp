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

bool in_range(boost::core::string_view digits, std::uint16_t number) {
  const auto first = digits.find_first_not_of('0');
  return number != 0 && first != boost::core::string_view::npos && digits.substr(first) == std::to_string(number);
}

}  // namespace

std::string to_string(const target& where) {
  return (where.tls ? "https://" : "http://") + where.host + ":" + std::to_string(where.port);
}

std::variant<parsed_request, std::string> parse_request(const request& rq) {
  if (rq.url.empty()) return "URL is empty";
  const auto parsed = boost::urls::parse_uri(rq.url);
  if (!parsed) return "URL " + quoted(rq.url) + " cannot be parsed: " + parsed.error().message();
  const boost::urls::url_view& url = *parsed;

  parsed_request out;
  if (url.scheme_id() == boost::urls::scheme::https) {
    out.where = {true, {}, 443};
  } else if (url.scheme_id() == boost::urls::scheme::http) {
    out.where = {false, {}, 80};
  } else {
    return "URL " + quoted(rq.url) + " has the unknown scheme " + quoted(std::string(url.scheme()));
  }
  if (url.encoded_host().empty()) return "URL " + quoted(rq.url) + " has no host";
  if (url.has_userinfo()) return "URL with user information is not accepted; send an authorization header";
  out.where.host = std::string(url.host_address());
  if (!is_host(out.where.host)) return "URL " + quoted(rq.url) + " has a host that is no name";
  if (url.has_port() && !url.port().empty()) {
    // Boost.URL's number is modulo 2^16 when there are more digits than fit.
    if (!in_range(url.port(), url.port_number())) return "URL " + quoted(rq.url) + " has a port out of range";
    out.where.port = url.port_number();
  }

  auto& head = out.head;
  head.method = rq.method;
  head.scheme = out.where.tls ? "https" : "http";
  head.authority = std::string(url.encoded_host());
  const bool default_port = out.where.port == (out.where.tls ? 443 : 80);
  if (!default_port || head.method == "CONNECT") head.authority += ":" + std::to_string(out.where.port);
  head.path = std::string(url.encoded_path());
  if (head.path.empty()) head.path = "/";
  if (url.has_query()) head.path += "?" + std::string(url.encoded_query());
  head.headers = rq.headers;

  if (auto bad = core::check_method(head.method)) return *bad;
  if (auto bad = core::check_path(head.path)) return "URL " + quoted(rq.url) + ": " + *bad;
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
