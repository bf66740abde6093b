// Which thread runs an executor.

#include "net/this_thread.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/require.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/asio/thread_pool.hpp>

#include <gtest/gtest.h>

#include <future>
#include <thread>

namespace duplex::test {
namespace {

namespace asio = boost::asio;
using executor = asio::any_io_executor;

class this_thread : public ::testing::Test {
 protected:
  // What `runs_here(asked)` says on a thread that runs the context.
  bool on_the_context(const executor& asked) {
    bool answer = false;
    asio::post(io_, [&] { answer = net::runs_here(asked); });
    io_.restart();
    io_.poll();  // run() would wait for the work that `asked` may keep
    return answer;
  }
  bool on_the_pool(const executor& asked) {
    std::promise<bool> answer;
    asio::post(pool_, [&] { answer.set_value(net::runs_here(asked)); });
    return answer.get_future().get();
  }
  void expect_context(const executor& asked) {
    EXPECT_TRUE(on_the_context(asked));
    EXPECT_FALSE(on_the_pool(asked));
    EXPECT_FALSE(net::runs_here(asked));
  }
  void expect_pool(const executor& asked) {
    EXPECT_TRUE(on_the_pool(asked));
    EXPECT_FALSE(on_the_context(asked));
    EXPECT_FALSE(net::runs_here(asked));
  }

  asio::io_context io_;
  asio::thread_pool pool_{1};
};

TEST_F(this_thread, runs_a_context) { expect_context(io_.get_executor()); }

TEST_F(this_thread, runs_a_thread_pool) { expect_pool(pool_.get_executor()); }

TEST_F(this_thread, runs_strands_over_them) {
  expect_context(asio::make_strand(io_));
  expect_pool(asio::make_strand(pool_));
  expect_context(asio::strand<executor>(executor(io_.get_executor())));
  expect_pool(asio::strand<executor>(executor(pool_.get_executor())));
  expect_context(asio::strand<executor>(executor(asio::make_strand(io_))));
}

TEST_F(this_thread, runs_an_executor_that_keeps_work) {
  expect_context(asio::require(io_.get_executor(), asio::execution::outstanding_work.tracked));
  expect_context(asio::prefer(executor(io_.get_executor()), asio::execution::outstanding_work.tracked));
  expect_pool(asio::require(pool_.get_executor(), asio::execution::outstanding_work.tracked));
  expect_context(asio::require(io_.get_executor(), asio::execution::blocking.never));
}

TEST_F(this_thread, does_not_run_another_context) {
  asio::io_context other;
  EXPECT_FALSE(on_the_context(other.get_executor()));
  EXPECT_FALSE(on_the_context(asio::make_strand(other)));
}

TEST_F(this_thread, does_not_run_what_it_does_not_know) {
  EXPECT_FALSE(net::runs_here(executor(asio::system_executor())));
  EXPECT_FALSE(net::runs_here(executor()));
}

// A strand's member is inside one strand, yet on a thread that any other over the same context would need.
TEST_F(this_thread, inside_one_strand_runs_its_neighbours_too) {
  const auto other = asio::make_strand(io_);
  bool answer = false;
  asio::post(asio::make_strand(io_), [&] { answer = net::runs_here(executor(other)); });
  io_.run();
  EXPECT_TRUE(answer);
}

}  // namespace
}  // namespace duplex::test
