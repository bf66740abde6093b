// A client that misbehaves in each of the ways that docs/limits.md has, and beside it one that does not, on a
// connection of its own with the same server: it must not notice.

#include "peers.hpp"

#include <functional>
#include <ostream>

namespace duplex::test {
namespace {

using ::testing::Contains;

constexpr std::uint8_t data_frame = 0;
constexpr std::uint8_t headers_frame = 1;
constexpr std::uint8_t priority_frame = 2;
constexpr std::uint8_t rst_stream = 3;
constexpr std::uint8_t settings_frame = 4;
constexpr std::uint8_t ping_frame = 6;
constexpr std::uint8_t window_update = 8;
constexpr std::uint8_t continuation = 9;

const std::string greeting =
    std::string(client_preface) + make_frame(settings_frame, 0, 0) + make_frame(settings_frame, 1, 0);
// As RFC 7541, section 6 has them.
const std::string head_of_request = "\x83\x86\x84\x01\x01x";   // POST http / x: is echoed
const std::string head_of_download = "\x82\x86\x84\x01\x01x";  // GET http / x: brings more than any socket takes
const std::string head_of_nobody = "\x83\x86\x85\x01\x01x";    // POST http /index.html x: nobody reads what is sent

std::string request_on(std::uint32_t stream, const std::string& more = {}, std::uint8_t flags = 4) {
  return make_frame(headers_frame, flags, stream, head_of_request + more);
}

std::string times(std::size_t count, const std::string& what) {
  std::string out;
  out.reserve(count * what.size());
  for (std::size_t i = 0; i < count; ++i) out += what;
  return out;
}

// What `one` makes of each of so many streams.
std::string streams(std::size_t count, const std::function<std::string(std::uint32_t)>& one) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += one(static_cast<std::uint32_t>(2 * i + 1));
  return out;
}

std::string u32(std::uint32_t n) {
  std::string out;
  for (const unsigned shift : {24U, 16U, 8U, 0U}) out += static_cast<char>(n >> shift & 0xffU);
  return out;
}

std::string field(const std::string& name, const std::string& value) {
  std::string out(1, '\0');
  out += static_cast<char>(name.size());
  out += name;
  out += static_cast<char>(value.size());
  return out + value;
}

struct abuse {
  const char* name;
  std::function<std::string()> says;
  // What the operator is told of it; nothing: a handler was, by its stream.
  const char* told = nullptr;
  enum class end {
    stays,   // until the server ends it
    deaf,    // until the operator is told, and reads nothing
    leaves,  // when its stream was reset
  } ending = end::stays;
};

void PrintTo(const abuse& a, std::ostream* out) { *out << a.name; }

std::vector<abuse> ways() {
  return {
      {"rapid_reset",
       [] {
         return greeting +
                streams(3000, [](auto id) { return request_on(id) + make_frame(rst_stream, 0, id, u32(8)); });
       },
       "limit_exceeded"},
      {"made_to_reset",
       [] {
         return greeting +
                streams(3000, [](auto id) { return request_on(id) + make_frame(window_update, 0, id, u32(0)); });
       },
       "limit_exceeded"},
      {"malformed_requests",
       [] { return greeting + streams(3000, [](auto id) { return request_on(id, field("x-bad", "a\nb"), 5); }); },
       "limit_exceeded"},
      {"pings", [] { return greeting + times(3000, make_frame(ping_frame, 0, 0, "12345678")); }, "limit_exceeded"},
      {"pings_whose_answers_it_does_not_read",
       [] { return greeting + times(100000, make_frame(ping_frame, 0, 0, "12345678")); }, "limit_exceeded",
       abuse::end::deaf},
      {"settings", [] { return greeting + times(3000, make_frame(settings_frame, 0, 0)); }, "limit_exceeded"},
      {"settings_of_many_entries",
       [] { return greeting + make_frame(settings_frame, 0, 0, times(1000, std::string(2, '\x7f') + u32(1))); },
       "limit_exceeded"},
      {"priorities", [] { return greeting + times(3000, make_frame(priority_frame, 0, 1, std::string(5, '\1'))); },
       "limit_exceeded"},
      {"unknown_frames", [] { return greeting + times(3000, make_frame(0x7f, 0, 0, "?")); }, "limit_exceeded"},
      {"empty_data", [] { return greeting + request_on(1) + times(3000, make_frame(data_frame, 0, 1)); },
       "limit_exceeded"},
      {"empty_data_between_bytes",
       [] {
         return greeting + request_on(1) +
                times(3000, make_frame(data_frame, 0, 1) + make_frame(data_frame, 0, 1, "x"));
       },
       "limit_exceeded"},
      {"headers_of_a_stream_that_is_over",
       [] {
         return greeting + request_on(1) + make_frame(rst_stream, 0, 1, u32(8)) +
                times(3000, make_frame(headers_frame, 5, 1, field("late", "x")));
       },
       "limit_exceeded"},
      {"bytes_of_many_streams_that_nobody_reads",
       [] {
         return greeting + streams(8, [](auto id) {
                  return make_frame(headers_frame, 4, id, head_of_nobody) +
                         make_frame(data_frame, 0, id, std::string(9000, 'x'));
                });
       },
       nullptr, abuse::end::leaves},
      {"an_answer_that_it_does_not_read",
       [] {
         return std::string(client_preface) +
                make_frame(settings_frame, 0, 0, std::string("\0\4", 2) + u32(0x7fffffff)) +
                make_frame(settings_frame, 1, 0) + make_frame(window_update, 0, 0, u32(0x7fff0000)) +
                make_frame(headers_frame, 5, 1, head_of_download);
       },
       "timeout", abuse::end::deaf},
      {"window_updates",
       [] { return greeting + request_on(1) + times(300000, make_frame(window_update, 0, 1, u32(1))); },
       "limit_exceeded"},
      {"continuations",
       [] { return greeting + request_on(1, "", 0) + times(1000, make_frame(continuation, 0, 1, field("a", "b"))); },
       "limit_exceeded"},
      {"a_field_section_without_end",
       [] {
         std::string many = request_on(1, "", 0);
         for (int i = 0; i < 8; ++i) many += make_frame(continuation, 0, 1, times(100, field("name", "value")));
         return greeting + many + make_frame(continuation, 4, 1);
       },
       "limit_exceeded", abuse::end::leaves},
      {"a_window_above_its_bound", [] { return greeting + make_frame(window_update, 0, 0, u32(0x7fffffff)); },
       "protocol_error"},
      {"more_data_than_the_window",
       [] { return greeting + request_on(1) + make_frame(data_frame, 0, 1, std::string(16384, 'x')); }, nullptr,
       abuse::end::leaves},
      {"a_header_block_that_is_none",
       [] { return greeting + make_frame(headers_frame, 5, 1, "\xff\xff\xff\xff\xff\xff"); }, "protocol_error"},
      {"more_streams_than_it_may_have", [] { return greeting + streams(3000, [](auto id) { return request_on(id); }); },
       "limit_exceeded"},
      {"data_of_a_stream_that_is_none", [] { return greeting + make_frame(data_frame, 0, 1, "x"); }, "protocol_error"},
      {"http_1_1", [] { return std::string("GET / HTTP/1.1\r\nhost: x\r\n\r\n"); }, "protocol_not_negotiated"},
      {"no_preface", [] { return std::string(200, '\x80'); }, "protocol_not_negotiated"},
      {"silence", [] { return std::string(); }, "timeout"},
      {"half_a_preface", [] { return std::string(client_preface.substr(0, 10)); }, "timeout"},
      {"no_acknowledgement_of_settings", [] { return std::string(client_preface) + make_frame(settings_frame, 0, 0); },
       "timeout"},
      {"a_header_section_that_does_not_go_on", [] { return greeting + request_on(1, "", 0); }, "timeout"},
      {"streams_that_are_left_behind", [] { return greeting + streams(50, [](auto id) { return request_on(id); }); },
       "keepalive_timeout"},
  };
}

class abuse_of_a_server : public ::testing::TestWithParam<abuse> {
 protected:
  abuse_of_a_server() {
    opts_.cleartext = true;
    opts_.handshake_timeout = 1s;
    opts_.stream.settings_timeout = 1s;
    opts_.stream.header_timeout = 1s;
    opts_.stream.keepalive_time = 1s;
    opts_.stream.keepalive_timeout = 1s;
    opts_.stream.close_timeout = 50ms;
    opts_.stream.stream_window = 10000;
    opts_.stream.send_timeout = 1s;
    opts_.stream.max_connection_buffer = 50000;
    opts_.on_failure = [this](const h2::connection_info& info, const failure& why) {
      told_.push_back(name(why.code));
      blamed_.push_back(info.peer);
    };
    server_.emplace(io_.get_executor(), opts_,
                    [this](request head, h2::stream s) { return answer(std::move(head), s); });
  }

  asio::awaitable<void> answer(request head, h2::stream s) {
    const response ok{200, {}};
    co_await s.async_send_response(ok, asio::use_awaitable);
    if (head.path() == "/index.html") {
      unread_.push_back(s);
      co_return;
    }
    if (head.method == "GET") {
      const std::string much(std::size_t{64} << 20, 'x');
      co_await s.async_send(much, h2::fin, asio::use_awaitable);
      co_return;
    }
    for (;;) {
      auto m = co_await s.async_recv(asio::use_awaitable);
      if (std::holds_alternative<done>(m)) break;
      if (auto* d = std::get_if<data>(&m)) co_await s.async_send(d->bytes, asio::use_awaitable);
    }
    co_await s.async_send("", h2::fin, asio::use_awaitable);
  }

  asio::awaitable<void> misbehave(const abuse& how) {
    while (!neighbour_is_there_) co_await asio::post(as_value);
    tcp::socket socket(io_);
    co_await socket.async_connect(loopback(server_->port()), as_value);
    abuser_ = "127.0.0.1:" + std::to_string(socket.local_endpoint().port());
    bool writing = true;
    spawn(io_, write_all(socket, how.says(), writing));
    std::string heard;
    if (how.ending == abuse::end::stays) {
      heard = (co_await read_to_end(socket)).first;
    } else if (how.ending == abuse::end::leaves) {
      co_await read_frame(socket, rst_stream, heard);
      socket.close();
    }
    while (writing || (how.ending == abuse::end::deaf && told_.empty())) co_await asio::post(as_value);
    abuser_is_gone_ = true;
  }
  static asio::awaitable<void> write_all(tcp::socket& socket, std::string bytes, bool& writing) {
    co_await say(socket, std::move(bytes));
    writing = false;
  }

  // A round trip after another on one stream, until some time after the other one has gone.
  asio::awaitable<void> behave() {
    const request head{.url = server_->url()};
    auto s = co_await h2::async_open(io_.get_executor(), head, options(), asio::use_awaitable);
    (void)co_await s.async_recv(asio::use_awaitable);
    neighbour_is_there_ = true;
    for (int after = 0; after < 20; after += abuser_is_gone_ ? 1 : 0) {
      const auto text = "round trip " + std::to_string(++round_trips_);
      co_await s.async_send(text, asio::use_awaitable);
      std::string back;
      while (back.size() < text.size()) {
        const auto m = co_await s.async_recv(asio::use_awaitable);
        back += std::get<data>(m).bytes;
      }
      if (back != text) throw std::runtime_error("the echo is another: " + back);
    }
    co_await s.async_send("", h2::fin, asio::use_awaitable);
    const auto last = co_await s.async_recv(asio::use_awaitable);
    ended_well_ = std::holds_alternative<done>(last);
    co_await s.async_close(asio::use_awaitable);
  }

  asio::io_context io_;
  h2::server_options opts_;
  std::optional<h2::server> server_;
  std::vector<std::string> told_;
  std::vector<std::string> blamed_;
  std::vector<h2::stream> unread_;
  std::string abuser_;
  bool neighbour_is_there_ = false;
  bool abuser_is_gone_ = false;
  int round_trips_ = 0;
  bool ended_well_ = false;
};

INSTANTIATE_TEST_SUITE_P(by, abuse_of_a_server, ::testing::ValuesIn(ways()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(abuse_of_a_server, is_not_noticed_by_its_neighbour) {
  const auto how = GetParam();
  spawn(io_, misbehave(how));
  EXPECT_TRUE(run(io_, behave()));
  EXPECT_TRUE(ended_well_);
  EXPECT_GE(round_trips_, 20);
  EXPECT_TRUE(abuser_is_gone_);
  if (how.told) {
    EXPECT_TRUE(run_until(io_, [&] { return !told_.empty(); }));
    EXPECT_THAT(told_, Contains(std::string(how.told)));
  }
  EXPECT_THAT(blamed_, ::testing::Each(abuser_)) << "nobody else is blamed";
}

}  // namespace
}  // namespace duplex::test
