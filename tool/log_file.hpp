#pragma once
// What a server writes, which does not wait for whoever reads it.

#include <cstdint>
#include <memory>
#include <string>

namespace duplex::tool {

/// Whole lines, from any thread. A thread of its own writes them; lines that would make the reader's arrears more than
/// 1 MiB are dropped, and counted by a line of their own once there is room again.
class log_file {
 public:
  /// The line that says how many were lost.
  using lost_line = std::string (*)(std::uint64_t lines);

  /// Throws `std::system_error` if there is no thread to be had.
  log_file(int descriptor, lost_line lost);
  log_file(const log_file&) = delete;
  log_file& operator=(const log_file&) = delete;
  /// Gives the reader a second to take what is left.
  ~log_file();

  void write(const std::string& line);

 private:
  struct state;
  std::shared_ptr<state> state_;  // of the thread as well, which may be stuck in a write for ever
};

}  // namespace duplex::tool
