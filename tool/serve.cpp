// `duplex serve`: the embedded server with paths to try streams on.

#include "serve.hpp"

#include "admin.hpp"
#include "exit_status.hpp"
#include "flag_names.hpp"
#include "handlers.hpp"
#include "metrics.hpp"
#include "serve_settings.hpp"
#include "server_log.hpp"
#include "signals.hpp"
#include "utc.hpp"

#include <duplex/certificate.hpp>
#include <duplex/h2/code.hpp>
#include <duplex/h2/connection.hpp>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

namespace duplex::tool {
namespace {

using boost::system::system_error;

// One for all threads.
class service {
 public:
  explicit service(const serve_settings& settings) : admin_(settings.admin), log_(settings.log) {}

  /// Before the first request.
  void watch(const h2::server& server) {
    server_ = &server;
    for (const auto& url : server.urls()) log_.listening(url);
  }
  /// From one thread.
  void drain() {
    drains_ = true;
    drain_began_ = std::chrono::steady_clock::now();
    before_drain_ = server_->stats();
    log_.drain(before_drain_);
  }
  void drained() {
    const auto took = std::chrono::steady_clock::now() - drain_began_;
    log_.drained(before_drain_, server_->stats(), std::chrono::duration_cast<std::chrono::milliseconds>(took));
  }

  asio::awaitable<void> serve(request head, h2::stream s) {
    const auto peer = s.connection().info().peer;
    counts_.began(peer);
    exchange x(std::move(head), std::move(s), counts_);
    bool failed = false;
    try {
      if (!admin_.empty() && x.path().starts_with(admin_)) {
        co_await administrate(x, std::string(x.path().substr(admin_.size())), *server_, requests_, drains_);
      } else {
        co_await handle(x);
      }
    } catch (const std::exception&) {
      // The stream has failed, mostly, and then this does nothing.
      x.reset(static_cast<std::uint32_t>(h2::code::internal_error));
      failed = true;
    }
    counts_.ended(peer, failed);
  }

  /// The handlers that are wanted.
  void attach(h2::server_options& options, const log_settings& wanted) {
    options.on_failure = [this](const h2::connection_info& client, const failure& why) { log_.failed(client, why); };
    if (wanted.frames) {
      options.on_frame = [this](const h2::connection_info& client, const frame_info& f) { log_.frame(client, f); };
    }
    if (wanted.wants_requests() || !admin_.empty()) {
      options.on_request_done = [this, is_logged = wanted.wants_requests()](const h2::request_report& r) {
        requests_.count(r);
        if (is_logged) log_.request(r);
      };
    }
  }

 private:
  std::string admin_;
  server_log log_;
  traffic counts_;
  request_metrics requests_;
  const h2::server* server_ = nullptr;
  std::atomic<bool> drains_ = false;
  std::chrono::steady_clock::time_point drain_began_;
  h2::server_stats before_drain_;
};

// What the exception says. The system's errors have their text behind it, and where in the code they came up.
std::string explanation(const std::exception& e) {
  std::string text = e.what();
  const auto* of_system = dynamic_cast<const system_error*>(&e);
  if (!of_system) return text;
  const auto& ec = of_system->code();
  const auto code = ": " + ec.what();
  if (text.ends_with(code)) text.resize(text.size() - code.size());
  return ec.category() == error_category() ? text : text + ": " + ec.message();
}

void provide_certificate(serve_settings& settings) {
  auto& options = settings.options;
  if (options.cleartext || !options.cert_file.empty()) return;
  std::vector<std::string> names{"localhost", "127.0.0.1", "::1"};
  for (const auto& each : options.listeners) {
    const auto* tcp = std::get_if<h2::tcp_listener>(&each);
    const bool is_known = !tcp || tcp->address == "*" || std::ranges::find(names, tcp->address) != names.end();
    if (!is_known) names.push_back(tcp->address);
  }
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

// A context for each thread, with a loop of its own.
class loops {
 public:
  explicit loops(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      contexts_.push_back(std::make_unique<asio::io_context>(1));
      work_.push_back(asio::make_work_guard(*contexts_.back()));
    }
  }

  [[nodiscard]] asio::io_context& first() { return *contexts_.front(); }
  [[nodiscard]] std::vector<asio::any_io_executor> executors() const {
    std::vector<asio::any_io_executor> out;
    out.reserve(contexts_.size());
    for (const auto& each : contexts_) out.emplace_back(each->get_executor());
    return out;
  }
  void stop() {
    for (const auto& each : contexts_) each->stop();
  }
  void run() {
    std::vector<std::jthread> others;
    try {
      for (std::size_t i = 1; i < contexts_.size(); ++i) {
        others.emplace_back([&io = *contexts_[i]] { io.run(); });
      }
    } catch (const std::system_error& e) {
      stop();  // or those that run would not end
      throw problem::usage(std::string("--threads: no thread could be made: ") + e.code().message());
    }
    first().run();
  }

 private:
  std::vector<std::unique_ptr<asio::io_context>> contexts_;
  std::vector<asio::executor_work_guard<asio::io_context::executor_type>> work_;
};

// SIGTERM and SIGINT drain, after a delay which another one ends, and the next one gives up; SIGHUP has the
// certificates read again.
class signal_handler {
 public:
  signal_handler(loops& all, h2::server& server, service& paths, const serve_settings& settings)
      : loops_(all),
        server_(server),
        paths_(paths),
        grace_(settings.grace),
        drain_delay_(settings.drain_delay),
        delay_(all.first()),
        ends_(all.first(), SIGINT, SIGTERM),
        renews_(all.first()) {
    ends_.async_wait([this](error_code ec, int) {
      if (!ec) leave();
    });
    add_unless_ignored(renews_, {SIGHUP});
    await_renewal();
  }

 private:
  // Whoever asks for its health is told first.
  void leave() {
    paths_.drain();
    delay_.expires_after(drain_delay_);
    delay_.async_wait([this](error_code) {
      server_.async_shutdown(grace_, [this](error_code) {
        paths_.drained();
        loops_.stop();
      });
    });
    hurry();
  }

  void hurry() {
    ends_.async_wait([this](error_code ec, int number) {
      if (ec) return;
      if (delay_.cancel() == 0) std::_Exit(static_cast<int>(exit_status::signal) + number);
      hurry();
    });
  }

  void await_renewal() {
    renews_.async_wait([this](error_code ec, int) {
      if (ec) return;
      try {
        server_.reload_certificates();
        std::fprintf(stderr, "%s duplex: the certificates were read again\n", utc_now().c_str());
      } catch (const std::exception& e) {
        std::fprintf(stderr, "%s duplex: the certificates stay as they are: %s\n", utc_now().c_str(),
                     with_flags(explanation(e)).c_str());
      }
      await_renewal();
    });
  }

  loops& loops_;
  h2::server& server_;
  service& paths_;
  std::chrono::milliseconds grace_;
  std::chrono::milliseconds drain_delay_;
  asio::steady_timer delay_;
  asio::signal_set ends_;
  asio::signal_set renews_;
};

}  // namespace

int serve_main(int argc, const char* const* argv) {
  auto settings = parse_serve(argc, argv);
  if (!settings) return 0;
  // What handlers use is destroyed after the coroutines, which the contexts keep.
  service paths(*settings);
  loops all(settings->threads);
  try {
    provide_certificate(*settings);
    paths.attach(settings->options, settings->log);
    h2::server server(all.executors(), settings->options,
                      [&paths](request head, h2::stream s) { return paths.serve(std::move(head), std::move(s)); });
    const signal_handler signals(all, server, paths, *settings);
    paths.watch(server);
    all.run();
  } catch (const system_error& e) {
    failure why;
    why.code = e.code();
    why.message = explanation(e);
    throw problem(e.code(), why, operation::open);
  }
  return 0;
}

}  // namespace duplex::tool
