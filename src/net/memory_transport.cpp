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

using io_handler = transport::io_handler;

// One direction: bytes that were written and not yet read, and a reader that waits.
class pipe {
 public:
  explicit pipe(asio::any_io_executor executor) : executor_(std::move(executor)) {}

  void read(asio::mutable_buffer to, io_handler handler) {
    to_ = to;
    reader_.emplace(std::move(handler));
    serve();
  }
  void write(asio::const_buffer from, io_handler handler) {
    const auto ec = closed_ ? error_code(asio::error::broken_pipe) : error_code();
    if (!closed_) bytes_.append(static_cast<const char*>(from.data()), from.size());
    complete(std::move(handler), ec, closed_ ? 0 : from.size());
    serve();
  }
  void close() {
    closed_ = true;
    serve();
  }
  void complete(io_handler handler, error_code ec, std::size_t n) {
    asio::post(executor_, [handler = std::move(handler), ec, n]() mutable { std::move(handler)(ec, n); });
  }

 private:
  void serve() {
    if (!reader_ || (bytes_.empty() && !closed_)) return;
    const auto n = std::min(bytes_.size(), to_.size());
    std::memcpy(to_.data(), bytes_.data(), n);
    bytes_.erase(0, n);
    io_handler handler(std::move(*reader_));
    reader_.reset();
    complete(std::move(handler), n == 0 ? error_code(asio::error::eof) : error_code(), n);
  }

  asio::any_io_executor executor_;
  std::string bytes_;
  bool closed_ = false;
  asio::mutable_buffer to_;
  std::optional<io_handler> reader_;
};

class memory_transport final : public transport {
 public:
  memory_transport(std::shared_ptr<pipe> in, std::shared_ptr<pipe> out) : in_(std::move(in)), out_(std::move(out)) {}
  ~memory_transport() override { memory_transport::close(); }

  void async_read_some(asio::mutable_buffer to, io_handler handler) override { in_->read(to, std::move(handler)); }
  void async_write(asio::const_buffer from, io_handler handler) override { out_->write(from, std::move(handler)); }
  void shutdown(io_handler handler) override {
    out_->close();
    out_->complete(std::move(handler), {}, 0);
  }
  void close() override {
    out_->close();
    in_->close();
  }

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
