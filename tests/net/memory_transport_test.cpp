// Two transports joined through memory.

#include "net/memory_transport.hpp"

#include "run.hpp"

#include <boost/asio/error.hpp>

#include <array>
#include <string>

namespace duplex::test {
namespace {

class memory_transport : public ::testing::Test {
 protected:
  memory_transport() {
    auto both = net::make_memory_pair(io_.get_executor());
    here_ = std::move(both.first);
    there_ = std::move(both.second);
  }
  static std::string write(net::transport& to, std::string_view bytes) {
    error_code ec;
    const auto n = to.write_some(asio::buffer(bytes), ec);
    EXPECT_EQ(n, ec ? 0 : bytes.size());
    return ec ? ec.message() : "ok";
  }
  static std::string read(net::transport& from) {
    std::array<char, 8> buffer{};
    error_code ec;
    const auto n = from.read_some(asio::buffer(buffer), ec);
    return ec ? ec.message() : std::string(buffer.data(), n);
  }
  static std::string text(error_code ec) { return ec.message(); }
  void wait(net::transport& at, net::direction what = net::direction::reading) {
    at.async_wait(what, [this](error_code ec) {
      EXPECT_FALSE(ec);
      ++woken_;
    });
    EXPECT_EQ(woken_, 0) << "completed inside the call";
    settle(io_);
  }

  asio::io_context io_;
  int woken_ = 0;
  std::unique_ptr<net::transport> here_;
  std::unique_ptr<net::transport> there_;
};

TEST_F(memory_transport, what_one_end_writes_the_other_reads) {
  EXPECT_EQ(write(*here_, "ping"), "ok");
  EXPECT_EQ(write(*there_, "pong"), "ok");
  EXPECT_EQ(read(*there_), "ping");
  EXPECT_EQ(read(*here_), "pong");
}

TEST_F(memory_transport, a_read_takes_what_is_there_and_leaves_the_rest) {
  EXPECT_EQ(write(*here_, "0123456789"), "ok");
  EXPECT_EQ(read(*there_), "01234567");
  EXPECT_EQ(read(*there_), "89");
  EXPECT_EQ(read(*there_), text(asio::error::would_block));
}

TEST_F(memory_transport, wakes_a_reader_when_something_was_written) {
  wait(*there_);
  EXPECT_EQ(woken_, 0);
  EXPECT_EQ(write(*here_, "x"), "ok");
  settle(io_);
  EXPECT_EQ(woken_, 1);
}

TEST_F(memory_transport, wakes_a_reader_of_what_is_there_already) {
  EXPECT_EQ(write(*here_, "x"), "ok");
  wait(*there_);
  EXPECT_EQ(woken_, 1);
}

TEST_F(memory_transport, always_has_room_to_write) {
  wait(*here_, net::direction::writing);
  EXPECT_EQ(woken_, 1);
}

TEST_F(memory_transport, shutdown_ends_one_direction_after_what_was_written) {
  EXPECT_EQ(write(*here_, "last"), "ok");
  EXPECT_FALSE(here_->shutdown());
  EXPECT_EQ(read(*there_), "last");
  EXPECT_EQ(read(*there_), text(asio::error::eof));
  EXPECT_EQ(write(*there_, "back"), "ok") << "the other direction is open";
  EXPECT_EQ(read(*here_), "back");
  EXPECT_EQ(write(*here_, "x"), text(asio::error::broken_pipe));
}

TEST_F(memory_transport, close_ends_what_waits_at_both_ends) {
  int far = 0;
  there_->async_wait(net::direction::reading, [&](error_code) { ++far; });
  wait(*here_);
  here_->close();
  settle(io_);
  EXPECT_EQ(woken_, 1);
  EXPECT_EQ(far, 1);
  EXPECT_EQ(read(*there_), text(asio::error::eof));
  EXPECT_EQ(write(*there_, "x"), text(asio::error::broken_pipe));
}

TEST_F(memory_transport, an_end_that_is_destroyed_is_an_end_that_was_closed) {
  wait(*there_);
  here_.reset();
  settle(io_);
  EXPECT_EQ(woken_, 1);
  EXPECT_EQ(read(*there_), text(asio::error::eof));
}

}  // namespace
}  // namespace duplex::test
