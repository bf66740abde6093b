// Floods: what costs a peer little and us much ends the connection with ENHANCE_YOUR_CALM (RFC 9113, section 10.5), and
// a peer below the rate is left alone. docs/limits.md says which advisory is which.

#include "heap.hpp"
#include "session_test.hpp"

#include <functional>
#include <ostream>

namespace duplex::test {
namespace {

using raw::frame;

constexpr std::size_t burst = 20;
constexpr std::size_t per_second = 10;

/// The n-th of the frames that make the flood. Stream 1 is open, and of a client under test also stream 3.
using flood_frames = std::function<std::string(int)>;

struct flood {
  std::string name;
  std::string option;
  flood_frames frames;

  friend void PrintTo(const flood& f, std::ostream* out) { *out << f.name; }
};

options little() {
  options opts;
  const rate_limit rate{burst, per_second};
  opts.max_header_bytes = 1000;
  opts.limits = {.resets = rate,
                 .pings = rate,
                 .settings = rate,
                 .other_frames = rate,
                 .empty_data = rate,
                 .max_empty_data_in_a_row = 10,
                 .window_updates = {burst + 5, per_second},
                 .discarded_headers = rate};
  return opts;
}

class flood_test : public ::testing::TestWithParam<flood> {
 protected:
  static const flood& what() { return GetParam(); }

  static void begin(scripted_peer& p, role side) {
    p.greet();
    if (side == role::server) {
      p.say(raw::request(1));
    } else {
      EXPECT_EQ(p.open(), 1);
      EXPECT_EQ(p.open(), 3);
    }
    (void)p.heard();
  }

  /// How many it takes to end the connection.
  static int overflow(scripted_peer& p, int at_most) {
    for (int i = 0; i < at_most; ++i) {
      p.say(what().frames(i));
      if (p.us->failed()) return i + 1;
    }
    return 0;
  }

  static void expect_calm(scripted_peer& p) {
    EXPECT_THAT(p.heard(), Contains(StartsWith("GOAWAY ENHANCE_YOUR_CALM ")));
    EXPECT_THAT(p.frames().back().payload, HasSubstr(what().option)) << "the debug data names the budget";
    EXPECT_EQ(p.us.failure_of_connection(), "limit_exceeded peer connection ENHANCE_YOUR_CALM");
    EXPECT_THAT(p.us->failed()->message, HasSubstr(what().option));
    EXPECT_EQ(p.us.failure_of(1), "limit_exceeded peer connection ENHANCE_YOUR_CALM");
    EXPECT_TRUE(p.us->finished()) << "the driver may close";
  }

  static void ends_with_enhance_your_calm(role side) {
    for (const auto bytes_per_read : every_read_size) {
      SCOPED_TRACE(read_size_name(bytes_per_read) + " bytes per read");
      scripted_peer p(side, bytes_per_read, little());
      begin(p, side);
      const auto n = overflow(p, 200);
      EXPECT_GT(n, 8);
      EXPECT_LT(n, 70);
      expect_calm(p);
    }
  }

  /// The same frames, no faster than the rate.
  static void is_left_alone_below_the_rate(role side) {
    scripted_peer p(side, whole, little());
    begin(p, side);
    for (int i = 0; i < 300; ++i) {
      p.say(what().frames(i));
      if (what().option == "limits.max_empty_data_in_a_row") p.say(raw::data(1, "x"));
      p.advance(std::chrono::milliseconds(2 * 1000 / per_second));
    }
    EXPECT_EQ(p.us.failure_of_connection(), "none");
  }

  /// By default, and all at once, at whatever speed.
  static void is_bounded_in_memory(role side) {
    scripted_peer p(side, whole);
    begin(p, side);
    const heap_use before;
    std::string bytes;
    std::size_t sent = 0;
    for (int i = 0; i < 200000 && !p.us->failed(); ++i) {
      bytes += what().frames(i);
      if (bytes.size() < 16384) continue;
      p.us->feed(bytes);
      p.us->settle_budgets(p.now);  // the peer reads nothing
      sent += bytes.size();
      bytes.clear();
    }
    EXPECT_TRUE(p.us->failed());
    EXPECT_LT(sent, 4U << 20U);
    EXPECT_LT(before.grown(), 4U << 20U);
    p.listen();
    expect_calm(p);
  }
};

std::string name_of(const ::testing::TestParamInfo<flood>& info) { return info.param.name; }

std::string unknown(int i) { return frame(static_cast<std::uint8_t>(0x0a + i % 6), 0, i % 2, "x"); }

// From either side.
const flood pings{"cve_2019_9512_ping", "limits.pings", [](int) { return raw::ping("12345678"); }};
const flood answers{"cve_2019_9512_ping_answer", "limits.pings", [](int) { return raw::ping("12345678", raw::ack); }};
const flood settings{"cve_2019_9515_settings", "limits.settings", [](int) { return raw::settings(); }};
const flood empty_data{"cve_2019_9518_empty_data", "limits.empty_data",
                       [](int i) { return raw::data(1, i % 5 == 0 ? "x" : ""); }};
const flood padding{"cve_2019_9518_data_of_padding", "limits.max_empty_data_in_a_row",
                    [](int) { return raw::padded_data(1, "", 3); }};
const flood in_a_row{"cve_2019_9518_empty_data_in_a_row", "limits.max_empty_data_in_a_row",
                     [](int) { return raw::data(1, ""); }};
const flood unknowns{"cve_2026_27141_unknown_types", "limits.other_frames", unknown};
const flood resource_loop{"cve_2019_9513_priority", "limits.other_frames", [](int i) {
                            return frame(raw::type_priority, raw::none, 1,
                                         raw::u32(static_cast<std::uint32_t>(3 + 2 * (i % 50))) + "x");
                          }};
const flood window_updates{"window_update", "limits.window_updates", [](int) { return raw::window_update(0, 1); }};

// To a server.

std::int32_t nth(int i) { return 3 + 2 * i; }

const flood rapid_reset{"cve_2023_44487_rapid_reset", "limits.resets",
                        [](int i) { return raw::request(nth(i)) + raw::rst_stream(nth(i), h2::code::cancel); }};
const flood malformed{"cve_2019_9514_requests_that_are_reset", "limits.resets", [](int i) {
                        return raw::request(nth(i), raw::none, {{"Upper", "case"}});
                      }};
const flood by_window{"cve_2025_8671_made_to_reset_by_a_window", "limits.resets",
                      [](int i) { return raw::request(nth(i)) + raw::window_update(nth(i), 0x7fffffff); }};
const flood by_length{
    "cve_2025_8671_made_to_reset_by_a_content_length", "limits.resets", [](int i) {
      return raw::request(nth(i), raw::none, {{"content-length", "1"}}) + raw::data(nth(i), "abc", raw::end_stream);
    }};
const flood by_size{
    "cve_2025_8671_made_to_reset_by_a_field_section", "limits.resets", [](int i) {
      return raw::request(nth(i), raw::none, {{"large", std::string(500, 'x')}, {"larger", std::string(500, 'x')}});
    }};
const flood late_headers{"headers_of_streams_that_are_over", "limits.discarded_headers", [](int i) {
                           if (i == 0) return raw::request(3) + raw::rst_stream(3, h2::code::cancel);
                           return raw::headers(3, {{"late", "field"}}, raw::end_stream);
                         }};

// To a client.

const flood late_replies{"headers_of_streams_that_are_over", "limits.discarded_headers", [](int i) {
                           if (i == 0)
                             return raw::response(3, raw::end_stream) + raw::rst_stream(3, h2::code::no_error);
                           return raw::response(3, raw::end_stream);
                         }};
const flood resets{"cve_2019_9514_reset", "limits.resets", [](int) { return raw::rst_stream(3, h2::code::cancel); }};

// DATA follows a response.
flood behind_a_response(const flood& f) {
  return {f.name, f.option,
          [frames = f.frames](int i) { return (i == 0 ? raw::response(1) : std::string()) + frames(i); }};
}
const flood empty_reply = behind_a_response(empty_data);
const flood padded_reply = behind_a_response(padding);
const flood reply_in_a_row = behind_a_response(in_a_row);

class flood_of_a_server : public flood_test {};
TEST_P(flood_of_a_server, ends_with_enhance_your_calm) { ends_with_enhance_your_calm(role::server); }
TEST_P(flood_of_a_server, is_left_alone_below_the_rate) { is_left_alone_below_the_rate(role::server); }
INSTANTIATE_TEST_SUITE_P(all, flood_of_a_server,
                         ::testing::Values(pings, answers, settings, empty_data, padding, in_a_row, unknowns,
                                           late_headers, by_size, resource_loop, window_updates, rapid_reset, malformed,
                                           by_window, by_length),
                         name_of);

class flood_of_a_client : public flood_test {};
TEST_P(flood_of_a_client, ends_with_enhance_your_calm) { ends_with_enhance_your_calm(role::client); }
TEST_P(flood_of_a_client, is_left_alone_below_the_rate) { is_left_alone_below_the_rate(role::client); }
INSTANTIATE_TEST_SUITE_P(all, flood_of_a_client,
                         ::testing::Values(pings, answers, settings, empty_reply, padded_reply, reply_in_a_row,
                                           unknowns, resource_loop, window_updates, resets, late_replies),
                         name_of);

class large_flood_of_a_server : public flood_test {};
TEST_P(large_flood_of_a_server, is_bounded_in_memory) { is_bounded_in_memory(role::server); }
INSTANTIATE_TEST_SUITE_P(all, large_flood_of_a_server,
                         ::testing::Values(pings, answers, settings, in_a_row, empty_data, unknowns, resource_loop,
                                           window_updates),
                         name_of);

class large_flood_of_a_client : public flood_test {};
TEST_P(large_flood_of_a_client, is_bounded_in_memory) { is_bounded_in_memory(role::client); }
INSTANTIATE_TEST_SUITE_P(all, large_flood_of_a_client,
                         ::testing::Values(pings, answers, settings, reply_in_a_row, empty_reply, unknowns,
                                           resource_loop, window_updates),
                         name_of);

}  // namespace
}  // namespace duplex::test
