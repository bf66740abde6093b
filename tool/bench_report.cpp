// What `duplex bench` prints.

#include "bench_report.hpp"

#include "target_options.hpp"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <string_view>
#include <utility>

namespace duplex::tool {
namespace {

constexpr std::array<std::pair<const char*, double>, 4> percentiles{
    {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}}};

double rate(std::uint64_t count, std::chrono::duration<double> time) {
  return time.count() > 0 ? static_cast<double>(count) / time.count() : 0;
}

double megabytes(std::uint64_t bytes) { return static_cast<double>(bytes) / 1e6; }

double microseconds(std::uint64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e3; }

double cpu_of_a_message(const bench_result& result) {
  return result.sums.messages == 0 ? 0 : result.cpu.count() * 1e6 / static_cast<double>(result.sums.messages);
}

// Where the server decides how much comes, it is what came.
std::uint64_t message_size(const bench_settings& settings, const bench_result& result) {
  if (settings.size) return *settings.size;
  return result.sums.messages == 0 ? 0 : result.sums.bytes_received / result.sums.messages;
}

template <class... Args>
std::string format(const char* pattern, Args... args) {
  std::array<char, 256> out{};
  const int length = std::snprintf(out.data(), out.size(), pattern, args...);
  return {out.data(), std::min(static_cast<std::size_t>(length), out.size() - 1)};
}

// In the unit that a person would choose.
std::string latency(std::uint64_t nanoseconds) {
  const auto value = static_cast<double>(nanoseconds);
  if (value < 1e6) return format("%.1f us", value / 1e3);
  if (value < 1e9) return format("%.2f ms", value / 1e6);
  return format("%.3f s", value / 1e9);
}

std::string plural(std::size_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

}  // namespace

std::string to_text(const bench_settings& settings, const bench_result& result) {
  const auto& sums = result.sums;
  auto out = settings.mode_name + ", " + plural(message_size(settings, result), "byte") + " a message, " +
             plural(settings.streams, "stream") + " on " + (settings.connections == 1 ? "" : "each of ") +
             plural(settings.connections, "connection") + ", " + plural(settings.threads, "thread") + "\n";
  out += format("  messages  %llu in %.3f s, %.0f/s\n", static_cast<unsigned long long>(sums.messages),
                result.elapsed.count(), rate(sums.messages, result.elapsed));
  out += format("  sent      %.2f MB/s\n", megabytes(sums.bytes_sent) / std::max(result.elapsed.count(), 1e-9));
  out += format("  received  %.2f MB/s\n", megabytes(sums.bytes_received) / std::max(result.elapsed.count(), 1e-9));
  out += format("  CPU       %.2f us a message\n", cpu_of_a_message(result));
  out += "  latency ";
  for (const auto& [name, share] : percentiles)
    out += " " + std::string(name) + " " + latency(sums.latency.percentile(share)) + " ";
  out += " max " + latency(sums.latency.max()) + "\n  errors    ";
  if (sums.errors.empty()) out += "none";
  for (const auto& [name, count] : sums.errors) out += name + " " + std::to_string(count) + "  ";
  if (sums.never_opened > 0) {
    out += "\n  waiting   " + plural(sums.never_opened, "stream") + " never had a place: the peer allows no more";
  }
  return out + "\n";
}

std::string to_json(const bench_settings& settings, const bench_result& result, const json_clock& clock) {
  const auto& sums = result.sums;
  boost::json::object latencies;
  for (const auto& [name, share] : percentiles) latencies[name] = microseconds(sums.latency.percentile(share));
  latencies["max"] = microseconds(sums.latency.max());
  latencies["mean"] = sums.latency.mean() / 1e3;
  boost::json::object errors;
  for (const auto& [name, count] : sums.errors) errors[name] = count;
  const auto seconds = std::max(result.elapsed.count(), 1e-9);
  const boost::json::object event{
      {"event", "bench"},
      {"mode", settings.mode_name},
      {"url", json_text(without_login(settings.head.url))},
      {"connections", settings.connections},
      {"streams", settings.streams},
      {"threads", settings.threads},
      {"size", message_size(settings, result)},
      {"seconds", result.elapsed.count()},
      {"messages", sums.messages},
      {"messages_per_second", rate(sums.messages, result.elapsed)},
      {"bytes", {{"sent", sums.bytes_sent}, {"received", sums.bytes_received}}},
      {"mb_per_second",
       {{"sent", megabytes(sums.bytes_sent) / seconds}, {"received", megabytes(sums.bytes_received) / seconds}}},
      {"cpu_us_per_message", cpu_of_a_message(result)},
      {"latency_us", latencies},
      {"never_opened", sums.never_opened},
      {"errors", errors}};
  return clock.line(event);
}

std::chrono::duration<double> cpu_time() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return std::chrono::duration<double>(static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6);
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

progress_line::progress_line() : shown_(::isatty(STDERR_FILENO) == 1) {}

void progress_line::show(const std::string& text) const {
  if (shown_) std::fputs(("\r\033[K" + text).c_str(), stderr);
}

void progress_line::erase() const { show(""); }

}  // namespace duplex::tool
