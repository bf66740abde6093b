// How a client reaches its peer: what the command lines of `open` and `bench` share.

#include "target_options.hpp"

#include "exit_status.hpp"

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace duplex::tool {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) { return lower(c); });
  return text;
}

[[noreturn]] void refuse_rule(const std::string& why) { throw problem::usage("--resolve: " + why); }

// A value may itself start with white space, which is not part of it (RFC 9110, section 5.5). The name is left as it
// is, so that the library refuses what is no name.
void add_header(fields& headers, const std::string& text) {
  constexpr std::array<std::string_view, 4> secret{"authorization", "proxy-authorization", "cookie", "x-api-key"};
  const auto colon = text.find(':', 1);
  if (text.empty() || colon == std::string::npos) {
    throw problem::usage("-H: '" + text + "' is not 'NAME: VALUE'");
  }
  field f{text.substr(0, colon), std::string(trim(std::string_view(text).substr(colon + 1)))};
  f.sensitive = std::any_of(secret.begin(), secret.end(), [&](std::string_view name) { return name == lower(f.name); });
  headers.add(std::move(f));
}

resolve_rule parse_resolve(const std::string& text) {
  const auto host_end = text.starts_with('[') ? text.find("]:") + 1 : text.find(':');
  const auto port_end = host_end == 0 || host_end == std::string::npos ? host_end : text.find(':', host_end + 1);
  if (host_end == 0 || host_end == std::string::npos || port_end == std::string::npos) {
    refuse_rule("'" + text + "' is not HOST:PORT:ADDR");
  }
  auto address = text.substr(port_end + 1);
  if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
  error_code ec;
  const auto parsed = boost::asio::ip::make_address(address, ec);
  if (ec) refuse_rule("'" + address + "' is no IP address");
  const auto port = text.substr(host_end + 1, port_end - host_end - 1);
  return {text.substr(0, port_end), (parsed.is_v6() ? "[" + address + "]:" : address + ":") + port};
}

}  // namespace

std::string authority_with_port(const request& head) {
  auto here = lower(std::string(head.authority()));
  if (here.find(':', here.rfind(']') == std::string::npos ? 0 : here.rfind(']')) == std::string::npos) {
    here += head.scheme() == "http" ? ":80" : ":443";
  }
  return here;
}

void add_header_option(CLI::App& app, fields& headers) {
  app.add_option_function<std::vector<std::string>>(
         "-H,--header",
         [&headers](const std::vector<std::string>& list) {
           for (const auto& text : list) add_header(headers, text);
         },
         "Send this field (repeat)")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false)
      ->type_name("'NAME: VALUE'");
}

void add_connection_options(CLI::App& app, options& opts, target_flags& given) {
  const auto group = "Connection";
  app.add_flag("--http2-prior-knowledge", given.prior_knowledge, "As with curl; http:// is always HTTP/2 here")
      ->group(group);
  app.add_option("--connect-to", opts.connect_to, "Dial this instead of the URL's host and port")
      ->type_name("HOST:PORT")
      ->group(group);
  app.add_option_function<std::vector<std::string>>(
         "--resolve",
         [&given](const std::vector<std::string>& list) {
           for (const auto& text : list) given.resolve.push_back(parse_resolve(text));
         },
         "Dial ADDR if the URL is for HOST:PORT (repeat)")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false)
      ->type_name("HOST:PORT:ADDR")
      ->group(group);
  app.add_option("--unix-socket", opts.unix_socket, "Dial this Unix domain socket")->type_name("PATH")->group(group);
  auto* v4 = app.add_flag("-4,--ipv4", given.v4, "Use IPv4 only")->group(group);
  app.add_flag("-6,--ipv6", given.v6, "Use IPv6 only")->group(group)->excludes(v4);
}

void add_tls_options(CLI::App& app, options& opts, target_flags& given) {
  const auto group = "TLS";
  auto& tls = opts.tls;
  app.add_option("--cacert", tls.ca_file, "Trust these authorities (PEM) instead of the system's")
      ->type_name("FILE")
      ->group(group);
  app.add_option("--cert", tls.cert_file, "The client's certificate (PEM)")->type_name("FILE")->group(group);
  app.add_option("--key", tls.key_file, "The client's key (PEM)")->type_name("FILE")->group(group);
  app.add_flag("-k,--insecure", given.insecure, "Verify neither certificate nor host name")->group(group);
  app.add_option("--servername", tls.server_name, "The name to ask for and to verify instead of the URL's host")
      ->type_name("NAME")
      ->group(group);
  app.add_option("--keylog", tls.keylog_file, "Append the session's secrets here, for Wireshark")
      ->type_name("FILE")
      ->envname("SSLKEYLOGFILE")
      ->group(group);
}

void add_window_options(CLI::App& app, options& opts) {
  const auto group = "Flow control";
  add_size(app, "--window-size", "A stream's receive window (grows from 64K; scripts: 1M)", [&opts](auto n) {
    opts.stream_window = n;
  })->group(group);
  add_size(app, "--connection-window-size", "The connection's receive window (16M)", [&opts](auto n) {
    opts.connection_window = n;
  })->group(group);
  add_size(app, "--max-recv-buffer", "The most that may wait unread for a stream (64M)", [&opts](auto n) {
    opts.max_recv_buffer = n;
  })->group(group);
}

void apply(const target_flags& given, const request& head, options& opts) {
  opts.tls.verify = !given.insecure;
  if (given.v4) opts.family = address_family::v4;
  if (given.v6) opts.family = address_family::v6;
  if (!opts.connect_to.empty()) return;
  const auto here = authority_with_port(head);
  for (const auto& rule : given.resolve) {
    if (lower(rule.host_port) == here) opts.connect_to = rule.address;
  }
}

}  // namespace duplex::tool
