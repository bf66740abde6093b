// RST_STREAM with every code at every phase of a stream (RFC 9113, section 5.4.2, 6.4, 7 and 8.1), with a read and
// sends that wait.

#include "session_test.hpp"

#include <functional>

namespace duplex::test {
namespace {

using raw::end_stream;

/// How far stream 1 has come.
struct phase {
  std::string name;
  std::function<void(scripted_peer&)> script;
  std::string story;
  bool answered = false;   // client: who has answered has processed the request
  bool heard_all = false;  // the peer has ended its side
  bool said_all = false;   // we have ended ours
};

options small_buffers() {
  options opts;
  opts.send_buffer = 4;
  return opts;
}

const std::string trailing = raw::headers(1, {{"a", "b"}}, end_stream);

void finish_ours(scripted_peer& p) {
  EXPECT_EQ(name(p.us.send(1, "all", true)), "ok");
  p.listen();
}

std::vector<phase> phases_of_a_client() {
  const auto says = [](const std::string& frames) { return [=](scripted_peer& p) { p.say(frames); }; };
  const auto body = raw::response(1) + raw::data(1, "abc");
  return {
      {"before the response", says(""), ""},
      {"before the response to a complete request", finish_ours, "", false, false, true},
      {"after a 1xx reply", says(raw::headers(1, {{":status", "103"}})), ""},
      {"after the response", says(raw::response(1)), "response 200", true},
      {"amid the data", says(body), "response 200, data abc", true},
      {"amid the data that answers a complete request",
       [=](scripted_peer& p) {
         finish_ours(p);
         p.say(body);
       },
       "response 200, data abc", true, false, true},
      {"after the trailers", says(body + trailing), "response 200, data abc, trailers {a: b}, done, closed", true,
       true},
      {"of a stream that is complete",
       [=](scripted_peer& p) {
         finish_ours(p);
         p.say(body + trailing);
       },
       "response 200, data abc, trailers {a: b}, done, closed", true, true, true},
  };
}

std::vector<phase> phases_of_a_server() {
  const auto body = raw::request(1) + raw::data(1, "abc");
  const auto answered = [](const std::string& frames) {
    return [=](scripted_peer& p) {
      p.say(frames);
      EXPECT_EQ(name(p.us.respond(1)), "ok");
      p.listen();
    };
  };
  return {
      {"after the request's head", answered(raw::request(1)), "", true},
      {"amid the data", answered(body), "data abc", true},
      {"after the trailers", answered(body + trailing), "data abc, trailers {a: b}, done, closed", true, true},
      {"after a whole response",
       [=](scripted_peer& p) {
         answered(body)(p);
         finish_ours(p);
       },
       "data abc", true, false, true},
      {"of a stream that is complete",
       [=](scripted_peer& p) {
         answered(body + trailing)(p);
         finish_ours(p);
       },
       "data abc, trailers {a: b}, done, closed", true, true, true},
  };
}

/// What is known afterwards.
struct outcome {
  std::string end;      // of the reads
  std::string sends;    // what a send is told
  std::string failure;  // as `describe` has it
};

outcome expected(const phase& when, std::uint32_t code) {
  if (when.heard_all && when.said_all) return {"closed", "send_closed", "none"};
  const auto refused = code == static_cast<std::uint32_t>(h2::code::refused_stream);
  const std::string error = refused ? "refused" : "stream_reset";
  // The peer wants no more of the request, and everything went well (RFC 9113, section 8.1).
  if (when.heard_all && code == 0) return {"closed", error, "none"};
  auto why = error + " peer stream " + h2::code_name(code);
  if (refused && !when.answered) why += " retry_safe";
  return {when.heard_all ? "closed" : error, error, why};
}

class reset_with : public ::testing::TestWithParam<std::uint32_t> {
 protected:
  static void check(role side, const phase& when, std::size_t bytes_per_read) {
    scripted_peer p(side, bytes_per_read, small_buffers());
    p.greet({{raw::initial_window_size, 4}});
    if (side == role::client) p.open();
    when.script(p);
    EXPECT_EQ(p.us.story(1), when.story);
    std::vector<op_id> ops;
    if (!when.said_all) {
      EXPECT_EQ(name(p.us.send(1, "longer than the window")), "ok");
      ops.push_back(p.us.last_op());
      EXPECT_EQ(name(p.us.send_buffered(1, "longer than the buffer")), "ok");
      ops.push_back(p.us.last_op());
    }
    (void)p.heard();

    p.say(raw::rst_stream(1, static_cast<h2::code>(GetParam())));
    const auto want = expected(when, GetParam());
    EXPECT_EQ(p.us.failure_of(1), want.failure);
    EXPECT_EQ(p.us.story(1), want.end);
    EXPECT_EQ(name(p.us.send(1, "x")), want.sends);
    EXPECT_GE(p.us.count(kind::closed, 1), 1U) << "the sends were not woken";
    for (const auto op : ops) EXPECT_FALSE(p.us.is_sent(op)) << "told to be sent";
    EXPECT_FALSE(p.us->next_deadline()) << "a timer is left behind";
    EXPECT_EQ(p.us->active_streams(), 0U);
    EXPECT_THAT(p.heard(), IsEmpty()) << "a reset is not answered";

    p.say(raw::rst_stream(1, static_cast<h2::code>(GetParam())));  // a second one is of a closed stream
    p.us.release(1);
    EXPECT_THAT(p.heard(), IsEmpty());
    EXPECT_FALSE(p.us.knows(1));
    EXPECT_EQ(p.us.failure_of_connection(), "none");
  }
  static void at_every_phase(role side, const std::vector<phase>& phases) {
    for (const auto& when : phases) {
      for (const auto bytes_per_read : every_read_size) {
        SCOPED_TRACE(when.name + ", " + read_size_name(bytes_per_read) + " bytes per read");
        check(side, when, bytes_per_read);
      }
    }
  }
};

constexpr std::uint32_t unknown_code = 0xdead;

INSTANTIATE_TEST_SUITE_P(code, reset_with,
                         ::testing::Values(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, unknown_code, 0xffffffffU),
                         [](const auto& p) { return h2::code_name(p.param); });

TEST_P(reset_with, is_told_by_a_server_at_every_phase) { at_every_phase(role::client, phases_of_a_client()); }

TEST_P(reset_with, is_told_by_a_client_at_every_phase) { at_every_phase(role::server, phases_of_a_server()); }

}  // namespace
}  // namespace duplex::test
