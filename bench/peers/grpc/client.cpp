// gRPC C++ as a client: what many would use instead.
#include "calls.hpp"

#include "common/program.hpp"

int main(int argc, char** argv) {
  return bench::run([&] {
    const auto plan = bench::parse(argc, argv);
    const bool many = plan.workload == bench::workload::open || plan.streams > 1;
    const bool idle = plan.workload == bench::workload::idle || plan.workload == bench::workload::idle_connections;
    bench::on_threads(plan.threads, [&] { many && !idle ? bench::run_queue(plan) : bench::run_sync(plan); });
  });
}
