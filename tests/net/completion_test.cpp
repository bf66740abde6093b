// Where a completion runs, what it keeps alive, and the list of those that are ready.

#include "net/completion.hpp"
#include "net/ready_list.hpp"

#include "run.hpp"

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/strand.hpp>

#include <stdexcept>
#include <string>
#include <vector>

namespace duplex::test {
namespace {

using ::testing::ElementsAre;
using done_handler = asio::any_completion_handler<void(error_code)>;

TEST(completion, without_an_executor_of_its_own_runs_at_home_inside_the_turn) {
  asio::io_context io;
  bool called = false;
  net::completion<error_code> c(done_handler([&](error_code) { called = true; }), io.get_executor());
  c(error_code());
  EXPECT_TRUE(called) << "nothing is posted";
}

TEST(completion, of_the_executor_below_the_strand_runs_inside_the_turn) {
  asio::io_context io;
  const auto strand = asio::make_strand(asio::any_io_executor(io.get_executor()));
  bool called = false;
  net::completion<error_code> c(
      done_handler(asio::bind_executor(asio::any_io_executor(io.get_executor()), [&](error_code) { called = true; })),
      net::home(strand, io.get_executor()));
  c(error_code());
  EXPECT_TRUE(called) << "nothing is posted, nor dispatched";
}

TEST(completion, keeps_work_on_the_foreign_executor_that_it_will_run_on) {
  asio::io_context home;
  asio::io_context foreign;
  bool called = false;
  {
    net::completion<error_code> c(done_handler(asio::bind_executor(foreign, [&](error_code) { called = true; })),
                                  home.get_executor());
    foreign.poll();
    EXPECT_FALSE(foreign.stopped()) << "it would have returned to a caller who waits for this completion";
    c(error_code());
    EXPECT_FALSE(called) << "only its own context may run it";
  }
  foreign.restart();
  foreign.run();
  EXPECT_TRUE(called);
  EXPECT_TRUE(foreign.stopped());
}

TEST(completion, that_is_dropped_gives_the_work_back) {
  asio::io_context home;
  asio::io_context foreign;
  {
    const net::completion<error_code> c(done_handler(asio::bind_executor(foreign, [](error_code) {})),
                                        home.get_executor());
  }
  foreign.restart();
  EXPECT_EQ(foreign.run(), 0U);
}

TEST(completion, elsewhere_runs_without_a_connection) {
  asio::io_context io;
  error_code told;
  auto work = asio::make_work_guard(io);
  net::complete_elsewhere<error_code>(done_handler(asio::bind_executor(io,
                                                                       [&](error_code ec) {
                                                                         told = ec;
                                                                         work.reset();
                                                                       })),
                                      make_error_code(errc::closed));
  io.run_for(patience);
  EXPECT_EQ(told, errc::closed);
}

class ready_list : public ::testing::Test {
 protected:
  void add(const std::string& what) {
    list_.add([this, what] { ran_.push_back(what); });
  }
  net::ready_list list_;
  std::vector<std::string> ran_;
};

TEST_F(ready_list, runs_in_order_and_once) {
  add("a");
  add("b");
  EXPECT_FALSE(list_.empty());
  list_.run();
  list_.run();
  EXPECT_THAT(ran_, ElementsAre("a", "b"));
  EXPECT_TRUE(list_.empty());
}

TEST_F(ready_list, leaves_what_is_added_meanwhile_to_the_next_call) {
  list_.add([this] { add("later"); });
  add("now");
  list_.run();
  EXPECT_THAT(ran_, ElementsAre("now"));
  list_.run();
  EXPECT_THAT(ran_, ElementsAre("now", "later"));
}

TEST_F(ready_list, keeps_the_rest_in_order_when_one_throws) {
  add("a");
  list_.add([this] {
    add("added");
    throw std::runtime_error("of the user");
  });
  add("b");
  add("c");
  EXPECT_THROW(list_.run(), std::runtime_error);
  EXPECT_THAT(ran_, ElementsAre("a"));
  list_.run();
  EXPECT_THAT(ran_, ElementsAre("a", "b", "c"));
  EXPECT_FALSE(list_.empty());
  list_.run();
  EXPECT_THAT(ran_, ElementsAre("a", "b", "c", "added"));
  EXPECT_TRUE(list_.empty());
}

TEST_F(ready_list, is_not_empty_until_what_is_behind_one_that_throws_has_run) {
  list_.add([] { throw std::runtime_error("of the user"); });
  EXPECT_THROW(list_.run(), std::runtime_error);
  EXPECT_TRUE(list_.empty()) << "it was the last";
  list_.run();
  list_.add([] { throw std::runtime_error("of the user"); });
  add("a");
  EXPECT_THROW(list_.run(), std::runtime_error);
  EXPECT_FALSE(list_.empty());
  list_.clear();
  EXPECT_TRUE(list_.empty());
  list_.run();
  EXPECT_TRUE(ran_.empty());
}

}  // namespace
}  // namespace duplex::test
