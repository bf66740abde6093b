// The command line of `duplex serve`.

#include "serve_settings.hpp"

#include "command_line.hpp"
#include "exit_status.hpp"
#include "handlers.hpp"

#include <cstdint>
#include <limits>
#include <string_view>

namespace duplex::tool {
namespace {

constexpr auto examples = R"(Examples:
  duplex serve --write-cert cert.pem             then: duplex --cacert cert.pem https://localhost:8443/echo
  duplex serve --http --listen 127.0.0.1:0       in cleartext, on a free port, which is printed
  duplex serve --cert cert.pem --key key.pem --client-ca clients.pem --json

The first line on standard output is 'listening on URL', once connections are accepted. SIGTERM and SIGINT let running
streams finish, at most for --grace, and the exit status is 0; the second signal ends at once.

)";

constexpr std::size_t most_threads = 1024;

void set_address(h2::server_options& options, const std::string& text) {
  const auto colon = text.rfind(':');
  const auto port = colon == std::string::npos ? std::nullopt : parse_count(std::string_view(text).substr(colon + 1));
  if (!port || *port > std::numeric_limits<std::uint16_t>::max() || colon == 0) {
    throw CLI::ValidationError("--listen", "'" + text + "' is not ADDR:PORT");
  }
  options.address = text.substr(0, colon);
  if (options.address.starts_with('[') && options.address.ends_with(']')) {
    options.address = options.address.substr(1, options.address.size() - 2);
  }
  if (options.address == "localhost") options.address = "127.0.0.1";
  options.port = static_cast<std::uint16_t>(*port);
}

template <class Number>
CLI::Option* add_count(CLI::App& app, const std::string& name, const std::string& help, Number& target) {
  const auto parse = [](std::string_view text) {
    auto n = parse_count(text);
    return n && *n <= std::numeric_limits<Number>::max() ? n : std::nullopt;
  };
  return add_parsed(app, name, "N", help, parse, [&target](std::size_t n) { target = static_cast<Number>(n); });
}

void add_server_options(CLI::App& app, serve_settings& settings) {
  auto& options = settings.options;
  app.add_option_function<std::string>(
         "--listen", [&options](const std::string& text) { set_address(options, text); },
         "Where to listen (127.0.0.1:8443); port 0 picks a free one")
      ->type_name("ADDR:PORT");
  add_parsed(
      app, "--threads", "N", "Serve on so many threads (1)",
      [](std::string_view text) {
        const auto n = parse_count(text);
        return n && *n > 0 && *n <= most_threads ? n : std::nullopt;
      },
      [&settings](std::size_t n) { settings.threads = n; });
  add_duration(app, "--grace", "How long running streams may go on after SIGTERM (5s)",
               [&settings](auto d) { settings.grace = d; });
  app.add_flag("--json", settings.json, "Print one JSON object for each request that has ended");
}

void add_tls_options(CLI::App& app, serve_settings& settings) {
  const auto group = "TLS";
  auto& options = settings.options;
  auto* http = app.add_flag("--http", options.cleartext, "Cleartext, with prior knowledge")->group(group);
  auto* cert = app.add_option("--cert", options.cert_file, "The certificate (PEM); without it one is made in memory")
                   ->type_name("FILE")
                   ->group(group)
                   ->excludes(http);
  auto* key = app.add_option("--key", options.key_file, "Its key (PEM)")->type_name("FILE")->group(group);
  key->needs(cert);
  cert->needs(key);
  app.add_option("--write-cert", settings.write_cert, "Write the certificate that was made here, for --cacert")
      ->type_name("FILE")
      ->group(group)
      ->excludes(http)
      ->excludes(cert);
  app.add_option("--client-ca", options.client_ca_file, "Clients must present a certificate of these authorities (PEM)")
      ->type_name("FILE")
      ->group(group)
      ->excludes(http);
  app.add_option("--keylog", options.keylog_file, "Append the sessions' secrets here, for Wireshark")
      ->type_name("FILE")
      ->envname("SSLKEYLOGFILE")
      ->group(group);
}

void add_limit_options(CLI::App& app, serve_settings& settings) {
  const auto group = "Limits";
  auto& options = settings.options;
  auto& stream = options.stream;
  add_count(app, "--max-connections", "Connections at the same time (10000)", options.max_connections)->group(group);
  add_count(app, "--max-concurrent-streams", "Streams of a connection at the same time (100)",
            options.max_concurrent_streams)
      ->group(group);
  add_duration(app, "--handshake-timeout", "TLS and the client's preface (10s)", [&options](auto d) {
    options.handshake_timeout = d;
  })->group(group);
  add_duration(app, "--recv-timeout", "The longest wait for the body of a request (no limit)", [&stream](auto d) {
    stream.recv_timeout = d;
  })->group(group);
  add_duration(app, "--send-timeout", "The longest wait for a client to take more (30s)", [&stream](auto d) {
    stream.send_timeout = d;
  })->group(group);
  add_size(app, "--window-size", "A stream's receive window (grows from 64K)", [&stream](auto n) {
    stream.stream_window = n;
  })->group(group);
  add_size(app, "--connection-window-size", "A connection's receive window (16M)", [&stream](auto n) {
    stream.connection_window = n;
  })->group(group);
  add_size(app, "--max-recv-buffer", "The most that may wait unread for a stream (64M)", [&stream](auto n) {
    stream.max_recv_buffer = n;
  })->group(group);
  add_size(app, "--max-header-bytes", "The size of the fields of a request (16K)", [&stream](auto n) {
    stream.max_header_bytes = n;
  })->group(group);
  add_count(app, "--max-header-fields", "Their number (100)", stream.max_header_fields)->group(group);
}

}  // namespace

std::optional<serve_settings> parse_serve(int argc, const char* const* argv) {
  serve_settings settings;
  settings.options.port = 8443;
  auto app = make_command_line("serve", "Serves HTTP/2: an echo, and other paths to try streams on.",
                               std::string(examples) + path_help);
  add_server_options(*app, settings);
  add_tls_options(*app, settings);
  add_limit_options(*app, settings);
  if (!parse_or_show_help(*app, argc, argv)) return std::nullopt;
  return settings;
}

}  // namespace duplex::tool
