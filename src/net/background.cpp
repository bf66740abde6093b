// The library's own thread.

#include "net/background.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace duplex::net {
namespace asio = boost::asio;
namespace {

class background {
 public:
  background() : work_(asio::make_work_guard(context_)), thread_([this] { run(); }) {}
  background(const background&) = delete;
  background& operator=(const background&) = delete;
  // Connections whose handles are gone get a moment to say so to their peers.
  ~background() {
    constexpr std::chrono::milliseconds patience(250);
    work_.reset();
    {
      std::unique_lock lock(mutex_);
      finished_.wait_for(lock, patience, [this] { return idle_; });
    }
    context_.stop();
    thread_.join();
  }

  asio::any_io_executor executor() { return context_.get_executor(); }

 private:
  void run() {
    context_.run();
    const std::lock_guard lock(mutex_);
    idle_ = true;
    finished_.notify_all();
  }

  asio::io_context context_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::mutex mutex_;
  std::condition_variable finished_;
  bool idle_ = false;
  std::thread thread_;
};

}  // namespace

asio::any_io_executor background_executor() {
  static background instance;
  return instance.executor();
}

}  // namespace duplex::net
