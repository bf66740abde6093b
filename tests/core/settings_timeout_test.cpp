// A peer that does not acknowledge our SETTINGS (RFC 9113, section 6.5.3).

#include "session_test.hpp"

namespace duplex::test {
namespace {

class settings_timeout : public session_test {};
INSTANTIATE_TEST_SUITE_P(bytes_per_read, settings_timeout, read_sizes(), name_of_read_size);

TEST_P(settings_timeout, rfc9113_6_5_3_settings_that_are_not_acknowledged_end_the_connection) {
  for (const auto side : {role::client, role::server}) {
    scripted_peer p(side, GetParam());
    if (side == role::server) p.say(raw::preface);
    p.say(raw::settings());
    if (side == role::server) p.say(raw::request(1));
    const auto id = side == role::server ? 1 : p.open();
    (void)p.heard();
    p.advance(9999ms);
    EXPECT_EQ(p.us.failure_of_connection(), "none");
    p.advance(1ms);
    EXPECT_THAT(p.heard(), ElementsAre(AllOf(StartsWith("GOAWAY"), HasSubstr("SETTINGS_TIMEOUT"))));
    EXPECT_EQ(p.us.failure_of_connection(), "timeout peer connection SETTINGS_TIMEOUT");
    EXPECT_EQ(p.us.failure_of(id), "timeout peer connection SETTINGS_TIMEOUT");
    EXPECT_THAT(p.us->failed()->message, HasSubstr("settings_timeout"));
    EXPECT_TRUE(p.us->finished());
    EXPECT_FALSE(p.us->next_deadline());
  }
}

TEST_P(settings_timeout, a_late_acknowledgement_is_in_time) {
  scripted_peer p(role::client, GetParam());
  p.say(raw::settings());
  const auto id = p.open();
  p.say(raw::response(id));
  EXPECT_EQ(*p.us->next_deadline(), p.now + 10s);
  p.advance(9999ms);
  p.say(raw::settings_ack());
  EXPECT_FALSE(p.us->next_deadline());
  p.advance(24h);
  EXPECT_EQ(p.us.failure_of(id), "none");
}

TEST_P(settings_timeout, the_time_is_an_option) {
  options opts;
  opts.settings_timeout = 2s;
  scripted_peer p(role::client, GetParam(), opts);
  p.say(raw::settings());
  p.advance(2s);
  EXPECT_THAT(p.us.failure_of_connection(), StartsWith("timeout"));
}

TEST_P(settings_timeout, does_not_wait_any_more_once_the_connection_was_lost) {
  scripted_peer p(role::client, GetParam());
  p.open();
  p.us->lost(errc::connection_lost, "the test wanted it");
  EXPECT_FALSE(p.us->next_deadline());
  p.advance(1h);
  EXPECT_EQ(p.us.failure_of_connection(), "connection_lost network connection");
}

}  // namespace
}  // namespace duplex::test
