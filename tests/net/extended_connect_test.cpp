// Extended CONNECT (RFC 8441) as a server's handler sees it.

#include "peers.hpp"

#include <duplex/h2/router.hpp>

namespace duplex::test {
namespace {

using ::testing::ElementsAre;

std::string literal(const std::string& name, const std::string& value) {
  std::string out(1, '\0');
  out += static_cast<char>(name.size());
  out += name;
  out += static_cast<char>(value.size());
  return out + value;
}

TEST(an_extended_connect, rfc8441_4_is_routed_by_its_path_and_has_its_protocol) {
  asio::io_context io;
  std::vector<std::string> seen;
  h2::router routes;
  routes.add("CONNECT", "/chat", [&](const request& head, h2::stream s) {
    seen.push_back(head.protocol + " " + head.url);
    s.async_send_response({200, {}}, [s](error_code) {});
  });
  const h2::server server(io.get_executor(), {.cleartext = true, .extended_connect = true}, routes);
  const auto head = literal(":method", "CONNECT") + literal(":protocol", "websocket") + literal(":scheme", "http") +
                    literal(":path", "/chat?room=1") + literal(":authority", "server.example");
  std::string heard;
  EXPECT_TRUE(run(io, [&]() -> asio::awaitable<void> {
    tcp::socket socket(io);
    co_await socket.async_connect(loopback(server.port()), as_value);
    co_await say(socket, std::string(client_preface) + make_frame(4, 0, 0) + make_frame(1, 4, 1, head));
    co_await read_frame(socket, 1, heard);
  }()));
  EXPECT_THAT(seen, ElementsAre("websocket http://server.example/chat?room=1"));
  EXPECT_THAT(frame_names(heard), ::testing::Contains("HEADERS"));
}

}  // namespace
}  // namespace duplex::test
