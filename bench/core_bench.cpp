// The core in memory, in time: for a person. Instructions, which do not depend on the day: core/repeat.cpp.
#include "core/workloads.hpp"

#include <benchmark/benchmark.h>

int main(int argc, char** argv) {
  for (const auto& w : bench::core_workloads()) {
    benchmark::RegisterBenchmark(w.name.c_str(), [make = w.make](benchmark::State& state) {
      const auto work = make();
      std::size_t operations = 0;
      for (auto _ : state) operations += work->step();
      state.SetItemsProcessed(static_cast<std::int64_t>(operations));
    });
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
}
