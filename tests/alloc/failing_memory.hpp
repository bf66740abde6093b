#pragma once
// Memory that fails on demand: the operators new and delete of this program, and the engine's allocator.

#include <cstddef>

namespace duplex::test::memory {

enum class failing { once, from_then_on };

/// Of the allocations that are made on duty from now on, the `number`th fails, counted from 1; none if it is 0.
void fail(std::size_t number, failing how);
/// Whether one has failed since then.
[[nodiscard]] bool has_failed() noexcept;
/// Allocations on duty since then; of which the engine's.
[[nodiscard]] std::size_t count() noexcept;
[[nodiscard]] std::size_t count_of_engine() noexcept;
/// The bytes of all of them, also of those that were given back.
[[nodiscard]] std::size_t bytes() noexcept;
/// Allocations of the program, and the engines, that were not given back.
[[nodiscard]] long long live() noexcept;

/// While one lives, allocations count and fail: what the tests themselves allocate does not.
class duty {
 public:
  duty() noexcept;
  duty(const duty&) = delete;
  duty& operator=(const duty&) = delete;
  ~duty();
};

}  // namespace duplex::test::memory
