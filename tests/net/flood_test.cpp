// A peer that makes us answer and does not take the answers: the driver stops reading, and goes on when it takes them.

#include "frames.hpp"
#include "net/connection.hpp"
#include "net/memory_transport.hpp"
#include "run.hpp"

#include <optional>
#include <utility>

namespace duplex::test {
namespace {

/// What the peer lets through, and what was read of it.
struct gate {
  bool open = false;
  bool closed = false;
  std::size_t bytes_read = 0;
  std::optional<net::transport::wait_handler> writer{};

  void let_through(asio::io_context& io) {
    open = true;
    if (!writer) return;
    asio::post(io, [handler = std::move(*writer)]() mutable { std::move(handler)(error_code()); });
    writer.reset();
  }
};

class gated_transport final : public net::transport {
 public:
  gated_transport(std::unique_ptr<net::transport> inner, std::shared_ptr<gate> g)
      : inner_(std::move(inner)), gate_(std::move(g)) {}

  std::size_t read_some(asio::mutable_buffer to, error_code& ec) override {
    const auto n = inner_->read_some(to, ec);
    gate_->bytes_read += n;
    return n;
  }
  std::size_t write_some(asio::const_buffer from, error_code& ec) override {
    if (gate_->open || from.size() == 0) return inner_->write_some(from, ec);
    ec = asio::error::would_block;
    return 0;
  }
  error_code shutdown() override { return inner_->shutdown(); }
  void close() override {
    gate_->closed = true;
    gate_->writer.reset();
    inner_->close();
  }
  void async_wait(net::direction what, wait_handler handler) override {
    if (what == net::direction::reading || gate_->open) return inner_->async_wait(what, std::move(handler));
    gate_->writer.emplace(std::move(handler));
  }
  asio::any_io_executor get_executor() override { return inner_->get_executor(); }

 private:
  std::unique_ptr<net::transport> inner_;
  std::shared_ptr<gate> gate_;
};

const std::string ping = make_frame(6, 0, 0, "12345678");

class flood_of_a_driver : public ::testing::Test {
 protected:
  void start(const options& opts) {
    const net::strand strand{asio::any_io_executor(io_.get_executor())};
    auto [near, far] = net::make_memory_pair(strand);
    peer_ = std::move(far);
    core::session_config config;
    config.role = core::role::server;
    config.defaults = opts;
    server_ =
        std::make_shared<net::connection>(strand, std::make_unique<gated_transport>(std::move(near), gate_),
                                          std::move(config), h2::connection_info{.peer = "memory"}, net::target());
    server_->add_handle();
    server_->start();
    say(std::string(client_preface) + make_frame(4, 0, 0));
  }
  ~flood_of_a_driver() override {
    gate_->let_through(io_);
    server_->submit([s = server_] { s->close(); });
    server_.reset();
    settle(io_);
    peer_.reset();
    EXPECT_TRUE(run_until_idle(io_));
  }

  void say(const std::string& bytes) {
    error_code ec;
    peer_->write_some(asio::buffer(bytes), ec);
    said_ += bytes.size();
    settle(io_);
  }
  void say_pings(int count) {
    for (int i = 0; i < count; ++i) say(ping + ping);
  }
  std::string hear() {
    std::string bytes(std::size_t{1} << 20U, '\0');
    error_code ec;
    bytes.resize(peer_->read_some(asio::buffer(bytes), ec));
    return bytes;
  }

  asio::io_context io_;
  std::shared_ptr<gate> gate_ = std::make_shared<gate>();
  std::unique_ptr<net::transport> peer_;
  std::shared_ptr<net::connection> server_;
  std::size_t said_ = 0;
};

TEST_F(flood_of_a_driver, that_takes_no_answers_is_read_no_more_until_it_takes_them) {
  options opts{.close_timeout = 2ms};
  opts.limits.pings.burst = infinity;
  opts.limits.max_queued_control = 100;
  start(opts);
  say_pings(150);  // what waits to be read then comes at once, and is less than what ends the connection
  EXPECT_LT(gate_->bytes_read, 200 * ping.size());
  EXPECT_FALSE(server_->why_failed());
  gate_->let_through(io_);
  settle(io_);
  EXPECT_EQ(gate_->bytes_read, said_);
  const auto heard = frame_names(hear());
  EXPECT_EQ(std::count(heard.begin(), heard.end(), "PING"), 300);
  EXPECT_FALSE(server_->why_failed());
}

TEST_F(flood_of_a_driver, above_a_budget_is_closed_although_it_takes_no_goaway) {
  options opts{.close_timeout = 2ms};
  opts.limits.pings = {50, 1};
  start(opts);
  say_pings(30);
  EXPECT_TRUE(run_until(io_, [&] { return gate_->closed; }));
  ASSERT_TRUE(server_->why_failed());
  EXPECT_EQ(name(server_->why_failed()->code), "limit_exceeded");
}

TEST_F(flood_of_a_driver, above_a_budget_hears_which) {
  options opts{.close_timeout = 2ms};
  opts.limits.pings = {50, 1};
  start(opts);
  gate_->let_through(io_);
  say_pings(30);
  EXPECT_TRUE(run_until(io_, [&] { return gate_->closed; }));
  const auto heard = hear();
  EXPECT_EQ(frame_names(heard).back(), "GOAWAY");
  EXPECT_THAT(heard, ::testing::HasSubstr("limits.pings"));
}

}  // namespace
}  // namespace duplex::test
