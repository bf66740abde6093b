#include "meter.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>

namespace bench {
namespace {

constexpr double warm_up = 0.15;  // of the time that is measured

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

long max_rss_kb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

double resident_kb(const std::string& process) {
  std::ifstream file("/proc/" + process + "/statm");
  double size = 0;
  double resident = 0;
  file >> size >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1024;
}

}  // namespace

meter::meter(const plan& p)
    : warm_(clock::now() +
            std::chrono::duration_cast<clock::duration>(std::chrono::duration<double>(warm_up * p.seconds))),
      streams_(p.streams),
      length_(std::chrono::duration_cast<clock::duration>(std::chrono::duration<double>(p.seconds))) {}

meter::point meter::here() const { return {messages_, bytes_, clock::now(), cpu_seconds()}; }

bool meter::look() {
  const auto now = clock::now();
  if (over_ || now < warm_ || (warming_up_ && messages_ < streams_)) return !over_;
  if (warming_up_) {
    warming_up_ = false;
    began_ = here();
  } else if (now >= began_.when + length_ && messages_ >= began_.messages + streams_) {
    over_ = true;
    ended_ = here();
  }
  return !over_;
}

void meter::report() const {
  const auto seconds = std::chrono::duration<double>(ended_.when - began_.when).count();
  std::printf(R"({"messages":%llu,"bytes":%llu,"seconds":%.6f,"cpu":%.6f,"rss_kb":%ld})"
              "\n",
              static_cast<unsigned long long>(ended_.messages - began_.messages),
              static_cast<unsigned long long>(ended_.bytes - began_.bytes), seconds, ended_.cpu - began_.cpu,
              max_rss_kb());
}

memory_meter::memory_meter(const plan& p) : plan_(p), before_(resident()) {}

std::array<double, 2> memory_meter::resident() const {
  return {resident_kb("self"), plan_.server_pid != 0 ? resident_kb(std::to_string(plan_.server_pid)) : 0};
}

void memory_meter::report() const {
  const auto now = resident();
  const auto things = static_cast<double>(plan_.streams);
  std::printf(R"({"things":%zu,"kb_each":%.3f,"server_kb_each":%.3f})"
              "\n",
              plan_.streams, (now[0] - before_[0]) / things, (now[1] - before_[1]) / things);
}

}  // namespace bench
