#pragma once
// A peer that writes frames by hand (RFC 9113, section 4.1), for what the library itself would never send.

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace duplex::test {

struct raw {
  enum type : std::uint8_t {
    data = 0,
    headers = 1,
    rst_stream = 3,
    settings = 4,
    ping = 6,
    goaway = 7,
    window_update = 8
  };
  enum flag : std::uint8_t { none = 0, ack = 1, end_stream = 1, end_headers = 4, padded = 8 };

  [[nodiscard]] static std::string frame(type t, std::uint8_t flags, std::uint32_t stream, std::string_view payload);
  [[nodiscard]] static std::string number(std::uint32_t value);
  /// `:status: 200`, which the static table has (RFC 7541, appendix A).
  [[nodiscard]] static std::string ok(std::uint32_t stream, std::uint8_t flags = none) {
    return frame(headers, static_cast<std::uint8_t>(end_headers | flags), stream, "\x88");
  }
  /// DATA with padding.
  [[nodiscard]] static std::string padded_data(std::uint32_t stream, std::string_view payload, std::uint8_t padding);
};

/// Listens on a free port of loopback; everything blocks, and is called from the test's thread.
class raw_peer {
 public:
  raw_peer();

  [[nodiscard]] std::string url(std::string_view scheme = "http") const;
  [[nodiscard]] std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

  /// Whether somebody has connected who was not yet accepted.
  [[nodiscard]] bool called();
  /// Accepts, reads the client's first bytes and answers with SETTINGS.
  void accept_http2();
  void accept();
  void write(std::string_view bytes);
  /// Reads until `wanted` was there; what was read since the beginning.
  const std::string& read_until(std::string_view wanted);
  /// Reads to the end of the connection.
  void read_to_end();
  void close() { socket_.close(); }

 private:
  bool read_some();

  boost::asio::io_context context_;
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::ip::tcp::socket socket_;
  std::vector<boost::asio::ip::tcp::socket> others_;  // that called later, and are not answered
  std::string seen_;
};

}  // namespace duplex::test
