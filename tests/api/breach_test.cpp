// A peer that breaks HTTP/2 while one thread waits in `recv` and another in `send` (RFC 9113, section 5.4): both are
// told protocol_error, at every phase of the stream, and the end is never made up.

#include "raw_peer.hpp"
#include "support.hpp"

#include <ostream>

namespace duplex::test {
namespace {

/// Stream 1, from the peer.
struct phase {
  std::string name;
  std::string frames;
  std::size_t messages;  // that they are
  bool complete = false;

  friend void PrintTo(const phase& p, std::ostream* out) { *out << p.name; }
};

std::vector<phase> phases() {
  const auto head = raw::ok(1);
  const auto body = head + raw::frame(raw::data, raw::none, 1, "abc");
  return {{"before_the_response", "", 0},
          {"after_the_response", head, 1},
          {"amid_the_data", body, 2},
          {"after_the_end", body + raw::frame(raw::data, raw::end_stream, 1, ""), 3, true}};
}

std::vector<phase> phases_before_the_end() {
  auto some = phases();
  std::erase_if(some, [](const phase& p) { return p.complete; });
  return some;
}

class breach : public testing::TestWithParam<phase> {
 protected:
  // Says `frames` while both wait, and returns what they are told: the read, then the send.
  static std::pair<std::string, std::string> told_of(const std::string& frames) {
    raw_peer server;
    auto s = h2::open({.url = server.url()}, bounded());
    server.accept_http2();
    server.write(GetParam().frames);
    for (std::size_t i = 0; i < GetParam().messages; ++i) s.recv();

    auto reader = std::async(std::launch::async, [s]() mutable { return recv_error(s); });
    // More than the window and the buffer take; the window's end says that the send is under way.
    constexpr std::size_t window = 65535;
    const std::string marker = "the end of the window";
    auto bytes = std::string(window - marker.size(), 'x') + marker + std::string(std::size_t{4} << 20, 'y');
    auto sender = std::async(std::launch::async, [s, bytes = std::move(bytes)]() mutable {
      error_code ec;
      s.send(bytes, ec);
      return name(ec);
    });
    server.read_until(marker);
    server.write(frames);
    auto told_reader = get(std::move(reader));
    auto told_sender = get(std::move(sender));
    EXPECT_EQ(recv_error(s), told_reader) << "and it stays so";
    return {told_reader, told_sender};
  }
  static void expect_told(const std::string& frames) {
    const auto [reader, sender] = told_of(frames);
    EXPECT_EQ(reader, GetParam().complete ? "closed" : "protocol_error");
    EXPECT_EQ(sender, "protocol_error");
  }
};

INSTANTIATE_TEST_SUITE_P(rfc9113, breach, testing::ValuesIn(phases()), testing::PrintToStringParamName());

// While there are header blocks to come.
class breach_before_the_end : public breach {};

INSTANTIATE_TEST_SUITE_P(rfc9113, breach_before_the_end, testing::ValuesIn(phases_before_the_end()),
                         testing::PrintToStringParamName());

TEST_P(breach, rfc9113_6_1_data_on_stream_0_ends_a_read_and_a_send_that_wait) {
  expect_told(raw::frame(raw::data, raw::none, 0, "abc"));
}

TEST_P(breach_before_the_end, rfc9113_4_3_broken_compression_ends_a_read_and_a_send_that_wait) {
  expect_told(raw::frame(raw::headers, raw::end_headers, 1, "\xff\xff\xff\xff\xff\xff"));
}

TEST_P(breach, rfc9113_8_1_headers_that_are_none_end_a_read_and_a_send_that_wait) {
  // No status before the response; no END_STREAM behind it; a frame after the end.
  expect_told(raw::frame(raw::headers, raw::end_headers, 1, std::string("\x00\x01x\x01y", 5)));
}

}  // namespace
}  // namespace duplex::test
