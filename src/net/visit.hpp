#pragma once
// A thread's stay inside a connection that is served by its callers: it starts an operation, and until that is done it
// serves the connection itself, or waits for the thread that does.

#include "net/callers.hpp"
#include "net/connection.hpp"

#include <memory>
#include <optional>

namespace duplex::net {

class visit {
 public:
  /// Not from inside. `patient`: what is to be sent when it is done may wait for the next verb.
  explicit visit(std::shared_ptr<connection> link, bool patient = false);
  visit(const visit&) = delete;
  visit& operator=(const visit&) = delete;
  ~visit();

  /// Takes what has arrived, unless another thread is about it.
  void look();
  /// What follows from what was done here; and what the connection needs, if nobody has led for a while.
  void turn();
  /// Until `finish`: true; or until the time comes.
  bool wait(const std::optional<core::time_point>& until);
  /// Inside, from any thread.
  void finish();

 private:
  void look_after();
  void lead(const std::optional<core::time_point>& until);

  std::shared_ptr<connection> link_;
  callers& callers_;
  callers::caller me_;
};

}  // namespace duplex::net
