// The command line of `duplex open`.

#include "open_settings.hpp"

#include "command_line.hpp"
#include "exit_status.hpp"
#include "limit_option.hpp"
#include "target_options.hpp"

#include <string_view>

namespace duplex::tool {
namespace {

constexpr std::string_view examples = R"(Examples:
  duplex open https://localhost:8443/echo        type a line, see it come back; Ctrl-D ends
  duplex https://localhost:8443/echo <file       the same, from a file
  duplex -X GET -i https://example.org/          one GET, with the head
  duplex open --parallel 8 -X GET -o 'page#1' URL1 URL2 URL3
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

Several URLs are of one origin. Each sends an empty body. What they answer is printed as it comes, whole lines of one
and then of another, or goes to files of their own with -o and #1; their JSON events have 'stream' and 'url'. One that
fails does not end the others; the exit status is that of the first that failed.

Durations: 250ms, 5s, 2m; a plain number is in seconds. Sizes: 4096, 64K, 1M, infinity.

Exit status: 0 done, 2 usage, 3 URL, 5 proxy's name, 6 resolve, 7 connect, 16 HTTP/2 connection error, 23 output,
26 input, 28 time-out, 35 TLS, 55 send, 56 connection lost, 60 certificate, 90 pinned key, 92 stream error (also
what comes after the end in a script), 97 proxy, 130 Ctrl-C.)";

[[noreturn]] void refuse(const std::string& option, const std::string& why) {
  throw problem::usage(option + ": " + why);
}

// What the flags said, before they are put together.
struct flags {
  std::string input;
  bool include = false;
  bool json = false;
  std::string json_data;
  std::string flow;
};

void add_request_options(CLI::App& app, open_settings& settings) {
  app.add_option("URL", settings.urls,
                 "https://… (TLS, ALPN h2) or http://… (cleartext, prior knowledge); several share a connection")
      ->required()
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("");
  app.add_option("-X,--request", settings.head.method, "POST unless said. GET and HEAD send no body without --input")
      ->type_name("METHOD");
  add_header_option(app, settings.head.headers);
  add_parsed(
      app, "--parallel", "N", "Of several URLs, so many at a time (1)",
      [](std::string_view text) {
        const auto n = parse_count(text);
        return n && *n > 0 ? n : std::nullopt;
      },
      [&settings](std::size_t n) { settings.parallel = n; });
}

void add_data_options(CLI::App& app, open_settings& settings, flags& given) {
  const auto group = "Input and output";
  add_choice(app, "--input", {"lines", "raw", "script"},
             "The input is sent by lines (default), raw as it comes, or is a script", given.input)
      ->group(group);
  app.add_option("--script", settings.script_file, "Run this script instead; - is the input, line by line as it comes")
      ->type_name("FILE|-")
      ->group(group);
  app.add_flag("-i,--include", given.include, "Print heads and trailers too")->group(group);
  app.add_option("-o,--output", settings.output_file,
                 "Write here instead of to standard output; of several URLs #1 is the number")
      ->type_name("FILE")
      ->group(group);
  app.add_flag("--json", given.json, "Print one JSON object for each event, and nothing else")->group(group);
  add_choice(app, "--json-data", {"size", "text"}, "With --json: payloads in full (default), or only their size",
             given.json_data)
      ->group(group);
  app.add_flag("-v,--verbose", settings.verbose, "Show the connection and each frame on standard error")->group(group);
  app.add_flag("-s,--silent", settings.silent, "Print no error messages; the exit status remains")->group(group);
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

  add_keepalive_options(app, options);

  group = "Flow control";
  add_choice(app, "--flow-control", {"automatic", "manual"},
             "What makes room for more: taking it (default), or a script's consume", given.flow)
      ->group(group);
  add_window_options(app, options);
  add_limit_option(app, options.limits);
}

// Several URLs share one connection, so they have to be of one origin.
void check_urls(const open_settings& settings, const flags& given) {
  if (settings.urls.size() == 1) return;
  if (settings.script_file || !given.input.empty()) {
    refuse(settings.script_file ? "--script" : "--input", "several URLs take no input");
  }
  for (const auto& url : settings.urls) {
    const request other{.url = url};
    if (other.scheme() != settings.head.scheme() || authority_with_port(other) != authority_with_port(settings.head)) {
      throw problem::usage("'" + without_login(url) + "' is of another origin than '" +
                           without_login(settings.head.url) + "'; several URLs share one connection");
    }
  }
}

void put_together(open_settings& settings, const flags& given) {
  settings.head.url = settings.urls.front();
  if (given.flow == "manual") settings.options.flow = flow_control::manual;

  if (given.input == "raw") settings.input = input_mode::raw;
  if (given.input == "script") settings.input = input_mode::script;
  if (settings.input == input_mode::script && !settings.script_file) settings.script_file = "-";
  if (settings.script_file) {
    if (!given.input.empty() && settings.input != input_mode::script) {
      refuse("--script", "it takes the place of --input " + given.input);
    }
    settings.input = input_mode::script;
  }
  check_urls(settings, given);
  const bool bodiless = settings.head.method == "GET" || settings.head.method == "HEAD";
  settings.has_body = settings.urls.size() == 1 && (!bodiless || !given.input.empty());

  if (!given.json_data.empty() && !given.json) refuse("--json-data", "it needs --json");
  if (given.json) {
    settings.style = given.json_data == "size" ? printer::style::json_sizes : printer::style::json;
  } else if (given.include) {
    settings.style = printer::style::heads;
  }
  // A script counts messages, so what it is shown should not depend on how it is printed.
  settings.options.informational = settings.style != printer::style::body || settings.script_file;
  // Nor does it receive before it is told to, and windows grow only where somebody does.
  if (settings.script_file && !settings.options.stream_window) settings.options.stream_window = std::size_t{1} << 20;
}

}  // namespace

std::optional<open_settings> parse_open(int argc, const char* const* argv) {
  open_settings settings;
  flags given;
  target_flags target;
  auto app =
      make_command_line("open",
                        "Opens one HTTP/2 stream. The input becomes DATA and DATA becomes the output, both at once.\n"
                        "With several URLs: a stream each on one connection, and no input.",
                        std::string(examples));
  add_request_options(*app, settings);
  add_data_options(*app, settings, given);
  add_connection_options(*app, settings.options, target);
  add_proxy_options(*app, settings.options, target);
  add_tls_options(*app, settings.options, target);
  add_limit_options(*app, settings, given);
  if (!parse_or_show_help(*app, argc, argv)) return std::nullopt;
  put_together(settings, given);
  apply(target, settings.head, settings.options);
  return settings;
}

}  // namespace duplex::tool
