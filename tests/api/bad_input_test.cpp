// Bad input is `invalid_argument` that names the culprit, before any byte is sent and any connection is made.

#include "raw_peer.hpp"
#include "support.hpp"

#include <limits>

namespace duplex::test {
namespace {

using h2::fin;
using testing::ElementsAre;
using testing::HasSubstr;

struct bad_open {
  const char* name;
  std::function<void(request&, options&)> spoil;
  const char* culprit;
};

using rq = request&;
using opt = options&;

std::vector<bad_open> bad_opens() {
  const std::string nul("a\0b", 3);
  static constexpr std::size_t above_window = std::size_t{1} << 31;
  return {
      {"url_empty", [](rq r, opt) { r.url = ""; }, "URL"},
      {"url_unparsable", [](rq r, opt) { r.url = "http://[::1"; }, "[::1"},
      {"url_without_scheme", [](rq r, opt) { r.url = "127.0.0.1/"; }, "127.0.0.1/"},
      {"url_with_a_space", [](rq r, opt) { r.url += "a b"; }, "a b"},
      {"url_with_a_line_break", [](rq r, opt) { r.url += "a\r\nb"; }, "a\\x0d\\x0ab"},
      {"url_without_host", [](rq r, opt) { r.url = "http:///path"; }, "no host"},
      {"url_with_port_0", [](rq r, opt) { r.url = "http://127.0.0.1:0/"; }, "port"},
      {"url_with_port_65536", [](rq r, opt) { r.url = "http://127.0.0.1:65536/"; }, "65536"},
      {"url_with_a_colon_in_its_user", [](rq r, opt) { r.url = "http://a%3ab@127.0.0.1/"; }, "a user with a colon"},
      {"scheme_unknown", [](rq r, opt) { r.url = "ftp://127.0.0.1/"; }, "\"ftp\""},
      {"method_empty", [](rq r, opt) { r.method = ""; }, "method \"\""},
      {"method_with_a_space", [](rq r, opt) { r.method = "GET /"; }, "method \"GET /\""},
      {"method_with_a_line_break", [](rq r, opt) { r.method = "GET\n"; }, "method \"GET\\x0a\""},
      {"field_value_with_cr", [](rq r, opt) { r.headers.add("x-bad", "a\rb"); }, "\"x-bad\": the value contains CR"},
      {"field_value_with_lf", [](rq r, opt) { r.headers.add("x-bad", "a\nb"); }, "\"x-bad\": the value contains LF"},
      {"field_value_with_nul", [nul](rq r, opt) { r.headers.add("x-bad", nul); }, "\"x-bad\": the value contains NUL"},
      {"field_value_with_space_around", [](rq r, opt) { r.headers.add("x-bad", " a"); }, "x-bad"},
      {"field_name_with_a_space", [](rq r, opt) { r.headers.add("x bad", "a"); }, "\"x bad\""},
      {"field_name_with_lf", [](rq r, opt) { r.headers.add("x\nbad", "a"); }, "\"x\\x0abad\""},
      {"field_name_empty", [](rq r, opt) { r.headers.add("", "a"); }, "empty name"},
      {"field_name_pseudo", [](rq r, opt) { r.headers.add(":path", "/"); }, "\":path\""},
      {"field_name_pseudo_upper_case", [](rq r, opt) { r.headers.add(":Method", "GET"); }, "\":method\""},
      {"field_connection", [](rq r, opt) { r.headers.add("Connection", "close"); }, "\"connection\""},
      {"field_transfer_encoding", [](rq r, opt) { r.headers.add("transfer-encoding", "chunked"); },
       "transfer-encoding"},
      {"field_upgrade", [](rq r, opt) { r.headers.add("upgrade", "h2c"); }, "\"upgrade\""},
      {"field_te_gzip", [](rq r, opt) { r.headers.add("te", "gzip"); }, "\"te\""},
      {"field_host_that_is_none", [](rq r, opt) { r.headers.add("host", "a b"); }, "\"host\""},
      {"protocol_without_connect", [](rq r, opt) { r.protocol = "websocket"; }, "needs the method CONNECT, not POST"},
      {"protocol_that_is_no_token", [](rq r, opt) { r.protocol = "web socket"; }, "protocol \"web socket\""},
      {"connect_timeout", [](rq, opt o) { o.connect_timeout = 0ms; }, "connect_timeout"},
      {"send_timeout", [](rq, opt o) { o.send_timeout = -1ms; }, "send_timeout"},
      {"recv_timeout", [](rq, opt o) { o.recv_timeout = -1ms; }, "recv_timeout"},
      {"close_timeout", [](rq, opt o) { o.close_timeout = -1ms; }, "close_timeout"},
      {"stream_window", [](rq, opt o) { o.stream_window = above_window; }, "stream_window"},
      {"connection_window", [](rq, opt o) { o.connection_window = above_window; }, "connection_window"},
      {"connection_window_too_small", [](rq, opt o) { o.connection_window = 65534; }, "connection_window"},
      {"max_recv_buffer", [](rq, opt o) { o.max_recv_buffer = 0; }, "max_recv_buffer"},
      {"send_buffer", [](rq, opt o) { o.send_buffer = 0; }, "send_buffer"},
      {"max_header_bytes", [](rq, opt o) { o.max_header_bytes = 0; }, "max_header_bytes"},
      {"max_header_fields", [](rq, opt o) { o.max_header_fields = 0; }, "max_header_fields"},
      {"active_without_a_handler", [](rq, opt o) { o.active = active::on; }, "on_message"},
      {"connect_to", [](rq, opt o) { o.connect_to = "nowhere"; }, "connect_to"},
      {"connect_to_with_a_port_out_of_range", [](rq, opt o) { o.connect_to = "127.0.0.1:99999"; }, "connect_to"},
  };
}

class bad_input : public testing::TestWithParam<bad_open> {};

INSTANTIATE_TEST_SUITE_P(of_open, bad_input, testing::ValuesIn(bad_opens()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(bad_input, is_thrown_as_invalid_argument_naming_the_culprit) {
  request head{.url = "http://127.0.0.1:1/"};
  auto opts = bounded();
  GetParam().spoil(head, opts);
  try {
    static_cast<void>(h2::open(head, opts));
    FAIL() << "was accepted";
  } catch (const boost::system::system_error& e) {
    EXPECT_EQ(e.code(), errc::invalid_argument);
    EXPECT_THAT(e.what(), HasSubstr(GetParam().culprit));
  }
}

TEST_P(bad_input, is_in_the_failure_of_the_stream_that_an_async_open_hands_over_and_nobody_was_called) {
  raw_peer listener;
  request head{.url = listener.url()};
  auto opts = bounded();
  GetParam().spoil(head, opts);
  context_threads threads;
  const auto [ec, s] = get(h2::async_open(threads.executor(), head, opts, as_future));
  EXPECT_EQ(ec, errc::invalid_argument);
  EXPECT_FALSE(s);
  ASSERT_TRUE(s.failure());
  EXPECT_EQ(s.failure()->code, errc::invalid_argument);
  EXPECT_THAT(s.failure()->message, HasSubstr(GetParam().culprit));
  EXPECT_EQ(s.failure()->origin, origin::local);
  EXPECT_TRUE(s.failure()->retry_safe);
  EXPECT_FALSE(listener.called());
}

TEST_P(bad_input, is_refused_on_a_connection_that_is_there_which_goes_on) {
  frame_log frames;
  auto opts = bounded();
  opts.on_frame = frames.recorder();
  peer server;
  context_threads threads;
  auto link = std::get<1>(get(h2::connection::async_connect(threads.executor(), server.url(), opts, as_future)));
  request head{.url = server.url()};
  GetParam().spoil(head, opts);
  const auto [ec, s] = get(link.async_open_stream(head, opts, as_future));
  EXPECT_EQ(ec, errc::invalid_argument);
  ASSERT_TRUE(s.failure());
  EXPECT_THAT(s.failure()->message, HasSubstr(GetParam().culprit));
  EXPECT_EQ(outcome(link.async_ping(as_future)), "ok");
  EXPECT_EQ(frames.sent("HEADERS"), 0);
}

TEST(bad_input_elsewhere, a_connection_refuses_a_url_of_another_origin) {
  peer server;
  peer other;
  context_threads threads;
  auto link = std::get<1>(get(h2::connection::async_connect(threads.executor(), server.url(), bounded(), as_future)));
  EXPECT_EQ(outcome(link.async_open_stream({.url = other.url()}, bounded(), as_future)), "invalid_argument");
  EXPECT_EQ(outcome(link.async_open_stream({.url = server.url("/other/path?q")}, bounded(), as_future)), "ok");
}

struct bad_field {
  const char* name;
  field f;
  const char* culprit;
};

std::vector<bad_field> bad_fields() {
  return {
      {"value_with_cr", {"x-bad", "a\rb"}, "x-bad"},
      {"value_with_lf", {"x-bad", "a\nb"}, "x-bad"},
      {"value_with_nul", {"x-bad", {"a\0b", 3}}, "NUL"},
      {"name_with_a_space", {"x bad", "a"}, "x bad"},
      {"name_empty", {"", "a"}, "empty"},
      {"pseudo", {":status", "200"}, ":status"},
      {"connection", {"connection", "close"}, "connection"},
  };
}

class bad_field_input : public testing::TestWithParam<bad_field> {};

INSTANTIATE_TEST_SUITE_P(of_send, bad_field_input, testing::ValuesIn(bad_fields()),
                         [](const auto& info) { return std::string(info.param.name); });

// `verb` must throw invalid_argument naming the culprit.
template <class Verb>
void expect_refused(const char* culprit, Verb verb) {
  try {
    verb();
    ADD_FAILURE() << "was accepted";
  } catch (const boost::system::system_error& e) {
    EXPECT_EQ(e.code(), errc::invalid_argument);
    EXPECT_THAT(e.what(), HasSubstr(culprit));
  }
}

TEST_P(bad_field_input, in_trailers_is_refused_and_nothing_is_sent) {
  both_ends ends;
  const fields bad{GetParam().f};
  expect_refused(GetParam().culprit, [&] { ends.client.send_trailers(bad); });
  error_code ec;
  ends.client.send_trailers(bad, ec);
  EXPECT_EQ(ec, errc::invalid_argument);
  EXPECT_EQ(outcome(ends.client.async_send_trailers(bad, as_future)), "invalid_argument");
  EXPECT_FALSE(ends.client.failure());
  ends.client.send_trailers({{"good", "one"}});
  EXPECT_THAT(transcript(ends.remote), ElementsAre("trailers good=one", "done"));
}

TEST_P(bad_field_input, in_a_response_is_refused_and_nothing_is_sent) {
  both_ends ends;
  const response bad{200, {GetParam().f}};
  expect_refused(GetParam().culprit, [&] { ends.remote.send_response(bad); });
  expect_refused(GetParam().culprit, [&] { ends.remote.send_response(bad, fin); });
  EXPECT_EQ(outcome(ends.remote.async_send_response(bad, as_future)), "invalid_argument");
  EXPECT_EQ(outcome(ends.remote.async_send_response(bad, fin, as_future)), "invalid_argument");
  ends.remote.send_response({200, {}}, fin);
  EXPECT_THAT(transcript(ends.client), ElementsAre("response 200", "done"));
}

TEST_P(bad_field_input, in_an_interim_reply_is_refused_and_nothing_is_sent) {
  both_ends ends;
  const informational bad{103, {GetParam().f}};
  expect_refused(GetParam().culprit, [&] { ends.remote.send_informational(bad); });
  EXPECT_EQ(outcome(ends.remote.async_send_informational(bad, as_future)), "invalid_argument");
  ends.remote.send_response({200, {}}, fin);
  EXPECT_THAT(transcript(ends.client), ElementsAre("response 200", "done"));
}

TEST(bad_input_elsewhere, a_status_that_is_not_final_is_no_response) {
  both_ends ends;
  for (const int status : {0, -1, 99, 100, 199, 600, 1000}) {
    expect_refused(std::to_string(status).c_str(), [&] { ends.remote.send_response({status, {}}); });
    EXPECT_EQ(outcome(ends.remote.async_send_response({status, {}}, as_future)), "invalid_argument");
  }
  ends.remote.send_response({599, {}}, fin);
  EXPECT_THAT(transcript(ends.client), ElementsAre("response 599", "done"));
}

TEST(bad_input_elsewhere, a_status_that_is_final_or_101_is_no_interim_reply) {
  both_ends ends;
  for (const int status : {0, 99, 101, 200, 404}) {
    expect_refused(std::to_string(status).c_str(), [&] { ends.remote.send_informational({status, {}}); });
    EXPECT_EQ(outcome(ends.remote.async_send_informational({status, {}}, as_future)), "invalid_argument");
  }
}

TEST(bad_input_elsewhere, a_second_response_and_a_clients_response_are_refused) {
  both_ends ends;
  error_code ec;
  ends.client.send_response({200, {}}, ec);
  EXPECT_EQ(ec, errc::invalid_argument);
  ends.remote.send_response({200, {}});
  ends.remote.send_response({200, {}}, ec);
  EXPECT_EQ(ec, errc::invalid_argument);
  ends.remote.send_informational({103, {}}, ec);
  EXPECT_EQ(ec, errc::invalid_argument);
  ends.remote.send("", fin);
  EXPECT_THAT(transcript(ends.client), ElementsAre("response 200", "done"));
}

struct bad_server {
  const char* name;
  std::function<void(h2::server_options&)> spoil;
  const char* culprit;
};

std::vector<bad_server> bad_servers() {
  using server_opts = h2::server_options&;
  return {
      {"address", [](server_opts o) { o.address = "nowhere"; }, "nowhere"},
      {"no_certificate", [](server_opts o) { o.cleartext = false; }, "certificate"},
      {"certificate_that_is_none",
       [](server_opts o) {
         o.cleartext = false;
         o.certificate_pem = "no PEM";
         o.key_pem = "no PEM";
       },
       "certificate_pem"},
      {"cert_file_that_is_not_there",
       [](server_opts o) {
         o.cleartext = false;
         o.cert_file = "/nonexistent/cert.pem";
       },
       "/nonexistent/cert.pem"},
      {"max_connections", [](server_opts o) { o.max_connections = 0; }, "max_connections"},
      {"max_concurrent_streams", [](server_opts o) { o.max_concurrent_streams = 0; }, "max_concurrent_streams"},
      {"handshake_timeout", [](server_opts o) { o.handshake_timeout = 0ms; }, "handshake_timeout"},
      {"stream_options", [](server_opts o) { o.stream.send_buffer = 0; }, "send_buffer"},
  };
}

class bad_server_options : public testing::TestWithParam<bad_server> {};

INSTANTIATE_TEST_SUITE_P(of_server, bad_server_options, testing::ValuesIn(bad_servers()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(bad_server_options, are_thrown_naming_the_culprit) {
  asio::io_context io;
  auto opts = cleartext();
  GetParam().spoil(opts);
  try {
    const h2::server server(io.get_executor(), opts, [](const request&, const h2::stream&) {});
    FAIL() << "was accepted";
  } catch (const boost::system::system_error& e) {
    EXPECT_THAT(e.what(), HasSubstr(GetParam().culprit));
  }
}

TEST(bad_input_elsewhere, files_of_the_tls_options_that_cannot_be_used_are_named) {
  for (auto member : {&tls_options::ca_file, &tls_options::cert_file, &tls_options::keylog_file}) {
    raw_peer listener;
    auto opts = bounded();
    opts.tls.*member = "/nonexistent/file.pem";
    error_code ec;
    const auto s = h2::open({.url = listener.url("https")}, opts, ec);
    EXPECT_TRUE(ec);
    ASSERT_TRUE(s.failure());
    EXPECT_THAT(s.failure()->message, HasSubstr("/nonexistent/file.pem"));
    EXPECT_FALSE(listener.called());
  }
}

}  // namespace
}  // namespace duplex::test
