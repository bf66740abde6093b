// Executors whose threads can be told.

#include "net/this_thread.hpp"

#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/require.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>

#include <utility>

namespace duplex::net {
namespace asio = boost::asio;
namespace {

template <class Executor>
bool is_here(const asio::any_io_executor& executor) {
  const auto* target = executor.target<Executor>();
  return target && target->running_in_this_thread();
}

// An executor that keeps its context at work is of another type.
template <class Executor>
bool runs(const asio::any_io_executor& executor) {
  using tracked = decltype(asio::require(std::declval<Executor>(), asio::execution::outstanding_work.tracked));
  return is_here<Executor>(executor) || is_here<tracked>(executor);
}

// The strand's own answer only tells whether this thread is inside it, not whether it runs what is below.
template <class Inner>
bool runs_strand(const asio::any_io_executor& executor) {
  const auto* target = executor.target<asio::strand<Inner>>();
  return target && (target->running_in_this_thread() || runs_here(target->get_inner_executor()));
}

}  // namespace

bool runs_here(const asio::any_io_executor& executor) {
  using context = asio::io_context::executor_type;
  using pool = asio::thread_pool::executor_type;
  return runs<context>(executor) || runs<pool>(executor) || runs_strand<context>(executor) ||
         runs_strand<pool>(executor) || runs_strand<asio::any_io_executor>(executor);
}

}  // namespace duplex::net
