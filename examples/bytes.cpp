// A stream as a byte stream, and a connection over a socket that is there already: usage `example_bytes URL`.
#include <duplex/duplex.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

#include <iostream>
#include <stdexcept>
#include <string>
#include <utility>

namespace asio = boost::asio;
namespace h2 = duplex::h2;

// [readme]
void talk(const std::string& url, asio::ip::tcp::socket socket) {
  h2::byte_stream bytes(h2::open({.url = url}));
  asio::write(bytes, asio::buffer("one line\n", 9));
  std::string line;
  asio::read_until(bytes, asio::dynamic_buffer(line), '\n');
  std::cout << line;

  auto link = h2::connection::over(std::move(socket), url);  // or over `bytes`, if that is a tunnel
  std::cout << h2::fetch(link, {.url = url}, "another\n").body;
}
// [/readme]

int main(int argc, char** argv) try {
  if (argc != 2) throw std::runtime_error("usage: example_bytes URL");
  const std::string url = argv[1];
  const auto host = url.substr(url.find("://") + 3);
  const auto colon = host.find(':');
  asio::io_context io;  // which nobody has to run
  asio::ip::tcp::socket socket(io);
  const auto port = static_cast<std::uint16_t>(std::stoi(host.substr(colon + 1)));
  socket.connect({asio::ip::make_address(host.substr(0, colon)), port});
  talk(url, std::move(socket));
} catch (const std::exception& e) {
  std::cerr << e.what() << '\n';
  return 1;
}
