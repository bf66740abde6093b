#pragma once
// A transport that counts, and fails where it is told to.

#include "net/transport.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace duplex::test {

namespace asio = boost::asio;

enum class fault {
  none,
  fail_operation,  // the Nth operation fails, and what follows it
  fail_once,       // the Nth operation fails, the others go on
  cut_reading,     // the end of file comes after N bytes
  cut_writing,     // N bytes go out, then the peer has reset the connection
  stall_writing,   // after N bytes the peer reads no more
};

/// What one transport did, and whether its fault came to pass. Outlives the transport.
struct wire_log {
  std::vector<std::string> writes{};
  std::size_t reads = 0;
  std::size_t bytes_read = 0;
  std::size_t bytes_written = 0;
  std::size_t operations = 0;
  bool struck = false;
  bool shut_down = false;
  bool closed = false;

  [[nodiscard]] std::string written() const {
    std::string all;
    for (const auto& w : writes) all += w;
    return all;
  }
};

struct fault_plan {
  fault what = fault::none;
  std::size_t at = 0;
  std::size_t bytes_per_read = std::numeric_limits<std::size_t>::max();
};

class faulty_transport final : public net::transport {
 public:
  faulty_transport(asio::any_io_executor executor, std::unique_ptr<net::transport> inner, std::shared_ptr<wire_log> log,
                   fault_plan plan = {})
      : executor_(std::move(executor)), inner_(std::move(inner)), log_(std::move(log)), plan_(plan) {}

  void async_read_some(asio::mutable_buffer to, io_handler handler) override {
    if (fails()) return complete(std::move(handler), asio::error::connection_reset, 0);
    ++log_->reads;
    to = asio::buffer(to, plan_.bytes_per_read);
    if (plan_.what == fault::cut_reading) {
      const auto left = plan_.at - std::min(plan_.at, log_->bytes_read);
      if (left == 0) {
        log_->struck = true;
        return complete(std::move(handler), asio::error::eof, 0);
      }
      to = asio::buffer(to, left);
    }
    inner_->async_read_some(to, [log = log_, handler = std::move(handler)](error_code ec, std::size_t n) mutable {
      log->bytes_read += n;
      std::move(handler)(ec, n);
    });
  }

  void async_write(asio::const_buffer from, io_handler handler) override {
    if (fails()) return complete(std::move(handler), asio::error::connection_reset, 0);
    const bool cuts = plan_.what == fault::cut_writing || plan_.what == fault::stall_writing;
    if (!cuts || log_->bytes_written + from.size() <= plan_.at) return pass(from, std::move(handler));

    const auto left = asio::buffer(from, plan_.at - std::min(plan_.at, log_->bytes_written));
    log_->struck = true;
    if (plan_.what == fault::stall_writing) {
      stalled_.emplace(std::move(handler));
      return pass(left, [](error_code, std::size_t) {});
    }
    pass(left, [handler = std::move(handler)](error_code, std::size_t n) mutable {
      std::move(handler)(asio::error::broken_pipe, n);
    });
  }

  void shutdown(io_handler handler) override {
    if (fails()) return complete(std::move(handler), asio::error::not_connected, 0);
    log_->shut_down = true;
    inner_->shutdown(std::move(handler));
  }

  void close() override {
    log_->closed = true;
    if (stalled_) {
      io_handler handler(std::move(*stalled_));
      stalled_.reset();
      complete(std::move(handler), asio::error::operation_aborted, 0);
    }
    inner_->close();
  }

 private:
  bool fails() {
    const auto now = log_->operations++;
    const bool hit =
        (plan_.what == fault::fail_operation && now >= plan_.at) || (plan_.what == fault::fail_once && now == plan_.at);
    log_->struck = log_->struck || hit;
    return hit;
  }
  void pass(asio::const_buffer from, io_handler handler) {
    log_->bytes_written += from.size();
    log_->writes.emplace_back(static_cast<const char*>(from.data()), from.size());
    inner_->async_write(from, std::move(handler));
  }
  void complete(io_handler handler, error_code ec, std::size_t n) {
    asio::post(executor_, [handler = std::move(handler), ec, n]() mutable { std::move(handler)(ec, n); });
  }

  asio::any_io_executor executor_;
  std::unique_ptr<net::transport> inner_;
  std::shared_ptr<wire_log> log_;
  fault_plan plan_;
  std::optional<io_handler> stalled_;
};

}  // namespace duplex::test
