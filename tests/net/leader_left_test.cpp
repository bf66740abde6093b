// A thread that serves a connection in a blocking verb and is left by an exception: it gets it, others take over.

#include "inside.hpp"
#include "net/background.hpp"
#include "net/socket_transport.hpp"

#include <array>
#include <atomic>
#include <future>
#include <memory>
#include <new>
#include <stdexcept>
#include <thread>
#include <utility>

namespace duplex::test {
namespace {

enum class mishap { none, out_of_memory, unheard_of };

// Its next read ends as it is told.
class unlucky_transport final : public net::transport {
 public:
  unlucky_transport(std::unique_ptr<net::transport> inner, std::shared_ptr<std::atomic<mishap>> next)
      : inner_(std::move(inner)), next_(std::move(next)) {}

  std::size_t read_some(asio::mutable_buffer to, error_code& ec) override {
    const auto now = next_->exchange(mishap::none);
    if (now == mishap::out_of_memory) throw std::bad_alloc();
    if (now == mishap::unheard_of) throw std::runtime_error("unheard of");
    return inner_->read_some(to, ec);
  }
  std::size_t write_some(asio::const_buffer from, error_code& ec) override { return inner_->write_some(from, ec); }
  error_code shutdown() override { return inner_->shutdown(); }
  void close() override { inner_->close(); }
  void async_wait(net::direction what, wait_handler handler) override { inner_->async_wait(what, std::move(handler)); }
  asio::any_io_executor get_executor() override { return inner_->get_executor(); }
  int detach() override { return inner_->detach(); }

 private:
  std::unique_ptr<net::transport> inner_;
  std::shared_ptr<std::atomic<mishap>> next_;
};

// A server on a thread of its own, which keeps its streams for the test.
class keeping_server {
 public:
  keeping_server()
      : server_(io_.get_executor(), {.cleartext = true},
                [this](const request&, h2::stream s) { arrivals_[arrived_++].set_value(std::move(s)); }) {
    thread_ = std::thread([this] { io_.run(); });
  }
  keeping_server(const keeping_server&) = delete;
  keeping_server& operator=(const keeping_server&) = delete;
  ~keeping_server() {
    io_.stop();
    thread_.join();
  }
  [[nodiscard]] std::uint16_t port() const { return server_.port(); }
  [[nodiscard]] h2::stream accept(std::size_t number) {
    auto next = arrivals_.at(number).get_future();
    if (next.wait_for(patience) != std::future_status::ready) throw std::runtime_error("no request came");
    return next.get();
  }

 private:
  asio::io_context io_;
  std::size_t arrived_ = 0;
  std::array<std::promise<h2::stream>, 2> arrivals_;
  h2::server server_;
  std::thread thread_;
};

// A connection that its callers serve, with two streams, and their other ends.
class a_leader : public ::testing::Test {
 protected:
  a_leader() {
    const net::strand strand(net::background_executor());
    tcp::socket socket(strand.get_inner_executor());
    socket.connect(loopback(server_.port()));
    auto wire = std::make_unique<net::socket_transport<tcp::socket>>(std::move(socket), strand);
    link_ = std::make_shared<net::connection>(strand, std::make_unique<unlucky_transport>(std::move(wire), next_),
                                              core::session_config{}, h2::connection_info{},
                                              net::target{false, "peer", 80});
    options opts;
    opts.recv_timeout = patience;
    first_ = open_on(link_, opts);
    second_ = open_on(link_, opts);
    link_->start();
    first_far_ = server_.accept(0);
    second_far_ = server_.accept(1);
  }

  static void answer(h2::stream& far) {
    far.async_send_response({200, {}}, [](error_code) {});
  }

  keeping_server server_;
  std::shared_ptr<std::atomic<mishap>> next_ = std::make_shared<std::atomic<mishap>>(mishap::none);
  std::shared_ptr<net::connection> link_;
  h2::stream first_;
  h2::stream second_;
  h2::stream first_far_;
  h2::stream second_far_;
};

TEST_F(a_leader, that_is_left_by_an_exception_gets_it_and_the_next_leads) {
  auto leading = receiving(first_);
  auto following = receiving(second_);
  *next_ = mishap::unheard_of;
  answer(second_far_);
  EXPECT_EQ(get(std::move(leading)), "unheard of");
  EXPECT_EQ(get(std::move(following)), "response");
}

TEST_F(a_leader, that_is_left_by_an_exception_leaves_the_connection_to_the_keeper) {
  auto leading = receiving(first_);
  *next_ = mishap::unheard_of;
  answer(second_far_);
  EXPECT_EQ(get(std::move(leading)), "unheard of");
  std::promise<std::string> told;
  second_far_.connection().async_ping([&](error_code ec, std::chrono::microseconds) { told.set_value(name(ec)); });
  EXPECT_EQ(get(told.get_future()), "ok") << "nobody is inside";
  answer(first_far_);  // what it waited for finds nobody who does
  EXPECT_EQ(get(receiving(second_)), "response");
}

TEST_F(a_leader, without_memory_fails_the_connection_for_all_who_wait) {
  auto leading = receiving(first_);
  auto following = receiving(second_);
  *next_ = mishap::out_of_memory;
  answer(second_far_);
  EXPECT_EQ(get(std::move(leading)), "out_of_memory");
  EXPECT_EQ(get(std::move(following)), "out_of_memory");
  EXPECT_EQ(name(first_.failure().value().code), "out_of_memory");
}

TEST_F(a_leader, is_not_needed_for_the_keeper_to_fail_a_connection_without_memory) {
  std::promise<std::string> told;
  *next_ = mishap::out_of_memory;
  first_.async_recv([&](error_code ec, const message&) { told.set_value(name(ec)); });
  answer(second_far_);
  EXPECT_EQ(get(told.get_future()), "out_of_memory");
}

}  // namespace
}  // namespace duplex::test
