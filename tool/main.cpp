// The duplex program: picks the verb.

#include "bench.hpp"
#include "exit_status.hpp"
#include "open.hpp"
#include "secret_arguments.hpp"
#include "serve.hpp"
#include "version.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace duplex::tool {
namespace {

constexpr auto help = R"(duplex: full-duplex HTTP/2 streams.

Usage:
  duplex open [options] URL     one stream: the input becomes DATA, DATA becomes the output, both at once
  duplex [options] URL          the same
  duplex bench [options] URL    how fast streams are: latency, throughput, CPU and errors
  duplex serve [options]        a server with an echo and other paths to try streams on
  duplex --version

Examples:
  duplex serve --write-cert cert.pem
  duplex open --cacert cert.pem https://localhost:8443/echo
  printf 'send hello\nrecv-until data\n' | duplex --cacert cert.pem --json --script - https://localhost:8443/echo

'duplex open --help', 'duplex bench --help' and 'duplex serve --help' have the rest.
)";

// A descriptor 0, 1 or 2 that is closed would become a socket's number, and the socket would get what is printed.
void occupy_standard_descriptors() {
  for (int descriptor = 0; descriptor <= STDERR_FILENO; ++descriptor) {
    if (::fcntl(descriptor, F_GETFD) < 0 && ::open("/dev/null", O_RDWR) < 0) return;
  }
}

int run_verb(int argc, const char* const* argv) {
  const std::string_view first = argc > 1 ? argv[1] : "";
  if (first.empty()) throw problem::usage("there is no URL\nTry 'duplex --help'.");
  if (first == "-h" || first == "--help" || first == "help") {
    std::fputs(help, stdout);
    return 0;
  }
  if (first == "-V" || first == "--version") {
    std::puts("duplex " DUPLEX_VERSION);
    return 0;
  }
  if (first == "bench") return bench_main(argc - 1, argv + 1);
  if (first == "serve") return serve_main(argc - 1, argv + 1);
  const int skip = first == "open" ? 1 : 0;
  return open_main(argc - skip, argv + skip);
}

}  // namespace
}  // namespace duplex::tool

int main(int argc, char** argv) {
  using duplex::tool::problem;
  // A write to a closed pipe is an error like any other.
  std::signal(SIGPIPE, SIG_IGN);
  duplex::tool::occupy_standard_descriptors();
  try {
    const std::vector<std::string> given(argv, argv + argc);
    std::vector<const char*> texts;
    texts.reserve(given.size());
    for (const auto& each : given) texts.push_back(each.c_str());
    duplex::tool::hide_secrets(argc, argv);
    return duplex::tool::run_verb(argc, texts.data());
  } catch (const problem& p) {
    if (!p.quiet()) std::fprintf(stderr, "duplex: (%d) %s\n", static_cast<int>(p.status()), p.what());
    return static_cast<int>(p.status());
  } catch (const std::exception& e) {
    std::fprintf(stderr, "duplex: %s\n", e.what());
    return 1;
  }
}
