#pragma once
// A transport that counts, and fails where it is told to.

#include "net/transport.hpp"

#include <boost/asio/error.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace duplex::test {

namespace asio = boost::asio;

enum class fault {
  none,
  fail_operation,  // the Nth operation fails, and what follows it
  fail_once,       // the Nth operation fails, the others go on
  delay,           // the Nth operation would block, the others go on
  split_reading,   // a read stops at the Nth byte, and the next one would block
  split_writing,   // as much for a write
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
  std::size_t bytes_per_write = std::numeric_limits<std::size_t>::max();  // then it would block, once
};

class faulty_transport final : public net::transport {
 public:
  faulty_transport(std::unique_ptr<net::transport> inner, std::shared_ptr<wire_log> log, fault_plan plan = {})
      : inner_(std::move(inner)), log_(std::move(log)), plan_(plan) {}

  /// From here on, and counted from here.
  void follow(fault_plan plan) {
    plan_ = plan;
    *log_ = {};
    full_ = stalled_ = false;
  }

  std::size_t read_some(asio::mutable_buffer to, error_code& ec) override {
    if (fails(ec)) return 0;
    ++log_->reads;
    to = asio::buffer(to, plan_.bytes_per_read);
    const auto left = plan_.at - std::min(plan_.at, log_->bytes_read);
    if (plan_.what == fault::cut_reading) {
      if (left == 0) {
        log_->struck = true;
        ec = asio::error::eof;
        return 0;
      }
      to = asio::buffer(to, left);
    }
    if (plan_.what == fault::split_reading) {
      if (left == 0 && !std::exchange(log_->struck, true)) {
        ec = asio::error::would_block;
        return 0;
      }
      if (left > 0) to = asio::buffer(to, left);
    }
    const auto n = inner_->read_some(to, ec);
    log_->bytes_read += n;
    return n;
  }

  std::size_t write_some(asio::const_buffer from, error_code& ec) override {
    if (fails(ec)) return 0;
    if (std::exchange(full_, false)) {
      ec = asio::error::would_block;
      return 0;
    }
    full_ = from.size() > plan_.bytes_per_write;
    from = asio::buffer(from, plan_.bytes_per_write);
    if (plan_.what == fault::split_writing && !log_->struck && log_->bytes_written + from.size() > plan_.at) {
      log_->struck = full_ = true;
      from = asio::buffer(from, plan_.at - log_->bytes_written);
      if (from.size() == 0) return write_some(from, ec);
    }
    const bool cuts = plan_.what == fault::cut_writing || plan_.what == fault::stall_writing;
    if (!cuts || log_->bytes_written + from.size() <= plan_.at) return pass(from, ec);
    const auto n = pass(asio::buffer(from, plan_.at - std::min(plan_.at, log_->bytes_written)), ec);
    log_->struck = true;
    stalled_ = plan_.what == fault::stall_writing;
    ec = stalled_ ? asio::error::would_block : error_code(asio::error::broken_pipe);
    return n;
  }

  std::size_t write_pieces(std::span<const std::string_view> pieces, error_code& ec) override {
    std::string all;
    for (const auto piece : pieces) all += piece;
    if (plan_.what != fault::none) return write_some(net::asio::buffer(all), ec);
    const auto n = inner_->write_pieces(pieces, ec);
    note(std::string_view(all).substr(0, n));
    return n;
  }

  error_code shutdown() override {
    error_code ec;
    if (fails(ec)) return ec;
    log_->shut_down = true;
    return inner_->shutdown();
  }

  void close() override {
    log_->closed = true;
    waiting_.reset();
    inner_->close();
  }

  void async_wait(net::direction what, wait_handler handler) override {
    if (what == net::direction::writing && stalled_) {
      waiting_.emplace(std::move(handler));
    } else {
      inner_->async_wait(what, std::move(handler));
    }
  }

  asio::any_io_executor get_executor() override { return inner_->get_executor(); }

 private:
  bool fails(error_code& ec) {
    ec = {};
    const auto now = log_->operations++;
    const bool once = plan_.what == fault::fail_once || plan_.what == fault::delay;
    const bool hit = (plan_.what == fault::fail_operation && now >= plan_.at) || (once && now == plan_.at);
    log_->struck = log_->struck || hit;
    if (hit) ec = plan_.what == fault::delay ? asio::error::would_block : asio::error::connection_reset;
    return hit;
  }
  std::size_t pass(asio::const_buffer from, error_code& ec) {
    const auto n = inner_->write_some(from, ec);
    note({static_cast<const char*>(from.data()), n});
    return n;
  }
  void note(std::string_view written) {
    log_->bytes_written += written.size();
    if (!written.empty()) log_->writes.emplace_back(written);
  }

  std::unique_ptr<net::transport> inner_;
  std::shared_ptr<wire_log> log_;
  fault_plan plan_;
  bool stalled_ = false;
  bool full_ = false;
  std::optional<wait_handler> waiting_;
};

}  // namespace duplex::test
