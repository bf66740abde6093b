// The peer's limit of streams: opens above it wait in order (RFC 9113, section 5.1.2).

#include "session_test.hpp"

namespace duplex::test {
namespace {

class stream_limit : public session_test {
 protected:
  // A client whose peer has announced a limit.
  std::unique_ptr<scripted_peer> client(std::uint32_t limit, const options& opts = {}) {
    auto p = std::make_unique<scripted_peer>(role::client, GetParam(), opts);
    p->greet({{raw::max_concurrent_streams, limit}});
    return p;
  }
  static void open(scripted_peer& p, int times = 1) {
    for (; times > 0; --times) EXPECT_EQ(name(p.us.open_when_possible(p.session_options)), "ok");
    p.listen();
  }
};
INSTANTIATE_TEST_SUITE_P(bytes_per_read, stream_limit, read_sizes(), name_of_read_size);

TEST_P(stream_limit, rfc9113_5_1_2_opens_above_it_wait_and_go_out_in_order) {
  const auto p = client(2);
  open(*p, 4);
  EXPECT_THAT(p->us.opened(), ElementsAre(1, 3));
  EXPECT_THAT(p->heard(), ElementsAre("HEADERS 1", "HEADERS 3"));
  p->say(raw::response(3, raw::end_stream));
  EXPECT_THAT(p->us.opened(), ElementsAre(1, 3)) << "it is not over before our end";
  p->us.send(3, "", true);
  p->listen();
  EXPECT_THAT(p->us.opened(), ElementsAre(1, 3, 5));
  p->say(raw::rst_stream(1, h2::code::cancel));
  p->listen();
  EXPECT_THAT(p->us.opened(), ElementsAre(1, 3, 5, 7));
}

TEST_P(stream_limit, a_stream_that_we_reset_makes_a_place) {
  const auto p = client(1);
  open(*p, 2);
  p->us.reset(1, h2::code::cancel);
  p->listen();
  EXPECT_THAT(p->us.opened(), ElementsAre(1, 3));
}

TEST_P(stream_limit, of_0_lets_nobody_in_until_it_is_raised) {
  const auto p = client(0);
  open(*p, 3);
  EXPECT_THAT(p->us.opened(), IsEmpty());
  p->say(raw::settings({{raw::max_concurrent_streams, 2}}));
  EXPECT_THAT(p->us.opened(), ElementsAre(1, 3));
}

TEST_P(stream_limit, lowered_midway_lets_streams_run_and_holds_the_next) {
  const auto p = client(3);
  open(*p, 4);
  p->say(raw::settings({{raw::max_concurrent_streams, 1}}));
  p->say(raw::rst_stream(1, h2::code::cancel) + raw::rst_stream(3, h2::code::cancel));
  EXPECT_THAT(p->us.opened(), ElementsAre(1, 3, 5)) << "the one that runs is all that is allowed";
  p->say(raw::rst_stream(5, h2::code::cancel));
  EXPECT_THAT(p->us.opened(), ElementsAre(1, 3, 5, 7));
}

TEST_P(stream_limit, an_open_that_was_canceled_leaves_no_trace) {
  const auto p = client(1);
  open(*p, 2);
  const auto canceled = p->us.last_op();
  open(*p);
  (void)p->heard();
  EXPECT_TRUE(p->us->cancel_open(canceled));
  EXPECT_FALSE(p->us->cancel_open(canceled));
  p->say(raw::rst_stream(1, h2::code::cancel));
  EXPECT_THAT(p->us.opened(), ElementsAre(1, 3));
  EXPECT_THAT(p->heard(), ElementsAre("HEADERS 3"));
  p->advance(p->session_options.connect_timeout * 2);
  EXPECT_EQ(p->us.count(kind::timed_out), 0U);
}

TEST_P(stream_limit, an_open_that_waits_too_long_times_out_and_is_never_sent) {
  const auto p = client(1);
  open(*p, 2);
  const auto late = p->us.last_op();
  (void)p->heard();
  p->advance(p->session_options.connect_timeout);
  ASSERT_EQ(p->us.count(kind::timed_out), 1U);
  EXPECT_EQ(p->us.events().back().value, late);
  p->say(raw::rst_stream(1, h2::code::cancel));
  EXPECT_THAT(p->us.opened(), ElementsAre(1));
  EXPECT_THAT(p->heard(), IsEmpty());
}

TEST_P(stream_limit, more_opens_than_max_pending_streams_are_refused_at_once) {
  options opts;
  opts.max_pending_streams = 2;
  const auto p = client(0, opts);
  open(*p, 2);
  EXPECT_EQ(name(p->us.open_when_possible(opts)), "limit_exceeded");
}

TEST_P(stream_limit, max_pending_streams_of_0_lets_in_those_that_need_not_wait) {
  options opts;
  opts.max_pending_streams = 0;
  const auto p = client(1, opts);
  EXPECT_EQ(name(p->us.open_when_possible(p->session_options)), "ok");
  EXPECT_EQ(name(p->us.open_when_possible(p->session_options)), "limit_exceeded");
}

TEST_P(stream_limit, goaway_refuses_what_waits_and_it_is_safe_to_retry) {
  const auto p = client(1);
  open(*p, 3);
  p->say(raw::goaway(1, h2::code::no_error, "bye"));
  EXPECT_EQ(p->us.count(kind::not_opened), 2U);
  EXPECT_EQ(describe(p->us->why_not_opened()), "refused peer connection NO_ERROR last=1 debug=bye retry_safe");
  EXPECT_EQ(name(p->us.open_when_possible(p->session_options)), "refused");
  p->say(raw::response(1));
  EXPECT_EQ(p->us.story(1), "response 200") << "the one that runs goes on";
}

TEST_P(stream_limit, our_goaway_refuses_what_waits) {
  const auto p = client(1);
  open(*p, 2);
  p->us->goaway(0, {});
  EXPECT_EQ(p->us.count(kind::not_opened), 1U);
  EXPECT_EQ(describe(p->us->why_not_opened()), "refused local connection retry_safe");
}

TEST_P(stream_limit, what_waits_fails_with_the_connection_and_is_safe_to_retry) {
  const auto p = client(1);
  open(*p, 2);
  p->us->lost(errc::connection_lost, "end of file");
  EXPECT_EQ(p->us.count(kind::not_opened), 1U);
  EXPECT_EQ(describe(p->us->why_not_opened()), "connection_lost network connection retry_safe");
}

TEST_P(stream_limit, rfc9113_5_1_1_a_connection_without_stream_ids_left_is_retired) {
  scripted_peer p(role::client, GetParam(), {}, 0x7ffffffd);
  p.greet({{raw::max_concurrent_streams, 1}});
  open(p, 3);
  p.say(raw::rst_stream(0x7ffffffd, h2::code::cancel));
  EXPECT_THAT(p.us.opened(), ElementsAre(0x7ffffffd, 0x7fffffff));
  EXPECT_EQ(p.us.count(kind::not_opened), 1U);
  EXPECT_EQ(name(p.us.open_when_possible(p.session_options)), "refused");
  EXPECT_EQ(describe(p.us->why_not_opened()), "refused local connection retry_safe");
}

TEST_P(stream_limit, before_the_peers_settings_is_taken_to_be_100) {
  scripted_peer p(role::client, GetParam());
  open(p, 101);
  EXPECT_EQ(p.us.opened().size(), 100U);
  p.greet();
  EXPECT_EQ(p.us.opened().size(), 101U) << "a peer that names none has none";
}

TEST_P(stream_limit, rfc9113_5_1_2_five_hundred_opens_against_a_limit_of_100_are_all_served) {
  memory_peers p(GetParam(), {}, {}, 100);
  for (int i = 0; i < 500; ++i) EXPECT_EQ(name(p.client.open_when_possible(p.client_options)), "ok");
  std::size_t served = 0;
  for (std::size_t before = 1; before != served;) {
    before = served;
    p.pump();
    const auto requests = p.server.requests();
    EXPECT_LE(requests.size() - served, 100U);
    for (; served < requests.size(); ++served) {
      EXPECT_EQ(name(p.server.respond(requests[served], 200, {}, true)), "ok");
      p.client.send(requests[served], "", true);
    }
  }
  EXPECT_EQ(served, 500U);
  EXPECT_EQ(p.client.failure_of_connection(), "none");
}

}  // namespace
}  // namespace duplex::test
