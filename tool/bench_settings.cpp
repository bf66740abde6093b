// The command line of `duplex bench`.

#include "bench_settings.hpp"

#include "command_line.hpp"
#include "exit_status.hpp"
#include "limit_option.hpp"
#include "target_options.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

namespace duplex::tool {
namespace {

constexpr auto examples = R"(Examples:
  duplex bench --cacert cert.pem https://localhost:8443              one stream, a message at a time, for 5 seconds
  duplex bench --streams 100 -n 100000 --size 1K --json URL          100 streams of one connection
  duplex bench --mode upload -c 4 --threads 2 -d 10s --warmup 1s URL

Modes, and the path for a URL that has none:
  ping-pong  a message, and the next one when as many bytes have come back (/echo); 16 bytes each
  echo       messages without a pause, while what comes back is read (/echo); 16K
  upload     messages without a pause (/sink); 16K
  download   the body of a response is a message (/source); 1M, unless the URL has a path
  open       a stream is a message: opened, one message each way, ended (/echo); 16 bytes
  idle       streams that are opened, answered, and then do nothing until the end (/echo)

A latency is from the beginning of a message to its end as above; of an upload, until the library has let go of it.
Streams do not begin a message before its predecessor allows it, so a server that stalls delays what would have
been measured meanwhile. MB are 1,000,000 bytes of payload. CPU is of this process, all threads together.

Ctrl-C ends the run and prints what was measured so far. The exit status is that of the first error, as with
'duplex open', 22 if the server answers with a status of 400 or above, 28 if no message was complete in
time, 130 after Ctrl-C.)";

constexpr std::size_t most_threads = 1024;
constexpr std::size_t longest_message = std::size_t{1} << 30;
constexpr std::chrono::seconds default_duration(5);

struct mode_row {
  std::string_view name;
  bench_mode mode;
  std::string_view path;
  std::size_t size;
};

constexpr std::array modes{
    mode_row{"ping-pong", bench_mode::ping_pong, "/echo", 16},
    mode_row{"echo", bench_mode::echo, "/echo", std::size_t{16} << 10},
    mode_row{"upload", bench_mode::upload, "/sink", std::size_t{16} << 10},
    mode_row{"download", bench_mode::download, "/source", std::size_t{1} << 20},
    mode_row{"open", bench_mode::open, "/echo", 16},
    mode_row{"idle", bench_mode::idle, "/echo", 0},
};

bool has_path(const request& head) {
  constexpr std::string_view separator = "://";
  return head.url.size() > head.scheme().size() + separator.size() + head.authority().size();
}

template <class Number>
CLI::Option* add_number(CLI::App& app, const std::string& names, const std::string& help, std::size_t most,
                        Number& target) {
  const auto parse = [most](std::string_view text) {
    const auto n = parse_count(text);
    return n && *n > 0 && *n <= most ? n : std::nullopt;
  };
  return add_parsed(app, names, "N", help, parse, [&target](std::size_t n) { target = n; });
}

void add_load_options(CLI::App& app, bench_settings& settings, std::optional<std::size_t>& size) {
  std::vector<std::string> names;
  names.reserve(modes.size());
  for (const auto& row : modes) names.emplace_back(row.name);
  add_choice(app, "--mode", names, "What the streams do (ping-pong); see below", settings.mode_name);
  add_number(app, "-c,--connections", "Connections (1)", std::size_t{1} << 20, settings.connections);
  add_number(app, "--streams", "Streams of each connection at the same time (1)", std::size_t{1} << 30,
             settings.streams);
  add_size(app, "--size", "Bytes of a message", [&size](auto n) { size = n; });
  add_number(app, "-n,--messages", "End after so many messages, of all streams together", infinity, settings.messages);
  add_duration(app, "-d,--duration", "End after this time (5s, if there is no -n)",
               [&settings](auto d) { settings.duration = d; });
  add_duration(app, "--warmup", "Run so long before anything counts (0)", [&settings](auto d) { settings.warmup = d; });
  add_number(app, "--threads", "Share the connections among so many threads (1)", most_threads, settings.threads);
  app.add_flag("--json", settings.json, "Print one JSON object");
}

void add_time_options(CLI::App& app, options& opts) {
  const auto group = "Time-outs";
  add_duration(app, "--connect-timeout", "Connecting, and the wait for a stream of a connection (8s)", [&opts](auto d) {
    opts.connect_timeout = d;
  })->group(group);
  add_duration(app, "--recv-timeout", "The longest wait for a message (no limit)", [&opts](auto d) {
    opts.recv_timeout = d;
  })->group(group);
  add_keepalive_options(app, opts);
}

void put_together(bench_settings& settings, const std::optional<std::size_t>& size) {
  const auto* row =
      std::find_if(modes.begin(), modes.end(), [&](const auto& r) { return r.name == settings.mode_name; });
  settings.mode = row->mode;
  settings.size = size.value_or(row->size);
  const bool down = settings.mode == bench_mode::download;
  const bool own_path = has_path(settings.head);
  if (down && own_path && size) throw problem::usage("--size: what comes is up to the path of the URL");
  if (!down && *settings.size > longest_message) throw problem::usage("--size: a message is at most 1G");
  if (*settings.size == 0 && settings.mode != bench_mode::idle) throw problem::usage("--size: a message has a byte");
  if (settings.messages && settings.mode == bench_mode::idle) {
    throw problem::usage("-n: nothing is sent in this mode; -d says how long");
  }
  if (!settings.messages && !settings.duration) settings.duration = default_duration;

  if (!own_path) {
    settings.head.url += row->path;
    if (down) settings.head.url += "?chunk=64K&bytes=" + std::to_string(*settings.size);
  } else if (down) {
    settings.size.reset();
  }
  if (settings.head.method.empty()) settings.head.method = down ? "GET" : "POST";
  settings.threads = std::min(settings.threads, settings.connections);
  settings.options.max_pending_streams = std::max(settings.options.max_pending_streams, settings.streams);
}

}  // namespace

std::optional<bench_settings> parse_bench(int argc, const char* const* argv) {
  bench_settings settings;
  settings.head.method.clear();
  std::optional<std::size_t> size;
  target_flags target;
  auto app =
      make_command_line("bench", "Measures how fast streams are: latency, throughput, CPU and errors.", examples);
  app->add_option("URL", settings.head.url, "https://… (TLS, ALPN h2) or http://… (cleartext, prior knowledge)")
      ->required()
      ->type_name("");
  add_load_options(*app, settings, size);
  app->add_option("-X,--request", settings.head.method, "POST unless said; GET to download")->type_name("METHOD");
  add_header_option(*app, settings.head.headers);
  add_connection_options(*app, settings.options, target);
  add_proxy_options(*app, settings.options, target);
  add_tls_options(*app, settings.options, target);
  add_time_options(*app, settings.options);
  add_window_options(*app, settings.options);
  add_limit_option(*app, settings.options.limits);
  if (!parse_or_show_help(*app, argc, argv)) return std::nullopt;
  put_together(settings, size);
  apply(target, settings.head, settings.options);
  return settings;
}

}  // namespace duplex::tool
