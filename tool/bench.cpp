// `duplex bench`: load for bidirectional streams.

#include "bench.hpp"

#include "bench_report.hpp"
#include "bench_settings.hpp"
#include "bench_worker.hpp"
#include "signals.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <list>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace duplex::tool {
namespace {

using clock = std::chrono::steady_clock;

// Tells the workers when to connect, to begin, to count and to stop. All on the main thread, which does nothing else.
class conductor {
 public:
  explicit conductor(const bench_settings& settings)
      : settings_(settings),
        plan_{settings, std::string(settings.mode == bench_mode::download ? 0 : settings.size.value_or(0), 'x')},
        budget_(settings.messages ? static_cast<std::int64_t>(std::min<std::uint64_t>(*settings.messages, INT64_MAX))
                                  : 0) {}

  bench_result run() {
    watch_signals();
    for (std::size_t i = 0; i < settings_.threads; ++i) {
      workers_.emplace_back(plan_, settings_.messages ? &budget_ : nullptr);
    }
    if (settings_.duration) {
      phase_.expires_after(*settings_.duration);
      phase_.async_wait([this](error_code ec) {
        if (ec || ready_ == workers_.size()) return;
        why_empty_ = "connecting took longer than --duration";
        stop();
      });
    }
    connect();
    io_.run();
    for (auto& w : workers_) w.join();
    return result();
  }

  [[nodiscard]] const std::optional<problem>& interrupted() const noexcept { return interrupted_; }
  /// Why there may be no message, though there is no error.
  [[nodiscard]] const std::string& why_empty() const noexcept { return why_empty_; }

 private:
  void connect() {
    auto left = settings_.connections;
    auto threads_left = settings_.threads;
    try {
      for (auto& w : workers_) {
        const auto share = left / threads_left--;
        left -= share;
        w.connect(share, [this] { asio::post(io_, [this] { worker_is_ready(); }); });
      }
    } catch (const std::system_error& e) {
      stop();  // or those that run would not end
      throw problem::usage(std::string("--threads: no thread could be made: ") + e.code().message());
    }
  }

  void watch_signals() {
    add_unless_ignored(signals_, {SIGINT, SIGTERM});
    signals_.async_wait([this](error_code ec, int number) {
      if (ec) return;
      interrupted_ = problem::signalled(number, ::strsignal(number));
      stop();
    });
  }

  void worker_is_ready() {
    if (++ready_ < workers_.size() || stopped_) return;
    if (settings_.warmup.count() == 0) measure();
    for (auto& w : workers_) {
      w.run([this] { asio::post(io_, [this] { worker_is_finished(); }); });
    }
    if (settings_.warmup.count() > 0) {
      phase_.expires_after(settings_.warmup);
      phase_.async_wait([this](error_code ec) {
        if (!ec) measure();
      });
    }
    show_progress();
  }

  void measure() {
    began_ = clock::now();
    cpu_ = cpu_time();
    for (auto& w : workers_) w.measure();
    if (!settings_.duration) return;
    phase_.expires_after(*settings_.duration);
    phase_.async_wait([this](error_code ec) {
      if (!ec) stop();
    });
  }

  void worker_is_finished() {
    if (++finished_ < workers_.size() || stopped_) return;
    all_done_ = true;
    stop();
  }

  void stop() {
    if (std::exchange(stopped_, true)) return;
    ended_ = clock::now();
    cpu_ = began_ ? cpu_time() - cpu_ : cpu_;
    for (auto& w : workers_) w.stop();
    phase_.cancel();
    second_.cancel();
    // The second time a signal ends the process.
    signals_.cancel();
    signals_.clear();
    progress_.erase();
  }

  void show_progress() {
    if (!progress_.is_shown()) return;
    second_.expires_after(std::chrono::seconds(1));
    second_.async_wait([this](error_code ec) {
      if (ec) return;
      bench_meter::seen sum{};
      for (const auto& w : workers_) {
        const auto seen = w.meter().progress();
        sum.messages += seen.messages;
        sum.errors += seen.errors;
      }
      const auto so_far = began_ ? std::chrono::duration_cast<std::chrono::seconds>(clock::now() - *began_).count() : 0;
      progress_.show((began_ ? std::to_string(so_far) + " s, " : std::string("warming up, ")) +
                     std::to_string(sum.messages) + " messages, " + std::to_string(sum.messages - shown_messages_) +
                     "/s, " + std::to_string(sum.errors) + " errors");
      shown_messages_ = sum.messages;
      show_progress();
    });
  }

  bench_result result() const {
    bench_result out;
    for (const auto& w : workers_) out.sums.merge(w.meter().sums());
    if (!began_) return out;
    // After the last message the streams only say good-bye.
    const bool counted_out = all_done_ && out.sums.messages > 0;
    out.elapsed = (counted_out ? out.sums.last : ended_) - *began_;
    out.cpu = cpu_;
    return out;
  }

  const bench_settings& settings_;
  bench_plan plan_;
  message_budget budget_;
  asio::io_context io_{1};
  std::list<bench_worker> workers_;
  asio::signal_set signals_{io_};
  asio::steady_timer phase_{io_};
  asio::steady_timer second_{io_};
  progress_line progress_;
  std::optional<clock::time_point> began_;
  clock::time_point ended_{};
  std::chrono::duration<double> cpu_{};
  std::uint64_t shown_messages_ = 0;
  std::size_t ready_ = 0;
  std::size_t finished_ = 0;
  bool all_done_ = false;
  bool stopped_ = false;
  std::optional<problem> interrupted_;
  std::string why_empty_ = "no message was complete within --duration";
};

}  // namespace

int bench_main(int argc, const char* const* argv) {
  const json_clock since_start;
  const auto settings = parse_bench(argc, argv);
  if (!settings) return 0;
  conductor c(*settings);
  const auto result = c.run();
  const auto& failed = result.sums.first_error;
  // Where nothing worked, the error says it all.
  if (failed && result.sums.messages == 0 && !settings->json) throw problem(*failed);
  const auto text = settings->json ? to_json(*settings, result, since_start) : to_text(*settings, result);
  if (std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0) throw problem::broken_pipe();
  if (failed) throw problem(*failed);
  if (c.interrupted()) throw problem(*c.interrupted());
  if (result.sums.messages == 0) throw problem(exit_status::timeout, "timeout", c.why_empty());
  return 0;
}

}  // namespace duplex::tool
