#pragma once
// What every program here does at its beginning and at its end.

#include <sys/resource.h>

#include <csignal>
#include <exception>
#include <iostream>

namespace bench {

/// Allows as many open files as the system lets us have.
inline void raise_file_limit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

/// `main`: what is thrown becomes a line on stderr.
template <class Function>
int run(Function f) {
  try {
    raise_file_limit();
    std::signal(SIGPIPE, SIG_IGN);
    f();
    return 0;
  } catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 1;
  }
}

}  // namespace bench
