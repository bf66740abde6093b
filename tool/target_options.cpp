// How a client reaches its peer: what the command lines of `open` and `bench` share.

#include "target_options.hpp"

#include "certificate_argument.hpp"
#include "exit_status.hpp"

#include <boost/url/encode.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace duplex::tool {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) { return lower(c); });
  return text;
}

// A value may itself start with white space, which is not part of it (RFC 9110, section 5.5). The name is left as it
// is, so that the library refuses what is no name.
void add_header(fields& headers, const std::string& text, const std::string& flag = "-H") {
  constexpr std::array<std::string_view, 4> secret{"authorization", "proxy-authorization", "cookie", "x-api-key"};
  const auto colon = text.find(':', 1);
  if (text.empty() || colon == std::string::npos) {
    throw problem::usage(flag + ": '" + text + "' is not 'NAME: VALUE'");
  }
  field f{text.substr(0, colon), std::string(trim(std::string_view(text).substr(colon + 1)))};
  f.sensitive = std::any_of(secret.begin(), secret.end(), [&](std::string_view name) { return name == lower(f.name); });
  headers.add(std::move(f));
}

std::string percent_encoded(const std::string& text) {
  return boost::urls::encode(text, boost::urls::unreserved_chars);
}

// As with curl the environment's exceptions hold for -x as well.
void apply_proxy(const target_flags& given, options& opts) {
  auto& proxy = opts.proxy;
  proxy.tls.verify = !given.proxy_insecure;
  if (!given.socks5.empty()) proxy.url = "socks5://" + given.socks5;
  if (!given.socks5_hostname.empty()) proxy.url = "socks5h://" + given.socks5_hostname;
  for (const auto* name : {"no_proxy", "NO_PROXY"}) {
    const auto* const list = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): before there is a second thread
    if (proxy.url && !proxy.except && list) proxy.except = list;
  }
  if (given.proxy_user.empty()) return;
  if (!proxy.url || proxy.url->empty()) throw problem::usage("--proxy-user needs -x, --socks5 or --socks5-hostname");
  const auto colon = given.proxy_user.find(':');
  const auto user = percent_encoded(given.proxy_user.substr(0, colon));
  const auto password = colon == std::string::npos ? "" : percent_encoded(given.proxy_user.substr(colon + 1));
  const auto scheme = proxy.url->find("://");
  const auto at = scheme == std::string::npos ? 0 : scheme + 3;
  if (proxy.url->find('@', at) != std::string::npos) throw problem::usage("--proxy-user: the proxy's URL has one");
  proxy.url->insert(at, user + ":" + password + "@");
}

void apply_tls(const target_flags& given, tls_options& tls) {
  tls.verify = !given.insecure;
  tls.resume = !given.no_sessions;
  auto certificate = parse_certificate(given.cert);
  tls.cert_file = std::move(certificate.file);
  if (tls.key_password.empty()) tls.key_password = std::move(certificate.password);
  if (given.tls_1_3) tls.min_version = tls_version::v1_3;
  if (given.tls_max == "1.2") tls.max_version = tls_version::v1_2;
}

}  // namespace

std::string authority_with_port(const request& head) {
  auto here = lower(std::string(head.authority()));
  if (here.find(':', here.rfind(']') == std::string::npos ? 0 : here.rfind(']')) == std::string::npos) {
    here += head.scheme() == "http" ? ":80" : ":443";
  }
  return here;
}

std::string without_login(const std::string& url) {
  const auto begin = url.find("://");
  const auto at = url.rfind('@', url.find_first_of("/?#", begin == std::string::npos ? 0 : begin + 3));
  if (begin == std::string::npos || at == std::string::npos || at < begin) return url;
  return url.substr(0, begin + 3) + url.substr(at + 1);
}

void add_header_option(CLI::App& app, fields& headers) {
  add_repeated(app, "-H,--header", "'NAME: VALUE'", "Send this field (repeat)",
               [&headers](const std::string& text) { add_header(headers, text); });
}

void add_connection_options(CLI::App& app, options& opts, target_flags& given) {
  const auto group = "Connection";
  app.add_flag("--http2-prior-knowledge", given.prior_knowledge, "As with curl; http:// is always HTTP/2 here")
      ->group(group);
  add_repeated(app, "--connect-to", "[HOST1:PORT1:]HOST2:PORT2",
               "Dial HOST2:PORT2 instead of the URL's host and port, or only of HOST1 and PORT1 (repeat)",
               [&given](const std::string& text) { given.rules.connect_to.push_back(parse_connect_to(text)); })
      ->group(group);
  add_repeated(app, "--resolve", "HOST:PORT:ADDR[,ADDR]", "Dial ADDR for HOST:PORT; '*' is any host (repeat)",
               [&given](const std::string& text) { given.rules.resolve.push_back(parse_resolve(text)); })
      ->group(group);
  app.add_option("--unix-socket", opts.unix_socket, "Dial this Unix domain socket")->type_name("PATH")->group(group);
  auto* v4 = app.add_flag("-4,--ipv4", given.v4, "Use IPv4 only")->group(group);
  app.add_flag("-6,--ipv6", given.v6, "Use IPv6 only")->group(group)->excludes(v4);
  app.add_option("--interface", opts.tcp.local_address, "Dial from this IP address")->type_name("ADDR")->group(group);
  add_duration(app, "--tcp-keepalive", "Let the kernel probe a peer that is silent so long (no limit)",
               [&opts](auto d) { opts.tcp.keepalive = d; })
      ->group(group);
  add_duration(app, "--tcp-user-timeout", "The longest time without the peer's kernel confirming what was sent",
               [&opts](auto d) { opts.tcp.user_timeout = d; })
      ->group(group);
}

void add_proxy_options(CLI::App& app, options& opts, target_flags& given) {
  const auto group = "Proxy";
  app.add_option(
         "-x,--proxy", opts.proxy.url,
         "Dial through this proxy: [http|https|socks5|socks5h://][USER:PASSWORD@]HOST[:PORT (1080)]; without it "
         "what the environment says, as with curl")
      ->type_name("URL")
      ->group(group);
  app.add_option("--socks5", given.socks5, "-x socks5://...: names are resolved here")
      ->type_name("HOST[:PORT]")
      ->group(group);
  app.add_option("--socks5-hostname", given.socks5_hostname, "-x socks5h://...: names are resolved by the proxy")
      ->type_name("HOST[:PORT]")
      ->group(group);
  app.add_option("--proxy-user", given.proxy_user, "The user and password for the proxy")
      ->type_name("USER:PASSWORD")
      ->group(group);
  add_repeated(app, "--proxy-header", "'NAME: VALUE'", "Send this field with CONNECT (repeat)",
               [&opts](const std::string& text) { add_header(opts.proxy.headers, text, "--proxy-header"); })
      ->group(group);
  app.add_option("--noproxy", opts.proxy.except, "Dial these hosts without it; '*' is all of them")
      ->type_name("LIST")
      ->group(group);
  app.add_option("--proxy-cacert", opts.proxy.tls.ca_file, "Trust these authorities (PEM) with a proxy of https://")
      ->type_name("FILE")
      ->group(group);
  app.add_flag("--proxy-http2", opts.proxy.http2, "Offer HTTP/2 to a proxy of https://")->group(group);
  app.add_flag("--proxy-insecure", given.proxy_insecure, "Do not verify the proxy's certificate")->group(group);
}

void add_tls_options(CLI::App& app, options& opts, target_flags& given) {
  const auto group = "TLS";
  auto& tls = opts.tls;
  app.add_option("--cacert", tls.ca_file, "Trust these authorities (PEM) instead of the system's")
      ->type_name("FILE")
      ->group(group);
  app.add_option("--capath", tls.ca_path, "Trust the authorities in this folder, as openssl rehash names them")
      ->type_name("FOLDER")
      ->group(group);
  app.add_option("--cert", given.cert, "The client's certificate, PEM or PKCS#12, and the password of its key")
      ->type_name("FILE[:PASSWORD]")
      ->group(group);
  add_choice(app, "--cert-type", {"PEM", "P12"}, "As with curl; here the file says it itself", given.cert_type)
      ->group(group);
  app.add_option("--key", tls.key_file, "The client's key (PEM)")->type_name("FILE")->group(group);
  app.add_option("--pass", tls.key_password, "The password of the key, if it is encrypted")
      ->type_name("PASSWORD")
      ->group(group);
  app.add_flag("-k,--insecure", given.insecure, "Verify neither certificate nor host name")->group(group);
  app.add_option("--servername", tls.server_name, "The name to ask for and to verify instead of the URL's host")
      ->type_name("NAME")
      ->group(group);
  app.add_option_function<std::string>(
         "--sni", [&tls](const std::string& name) { tls.sni = name; },
         "Another name to ask for than the one that is verified; '' is none")
      ->type_name("NAME")
      ->group(group);
  app.add_option("--pinnedpubkey", tls.pinned_keys, "The peer must have a public key with one of these sums")
      ->type_name("sha256//BASE64[;...]")
      ->group(group);
  app.add_flag("--tlsv1.2", given.tls_1_2, "TLS 1.2 or later, which is so anyway")->group(group);
  app.add_flag("--tlsv1.3", given.tls_1_3, "TLS 1.3 or later")->group(group);
  add_choice(app, "--tls-max", {"default", "1.2", "1.3"}, "The latest TLS", given.tls_max)->group(group);
  app.add_flag("--no-sessionid", given.no_sessions, "Resume no TLS session")->group(group);
  app.add_option("--keylog", tls.keylog_file, "Append the session's secrets here, for Wireshark")
      ->type_name("FILE")
      ->envname("SSLKEYLOGFILE")
      ->group(group);
}

void add_keepalive_options(CLI::App& app, options& opts) {
  const auto group = "Time-outs";
  add_duration(app, "--keepalive-time", "Ask a peer that is silent so long whether it is there (no limit)",
               [&opts](auto d) {
                 opts.keepalive_time.reset();
                 if (d.count() > 0) opts.keepalive_time = d;
               })
      ->group(group);
  add_duration(app, "--keepalive-timeout", "The longest wait for its answer (20s)", [&opts](auto d) {
    opts.keepalive_timeout = d;
  })->group(group);
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
  apply_tls(given, opts.tls);
  if (given.v4) opts.family = address_family::v4;
  if (given.v6) opts.family = address_family::v6;
  apply_proxy(given, opts);
  given.rules.apply(authority_with_port(head), opts);
}

}  // namespace duplex::tool
