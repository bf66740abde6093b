// What a request of a peer costs in memory until the user has taken it: a fixed part, and less than ten times its bytes
// as they are decoded (names, values and 32 for each field; payload). The peer chooses the bytes,
// max_concurrent_streams and the windows how many there are.

#include "heap.hpp"
#include "session_test.hpp"

namespace duplex::test {
namespace {

constexpr std::size_t requests = 50;
constexpr std::size_t fixed = 2048;
constexpr std::size_t factor = 10;

struct shape {
  std::size_t fields;
  std::size_t name;
  std::size_t value;
  std::size_t frames;  // of DATA
  std::size_t size;
};

std::size_t decoded(const shape& s) {
  return s.fields * (s.name + s.value + 32) + s.frames * (s.size + core::frame_head_size);
}

/// Bytes in use for one of several.
std::size_t cost(const shape& s) {
  scripted_peer p(role::server, whole);
  p.greet();
  const auto say = [&](std::int32_t id) {
    raw::list more;
    for (std::size_t i = 0; i < s.fields; ++i) more.emplace_back(std::string(s.name, 'n'), std::string(s.value, 'v'));
    std::string bytes = raw::request(id, raw::none, more);
    for (std::size_t i = 0; i < s.frames; ++i) bytes += raw::data(id, std::string(s.size, 'x'));
    p.us->feed(bytes);
  };
  say(1);
  (void)p.us->take_events();
  const heap_use before;
  for (std::size_t i = 1; i <= requests; ++i) {
    say(static_cast<std::int32_t>(1 + 2 * i));
    (void)p.us->take_events();
  }
  EXPECT_EQ(p.us->active_streams(), requests + 1);
  return before.grown() / requests;
}

TEST(request_memory, is_a_fixed_part_and_less_than_ten_times_its_bytes) {
  for (const auto& s :
       {shape{0, 0, 0, 0, 0}, shape{1, 1, 1, 0, 0}, shape{90, 1, 0, 0, 0}, shape{90, 1, 1, 0, 0},
        shape{90, 16, 16, 0, 0}, shape{90, 16, 100, 0, 0}, shape{1, 10, 15000, 0, 0}, shape{0, 0, 0, 1, 1},
        shape{0, 0, 0, 64, 1}, shape{0, 0, 0, 1000, 1}, shape{0, 0, 0, 20, 100}, shape{0, 0, 0, 1, 1000}}) {
    const auto bytes = cost(s);
    SCOPED_TRACE(std::to_string(s.fields) + " fields of " + std::to_string(s.name) + "+" + std::to_string(s.value) +
                 " bytes, " + std::to_string(s.frames) + " frames of " + std::to_string(s.size) + ": " +
                 std::to_string(bytes) + " bytes for " + std::to_string(decoded(s)));
    EXPECT_LT(bytes, fixed + factor * decoded(s));
  }
}

}  // namespace
}  // namespace duplex::test
