// How a blocking verb waits.

#include "net/blocking.hpp"

#include "net/background.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

namespace duplex::test {
namespace {

namespace asio = boost::asio;

TEST(blocking, returns_what_the_handler_was_given) {
  const auto [ec, number] = net::wait_for<int>([](auto waker) { std::move(waker)(error_code(), 42); });
  EXPECT_FALSE(ec);
  EXPECT_EQ(number, 42);
}

TEST(blocking, returns_an_error_with_an_empty_value) {
  const auto [ec, text] =
      net::wait_for<std::string>([](auto waker) { std::move(waker)(make_error_code(errc::timeout), ""); });
  EXPECT_EQ(ec, errc::timeout);
  EXPECT_TRUE(text.empty());
}

TEST(blocking, waits_for_another_thread) {
  const auto [ec] = net::wait_for<>([](auto waker) {
    asio::post(net::background_executor(), [waker = std::move(waker)]() mutable { std::move(waker)(error_code()); });
  });
  EXPECT_FALSE(ec);
}

TEST(blocking, takes_a_handler_that_is_dropped_for_a_lost_connection) {
  const auto [ec, number] = net::wait_for<int>([](auto waker) { const auto dropped = std::move(waker); });
  EXPECT_EQ(ec, errc::connection_lost);
  EXPECT_EQ(number, 0);
}

TEST(blocking, ends_when_the_context_that_should_answer_is_destroyed) {
  auto io = std::make_unique<asio::io_context>();
  std::thread destroyer;
  const auto [ec] = net::wait_for<>([&](auto waker) {
    asio::post(*io, [waker = std::move(waker)]() mutable { std::move(waker)(error_code()); });
    destroyer = std::thread([&] { io.reset(); });  // without having run
  });
  destroyer.join();
  EXPECT_EQ(ec, errc::connection_lost);
}

TEST(blocking, wakes_once_however_often_the_handler_moves) {
  const auto [ec] = net::wait_for<>([](auto waker) {
    auto second = std::move(waker);
    auto third = std::move(second);
    std::move(third)(error_code());
  });
  EXPECT_FALSE(ec);
}

}  // namespace
}  // namespace duplex::test
