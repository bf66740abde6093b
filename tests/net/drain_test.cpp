// A server that ends loses nothing that it has taken (RFC 9113, section 6.8), and counts connections until they are
// closed.

#include "peers.hpp"

#include <boost/asio/steady_timer.hpp>

namespace duplex::test {
namespace {

using ::testing::ElementsAre;

constexpr std::uint8_t headers_frame = 1;
constexpr std::uint8_t settings_frame = 4;
constexpr std::uint8_t ping_frame = 6;
constexpr std::uint8_t goaway_frame = 7;
constexpr std::uint8_t window_update = 8;
constexpr std::size_t much = std::size_t{1} << 20;

const std::string wide("\x7f\xff\x00\x00", 4);
const std::string greeting = std::string(client_preface) +
                             make_frame(settings_frame, 0, 0, std::string("\0\4", 2) + wide) +
                             make_frame(settings_frame, 1, 0) + make_frame(window_update, 0, 0, wide);

std::string request_on(std::uint32_t stream) { return make_frame(headers_frame, 5, stream, "\x82\x86\x84\x01\x01x"); }

class draining_server : public ::testing::Test {
 protected:
  draining_server() {
    opts_.cleartext = true;
    opts_.stream.close_timeout = 100ms;
    opts_.on_request_done = [this](const h2::request_report&) { ++done_; };
  }
  void start() {
    server_.emplace(io_.get_executor(), opts_, [this](const request&, const h2::stream& s) { answer(s); });
  }
  static asio::awaitable<void> send_much(h2::stream s) {
    const response ok{200, {}};
    co_await s.async_send_response(ok, as_value);
    const std::string text(much, 'x');
    co_await s.async_send(text, h2::fin, as_value);
  }
  void answer(const h2::stream& s) { spawn(io_, send_much(s)); }
  void shut_down() {
    server_->async_shutdown(patience, [this](error_code ec) { down_ = name(ec); });
  }
  // Of one that takes little at a time.
  tcp::socket slow_socket() {
    tcp::socket socket(io_, tcp::v4());
    socket.set_option(asio::socket_base::receive_buffer_size(16384));
    socket.connect(loopback(server_->port()));
    return socket;
  }
  // Reads so slowly that a server which only waits for close_timeout would be gone.
  asio::awaitable<void> read_slowly(tcp::socket& socket) {
    asio::steady_timer pause(io_);
    std::string piece(much / 8, '\0');
    for (error_code ec; !ec;) {
      pause.expires_after(50ms);
      co_await pause.async_wait(as_value);
      std::size_t n = 0;
      std::tie(ec, n) = co_await asio::async_read(socket, asio::buffer(piece), as_value);
      heard_.append(piece, 0, n);
      ended_by_ = ec;
      if (!ec) {
        EXPECT_EQ(down_, "") << "it is not down while its bytes are on their way";
      }
    }
  }
  void expect_everything() {
    std::size_t bytes = 0;
    bool ended = false;
    for (const auto& f : parse_frames(heard_)) {
      if (f.type != 0) continue;
      bytes += f.payload.size();
      ended = ended || (f.flags & 1U) != 0;
    }
    EXPECT_EQ(bytes, much);
    EXPECT_TRUE(ended);
    EXPECT_EQ(ended_by_, asio::error::eof);
  }

  asio::io_context io_;
  h2::server_options opts_;
  std::optional<h2::server> server_;
  int done_ = 0;
  std::string down_;
  std::string heard_;
  error_code ended_by_;
};

TEST_F(draining_server, rfc9113_6_8_says_that_it_will_end_and_a_round_trip_later_where) {
  start();
  tcp::socket socket(io_);
  socket.connect(loopback(server_->port()));
  EXPECT_TRUE(run(io_, [&]() -> asio::awaitable<void> {
    co_await say(socket, greeting);
    co_await read_frame(socket, settings_frame, heard_);
    shut_down();
    co_await read_frame(socket, ping_frame, heard_);
    const auto frames = parse_frames(heard_);
    co_await say(socket, request_on(1) + make_frame(ping_frame, 1, 0, frames.back().payload));
    heard_ += (co_await read_to_end(socket)).first;
  }()));
  std::vector<std::string> last_ids;
  for (const auto& f : parse_frames(heard_)) {
    if (f.type == goaway_frame) last_ids.push_back(f.payload.substr(0, 4));
  }
  EXPECT_THAT(last_ids, ElementsAre("\x7f\xff\xff\xff", std::string("\0\0\0\1", 4)));
  EXPECT_EQ(done_, 1) << "what was on its way is served";
  socket.close();
  EXPECT_TRUE(run_until(io_, [&] { return !down_.empty(); }));
  EXPECT_EQ(down_, "ok");
}

TEST_F(draining_server, is_not_down_before_a_slow_client_has_everything) {
  start();
  auto socket = slow_socket();
  EXPECT_TRUE(run(io_, [&]() -> asio::awaitable<void> { co_await say(socket, greeting + request_on(1)); }()));
  EXPECT_TRUE(run_until(io_, [&] { return done_ == 1; })) << "all of it is the system's now";
  shut_down();
  EXPECT_TRUE(run(io_, read_slowly(socket)));
  expect_everything();
  socket.close();
  EXPECT_TRUE(run_until(io_, [&] { return !down_.empty(); }));
}

TEST_F(draining_server, does_not_cut_off_a_slow_client_that_has_said_goaway_itself) {
  start();
  auto socket = slow_socket();
  EXPECT_TRUE(run(io_, [&]() -> asio::awaitable<void> {
    co_await say(socket, greeting + request_on(1) + make_frame(goaway_frame, 0, 0, std::string(8, '\0')));
  }()));
  EXPECT_TRUE(run_until(io_, [&] { return done_ == 1; }));
  EXPECT_TRUE(run(io_, read_slowly(socket)));
  expect_everything();
}

TEST_F(draining_server, lets_a_handshake_that_has_begun_come_to_its_end) {
  const auto cert = make_self_signed();
  opts_.cleartext = false;
  opts_.certificate_pem = cert.certificate_pem;
  opts_.key_pem = cert.key_pem;
  start();
  asio::ssl::context context(asio::ssl::context::tls_client);
  constexpr std::array<unsigned char, 3> h2{2, 'h', '2'};
  SSL_CTX_set_alpn_protos(context.native_handle(), h2.data(), h2.size());
  tls_socket socket(io_, context);
  socket.next_layer().connect(loopback(server_->port()));
  bool shaken = false;
  socket.async_handshake(asio::ssl::stream_base::client, [&](error_code ec) { shaken = !ec; });
  const auto begun = [&] { return SSL_get_state(socket.native_handle()) != TLS_ST_BEFORE; };
  EXPECT_TRUE(run_until(io_, [&] { return begun() && server_->stats().connections == 1; }));
  shut_down();
  EXPECT_TRUE(run_until(io_, [&] { return shaken; }));
  EXPECT_TRUE(run(io_, [&]() -> asio::awaitable<void> {
    co_await say(socket, greeting + request_on(1));
    co_await read_frame(socket, goaway_frame, heard_);
  }()));
  EXPECT_THAT(frame_names(heard_), ::testing::Contains("GOAWAY")) << "so that the request may be tried elsewhere";
  socket.next_layer().close();
  EXPECT_TRUE(run_until(io_, [&] { return !down_.empty(); }));
}

TEST_F(draining_server, counts_a_connection_until_its_socket_is_closed) {
  opts_.max_connections = 1;
  opts_.stream.close_timeout = patience;
  start();
  tcp::socket first(io_);
  first.connect(loopback(server_->port()));
  EXPECT_TRUE(run(io_, [&]() -> asio::awaitable<void> {
    co_await say(first, greeting + make_frame(goaway_frame, 0, 0, std::string(8, '\0')));
    heard_ = (co_await read_to_end(first)).first;
  }()));
  EXPECT_EQ(server_->stats().connections, 1U) << "it waits for the client's end";
  first.close();
  EXPECT_TRUE(run_until(io_, [&] { return server_->stats().connections == 0; }));
}

}  // namespace
}  // namespace duplex::test
