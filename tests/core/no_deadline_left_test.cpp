// When everything is over nothing is due any more, however it ended.

#include "session_test.hpp"

#include <functional>
#include <string>

namespace duplex::test {
namespace {

options every_time_out() {
  options opts;
  opts.send_buffer = 4;
  opts.keepalive_time = 60s;
  return opts;
}

/// A stream on which each thing waits that can: an end, a receive, sends of both kinds and trailers.
struct everything_waits : scripted_peer {
  everything_waits(role side, std::size_t bytes_per_read) : scripted_peer(side, bytes_per_read, every_time_out()) {
    greet({{raw::initial_window_size, 0}, {raw::max_concurrent_streams, 1}});
    if (side == role::server) {
      say(raw::request(1));
      EXPECT_EQ(name(us.respond(1)), "ok");
    } else {
      EXPECT_EQ(open(), 1);
      EXPECT_EQ(name(us.open_when_possible(session_options)), "ok");
    }
    us->end_at(1, now + 1h);
    us->set_deadline(1, 99, now + 1min);
    EXPECT_EQ(name(us.send(1, "lent")), "ok");
    EXPECT_EQ(name(us.send_buffered(1, "more than fits")), "ok");
    EXPECT_EQ(name(us.send_trailers(1, {{"a", "b"}})), "ok");
    listen();
    // Half a header section as well.
    const auto head = side == role::client ? raw::response(1) : raw::request(3);
    rest = head.substr(12);
    say(head.substr(0, 12));
    EXPECT_TRUE(us->next_deadline());
  }
  /// What a driver does when its reader was told.
  void reader_is_told() { us->clear_deadline(1, 99); }

  std::string rest{};
};

using ending = std::function<void(everything_waits&)>;

class no_deadline_left : public session_test {
 protected:
  void holds_after(const ending& end) {
    for (const auto side : {role::client, role::server}) {
      everything_waits p(side, GetParam());
      end(p);
      p.listen();
      p.reader_is_told();
      EXPECT_FALSE(p.us->next_deadline()) << (side == role::client ? "client" : "server");
    }
  }
};
INSTANTIATE_TEST_SUITE_P(bytes_per_read, no_deadline_left, read_sizes(), name_of_read_size);

TEST_P(no_deadline_left, when_the_connection_was_lost) {
  holds_after([](auto& p) { p.us->lost(errc::connection_lost, "end of file"); });
}

TEST_P(no_deadline_left, when_we_ended_the_connection_with_an_error) {
  holds_after([](auto& p) { p.us->goaway(static_cast<std::uint32_t>(h2::code::internal_error), {}); });
}

TEST_P(no_deadline_left, when_the_peer_broke_the_protocol) {
  holds_after([](auto& p) { p.say(p.rest + raw::window_update(0, 0)); });
}

TEST_P(no_deadline_left, when_the_header_section_came_too_late) {
  holds_after([](auto& p) { p.advance(10s); });
}

TEST_P(no_deadline_left, when_the_peer_did_not_answer) {
  holds_after([](auto& p) {
    p.say(p.rest);
    p.advance(60s);  // and the sends have stalled by then
    p.advance(20s);
  });
}

TEST_P(no_deadline_left, when_every_stream_was_reset_by_the_peer) {
  holds_after([](auto& p) {
    p.say(p.rest);
    p.say(raw::rst_stream(1, h2::code::cancel));
    p.listen();
    p.say(raw::rst_stream(3, h2::code::cancel));
  });
}

TEST_P(no_deadline_left, when_every_stream_was_reset_by_us) {
  holds_after([](auto& p) {
    p.say(p.rest);
    p.us.reset(1, h2::code::cancel);
    p.listen();
    p.us.reset(3, h2::code::cancel);
  });
}

TEST_P(no_deadline_left, when_the_last_handles_went_away) {
  holds_after([](auto& p) {
    p.say(p.rest);
    p.us.abandon(1, h2::code::cancel);
    p.us.release(1);
    p.listen();
    p.us.abandon(3, h2::code::cancel);
    p.us.release(3);
  });
}

TEST_P(no_deadline_left, when_the_streams_have_ended_well) {
  holds_after([](auto& p) {
    p.say(p.rest);
    const bool is_client = p.us.requests().empty();
    p.say(raw::window_update(1, 1000));
    p.say(raw::data(1, "", raw::end_stream));
    p.listen();
    if (is_client) {
      EXPECT_EQ(name(p.us.send(3, "", true)), "ok");
      p.say(raw::window_update(3, 1000) + raw::response(3, raw::end_stream));
    } else {
      EXPECT_EQ(name(p.us.respond(3, 200, {}, true)), "ok");
      p.say(raw::data(3, "", raw::end_stream));
    }
    EXPECT_EQ(p.us.failure_of(1), "none");
    EXPECT_EQ(p.us.failure_of(3), "none");
  });
}

}  // namespace
}  // namespace duplex::test
