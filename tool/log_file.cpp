// A queue of lines between those who log and the thread that writes.

#include "log_file.hpp"

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <thread>
#include <utility>

namespace duplex::tool {
namespace {

constexpr std::size_t most_arrears = std::size_t{1} << 20;
constexpr std::chrono::seconds patience(1);

bool write_all(int descriptor, const std::string& bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const auto put = ::write(descriptor, bytes.data() + at, bytes.size() - at);
    if (put >= 0) {
      at += static_cast<std::size_t>(put);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

}  // namespace

struct log_file::state {
  int descriptor = -1;
  lost_line tell_lost = nullptr;
  std::mutex mutex;
  std::condition_variable changed;
  std::string waiting;
  std::uint64_t lost = 0;
  bool writing = false;
  bool broken = false;  // whoever read the log has left; the server stays
  bool over = false;

  // On the thread.
  void run() {
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [this] { return over || !waiting.empty(); });
      if (waiting.empty()) return;
      const auto bytes = std::exchange(waiting, {});
      writing = true;
      lock.unlock();
      const bool written = write_all(descriptor, bytes);
      lock.lock();
      writing = false;
      if (!written) broken = true;
      changed.notify_all();
      if (broken) return;
    }
  }

  void add(const std::string& line) {
    if (broken) return;
    if (waiting.size() + line.size() > most_arrears) {
      ++lost;
      return;
    }
    if (lost > 0) waiting += tell_lost(std::exchange(lost, 0));
    waiting += line;
  }
};

log_file::log_file(int descriptor, lost_line lost) : state_(std::make_shared<state>()) {
  state_->descriptor = descriptor;
  state_->tell_lost = lost;
  std::thread([shared = state_] { shared->run(); }).detach();
}

log_file::~log_file() {
  std::unique_lock lock(state_->mutex);
  state_->over = true;
  state_->changed.notify_all();
  state_->changed.wait_for(lock, patience,
                           [this] { return state_->broken || (state_->waiting.empty() && !state_->writing); });
}

void log_file::write(const std::string& line) {
  const std::lock_guard lock(state_->mutex);
  state_->add(line);
  state_->changed.notify_all();
}

}  // namespace duplex::tool
