// A session whose peer's bytes are the input, as they are: two bytes of choices, and what was captured from any HTTP/2
// client or server is a seed. The user is a plain one, who reads all and answers.

#include "core/memory_peers.hpp"
#include "fuzz/input.hpp"
#include "fuzz/witness.hpp"

#include <gtest/gtest.h>

#include <string>

namespace duplex::fuzz {
namespace {

using test::endpoint;

constexpr int client_streams = 3;

class walk {
 public:
  explicit walk(input in)
      : choices_(in.byte()),
        pieces_(in.byte()),
        in_(in),
        role_(chosen(1) ? core::role::server : core::role::client),
        options_(chosen_options()),
        us_({.role = role_, .defaults = options_, .trace = chosen(8)}, now_),
        witness_(us_, role_, options_) {}

  void run() {
    for (int i = 0; role_ == core::role::client && i < client_streams; ++i) talk(us_.open(options_), i == 1);
    witness_.pull(now_);
    while (!in_.empty()) {
      witness_.feed(pieces_ == 0 ? in_.all() : in_.bytes(pieces_));
      use();
      witness_.pull(now_);
    }
    witness_.check_windows(now_);
    us_->lost(errc::connection_lost, "the capture ends");
    us_.collect();
    witness_.check_end();
  }

 private:
  [[nodiscard]] bool chosen(unsigned bit) const noexcept { return (choices_ & bit) != 0; }

  [[nodiscard]] options chosen_options() const {
    options opts;
    opts.flow = chosen(2) ? flow_control::manual : flow_control::automatic;
    opts.informational = chosen(4);
    if (chosen(16)) opts.stream_window = 100;
    if (chosen(32)) opts.max_header_bytes = 1000;
    return opts;
  }

  void talk(std::int32_t id, bool end) {
    if (id != 0) (void)us_.send(id, "hello", end);
  }

  void use() {
    for (const auto id : us_.requests()) {
      if (!us_.knows(id)) continue;
      if (!us_.respond(id, 200, {{"content-type", "text/plain"}})) talk(id, chosen(64));
    }
    for (const auto& [id, s] : witness_.streams()) {
      witness_.take(id);
      witness_.consume_all(id);
    }
  }

  std::uint8_t choices_;
  std::size_t pieces_;
  input in_;
  core::time_point now_{};
  core::role role_;
  options options_;
  endpoint us_;
  witness witness_;
};

}  // namespace
}  // namespace duplex::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  GTEST_FLAG_SET(throw_on_failure, true);
  duplex::fuzz::walk(duplex::fuzz::input(data, size)).run();
  return 0;
}
