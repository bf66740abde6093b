// `duplex serve`: the embedded server with paths to try streams on.

#include "serve.hpp"

#include "exit_status.hpp"
#include "handlers.hpp"
#include "json.hpp"
#include "serve_settings.hpp"

#include <duplex/certificate.hpp>
#include <duplex/h2/code.hpp>
#include <duplex/h2/connection.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/system/system_error.hpp>

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace duplex::tool {
namespace {

using boost::system::system_error;

// Standard output, a whole line at a time from any thread.
class log_file {
 public:
  void write(const std::string& line) {
    const std::lock_guard lock(mutex_);
    for (std::size_t at = 0; at < line.size() && !broken_;) {
      const auto put = ::write(STDOUT_FILENO, line.data() + at, line.size() - at);
      if (put >= 0) {
        at += static_cast<std::size_t>(put);
      } else if (errno != EINTR) {
        // Whoever read the log has left. The server stays.
        broken_ = true;
      }
    }
  }

 private:
  std::mutex mutex_;
  bool broken_ = false;
};

class service {
 public:
  explicit service(bool logs) : logs_(logs) {}

  void announce(const std::string& url) { log_.write("listening on " + url + "\n"); }

  asio::awaitable<void> serve(request head, h2::stream s) {
    const auto began = std::chrono::steady_clock::now();
    const auto peer = s.connection().info().peer;
    counts_.began(peer);
    exchange x(std::move(head), std::move(s), counts_);
    std::string error;
    try {
      co_await handle(x);
    } catch (const system_error& e) {
      // The stream has failed, mostly, and then this does nothing.
      x.reset(static_cast<std::uint32_t>(h2::code::internal_error));
      error = e.code().category() == error_category() ? to_string(static_cast<errc>(e.code().value())) : e.what();
    }
    counts_.ended(peer, !error.empty());
    if (logs_) log_.write(line(x, peer, std::chrono::steady_clock::now() - began, error));
  }

 private:
  std::string line(const exchange& x, const std::string& peer, std::chrono::duration<double, std::milli> took,
                   const std::string& error) const {
    // A send that failed may have been sent in part.
    const auto why = x.stream().failure();
    const std::uint64_t sent = why ? why->bytes_sent : x.sent();
    boost::json::object event{{"event", "request"},
                              {"peer", json_text(peer)},
                              {"method", json_text(x.head().method)},
                              {"path", json_text(x.head().path())},
                              {"status", x.status()},
                              {"received", x.received()},
                              {"sent", sent},
                              {"us", static_cast<std::uint64_t>(took.count() * 1e3)}};
    if (!error.empty()) event["error"] = json_text(error);
    return clock_.line(event);
  }

  bool logs_;
  log_file log_;
  json_clock clock_;
  traffic counts_;
};

// What the exception says. The system's errors have their text behind it, and where in the code they came up.
std::string explanation(const system_error& e) {
  std::string text = e.what();
  const auto code = ": " + e.code().what();
  if (text.ends_with(code)) text.resize(text.size() - code.size());
  return e.code().category() == error_category() ? text : text + ": " + e.code().message();
}

void provide_certificate(serve_settings& settings) {
  auto& options = settings.options;
  if (options.cleartext || !options.cert_file.empty()) return;
  std::vector<std::string> names{"localhost", "127.0.0.1", "::1"};
  if (options.address != names[1] && options.address != names[2]) names.push_back(options.address);
  auto made = make_self_signed(names);
  if (!settings.write_cert.empty()) {
    std::ofstream file(settings.write_cert, std::ios::binary | std::ios::trunc);
    file << made.certificate_pem;
    file.close();
    if (!file) throw problem(exit_status::write, "write_failed", settings.write_cert + ": cannot be written");
  }
  options.certificate_pem = std::move(made.certificate_pem);
  options.key_pem = std::move(made.key_pem);
}

// Drains at the first signal, gives up at the second.
class stopper {
 public:
  stopper(asio::io_context& io, h2::server& server, std::chrono::milliseconds grace)
      : io_(io), server_(server), grace_(grace), signals_(io, SIGINT, SIGTERM) {
    signals_.async_wait([this](error_code ec, int) {
      if (!ec) drain();
    });
  }

 private:
  void drain() {
    signals_.async_wait([](error_code ec, int number) {
      if (!ec) std::_Exit(static_cast<int>(exit_status::signal) + number);
    });
    server_.async_shutdown(grace_, [this](error_code) { io_.stop(); });
  }

  asio::io_context& io_;
  h2::server& server_;
  std::chrono::milliseconds grace_;
  asio::signal_set signals_;
};

void run_on(asio::io_context& io, std::size_t threads) {
  std::vector<std::jthread> others;
  for (std::size_t i = 1; i < threads; ++i) others.emplace_back([&io] { io.run(); });
  io.run();
}

}  // namespace

int serve_main(int argc, const char* const* argv) {
  auto settings = parse_serve(argc, argv);
  if (!settings) return 0;
  // What handlers use is destroyed after the coroutines, which the context keeps.
  service paths(settings->json);
  asio::io_context io(static_cast<int>(settings->threads));
  try {
    provide_certificate(*settings);
    h2::server server(io.get_executor(), settings->options,
                      [&paths](request head, h2::stream s) { return paths.serve(std::move(head), std::move(s)); });
    stopper stop(io, server, settings->grace);
    paths.announce(server.url());
    run_on(io, settings->threads);
  } catch (const system_error& e) {
    failure why;
    why.code = e.code();
    why.message = explanation(e);
    throw problem(e.code(), why, operation::open);
  }
  return 0;
}

}  // namespace duplex::tool
