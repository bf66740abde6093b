// The library's own thread.

#include "net/background.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <openssl/ssl.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

namespace duplex::net {
namespace asio = boost::asio;
namespace {

// Never destroyed: streams in static objects may outlive everything here, and still have to say goodbye to it.
asio::io_context& context() {
  static asio::io_context& instance = *std::make_unique<asio::io_context>(1).release();
  return instance;
}

// Asked by every blocking verb, so without the context's lock. The context ends only here.
std::atomic<bool> ended = false;

class background {
 public:
  background() : work_(asio::make_work_guard(context())), thread_([this] { run(); }) {}
  background(const background&) = delete;
  background& operator=(const background&) = delete;
  // Connections whose handles are gone get a moment to say so to their peers.
  ~background() {
    constexpr std::chrono::milliseconds patience(250);
    work_.reset();
    // A handler that ends the program runs on the thread itself, which cannot wait for its own end.
    if (thread_.get_id() == std::this_thread::get_id()) {
      stop();
      thread_.detach();
      return;
    }
    {
      std::unique_lock lock(mutex_);
      finished_.wait_for(lock, patience, [this] { return idle_; });
    }
    stop();
    thread_.join();
  }

 private:
  static void stop() {
    ended = true;
    context().stop();
  }
  void run() {
    context().run();
    ended = true;
    const std::lock_guard lock(mutex_);
    idle_ = true;
    finished_.notify_all();
  }

  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::mutex mutex_;
  std::condition_variable finished_;
  bool idle_ = false;
  std::thread thread_;
};

}  // namespace

asio::any_io_executor background_executor() {
  // OpenSSL cleans up at exit, before what was there before it: our thread, which may be using it.
  OPENSSL_init_ssl(0, nullptr);
  static background instance;
  return context().get_executor();
}

bool is_background(const asio::any_io_executor& executor) {
  const auto* target = executor.target<asio::io_context::executor_type>();
  return target && &target->context() == &context();
}

bool in_background() { return context().get_executor().running_in_this_thread(); }

bool background_ended() { return ended; }

}  // namespace duplex::net
