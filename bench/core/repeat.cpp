// One workload of the core for callgrind: usage `core-repeat WORKLOAD OPERATIONS`. Counting begins after a warm-up, so
// that what is allocated once is not in it. Prints the number of operations that were counted.
#include "workloads.hpp"

#include <valgrind/callgrind.h>

#include <iostream>
#include <string>

namespace {

std::size_t repeat(bench::core_workload& work, std::size_t operations) {
  std::size_t done = 0;
  while (done < operations) done += work.step();
  return done;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) throw std::runtime_error("usage: core-repeat WORKLOAD OPERATIONS");
  for (const auto& w : bench::core_workloads()) {
    if (w.name != argv[1]) continue;
    const auto work = w.make();
    const auto operations = std::stoul(argv[2]);
    repeat(*work, operations / 4);
    CALLGRIND_TOGGLE_COLLECT;
    const auto done = repeat(*work, operations);
    CALLGRIND_TOGGLE_COLLECT;
    std::cout << done << '\n';
    return 0;
  }
  throw std::runtime_error("no such workload");
} catch (const std::exception& e) {
  std::cerr << e.what() << '\n';
  return 1;
}
