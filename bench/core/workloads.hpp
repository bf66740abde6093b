#pragma once
// What is measured of the core. An operation is one message, or one stream opened and closed.

#include "pair.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace bench {

class core_workload {
 public:
  core_workload() = default;
  core_workload(const core_workload&) = delete;
  core_workload& operator=(const core_workload&) = delete;
  virtual ~core_workload() = default;
  /// Some operations; returns how many.
  virtual std::size_t step() = 0;
};

struct named_workload {
  std::string name;
  std::function<std::unique_ptr<core_workload>()> make;
};

[[nodiscard]] const std::vector<named_workload>& core_workloads();

}  // namespace bench
