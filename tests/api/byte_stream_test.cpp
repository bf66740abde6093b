// A stream as a byte stream of Asio's.

#include "tunnel.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>

#include <array>
#include <numeric>

namespace duplex::test {
namespace {

using h2::byte_stream;
using h2::fin;
using testing::ElementsAre;

/// Both ends of a stream whose response is there and taken.
struct answered : both_ends {
  explicit answered(const options& opts = bounded(), const h2::server_options& server_opts = cleartext())
      : both_ends(opts, server_opts) {
    remote.send_response({200, {}});
    EXPECT_EQ(describe(client.recv()), "response 200");
  }
};

std::pair<std::string, std::string> read_some(byte_stream& from, std::size_t most = 1000) {
  std::string into(most, '\0');
  auto [ec, n] = get(from.async_read_some(asio::buffer(into), as_future));
  into.resize(n);
  return {into, name(ec)};
}

TEST(byte_stream, is_read_until_a_delimiter_across_messages) {
  answered ends;
  byte_stream bytes(ends.client);
  ends.remote.send("first li");
  ends.remote.send("ne\nsecond line\nand ", fin);
  std::string all;
  auto [ec, n] = get(asio::async_read_until(bytes, asio::dynamic_buffer(all), '\n', as_future));
  EXPECT_FALSE(ec);
  EXPECT_EQ(all.substr(0, n), "first line\n");
  all.erase(0, n);
  std::tie(ec, n) = get(asio::async_read_until(bytes, asio::dynamic_buffer(all), '\n', as_future));
  EXPECT_EQ(all.substr(0, n), "second line\n");
  all.erase(0, n);
  std::tie(ec, n) = get(asio::async_read_until(bytes, asio::dynamic_buffer(all), '\n', as_future));
  EXPECT_EQ(ec, asio::error::eof);
  EXPECT_EQ(all, "and ");
}

TEST(byte_stream, leaves_what_does_not_fit_to_the_next_read) {
  answered ends;
  byte_stream bytes(ends.client);
  ends.remote.send("abcdefgh");
  EXPECT_THAT(read_some(bytes, 3), testing::Pair("abc", "ok"));
  EXPECT_THAT(read_some(bytes, 0), testing::Pair("", "ok"));
  std::string one(2, ' ');
  std::string two(100, ' ');
  const std::array<asio::mutable_buffer, 3> into{asio::buffer(one), asio::mutable_buffer(), asio::buffer(two)};
  auto [ec, n] = get(bytes.async_read_some(into, as_future));
  EXPECT_EQ(n, 5U);
  EXPECT_EQ(one + two.substr(0, 3), "defgh");
}

TEST(byte_stream, ends_with_eof_again_and_again_whatever_trailers_there_are) {
  answered ends;
  byte_stream bytes(ends.client);
  ends.remote.send("last");
  ends.remote.send_trailers({{"a", "b"}});
  EXPECT_THAT(read_some(bytes), testing::Pair("last", "ok"));
  EXPECT_THAT(read_some(bytes), testing::Pair("", "End of file"));
  EXPECT_THAT(read_some(bytes), testing::Pair("", "End of file"));
  char one = 0;
  error_code ec;
  EXPECT_EQ(bytes.read_some(asio::buffer(&one, 1), ec), 0U);
  EXPECT_EQ(ec, asio::error::eof);
}

TEST(byte_stream, keeps_the_errors_of_its_stream_behind_what_came_before) {
  answered ends;
  byte_stream bytes(ends.client);
  ends.remote.send("some");
  fence(ends);
  ends.remote.reset(0x2);
  EXPECT_THAT(read_some(bytes), testing::Pair("some", "ok"));
  EXPECT_THAT(read_some(bytes), testing::Pair("", "stream_reset"));
  EXPECT_EQ(bytes.get_stream().failure()->http2_code, 0x2U);
  auto [ec, n] = get(bytes.async_write_some(asio::buffer("x", 1), as_future));
  EXPECT_EQ(name(ec), "stream_reset");
  EXPECT_EQ(n, 0U);
}

TEST(byte_stream, passes_over_a_response_that_nobody_took) {
  both_ends ends;
  byte_stream bytes(ends.client);
  ends.remote.send_response({201, {}});
  ends.remote.send("body");
  EXPECT_THAT(read_some(bytes), testing::Pair("body", "ok"));
}

TEST(byte_stream, does_not_take_the_page_of_a_refusal_for_the_other_end) {
  both_ends ends;
  byte_stream bytes(ends.client);
  ends.remote.send_response({403, {}});
  ends.remote.send("go away", fin);
  EXPECT_THAT(read_some(bytes), testing::Pair("", "proxy_failed"));
  EXPECT_THAT(read_some(bytes), testing::Pair("", "proxy_failed"));
  const auto why = bytes.failure().value_or(failure());
  EXPECT_EQ(name(why.code), "proxy_failed");
  EXPECT_THAT(why.message, testing::EndsWith(" does not make a tunnel: it answered 403"));
  EXPECT_EQ(why.origin, origin::peer);
}

TEST(byte_stream, writes_and_ends_its_own_side) {
  answered ends;
  byte_stream bytes(ends.client);
  const std::string text = pattern(100000);
  std::vector<asio::const_buffer> pieces;
  for (std::size_t i = 0; i < text.size(); i += 5000) pieces.push_back(asio::buffer(text.data() + i, 5000));
  auto writing = asio::async_write(bytes, pieces, as_future);
  EXPECT_EQ(receive(ends.remote, text.size()), text);
  auto [ec, n] = get(std::move(writing));
  EXPECT_FALSE(ec);
  EXPECT_EQ(n, text.size());
  EXPECT_EQ(std::get<1>(get(bytes.async_write_some(asio::const_buffer(), as_future))), 0U);
  bytes.shutdown_send();
  EXPECT_THAT(transcript(ends.remote), ElementsAre("done"));
  ends.remote.send("still", fin);
  EXPECT_THAT(read_some(bytes), testing::Pair("still", "ok"));
  EXPECT_THAT(read_some(bytes), testing::Pair("", "End of file"));
}

TEST(byte_stream, reads_and_writes_blocking) {
  answered ends;
  byte_stream bytes(ends.client);
  asio::write(bytes, asio::buffer(std::string_view("a question")));
  EXPECT_EQ(receive(ends.remote, 10), "a question");
  ends.remote.send("an ");
  ends.remote.send("answer");
  std::string got(9, ' ');
  EXPECT_EQ(asio::read(bytes, asio::buffer(got)), 9U);
  EXPECT_EQ(got, "an answer");
  ends.remote.reset(0x8);
  EXPECT_THROW(bytes.read_some(asio::buffer(got)), boost::system::system_error);
  EXPECT_THROW(
      {
        for (;;) bytes.write_some(asio::buffer(got));
      },
      boost::system::system_error);
}

TEST(byte_stream, returns_the_window_as_it_is_read_where_flow_control_is_manual) {
  auto opts = bounded();
  opts.flow = flow_control::manual;
  answered ends(opts);
  byte_stream bytes(ends.client);
  ends.remote.send(std::string(1000, 'x'));
  EXPECT_EQ(read_some(bytes, 400).first.size(), 400U);
  EXPECT_EQ(bytes.get_stream().stats().unconsumed_bytes, 600U);
  EXPECT_EQ(read_some(bytes, 600).first.size(), 600U);
  EXPECT_EQ(bytes.get_stream().stats().unconsumed_bytes, 0U);
}

TEST(byte_stream, carries_more_than_all_windows_in_pieces_of_any_size) {
  for (const auto flow : {flow_control::automatic, flow_control::manual}) {
    auto opts = bounded();
    opts.flow = flow;
    opts.stream_window = 5000;
    answered ends(opts);
    byte_stream bytes(ends.client);
    const auto text = pattern(300000);
    auto sending = std::async(std::launch::async, [&] { ends.remote.send(text, fin); });
    std::string all;
    for (std::size_t size = 1;; size = size % 7000 + 111) {
      const auto [piece, ec] = read_some(bytes, size);
      all += piece;
      if (ec != "ok") break;
    }
    EXPECT_TRUE(all == text);
    get(std::move(sending));
  }
}

struct cancellable {
  asio::cancellation_signal signal;
  std::promise<std::pair<std::string, std::size_t>> told;

  auto handler() {
    return asio::bind_cancellation_slot(
        signal.slot(), [this](error_code ec, std::size_t n) { told.set_value(std::pair(name(ec), n)); });
  }
};

class byte_stream_cancellation : public testing::TestWithParam<asio::cancellation_type> {};

INSTANTIATE_TEST_SUITE_P(of_any_type, byte_stream_cancellation,
                         testing::Values(asio::cancellation_type::terminal, asio::cancellation_type::partial,
                                         asio::cancellation_type::total),
                         [](const auto& info) -> std::string {
                           if (info.param == asio::cancellation_type::terminal) return "terminal";
                           return info.param == asio::cancellation_type::partial ? "partial" : "total";
                         });

TEST_P(byte_stream_cancellation, of_a_read_loses_nothing) {
  answered ends;
  byte_stream bytes(ends.client);
  cancellable op;
  std::array<char, 100> into{};
  bytes.async_read_some(asio::buffer(into), op.handler());
  op.signal.emit(GetParam());
  EXPECT_THAT(get(op.told.get_future()), testing::Pair("canceled", 0U));
  ends.remote.send("later");
  EXPECT_THAT(read_some(bytes), testing::Pair("later", "ok"));
}

TEST_P(byte_stream_cancellation, of_a_write_resets_the_stream) {
  auto server_opts = cleartext();
  server_opts.stream.stream_window = 1000;
  answered ends(bounded(), server_opts);
  byte_stream bytes(ends.client);
  cancellable op;
  const auto text = pattern(5000);
  bytes.async_write_some(asio::buffer(text), op.handler());
  fence(ends.client);
  op.signal.emit(GetParam());
  EXPECT_THAT(get(op.told.get_future()), testing::Pair("canceled", 0U));
  EXPECT_EQ(last_error(ends.remote), "stream_reset");
  EXPECT_THAT(read_some(bytes), testing::Pair("", "canceled"));
}

TEST(byte_stream, that_goes_away_ends_its_operations_and_its_stream) {
  std::future<std::tuple<error_code, std::size_t>> reading;
  std::array<char, 100> into{};
  peer server;
  auto client = h2::open({.url = server.url()}, bounded());
  auto remote = server.accept().stream;
  {
    byte_stream bytes(std::move(client));
    reading = bytes.async_read_some(asio::buffer(into), as_future);
  }
  EXPECT_EQ(outcome(std::move(reading)), "canceled");
  EXPECT_EQ(last_error(remote), "stream_reset");
}

TEST(byte_stream, completes_on_its_handlers_executor_and_never_inside_the_call) {
  asio::io_context io;
  answered ends;
  byte_stream bytes(ends.client);
  ends.remote.send("abc");
  EXPECT_THAT(read_some(bytes, 1), testing::Pair("a", "ok"));
  const auto here = std::this_thread::get_id();
  int told = 0;
  std::array<char, 1> into{};
  for (int i = 0; i < 2; ++i) {  // what is there already, and what is written
    auto handler = asio::bind_executor(io, [&](error_code, std::size_t n) {
      EXPECT_EQ(n, 1U);
      EXPECT_EQ(std::this_thread::get_id(), here);
      ++told;
    });
    if (i == 0) bytes.async_read_some(asio::buffer(into), std::move(handler));
    if (i == 1) bytes.async_write_some(asio::buffer(into), std::move(handler));
    EXPECT_EQ(told, i);
    EXPECT_TRUE(run_until(
        io, [&] { return told == i + 1; }, 1ms));
  }
}

TEST(byte_stream, closes) {
  answered ends;
  byte_stream bytes(ends.client);
  std::array<char, 1> into{};
  auto reading = bytes.async_read_some(asio::buffer(into), as_future);
  bytes.close();
  EXPECT_EQ(outcome(std::move(reading)), "canceled");
  EXPECT_EQ(read_some(bytes).second, "closed");
  EXPECT_EQ(last_error(ends.remote), "stream_reset");
}

// TLS by Asio, through a tunnel in an HTTP/2 stream, to a server that answers everything with itself.
asio::awaitable<void> echo_in_tls(tcp::socket socket) {
  auto context = server_context();
  asio::ssl::stream<tcp::socket> tls(std::move(socket), context);
  auto [ec] = co_await tls.async_handshake(asio::ssl::stream_base::server, as_value);
  if (ec) co_return;
  co_await carry(tls, tls);
  co_await tls.async_shutdown(as_value);
}

asio::awaitable<void> talk_in_tls(std::string proxy, std::string authority) {
  const auto opts = trusting_localhost();
  const auto head = connect_request(proxy, authority);
  auto s = co_await h2::async_open(co_await asio::this_coro::executor, head, opts, asio::use_awaitable);
  const auto answer = co_await s.async_recv(asio::use_awaitable);
  EXPECT_EQ(describe(answer), "response 200");
  auto context = client_context();
  tls_over_stream tls(h2::byte_stream(std::move(s)), context);
  tls.set_verify_callback(asio::ssl::host_name_verification("localhost"));
  co_await tls.async_handshake(asio::ssl::stream_base::client, asio::use_awaitable);
  const auto text = pattern(200000);
  const auto write = [&]() -> asio::awaitable<void> {
    co_await asio::async_write(tls, asio::buffer(text), asio::use_awaitable);
  };
  std::string got(text.size(), '\0');
  const auto read = [&]() -> asio::awaitable<void> {
    co_await asio::async_read(tls, asio::buffer(got), asio::use_awaitable);
  };
  using asio::experimental::awaitable_operators::operator&&;
  co_await (write() && read());
  EXPECT_TRUE(got == text);
  const auto [ec] = co_await tls.async_shutdown(as_value);
  EXPECT_FALSE(ec) << ec.message();
}

TEST(byte_stream, carries_tls_of_asio_through_a_tunnel_in_a_stream) {
  tcp_service origin(echo_in_tls);
  for (const auto& opts : {cleartext(), with_tls()}) {
    service proxy(tunnel, opts);
    asio::io_context io;
    run(io, talk_in_tls(proxy.url(), origin.authority()));
  }
}

}  // namespace
}  // namespace duplex::test
