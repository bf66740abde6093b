// Echo, upload and download over TLS and cleartext, by blocking and coroutine clients, through proxies that do
// something wrong with most connections. Every byte is accounted for; nobody waits for ever; memory and file
// descriptors come back to where they were.

#include "exchange.hpp"
#include "faulty_proxy.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace duplex::soak {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

constexpr std::size_t blocking_workers = 4;
constexpr std::size_t coroutine_workers = 24;
constexpr auto longest_exchange = 120s;  // a bound for a busy machine; time-outs end them much earlier
constexpr double warm_up_share = 0.25;

// Memory may grow by this between the first and the last third of a run, or from after one run to after the next.
constexpr double growth_bound = 1.2;
constexpr std::size_t growth_slack = std::size_t{16} << 20;

std::size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t all = 0;
  std::size_t resident = 0;
  file >> all >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

std::size_t open_files() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all))) - 1;  // without this one
}

bool grew(std::size_t from, std::size_t to) {
  return static_cast<double>(to) > static_cast<double>(from) * growth_bound + static_cast<double>(growth_slack);
}

double mib(std::size_t bytes) { return static_cast<double>(bytes >> 10U) / 1024; }

/// Since when a worker has been at its exchange.
class watch {
 public:
  void begin() { since_ = clock::now().time_since_epoch().count(); }
  void end() { since_ = 0; }
  [[nodiscard]] bool stuck() const {
    const auto since = since_.load();
    return since != 0 && clock::now().time_since_epoch() - clock::duration(since) > longest_exchange;
  }

 private:
  std::atomic<clock::rep> since_{0};
};

/// A server and the proxy before it.
struct place {
  place(asio::io_context& servers, asio::io_context& proxies, bool cleartext, const certificate& cert,
        std::uint64_t seed, report& report)
      : server(servers.get_executor(), settings(cleartext, cert),
               [&report](request head, h2::stream s) { return serve(std::move(head), std::move(s), report); }),
        proxy(proxies, server.port(), seed, report),
        url((cleartext ? "http://127.0.0.1:" : "https://127.0.0.1:") + std::to_string(proxy.port())) {}

  static h2::server_options settings(bool cleartext, const certificate& cert) {
    h2::server_options opts;
    opts.cleartext = cleartext;
    opts.certificate_pem = cert.certificate_pem;
    opts.key_pem = cert.key_pem;
    opts.handshake_timeout = 4s;
    opts.max_concurrent_streams = 10;
    opts.stream.send_timeout = 6s;
    return opts;
  }

  h2::server server;
  faulty_proxy proxy;
  std::string url;
};

/// Everything that runs for a while, and is gone afterwards.
class run {
 public:
  run(std::uint64_t seed, report& report)
      : choice_(seed),
        report_(report),
        clear_(std::make_unique<place>(servers_, proxies_, true, certificate_, choice_.seed(), report)),
        tls_(std::make_unique<place>(servers_, proxies_, false, certificate_, choice_.seed(), report)),
        watches_(blocking_workers + coroutine_workers) {}

  /// False if somebody is stuck. Calls `every_second`.
  template <class Tick>
  bool go(std::chrono::duration<double> time, Tick every_second) {
    auto keep_servers = asio::make_work_guard(servers_);
    auto keep_proxies = asio::make_work_guard(proxies_);
    auto keep_clients = asio::make_work_guard(clients_);
    std::vector<std::thread> contexts;
    for (auto* io : {&servers_, &proxies_, &clients_}) contexts.emplace_back([io] { io->run(); });

    std::vector<std::thread> workers;
    std::optional<h2::client> async_client(std::in_place, clients_.get_executor());
    std::optional<h2::client> blocking_client(std::in_place);
    for (std::size_t i = 0; i < watches_.size(); ++i) {
      if (i < blocking_workers) {
        workers.emplace_back([this, i, seed = choice_.seed(), shared = *blocking_client] { block(i, seed, shared); });
      } else {
        asio::co_spawn(clients_, await(i, choice_.seed(), *async_client), asio::detached);
      }
    }

    const auto end = clock::now() + std::chrono::duration_cast<clock::duration>(time);
    while (clock::now() < end || running_ > 0) {
      std::this_thread::sleep_for(1s);
      if (clock::now() >= end) stop_ = true;
      every_second();
      if (std::any_of(watches_.begin(), watches_.end(), [](const watch& w) { return w.stuck(); })) {
        report_.defect("an exchange never ends");
        return false;
      }
    }
    for (auto& worker : workers) worker.join();

    async_client->async_shutdown(1s, asio::use_future).get();
    async_client.reset();
    blocking_client->shutdown(1s);
    blocking_client.reset();
    for (auto* p : {clear_.get(), tls_.get()}) p->server.async_shutdown(1s, asio::use_future).get();
    asio::post(proxies_, [this] {
      for (auto* p : {clear_.get(), tls_.get()}) p->proxy.close();
    });
    keep_servers.reset();
    keep_proxies.reset();
    keep_clients.reset();
    for (auto& context : contexts) context.join();
    return true;
  }

 private:
  const std::string& any_url(choice& c) const { return (c.one_in(2) ? clear_ : tls_)->url; }

  void block(std::size_t i, std::uint64_t seed, h2::client shared) {
    ++running_;
    choice c(seed);
    while (!stop_) {
      const auto x = exchange::chosen(c);
      watches_[i].begin();
      const bool own = c.one_in(2);
      const auto open = [&](const request& rq, options o, error_code& ec) {
        return own ? h2::open(rq, std::move(o), ec) : shared.open(rq, std::move(o), ec);
      };
      run_blocking(x, any_url(c), open, report_);
      watches_[i].end();
    }
    --running_;
  }

  asio::awaitable<void> await(std::size_t i, std::uint64_t seed, h2::client shared) {
    ++running_;
    choice c(seed);
    while (!stop_) {
      watches_[i].begin();
      co_await run_coroutine(exchange::chosen(c), any_url(c), shared, report_);
      watches_[i].end();
    }
    --running_;
  }

  choice choice_;
  report& report_;
  certificate certificate_ = make_self_signed();
  asio::io_context servers_;
  asio::io_context proxies_;
  asio::io_context clients_;
  std::unique_ptr<place> clear_;
  std::unique_ptr<place> tls_;
  std::vector<watch> watches_;
  std::atomic<int> running_{0};
  std::atomic<bool> stop_{false};
};

struct usage {
  std::size_t memory;
  std::size_t files;
};

// The connections that a worker had for itself may still be closing, at most for a second.
usage measure() {
  constexpr int quiet = 20;
  auto files = open_files();
  for (int same = 0; same < quiet; ++same) {
    std::this_thread::sleep_for(100ms);
    const auto before = std::exchange(files, open_files());
    if (before != files) same = 0;
  }
  ::malloc_trim(0);
  return {resident_bytes(), files};
}

std::size_t average(const std::vector<std::size_t>& list, std::size_t from, std::size_t to) {
  const auto at = [&](std::size_t i) { return list.begin() + static_cast<std::ptrdiff_t>(i); };
  return to == from ? 0 : std::accumulate(at(from), at(to), std::size_t{0}) / (to - from);
}

int soak_for(double seconds, std::uint64_t seed) {
  std::cout << "seed " << seed << std::endl;
  report report;
  choice seeds(seed);
  const auto over = [&](double share, auto tick) {
    return std::make_unique<run>(seeds.seed(), report)->go(std::chrono::duration<double>(seconds * share), tick);
  };
  // A thread that is stuck cannot be joined.
  const auto stuck = [] { std::_Exit(1); };

  if (!over(warm_up_share, [] {})) stuck();
  const auto before = measure();

  std::vector<std::size_t> memory;
  const auto start = clock::now();
  if (!over(1 - warm_up_share, [&] {
        memory.push_back(resident_bytes());
        if (memory.size() % 10 == 0) {
          std::cout << memory.size() << " s: " << mib(report.bytes()) << " MiB of payload, " << mib(memory.back())
                    << " MiB resident, " << open_files() << " files" << std::endl;
        }
      })) {
    stuck();
  }
  const auto after = measure();
  const std::chrono::duration<double> took = clock::now() - start;

  const auto third = memory.size() / 3;
  const auto early = average(memory, 0, third);
  const auto late = average(memory, memory.size() - third, memory.size());
  if (grew(early, late)) report.defect("memory grew while it ran");
  if (grew(before.memory, after.memory)) report.defect("memory was not given back");
  if (before.files != after.files) report.defect("file descriptors were not given back");
  const auto counts = report.counts();
  for (const auto* way : {"echo", "upload", "download"}) {
    if (!counts.contains(std::string(way) + " complete")) report.defect(std::string("no ") + way + " was complete");
  }

  for (const auto& [what, n] : counts) std::cout << what << ": " << n << '\n';
  std::cout << "payload: " << mib(report.bytes()) << " MiB, without the warm-up in " << took.count() << " s\n"
            << "resident while it ran: " << mib(early) << " MiB in the first third, " << mib(late) << " in the last\n"
            << "resident afterwards: " << mib(before.memory) << " MiB after the warm-up, " << mib(after.memory)
            << " after all\n"
            << "open files: " << before.files << " after the warm-up, " << after.files << " after all\n"
            << "defects: " << report.defects().size() << std::endl;
  return report.defects().empty() ? 0 : 1;
}

}  // namespace
}  // namespace duplex::soak

// soak SECONDS [SEED]
int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) return 2;
  const auto seconds = std::atof(argv[1]);
  const std::uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : std::random_device()();
  return duplex::soak::soak_for(seconds, seed);
}
