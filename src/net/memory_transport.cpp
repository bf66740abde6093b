// Transports joined through memory.

#include "net/memory_transport.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>

namespace duplex::net {
namespace {

using wait_handler = transport::wait_handler;

// One direction: bytes that were written and not yet read, and a reader that waits.
class pipe {
 public:
  explicit pipe(asio::any_io_executor executor) : executor_(std::move(executor)) {}

  std::size_t read(asio::mutable_buffer to, error_code& ec) {
    ec = {};
    if (bytes_.empty()) ec = closed_ ? error_code(asio::error::eof) : asio::error::would_block;
    const auto n = std::min(bytes_.size(), to.size());
    std::memcpy(to.data(), bytes_.data(), n);
    bytes_.erase(0, n);
    return n;
  }
  std::size_t write(asio::const_buffer from, error_code& ec) {
    ec = closed_ ? error_code(asio::error::broken_pipe) : error_code();
    if (closed_) return 0;
    bytes_.append(static_cast<const char*>(from.data()), from.size());
    wake();
    return from.size();
  }
  void wait(wait_handler handler) {
    reader_.emplace(std::move(handler));
    wake();
  }
  void close() {
    closed_ = true;
    wake();
  }
  [[nodiscard]] const asio::any_io_executor& executor() const noexcept { return executor_; }

 private:
  void wake() {
    if (!reader_ || (bytes_.empty() && !closed_)) return;
    asio::post(executor_, [handler = std::move(*reader_)]() mutable { std::move(handler)(error_code()); });
    reader_.reset();
  }

  asio::any_io_executor executor_;
  std::string bytes_;
  bool closed_ = false;
  std::optional<wait_handler> reader_;
};

class memory_transport final : public transport {
 public:
  memory_transport(std::shared_ptr<pipe> in, std::shared_ptr<pipe> out) : in_(std::move(in)), out_(std::move(out)) {}
  ~memory_transport() override { memory_transport::close(); }

  std::size_t read_some(asio::mutable_buffer to, error_code& ec) override { return in_->read(to, ec); }
  std::size_t write_some(asio::const_buffer from, error_code& ec) override { return out_->write(from, ec); }
  error_code shutdown() override {
    out_->close();
    return {};
  }
  void close() override {
    out_->close();
    in_->close();
  }
  void async_wait(direction what, wait_handler handler) override {
    if (what == direction::reading) return in_->wait(std::move(handler));
    asio::post(out_->executor(), [handler = std::move(handler)]() mutable { std::move(handler)(error_code()); });
  }
  asio::any_io_executor get_executor() override { return in_->executor(); }

 private:
  std::shared_ptr<pipe> in_;
  std::shared_ptr<pipe> out_;
};

}  // namespace

std::pair<std::unique_ptr<transport>, std::unique_ptr<transport>> make_memory_pair(
    const asio::any_io_executor& executor) {
  auto there = std::make_shared<pipe>(executor);
  auto back = std::make_shared<pipe>(executor);
  return {std::make_unique<memory_transport>(back, there), std::make_unique<memory_transport>(there, back)};
}

}  // namespace duplex::net
