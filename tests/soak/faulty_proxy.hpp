#pragma once
// Carries TCP connections to a port of this machine, and does one thing wrong after the other, in each direction: some
// slow a connection down for a while, some end it. It never changes a byte.

#include "choice.hpp"
#include "report.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <cstdint>
#include <memory>
#include <set>

namespace duplex::soak {

namespace asio = boost::asio;

class faulty_proxy {
 public:
  /// Listens at once. `io` is run by one thread.
  faulty_proxy(asio::io_context& io, std::uint16_t to, std::uint64_t seed, report& report);
  faulty_proxy(const faulty_proxy&) = delete;
  faulty_proxy& operator=(const faulty_proxy&) = delete;

  [[nodiscard]] std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  /// Accepts no more, and resets what is left. On the thread of `io`.
  void close();

 private:
  struct link;
  struct fault;

  asio::awaitable<void> accept();
  asio::awaitable<void> carry(std::shared_ptr<link> both);
  asio::awaitable<void> pump(std::shared_ptr<link> both, int way);
  fault choose(std::size_t carried);

  asio::ip::tcp::acceptor acceptor_;
  asio::ip::tcp::endpoint to_;
  choice choice_;
  report& report_;
  std::set<std::shared_ptr<link>> links_;
};

}  // namespace duplex::soak
