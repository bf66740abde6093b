// The command line of `duplex serve`.

#include "serve_settings.hpp"

#include "certificate_argument.hpp"
#include "command_line.hpp"
#include "exit_status.hpp"
#include "handlers.hpp"
#include "limit_option.hpp"

#include <boost/system/system_error.hpp>

#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>

namespace duplex::tool {
namespace {

constexpr auto examples = R"(Examples:
  duplex serve --write-cert cert.pem             then: duplex --cacert cert.pem https://localhost:8443/echo
  duplex serve --http --listen 127.0.0.1:0       in cleartext, on a free port, which is printed
  duplex serve --cert cert.pem --key key.pem --client-ca clients.pem --json
  duplex serve --http --listen '*:8080' --listen unix:/run/duplex.sock,mode=660 --threads 4 --admin /-/

The first line on standard output is 'listening on URL', one for each --listen, once connections are accepted. SIGTERM and SIGINT let running
streams finish, at most for --grace, and the exit status is 0; the second signal ends at once, or with --drain-delay
the delay. SIGHUP has certificates and keys read again; those that cannot be used leave the old ones in place.

)";

constexpr std::size_t most_threads = 1024;

void add_listener(h2::server_options& options, const std::string& text) {
  if (text == "systemd") {
    const auto passed = h2::inherited_listeners();
    if (passed.empty()) throw CLI::ValidationError("--listen", "systemd has passed no socket: LISTEN_FDS, LISTEN_PID");
    options.listeners.insert(options.listeners.end(), passed.begin(), passed.end());
    return;
  }
  try {
    options.listeners.push_back(h2::parse_listener(text));
  } catch (const boost::system::system_error&) {
    throw CLI::ValidationError("--listen", "'" + text + "' is not ADDR:PORT, unix:PATH, fd:N or systemd");
  }
}

// The first of them is for clients that ask for no other name.
void set_certificates(serve_settings& settings) {
  const auto& certs = settings.certs;
  const auto& keys = settings.key_files;
  if (!keys.empty() && certs.size() != keys.size())
    throw problem::usage("--cert: each needs its --key, or none has one");
  auto& options = settings.options;
  for (std::size_t i = 0; i < certs.size(); ++i) {
    auto [file, password] = parse_certificate(certs[i]);
    h2::server_certificate next{.cert_file = std::move(file),
                                .key_file = keys.empty() ? "" : keys[i],
                                .key_password = password.empty() ? settings.password : std::move(password)};
    if (i > 0) {
      options.certificates.push_back(std::move(next));
    } else {
      options.cert_file = std::move(next.cert_file);
      options.key_file = std::move(next.key_file);
      options.key_password = std::move(next.key_password);
    }
  }
}

std::optional<std::string> parse_admin(std::string_view text) {
  if (!text.starts_with('/') || text.find_first_of("?# ") != std::string_view::npos) return std::nullopt;
  return std::string(text) + (text.ends_with('/') ? "" : "/");
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
  add_repeated(
      app, "--listen", "ADDRESS",
      "Where to listen (127.0.0.1:8443); may be repeated. ADDR:PORT, of which port 0 picks a free one and * is "
      "every address; unix:PATH, unix:PATH,mode=660; fd:N, which is open; systemd, for what it has passed",
      [&options](const std::string& text) { add_listener(options, text); });
  app.add_flag("--reuse-port", options.reuse_port, "Share the port with other servers of the same user");
  add_parsed(
      app, "--threads", "N", "Serve on so many threads (1), each with a loop of its own",
      [](std::string_view text) {
        const auto n = parse_count(text);
        return n && *n > 0 && *n <= most_threads ? n : std::nullopt;
      },
      [&settings](std::size_t n) { settings.threads = n; });
  add_duration(app, "--grace", "How long running streams may go on after SIGTERM (5s)",
               [&settings](auto d) { settings.grace = d; });
  add_duration(app, "--drain-delay",
               "How long after SIGTERM new connections are still taken, while healthz answers 503 (0s)",
               [&settings](auto d) { settings.drain_delay = d; });
  auto& log = settings.log;
  app.add_flag("-v,--verbose", log.verbose, "Tell of clients that fail, and of the drain, on standard error");
  auto* text = app.add_flag("--access-log", log.requests,
                            "Print a line for each request that has ended: when, peer, #connection, [stream], method, "
                            "URL, status, bytes in and out, time, TLS and error");
  app.add_flag("--frame-log", log.frames,
               "Print every frame as well, sent (>) and received (<), with all fields that are not sensitive");
  app.add_flag("--extended-connect", options.extended_connect, "Take extended CONNECT (RFC 8441), and say so");
  add_parsed(app, "--admin", "PATH", "Answer PATH/metrics, for Prometheus, and PATH/healthz (nowhere)", parse_admin,
             [&settings](const std::string& path) { settings.admin = path; });
  app.add_flag(
         "--json", log.json,
         "Print one JSON object for each request that has ended and client that fails, for the drain, and for each "
         "frame with --frame-log")
      ->excludes(text);
}

void add_tls_options(CLI::App& app, serve_settings& settings) {
  const auto group = "TLS";
  auto& options = settings.options;
  auto* http = app.add_flag("--http", options.cleartext, "Cleartext, with prior knowledge")->group(group);
  auto* cert = app.add_option("--cert", settings.certs,
                              "The certificate, PEM or PKCS#12, and the password of its key; without it one is made in "
                              "memory. Others with their keys are for clients that ask for their names. Read again at "
                              "SIGHUP")
                   ->allow_extra_args(false)
                   ->type_name("FILE[:PASSWORD]")
                   ->group(group)
                   ->excludes(http);
  auto* key = app.add_option("--key", settings.key_files, "Its key (PEM), if that is in a file of its own")
                  ->allow_extra_args(false)
                  ->type_name("FILE")
                  ->group(group);
  key->needs(cert);
  app.add_option("--pass", settings.password, "The password of keys that are encrypted and have none of their own")
      ->type_name("PASSWORD")
      ->group(group)
      ->needs(cert);
  app.add_option("--write-cert", settings.write_cert, "Write the certificate that was made here, for --cacert")
      ->type_name("FILE")
      ->group(group)
      ->excludes(http)
      ->excludes(cert);
  auto* ca = app.add_option("--client-ca", options.client_ca_file,
                            "Clients must present a certificate of these authorities (PEM)");
  ca->type_name("FILE")->group(group)->excludes(http);
  app.add_flag_callback(
         "--client-cert-optional", [&options] { options.client_certificate_required = false; },
         "They may come without one, but not with another")
      ->group(group)
      ->needs(ca);
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
  add_count(app, "--max-connections-per-address", "Of these, from one address (no limit)",
            options.max_connections_per_address)
      ->group(group);
  add_count(app, "--backlog", "Connections that wait to be accepted at each TCP address (512)", options.backlog)
      ->group(group);
  add_count(app, "--max-streams", "Requests at the same time, on all connections (100000)", options.max_streams)
      ->group(group);
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
  add_duration(app, "--idle-timeout", "The longest time of a connection without streams (10m)", [&options](auto d) {
    options.idle_timeout.reset();
    if (d.count() > 0) options.idle_timeout = d;
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
  add_limit_option(app, stream.limits);
}

}  // namespace

std::optional<serve_settings> parse_serve(int argc, const char* const* argv) {
  serve_settings settings;
  auto app = make_command_line("serve", "Serves HTTP/2: an echo, and other paths to try streams on.",
                               std::string(examples) + path_help);
  add_server_options(*app, settings);
  add_tls_options(*app, settings);
  add_limit_options(*app, settings);
  if (!parse_or_show_help(*app, argc, argv)) return std::nullopt;
  set_certificates(settings);
  if (settings.options.listeners.empty()) settings.options.listeners.emplace_back(h2::tcp_listener{.port = 8443});
  return settings;
}

}  // namespace duplex::tool
