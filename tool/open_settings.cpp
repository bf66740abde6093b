// The command line of `duplex open`.

#include "open_settings.hpp"

#include "command_line.hpp"
#include "exit_status.hpp"

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace duplex::tool {
namespace {

constexpr std::string_view examples = R"(Examples:
  duplex open https://localhost:8443/echo        type a line, see it come back; Ctrl-D ends
  duplex https://localhost:8443/echo <file       the same, from a file
  duplex -X GET -i https://example.org/          one GET, with the head
  duplex open --json --script - URL <<'END'      step by step, one JSON object for each event
  send hello
  recv-until data
  fin
  recv-until done
  END

Script commands, one a line (# begins a comment):
  send TEXT            send-hex HEX         send-random N        send-file PATH
  fin                  trailers NAME: VALUE; NAME: VALUE
  recv [N]             recv-until response|data|trailers|done|bytes=N
  consume N|all        sleep DURATION       ping
  stats                reset CODE           close (also at the end)

Ctrl-\ (SIGQUIT) shows on standard error where the streams and the connection stand, and nothing ends.

Durations: 250ms, 5s, 2m; a plain number is in seconds. Sizes: 4096, 64K, 1M, infinity.

Exit status: 0 done, 2 usage, 3 URL, 6 resolve, 7 connect, 16 HTTP/2 connection error, 23 output,
26 input, 28 time-out, 35 TLS, 55 send, 56 connection lost, 60 certificate, 92 stream error (also
what comes after the end in a script), 130 Ctrl-C.)";

[[noreturn]] void refuse(const std::string& option, const std::string& why) {
  throw problem::usage(option + ": " + why);
}

// A value may itself start with white space, which is not part of it (RFC 9110, section 5.5). The name is left as it
// is, so that the library refuses what is no name.
void add_header(fields& headers, const std::string& text) {
  constexpr std::array<std::string_view, 4> secret{"authorization", "proxy-authorization", "cookie", "x-api-key"};
  const auto colon = text.find(':', 1);
  if (text.empty() || colon == std::string::npos) {
    refuse("-H", "'" + text + "' is not 'NAME: VALUE'");
  }
  field f{text.substr(0, colon), std::string(trim(std::string_view(text).substr(colon + 1)))};
  f.sensitive = std::any_of(secret.begin(), secret.end(), [&](std::string_view name) {
    return std::equal(name.begin(), name.end(), f.name.begin(), f.name.end(),
                      [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b - 'A' + 'a' : b); });
  });
  headers.add(std::move(f));
}

// HOST:PORT:ADDR, as curl's. Where the URL is for HOST and PORT, ADDR is dialed.
struct resolve_rule {
  std::string host_port;
  std::string address;
};

resolve_rule parse_resolve(const std::string& text) {
  const auto host_end = text.starts_with('[') ? text.find("]:") + 1 : text.find(':');
  const auto port_end = host_end == 0 || host_end == std::string::npos ? host_end : text.find(':', host_end + 1);
  if (host_end == 0 || host_end == std::string::npos || port_end == std::string::npos) {
    refuse("--resolve", "'" + text + "' is not HOST:PORT:ADDR");
  }
  auto address = text.substr(port_end + 1);
  if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
  error_code ec;
  const auto parsed = asio::ip::make_address(address, ec);
  if (ec) refuse("--resolve", "'" + address + "' is no IP address");
  const auto port = text.substr(host_end + 1, port_end - host_end - 1);
  return {text.substr(0, port_end), (parsed.is_v6() ? "[" + address + "]:" : address + ":") + port};
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return text;
}

void apply(const std::vector<resolve_rule>& rules, open_settings& settings) {
  if (!settings.options.connect_to.empty()) return;
  auto here = std::string(settings.head.authority());
  if (here.find(':', here.rfind(']') == std::string::npos ? 0 : here.rfind(']')) == std::string::npos) {
    here += settings.head.scheme() == "http" ? ":80" : ":443";
  }
  for (const auto& rule : rules) {
    if (lower(rule.host_port) == lower(here)) settings.options.connect_to = rule.address;
  }
}

void add_request_options(CLI::App& app, open_settings& settings) {
  app.add_option("URL", settings.head.url, "https://… (TLS, ALPN h2) or http://… (cleartext, prior knowledge)")
      ->required()
      ->type_name("");
  app.add_option("-X,--request", settings.head.method, "POST unless said. GET and HEAD send no body without --input")
      ->type_name("METHOD");
  app.add_option_function<std::vector<std::string>>(
         "-H,--header",
         [&settings](const std::vector<std::string>& list) {
           for (const auto& text : list) add_header(settings.head.headers, text);
         },
         "Send this field (repeat)")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false)
      ->type_name("'NAME: VALUE'");
}

// What the flags said, before they are put together.
struct flags {
  std::string input;
  bool include = false;
  bool json = false;
  std::string json_data;
  std::string flow;
  bool prior_knowledge = false;
  bool insecure = false;
  bool v4 = false;
  bool v6 = false;
  std::vector<resolve_rule> resolve;
};

void add_data_options(CLI::App& app, open_settings& settings, flags& given) {
  const auto group = "Input and output";
  add_choice(app, "--input", {"lines", "raw", "script"},
             "The input is sent by lines (default), raw as it comes, or is a script", given.input)
      ->group(group);
  app.add_option("--script", settings.script_file, "Run this script instead; - is the input, line by line as it comes")
      ->type_name("FILE|-")
      ->group(group);
  app.add_flag("-i,--include", given.include, "Print heads and trailers too")->group(group);
  app.add_option("-o,--output", settings.output_file, "Write here instead of to standard output")
      ->type_name("FILE")
      ->group(group);
  app.add_flag("--json", given.json, "Print one JSON object for each event, and nothing else")->group(group);
  add_choice(app, "--json-data", {"size", "text"}, "With --json: payloads in full (default), or only their size",
             given.json_data)
      ->group(group);
  app.add_flag("-v,--verbose", settings.verbose, "Show the connection and each frame on standard error")->group(group);
  app.add_flag("-s,--silent", settings.silent, "Print no error messages; the exit status remains")->group(group);
}

void add_connection_options(CLI::App& app, open_settings& settings, flags& given) {
  const auto group = "Connection";
  auto& options = settings.options;
  app.add_flag("--http2-prior-knowledge", given.prior_knowledge, "As with curl; http:// is always HTTP/2 here")
      ->group(group);
  app.add_option("--connect-to", options.connect_to, "Dial this instead of the URL's host and port")
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
  app.add_option("--unix-socket", options.unix_socket, "Dial this Unix domain socket")->type_name("PATH")->group(group);
  auto* v4 = app.add_flag("-4,--ipv4", given.v4, "Use IPv4 only")->group(group);
  app.add_flag("-6,--ipv6", given.v6, "Use IPv6 only")->group(group)->excludes(v4);
}

void add_tls_options(CLI::App& app, open_settings& settings, flags& given) {
  const auto group = "TLS";
  auto& tls = settings.options.tls;
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

void add_limit_options(CLI::App& app, open_settings& settings, flags& given) {
  auto& options = settings.options;
  const auto* group = "Time-outs";
  add_duration(app, "--connect-timeout", "Resolving, connecting and TLS together (8s)", [&options](auto d) {
    options.connect_timeout = d;
  })->group(group);
  add_duration(app, "--recv-timeout", "The longest wait for a message (no limit)", [&options](auto d) {
    options.recv_timeout = d;
  })->group(group);
  add_duration(app, "--send-timeout", "The longest wait for the peer to take more (30s)", [&options](auto d) {
    options.send_timeout = d;
  })->group(group);
  add_duration(app, "-m,--max-time", "The longest time for everything (no limit)", [&settings](auto d) {
    if (d.count() > 0) settings.max_time = d;
  })->group(group);

  group = "Flow control";
  add_choice(app, "--flow-control", {"automatic", "manual"},
             "What makes room for more: taking it (default), or a script's consume", given.flow)
      ->group(group);
  add_size(app, "--window-size", "The stream's receive window (1M)", [&options](auto n) {
    options.stream_window = n;
  })->group(group);
  add_size(app, "--connection-window-size", "The connection's receive window (16M)", [&options](auto n) {
    options.connection_window = n;
  })->group(group);
  add_size(app, "--max-recv-buffer", "The most that may wait unread (64M)", [&options](auto n) {
    options.max_recv_buffer = n;
  })->group(group);
}

void put_together(open_settings& settings, const flags& given) {
  settings.options.tls.verify = !given.insecure;
  if (given.v4) settings.options.family = address_family::v4;
  if (given.v6) settings.options.family = address_family::v6;
  if (given.flow == "manual") settings.options.flow = flow_control::manual;
  apply(given.resolve, settings);

  if (given.input == "raw") settings.input = input_mode::raw;
  if (given.input == "script") settings.input = input_mode::script;
  if (settings.input == input_mode::script && !settings.script_file) settings.script_file = "-";
  if (settings.script_file) {
    if (!given.input.empty() && settings.input != input_mode::script) {
      refuse("--script", "it takes the place of --input " + given.input);
    }
    settings.input = input_mode::script;
  }
  const bool bodiless = settings.head.method == "GET" || settings.head.method == "HEAD";
  settings.has_body = !bodiless || !given.input.empty();

  if (!given.json_data.empty() && !given.json) refuse("--json-data", "it needs --json");
  if (given.json) {
    settings.style = given.json_data == "size" ? printer::style::json_sizes : printer::style::json;
  } else if (given.include) {
    settings.style = printer::style::heads;
  }
  // A script counts messages, so what it is shown should not depend on how it is printed.
  settings.options.informational = settings.style != printer::style::body || settings.script_file;
}

}  // namespace

std::optional<open_settings> parse_open(int argc, const char* const* argv) {
  open_settings settings;
  flags given;
  auto app = make_command_line(
      "open", "Opens one HTTP/2 stream. The input becomes DATA and DATA becomes the output, both at once.",
      std::string(examples));
  add_request_options(*app, settings);
  add_data_options(*app, settings, given);
  add_connection_options(*app, settings, given);
  add_tls_options(*app, settings, given);
  add_limit_options(*app, settings, given);
  if (!parse_or_show_help(*app, argc, argv)) return std::nullopt;
  put_together(settings, given);
  return settings;
}

}  // namespace duplex::tool
