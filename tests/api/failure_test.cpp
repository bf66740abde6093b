// Errors are typed, and `failure()` says who failed, what failed, and whether a retry is safe.

#include "raw_peer.hpp"
#include "support.hpp"

#include <sys/socket.h>

namespace duplex::test {
namespace {

using h2::fin;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(failure, is_none_while_the_stream_is_well_and_after_a_clean_end) {
  both_ends ends;
  EXPECT_FALSE(ends.client.failure());
  EXPECT_FALSE(ends.client.connection().failure());
  ends.client.send("", fin);
  ends.remote.send_response({200, {}}, fin);
  EXPECT_EQ(transcript(ends.client).back(), "done");
  EXPECT_EQ(recv_error(ends.client), "closed");
  EXPECT_FALSE(ends.client.failure());
}

TEST(failure, of_a_reset_by_the_peer_has_its_code) {
  both_ends ends;
  ends.remote.reset(0xb);
  EXPECT_EQ(last_error(ends.client), "stream_reset");
  const auto f = why(ends.client);
  EXPECT_EQ(f.code, errc::stream_reset);
  EXPECT_EQ(f.origin, origin::peer);
  EXPECT_EQ(f.scope, scope::stream);
  EXPECT_EQ(f.http2_code, 0xbU);
  EXPECT_FALSE(f.retry_safe);
  EXPECT_FALSE(f.last_stream_id);
  EXPECT_THAT(f.message, HasSubstr("ENHANCE_YOUR_CALM"));
  EXPECT_FALSE(ends.client.connection().failure()) << "the connection is well";
}

TEST(failure, of_a_refused_stream_is_safe_to_retry) {
  both_ends ends;
  ends.remote.reset(0x7);
  EXPECT_EQ(last_error(ends.client), "refused");
  const auto f = why(ends.client);
  EXPECT_EQ(f.origin, origin::peer);
  EXPECT_EQ(f.scope, scope::stream);
  EXPECT_EQ(f.http2_code, 0x7U);
  EXPECT_TRUE(f.retry_safe);
}

TEST(failure, counts_the_bytes_that_were_framed) {
  both_ends ends;
  ends.client.send("12345");
  EXPECT_EQ(receive(ends.remote, 5), "12345");
  ends.remote.reset(0x2);
  EXPECT_EQ(last_error(ends.client), "stream_reset");
  EXPECT_EQ(why(ends.client).bytes_sent, 5);
}

TEST(failure, of_a_reset_of_ours_is_local) {
  both_ends ends;
  ends.client.reset(0x8);
  fence(ends.client);
  const auto f = why(ends.client);
  EXPECT_EQ(f.code, errc::canceled);
  EXPECT_EQ(f.origin, origin::local);
  EXPECT_EQ(f.scope, scope::stream);
  EXPECT_EQ(f.http2_code, 0x8U);
  EXPECT_EQ(recv_error(ends.client), "closed");
}

TEST(failure, of_a_stream_above_the_last_id_of_a_goaway_is_refused_and_safe_to_retry) {
  raw_peer server;
  auto s = h2::open({.url = server.url()}, bounded());
  server.accept_http2();
  server.write(raw::frame(raw::goaway, raw::none, 0, raw::number(0) + raw::number(0xb) + "too busy"));
  EXPECT_EQ(last_error(s), "refused");
  const auto f = why(s);
  EXPECT_EQ(f.origin, origin::peer);
  EXPECT_EQ(f.scope, scope::connection);
  EXPECT_EQ(f.http2_code, 0xbU);
  EXPECT_EQ(f.last_stream_id, 0);
  EXPECT_EQ(f.debug_data, "too busy");
  EXPECT_TRUE(f.retry_safe);
}

TEST(failure, of_a_covered_stream_that_goaway_and_the_connections_end_cut_off_is_goaway) {
  raw_peer server;
  auto s = h2::open({.url = server.url()}, bounded());
  server.accept_http2();
  server.write(raw::ok(1) + raw::frame(raw::data, raw::none, 1, "abc"));
  server.write(raw::frame(raw::goaway, raw::none, 0, raw::number(1) + raw::number(0x2) + "bug"));
  server.close();
  EXPECT_THAT(transcript(s), ElementsAre("response 200", "data abc", "error goaway"));
  const auto f = why(s);
  EXPECT_EQ(f.origin, origin::peer);
  EXPECT_EQ(f.scope, scope::connection);
  EXPECT_EQ(f.http2_code, 0x2U);
  EXPECT_EQ(f.last_stream_id, 1);
  EXPECT_EQ(f.debug_data, "bug");
  EXPECT_FALSE(f.retry_safe);
  ASSERT_TRUE(s.connection().failure());
  EXPECT_EQ(s.connection().failure()->code, errc::goaway);
}

TEST(failure, of_a_connection_that_the_peer_closed_comes_after_what_was_buffered) {
  raw_peer server;
  auto s = h2::open({.url = server.url()}, bounded());
  server.accept_http2();
  server.write(raw::ok(1) + raw::frame(raw::data, raw::none, 1, "abc"));
  server.close();
  EXPECT_THAT(transcript(s), ElementsAre("response 200", "data abc", "error connection_lost"));
  const auto f = why(s);
  EXPECT_EQ(f.origin, origin::network);
  EXPECT_EQ(f.scope, scope::connection);
  EXPECT_FALSE(f.retry_safe);
  ASSERT_TRUE(s.connection().failure());
  EXPECT_EQ(s.connection().failure()->code, errc::connection_lost);
  error_code ec;
  s.send("late", ec);
  EXPECT_EQ(ec, errc::connection_lost);
}

TEST(failure, of_a_peer_that_breaks_http2_is_a_protocol_error) {
  raw_peer server;
  auto s = h2::open({.url = server.url()}, bounded());
  server.accept_http2();
  server.write(raw::frame(raw::data, raw::none, 0, "data on stream 0"));
  EXPECT_EQ(last_error(s), "protocol_error");
  const auto f = why(s);
  EXPECT_EQ(f.origin, origin::peer);
  EXPECT_EQ(f.scope, scope::connection);
  EXPECT_EQ(f.http2_code, 0x1U);
  server.read_until(raw::frame(raw::goaway, raw::none, 0, "").substr(3, 1));
}

TEST(failure, of_a_malformed_response_ends_its_stream_and_not_the_connection) {
  raw_peer server;
  auto s = h2::open({.url = server.url()}, bounded());
  server.accept_http2();
  // An upper-case name (RFC 9113, section 8.2.1), as a literal: the engine must not let it through.
  server.write(raw::frame(raw::headers, raw::end_headers, 1, std::string("\x88\x00\x01X\x01y", 6)));
  EXPECT_EQ(last_error(s), "protocol_error");
  const auto f = why(s);
  EXPECT_EQ(f.scope, scope::stream);
  EXPECT_EQ(f.http2_code, 0x1U);
  EXPECT_FALSE(s.connection().failure());
}

TEST(failure, of_a_body_that_does_not_match_its_content_length_reaches_the_reader) {
  raw_peer server;
  auto s = h2::open({.url = server.url()}, bounded());
  server.accept_http2();
  // content-length (static index 28) 5, and three bytes.
  server.write(raw::frame(raw::headers, raw::end_headers, 1,
                          std::string("\x88\x0f\x0d\x01"
                                      "5",
                                      5)) +
               raw::frame(raw::data, raw::end_stream, 1, "abc"));
  EXPECT_EQ(last_error(s), "protocol_error");
  EXPECT_TRUE(s.failure());
}

TEST(failure, of_a_peer_that_speaks_http1_quotes_what_it_said) {
  raw_peer server;
  auto s = h2::open({.url = server.url()}, bounded());
  server.accept();
  server.read_until("PRI");
  server.write("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n");
  EXPECT_EQ(last_error(s), "protocol_not_negotiated");
  const auto f = why(s);
  EXPECT_EQ(f.origin, origin::peer);
  EXPECT_EQ(f.scope, scope::connection);
  EXPECT_THAT(f.message, HasSubstr("HTTP/1.1 400 Bad Request"));
}

TEST(failure, of_too_large_a_response_head_is_limit_exceeded) {
  auto opts = bounded();
  opts.max_header_bytes = 500;
  both_ends ends(opts);
  // The server's own limit is the client's, announced in SETTINGS; what it sends regardless is refused here.
  ends.remote.send_response({200, {{"large", pattern(1000)}}});
  EXPECT_EQ(last_error(ends.client), "limit_exceeded");
  EXPECT_EQ(why(ends.client).origin, origin::local);
}

TEST(failure, of_too_many_fields_is_limit_exceeded) {
  auto opts = bounded();
  opts.max_header_fields = 3;
  both_ends ends(opts);
  ends.remote.send_response({200, {{"a", "1"}, {"b", "2"}, {"c", "3"}, {"d", "4"}}});
  EXPECT_EQ(last_error(ends.client), "limit_exceeded");
}

TEST(failure, of_too_many_interim_replies_is_limit_exceeded) {
  auto opts = bounded();
  opts.max_informational = 3;
  both_ends ends(opts);
  error_code ec;
  for (int i = 0; i < 4 && !ec; ++i) ends.remote.send_informational({103, {}}, ec);
  EXPECT_EQ(last_error(ends.client), "limit_exceeded");
}

TEST(failure, is_the_same_on_all_streams_of_a_connection_that_is_lost) {
  raw_peer server;
  context_threads threads;
  auto link = std::get<1>(get(h2::connection::async_connect(threads.executor(), server.url(), bounded(), as_future)));
  server.accept_http2();
  auto first = std::get<1>(get(link.async_open_stream({.url = server.url()}, bounded(), as_future)));
  auto second = std::get<1>(get(link.async_open_stream({.url = server.url()}, bounded(), as_future)));
  server.close();
  EXPECT_EQ(last_error(first), "connection_lost");
  EXPECT_EQ(last_error(second), "connection_lost");
  EXPECT_EQ(why(first).message, why(second).message);
}

// Dialing

struct attempt {
  error_code ec;
  failure reason;
};

attempt try_open(const std::string& url, options opts = bounded()) {
  attempt a;
  const auto s = h2::open({.url = url}, std::move(opts), a.ec);
  EXPECT_TRUE(s.failure());
  a.reason = s.failure().value_or(failure());
  EXPECT_EQ(a.reason.code, a.ec);
  return a;
}

TEST(dialing, a_closed_port_is_connect_failed_with_the_address_and_safe_to_retry) {
  std::string url;
  {
    const raw_peer gone;
    url = gone.url();
  }
  const auto a = try_open(url);
  EXPECT_EQ(a.ec, errc::connect_failed);
  EXPECT_EQ(a.reason.origin, origin::network);
  EXPECT_EQ(a.reason.scope, scope::connection);
  EXPECT_TRUE(a.reason.retry_safe);
  EXPECT_THAT(a.reason.message, HasSubstr("127.0.0.1:"));
  EXPECT_THAT(a.reason.message, HasSubstr("refused"));
}

TEST(dialing, a_name_that_cannot_be_one_is_resolve_failed_with_the_name) {
  const auto name_too_long = std::string(70, 'x') + ".invalid";  // no label is longer than 63: nobody is asked
  const auto a = try_open("http://" + name_too_long + "/");
  EXPECT_EQ(a.ec, errc::resolve_failed);
  EXPECT_EQ(a.reason.origin, origin::network);
  EXPECT_TRUE(a.reason.retry_safe);
  EXPECT_THAT(a.reason.message, HasSubstr(name_too_long));
}

TEST(dialing, a_handshake_that_never_comes_is_timeout_by_connect_timeout) {
  const raw_peer silent;
  auto opts = bounded();
  opts.connect_timeout = 30ms;
  const auto a = try_open(silent.url("https"), opts);
  EXPECT_EQ(a.ec, errc::timeout);
  EXPECT_TRUE(a.reason.retry_safe);
  EXPECT_THAT(a.reason.message, HasSubstr("connect_timeout"));
}

TEST(dialing, a_peer_without_tls_is_tls_failed) {
  raw_peer server;
  auto opening = std::async(std::launch::async, [&] { return try_open(server.url("https")); });
  server.accept();
  server.write("this is no TLS record at all");
  const auto a = get(std::move(opening));
  EXPECT_EQ(a.ec, errc::tls_failed);
  EXPECT_EQ(a.reason.scope, scope::connection);
  EXPECT_TRUE(a.reason.retry_safe);
  server.close();
}

TEST(dialing, a_unix_socket_that_is_not_there_is_connect_failed_with_its_path) {
  auto opts = bounded();
  opts.unix_socket = "/nonexistent/duplex.sock";
  const auto a = try_open("http://localhost/", opts);
  EXPECT_EQ(a.ec, errc::connect_failed);
  EXPECT_THAT(a.reason.message, HasSubstr("/nonexistent/duplex.sock"));
}

TEST(dialing, a_connect_reports_the_same_reasons_as_an_open) {
  context_threads threads;
  const auto [ec, link] =
      get(h2::connection::async_connect(threads.executor(), "http://127.0.0.1:1/", bounded(), as_future));
  EXPECT_EQ(ec, errc::connect_failed);
  EXPECT_FALSE(link);
  ASSERT_TRUE(link.failure());
  EXPECT_THAT(link.failure()->message, HasSubstr("127.0.0.1:1"));
}

}  // namespace
}  // namespace duplex::test
