// duplex with coroutines: one for each stream, on the thread that runs the io_context.
#include "setup.hpp"

#include "common/meter.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace bench {
namespace {

namespace asio = boost::asio;
using duplex::h2::connection;
using duplex::h2::stream;

class coroutine_client {
 public:
  coroutine_client(const plan& p, asio::io_context& io)
      : plan_(p), io_(io), options_(options_of(p)), request_(request_of(p)), out_(p.size, 'x') {}

  void run() {
    spawn(start());
    io_.run();
    if (error_) std::rethrow_exception(error_);
  }

 private:
  void spawn(asio::awaitable<void> work) {
    asio::co_spawn(io_, std::move(work), [this](const std::exception_ptr& error) {
      if (!error || error_) return;
      error_ = error;
      io_.stop();
    });
  }

  asio::awaitable<void> start() {
    if (plan_.workload == workload::connect || plan_.workload == workload::reconnect) co_return co_await connect();
    if (plan_.workload == workload::idle_connections) co_return co_await idle_connections();
    connection_ = co_await dial();
    if (plan_.workload == workload::idle) co_return co_await idle();
    meter_.emplace(plan_);
    for (std::size_t i = 0; i < plan_.streams; ++i) spawn(work());
  }

  asio::awaitable<connection> dial() { return dial_with(options_); }
  asio::awaitable<connection> dial_with(duplex::options opts) {
    co_return co_await connection::async_connect(io_.get_executor(), plan_.url(), opts);
  }

  asio::awaitable<void> work() {
    if (plan_.workload == workload::open) co_return co_await open();
    auto s = co_await connection_.async_open_stream(request_, options_);
    switch (plan_.workload) {
      case workload::up:
        co_return co_await up(s);
      case workload::down:
        co_return co_await receive(s);
      case workload::echo:
        spawn(send_all(s));
        co_return co_await receive(s);
      default:
        co_return co_await ping_pong(s);
    }
  }

  // Of all streams, the first that sees that time is over ends them all.
  void finish() {
    if (io_.stopped()) return;
    meter_->report();
    io_.stop();
  }

  asio::awaitable<void> ping_pong(stream s) {
    do {
      co_await s.async_send(out_);
      for (std::size_t back = 0; back < plan_.size;) back += payload(co_await s.async_recv());
    } while (meter_->add(plan_.size));
    finish();
  }

  asio::awaitable<void> up(stream s) {
    do co_await s.async_send(out_);
    while (meter_->add(plan_.size));
    finish();
  }

  asio::awaitable<void> send_all(stream s) {
    for (;;) co_await s.async_send(out_);
  }

  asio::awaitable<void> receive(stream s) {
    for (std::size_t back = 0; !meter_->over();) {
      for (back += payload(co_await s.async_recv()); back >= plan_.size; back -= plan_.size) meter_->add(plan_.size);
    }
    finish();
  }

  asio::awaitable<void> open() {
    do {
      auto s = co_await connection_.async_open_stream(request_, options_);
      co_await exchange(s);
    } while (meter_->add(plan_.size));
    finish();
  }

  asio::awaitable<void> exchange(stream s) {
    co_await s.async_send(out_, duplex::h2::fin);
    for (auto m = co_await s.async_recv(); !is_done(m);) m = co_await s.async_recv();
  }

  asio::awaitable<void> connect() {
    meter_.emplace(plan_);
    do {
      auto s = co_await duplex::h2::async_open(io_.get_executor(), request_, options_);
      co_await exchange(s);
    } while (meter_->add(plan_.size));
    finish();
  }

  asio::awaitable<void> idle() {
    std::vector<stream> all;
    all.reserve(plan_.streams);
    auto first = co_await connection_.async_open_stream(request_, options_);
    co_await first.async_recv();
    const memory_meter m(plan_);
    for (std::size_t i = 0; i < plan_.streams; ++i) {
      all.push_back(co_await connection_.async_open_stream(request_, options_));
    }
    for (auto& s : all) co_await s.async_recv();
    m.report();
    io_.stop();
  }

  asio::awaitable<void> idle_connections() {
    std::vector<connection> all;
    all.reserve(plan_.streams);
    const auto first = co_await dial_and_exchange();
    const memory_meter m(plan_);
    for (std::size_t i = 0; i < plan_.streams; ++i) all.push_back(co_await dial_and_exchange());
    m.report();
    io_.stop();
  }
  asio::awaitable<connection> dial_and_exchange() {
    auto c = co_await dial();
    auto s = co_await c.async_open_stream(request_, options_);
    co_await exchange(s);
    co_return c;
  }

  const plan& plan_;
  asio::io_context& io_;
  duplex::options options_;
  duplex::request request_;
  std::string out_;
  connection connection_;
  std::optional<meter> meter_;
  std::exception_ptr error_;
};

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::run_on_contexts<bench::coroutine_client>(argc, argv); }
