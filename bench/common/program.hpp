#pragma once
// What every program here does at its beginning and at its end.

#include <sys/resource.h>

#include <csignal>
#include <cstddef>
#include <exception>
#include <iostream>
#include <thread>
#include <vector>

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

/// `f` on `count` threads, of which the caller is one. What one of them throws is thrown when all are over.
template <class Function>
void on_threads(std::size_t count, Function f) {
  std::vector<std::exception_ptr> errors(count);
  const auto guarded = [&](std::size_t i) {
    try {
      f();
    } catch (...) {
      errors[i] = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < count; ++i) others.emplace_back(guarded, i);
    guarded(0);
  }
  for (const auto& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

}  // namespace bench
