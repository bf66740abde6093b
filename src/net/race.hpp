#pragma once
// A TCP connection to the first of several addresses that answers (Happy Eyeballs, RFC 8305, sections 4 and 5): the
// next one is tried when the last has failed, or has had its head start.

#include "net/transport.hpp"

#include <duplex/h2/connection.hpp>
#include <duplex/options.hpp>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

namespace duplex::net {

/// The families in turns, from the first one's on; in each the order stays (RFC 8305, section 4).
[[nodiscard]] std::vector<asio::ip::tcp::endpoint> in_turns(const std::vector<asio::ip::tcp::endpoint>& list);

class race : public std::enable_shared_from_this<race> {
 public:
  using tcp = asio::ip::tcp;
  /// The winner and whom it reached; null when nobody answered, or there was no address.
  using finish = std::function<void(std::unique_ptr<tcp::socket>, const tcp::endpoint&)>;

  /// What RFC 8305, section 8, recommends.
  static constexpr std::chrono::milliseconds usual_head_start{250};

  /// Of a list that is longer, the others are not tried.
  static constexpr std::size_t most_addresses = 64;

  /// `done` is called once, on the strand; never after `cancel`.
  race(const strand& executor, const std::vector<tcp::endpoint>& list, const tcp_options& opts, finish done,
       std::chrono::milliseconds head_start = usual_head_start);

  // All of these on the strand.
  void start();
  void cancel();
  /// The addresses tried so far, or the first of them, and what became of them: `127.0.0.1:80 (Connection refused),
  /// [::1]:80`.
  [[nodiscard]] std::string told() const;
  /// The same, one by one.
  [[nodiscard]] std::vector<h2::dial_attempt> attempts() const;
  /// Whether nothing else happened than that nobody listened.
  [[nodiscard]] bool all_refused() const noexcept { return all_refused_; }
  /// Why `local_address` cannot be dialed from, if that was so.
  [[nodiscard]] error_code not_bound() const noexcept { return not_bound_; }

 private:
  struct runner {
    tcp::endpoint to;
    std::unique_ptr<tcp::socket> socket;  // null: it has failed
    error_code failed{};
  };

  void begin_next();
  void failed(runner& r, error_code ec);
  void ended(runner& r, error_code ec);
  [[nodiscard]] error_code prepare(tcp::socket& socket, const tcp::endpoint& to);

  strand strand_;
  std::vector<tcp::endpoint> list_;
  tcp_options options_;
  finish done_;  // empty: it is over
  std::chrono::milliseconds head_start_;
  asio::steady_timer timer_;
  std::list<runner> runners_;  // of the first so many of the list
  std::size_t running_ = 0;
  bool all_refused_ = true;
  error_code not_bound_{};
};

}  // namespace duplex::net
