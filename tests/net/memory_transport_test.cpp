// Two transports joined through memory.

#include "net/memory_transport.hpp"

#include "run.hpp"

#include <boost/asio/error.hpp>

#include <array>
#include <optional>

namespace duplex::test {
namespace {

class memory_transport : public ::testing::Test {
 protected:
  struct reading {
    std::array<char, 8> buffer{};
    std::optional<error_code> ec{};
    std::size_t size = 0;
    [[nodiscard]] std::string text() const { return {buffer.data(), size}; }
  };

  memory_transport() {
    auto both = net::make_memory_pair(io_.get_executor());
    here_ = std::move(both.first);
    there_ = std::move(both.second);
  }
  void start(net::transport& from, reading& r) {
    r.ec.reset();
    from.async_read_some(asio::buffer(r.buffer), [&r](error_code ec, std::size_t n) {
      r.ec = ec;
      r.size = n;
    });
  }
  error_code write(net::transport& to, std::string_view bytes) {
    std::optional<error_code> result;
    to.async_write(asio::buffer(bytes), [&result, want = bytes.size()](error_code ec, std::size_t n) {
      result = ec;
      EXPECT_EQ(n, ec ? 0 : want);
    });
    EXPECT_FALSE(result) << "completed inside the call";
    settle(io_);
    return result.value();
  }
  reading read(net::transport& from) {
    reading r;
    start(from, r);
    EXPECT_FALSE(r.ec) << "completed inside the call";
    settle(io_);
    return r;
  }

  asio::io_context io_;
  std::unique_ptr<net::transport> here_;
  std::unique_ptr<net::transport> there_;
};

TEST_F(memory_transport, what_one_end_writes_the_other_reads) {
  EXPECT_EQ(write(*here_, "ping"), error_code());
  EXPECT_EQ(write(*there_, "pong"), error_code());
  EXPECT_EQ(read(*there_).text(), "ping");
  EXPECT_EQ(read(*here_).text(), "pong");
}

TEST_F(memory_transport, a_read_takes_what_is_there_and_leaves_the_rest) {
  EXPECT_EQ(write(*here_, "0123456789"), error_code());
  EXPECT_EQ(read(*there_).text(), "01234567");
  EXPECT_EQ(read(*there_).text(), "89");
}

TEST_F(memory_transport, a_read_waits_for_a_write) {
  reading r;
  start(*there_, r);
  settle(io_);
  EXPECT_FALSE(r.ec);
  EXPECT_EQ(write(*here_, "x"), error_code());
  EXPECT_EQ(r.ec, error_code());
  EXPECT_EQ(r.text(), "x");
}

TEST_F(memory_transport, shutdown_ends_one_direction_after_what_was_written) {
  EXPECT_EQ(write(*here_, "last"), error_code());
  std::optional<error_code> shut;
  here_->shutdown([&](error_code ec, std::size_t) { shut = ec; });
  settle(io_);
  EXPECT_EQ(shut, error_code());
  EXPECT_EQ(read(*there_).text(), "last");
  EXPECT_EQ(read(*there_).ec, asio::error::eof);
  EXPECT_EQ(write(*there_, "back"), error_code()) << "the other direction is open";
  EXPECT_EQ(read(*here_).text(), "back");
  EXPECT_EQ(write(*here_, "x"), asio::error::broken_pipe);
}

TEST_F(memory_transport, close_ends_what_waits_at_both_ends) {
  reading near;
  reading far;
  start(*here_, near);
  start(*there_, far);
  here_->close();
  settle(io_);
  ASSERT_TRUE(near.ec && far.ec);
  EXPECT_TRUE(*near.ec);
  EXPECT_EQ(*far.ec, asio::error::eof);
  EXPECT_EQ(write(*there_, "x"), asio::error::broken_pipe);
}

TEST_F(memory_transport, an_end_that_is_destroyed_is_an_end_that_was_closed) {
  reading far;
  start(*there_, far);
  here_.reset();
  settle(io_);
  EXPECT_EQ(far.ec, asio::error::eof);
}

}  // namespace
}  // namespace duplex::test
