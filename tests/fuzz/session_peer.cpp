// A session against a peer that sends anything, in pieces of any size, while its user goes on. Nothing crashes, no
// memory is used after it went back, and what the witness knows holds.

#include "core/memory_peers.hpp"
#include "core/raw_frames.hpp"
#include "fuzz/input.hpp"
#include "fuzz/witness.hpp"

#include <gtest/gtest.h>

#include <array>

namespace duplex::fuzz {
namespace {

using test::endpoint;
namespace raw = test::raw;
using namespace std::chrono_literals;

constexpr std::array<std::int32_t, 8> ids{0, 1, 2, 3, 5, 7, 9, 0x7fffffff};

class walk {
 public:
  explicit walk(input in)
      : in_(in),
        role_(in_.coin() ? core::role::server : core::role::client),
        us_(config(), now_),
        witness_(us_, role_, options_) {}

  void run() {
    if (in_.coin()) greet();
    while (!in_.empty()) {
      step();
      us_.collect();
    }
    finish();
  }

 private:
  core::session_config config() {
    core::session_config out{.role = role_};
    auto& opts = out.defaults;
    if (in_.coin()) opts.stream_window = 1 + in_.number();
    opts.connection_window = 65535 + in_.number();
    opts.max_recv_buffer = 70000 + in_.number();
    opts.max_connection_buffer = opts.max_recv_buffer + in_.number();
    opts.send_buffer = 1 + in_.number();
    opts.max_header_bytes = 100 + in_.number();
    opts.max_header_fields = 1 + in_.byte();
    opts.max_informational = in_.below(4);
    opts.informational = in_.coin();
    opts.flow = in_.coin() ? flow_control::manual : flow_control::automatic;
    out.max_concurrent_streams = 1 + in_.byte();
    out.trace = in_.coin();
    options_ = opts;
    return out;
  }

  void greet() {
    if (role_ == core::role::server) witness_.feed(raw::preface);
    witness_.feed(raw::settings());
    witness_.feed(raw::settings_ack());
  }

  void step() {
    const auto id = ids.at(in_.below(ids.size()));
    switch (in_.below(18)) {
      case 0:
        return feed(in_.bytes(in_.number()));
      case 1:
      case 2: {
        const auto kind = in_.byte();
        const auto flags = in_.byte();
        return feed(raw::frame(static_cast<std::uint8_t>(kind % 13), flags, id, in_.bytes(in_.byte())));
      }
      case 3:
        return feed(raw::data(id, std::string(in_.number(), 'd'), in_.coin() ? raw::end_stream : raw::none));
      case 4: {
        const auto flags = static_cast<std::uint8_t>(in_.coin() ? raw::end_stream : raw::none);
        const raw::list more = in_.coin() ? raw::list{{std::string(in_.bytes(in_.below(9))), "v"}} : raw::list{};
        return feed(role_ == core::role::server ? raw::request(id, flags, more) : raw::response(id, flags, more));
      }
      case 5:
        return feed(raw::window_update(id, static_cast<std::uint32_t>(in_.number())));
      case 6:
        return feed(raw::settings(
            {{static_cast<std::uint16_t>(in_.below(10)), static_cast<std::uint32_t>(in_.number() << in_.below(16))}}));
      case 7:
        return open();
      case 8:
        (void)us_.respond(id, 200 + static_cast<int>(in_.byte()), {}, in_.coin());
        return;
      case 9:
        (void)us_.inform(id, 103);
        return;
      case 10:
        (void)us_.send(id, std::string(in_.number(), 's'), in_.coin());
        return;
      case 11:
        (void)us_.send_buffered(id, std::string(in_.number(), 'b'), in_.coin());
        return;
      case 12:
        (void)us_.send_trailers(id, in_.coin() ? fields{{"a", "b"}} : fields{});
        return;
      case 13:
        return witness_.take(id);
      case 14:
        return witness_.consume(id, in_.number());
      case 15:
        return give_up(id);
      case 16:
        now_ += std::chrono::milliseconds(in_.number());
        return us_->handle_timeout(now_);
      default:
        return witness_.pull(now_);
    }
  }

  void feed(std::string_view bytes) {
    // Many pieces cost time and find little.
    const std::size_t piece = bytes.size() < 256 ? 1 + in_.below(40) : bytes.size();
    for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) {
      witness_.feed(bytes.substr(0, piece));
    }
  }

  void open() {
    if (role_ == core::role::server) return us_->goaway(static_cast<std::uint32_t>(in_.below(3)), "debug");
    if (in_.coin()) {
      (void)us_.open_when_possible(options_);
    } else {
      (void)us_.open(options_);
    }
  }

  void give_up(std::int32_t id) {
    switch (in_.below(4)) {
      case 0:
        return us_.reset(id, h2::code::cancel);
      case 1:
        witness_.drop(id);
        return us_.abandon(id, h2::code::cancel);
      case 2:
        witness_.drop(id);
        return us_.release(id);
      default:
        return us_->ping(in_.byte());
    }
  }

  void finish() {
    witness_.check_windows(now_);
    us_->lost(errc::connection_lost, "the fuzzer is done");
    us_.collect();
    witness_.check_end();
  }

  input in_;
  core::time_point now_{};
  core::role role_;
  options options_{};
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
