// A peer that breaks HTTP/2 at any phase of a stream, while a read and sends wait (RFC 9113, section 5.4): both are
// told protocol_error, and no end is ever made up.

#include "breaches.hpp"
#include "session_test.hpp"

#include <functional>

namespace duplex::test {
namespace {

using raw::end_stream;
using raw::none;
using ::testing::AnyOf;
using ::testing::EndsWith;

options small_buffers() {
  options opts;
  opts.send_buffer = 4;
  opts.stream_window = 1000;
  return opts;
}

/// How far stream 1 has come.
struct phase {
  std::string name;
  /// What brings it there.
  std::function<void(scripted_peer&)> script;
  /// What a reader has got by then.
  std::string story;
  /// Whether the peer has ended its side, or ours is ended.
  bool heard_all = false;
  bool said_all = false;
};

void finish_ours(scripted_peer& p) {
  EXPECT_EQ(name(p.us.send(1, "all", true)), "ok");
  p.listen();
}

const std::string trailing = raw::headers(1, {{"a", "b"}}, end_stream);

std::vector<phase> phases_of_a_client() {
  const auto head = raw::response(1);
  const auto body = head + raw::data(1, "abc");
  return {
      {"before the response", [](scripted_peer&) {}, ""},
      {"before the response to a complete request", finish_ours, "", false, true},
      {"after the response", [=](scripted_peer& p) { p.say(head); }, "response 200"},
      {"amid the data", [=](scripted_peer& p) { p.say(body); }, "response 200, data abc"},
      {"amid the data that answers a complete request",
       [=](scripted_peer& p) {
         finish_ours(p);
         p.say(body);
       },
       "response 200, data abc", false, true},
      {"after the trailers", [=](scripted_peer& p) { p.say(body + trailing); },
       "response 200, data abc, trailers {a: b}, done, closed", true},
  };
}

void respond(scripted_peer& p) {
  EXPECT_EQ(name(p.us.respond(1)), "ok");
  p.listen();
}

std::vector<phase> phases_of_a_server() {
  const auto head = raw::request(1);
  const auto body = head + raw::data(1, "abc");
  const auto answered = [](const std::string& frames) {
    return [=](scripted_peer& p) {
      p.say(frames);
      respond(p);
    };
  };
  return {
      {"after the request's head", answered(head), ""},
      {"amid the data", answered(body), "data abc"},
      {"after the trailers", answered(body + trailing), "data abc, trailers {a: b}, done, closed", true},
      {"after a whole response",
       [=](scripted_peer& p) {
         answered(body)(p);
         finish_ours(p);
       },
       "data abc", false, true},
  };
}

/// Stream 1 of a session whose peer takes 4 bytes of it, with one read and two sends that wait.
class waiting_user {
 public:
  waiting_user(role side, const phase& when, std::size_t bytes_per_read)
      : when_(when), p_(side, bytes_per_read, small_buffers()) {
    p_.greet({{raw::initial_window_size, 4}});
    if (side == role::client) p_.open();
    when_.script(p_);
    EXPECT_EQ(p_.us.story(1), when_.story);
    if (!when_.said_all) {
      EXPECT_EQ(name(p_.us.send(1, "longer than the window")), "ok");
      ops_.push_back(p_.us.last_op());
      EXPECT_EQ(name(p_.us.send_buffered(1, "longer than the buffer")), "ok");
      ops_.push_back(p_.us.last_op());
    }
    (void)p_.heard();
    EXPECT_EQ(p_.us->next_deadline().has_value(), !when_.said_all) << "both wait";
    before_ = p_.us.events().size();
  }

  scripted_peer& peer() { return p_; }

  /// `why`: what `describe` says of the failure.
  void expect_told(const std::string& why) {
    p_.listen();
    EXPECT_EQ(p_.us.failure_of(1), why);
    EXPECT_THAT(p_.us.story(1), EndsWith(when_.heard_all ? "closed" : "protocol_error"));
    const std::vector<core::event> news(p_.us.events().begin() + static_cast<std::ptrdiff_t>(before_),
                                        p_.us.events().end());
    if (!when_.heard_all) {
      EXPECT_TRUE(has(news, kind::readable)) << "the read was not woken";
    }
    EXPECT_TRUE(has(news, kind::closed)) << "the sends were not woken";
    for (const auto op : ops_) EXPECT_FALSE(p_.us.is_sent(op)) << "told to be sent";
    EXPECT_EQ(name(p_.us.stream(1).send_end), "protocol_error");
    EXPECT_EQ(name(p_.us.send(1, "x")), "protocol_error");
    EXPECT_EQ(name(p_.us.send_trailers(1, {{"a", "b"}})), "protocol_error");
    EXPECT_EQ(p_.us.stream(1).out.bytes(), 0U) << "buffers of the caller are still in use";
    EXPECT_FALSE(p_.us->next_deadline()) << "a timer is left behind";
  }

 private:
  static bool has(const std::vector<core::event>& events, kind what) {
    return std::any_of(events.begin(), events.end(),
                       [&](const core::event& e) { return e.what == what && e.stream == 1; });
  }

  const phase& when_;
  scripted_peer p_;
  std::vector<op_id> ops_;
  std::size_t before_ = 0;
};

void at_every_phase(const std::vector<phase>& phases, const std::function<void(const phase&, std::size_t)>& check) {
  for (const auto& when : phases) {
    for (const auto bytes_per_read : every_read_size) {
      SCOPED_TRACE(when.name + ", " + read_size_name(bytes_per_read) + " bytes per read");
      check(when, bytes_per_read);
    }
  }
}

// Of the connection

class breach_at_every_phase : public ::testing::TestWithParam<breach> {
 protected:
  static void check(role side, const phase& when, std::size_t bytes_per_read) {
    waiting_user user(side, when, bytes_per_read);
    auto& p = user.peer();
    p.say(GetParam().frames);
    // Frames of a stream that the peer itself had ended break another rule first (RFC 9113, section 5.1).
    auto code = GetParam().code;
    if (when.heard_all && name(p).find("STREAM_CLOSED") != std::string::npos) code = "STREAM_CLOSED";
    const auto why = "protocol_error peer connection " + code;
    EXPECT_EQ(name(p), why);
    EXPECT_THAT(p.heard(), Contains(StartsWith("GOAWAY " + code + " ")));
    user.expect_told(why);
    EXPECT_TRUE(p.us->finished());
  }
  static std::string name(scripted_peer& p) { return p.us.failure_of_connection(); }
};

std::string name_of_breach(const ::testing::TestParamInfo<breach>& info) { return info.param.name; }

class server_breach : public breach_at_every_phase {};
INSTANTIATE_TEST_SUITE_P(rfc9113, server_breach, ::testing::ValuesIn(breaches_of_a_server()), name_of_breach);

TEST_P(server_breach, is_a_protocol_error_for_the_read_and_the_sends_that_wait) {
  at_every_phase(phases_of_a_client(), [](const phase& when, std::size_t n) { check(role::client, when, n); });
}

class client_breach : public breach_at_every_phase {};
INSTANTIATE_TEST_SUITE_P(rfc9113, client_breach, ::testing::ValuesIn(breaches_of_a_client()), name_of_breach);

TEST_P(client_breach, is_a_protocol_error_for_the_read_and_the_sends_that_wait) {
  at_every_phase(phases_of_a_server(), [](const phase& when, std::size_t n) { check(role::server, when, n); });
}

// Of the stream

/// What may not be said on stream 1 while its message is not complete.
std::vector<breach> breaches_of_a_body() {
  return {
      {"5_2_1_data_above_the_window", "FLOW_CONTROL_ERROR", raw::data(1, pattern(1001))},
      {"8_1_trailers_without_end", "PROTOCOL_ERROR", raw::headers(1, {{"a", "b"}})},
      {"8_2_1_upper_case_in_trailers", "PROTOCOL_ERROR", raw::headers(1, {{"A", "b"}}, end_stream)},
      {"8_2_1_an_empty_name_in_trailers", "PROTOCOL_ERROR", raw::headers(1, {{"", "b"}}, end_stream)},
      {"8_2_2_connection_in_trailers", "PROTOCOL_ERROR", raw::headers(1, {{"connection", "close"}}, end_stream)},
      {"8_3_a_pseudo_field_in_trailers", "PROTOCOL_ERROR", raw::headers(1, {{":path", "/"}}, end_stream)},
      {"8_3_a_status_in_trailers", "PROTOCOL_ERROR", raw::headers(1, {{":status", "200"}}, end_stream)},
  };
}

std::vector<breach> breaches_of_a_response() {
  return {
      {"8_1_the_end_of_a_1xx_reply", "PROTOCOL_ERROR", raw::headers(1, {{":status", "103"}}, end_stream)},
      {"8_2_1_upper_case_in_a_name", "PROTOCOL_ERROR", raw::response(1, none, {{"A", "b"}})},
      {"8_2_1_an_empty_name", "PROTOCOL_ERROR", raw::response(1, none, {{"", "b"}})},
      {"8_2_2_connection", "PROTOCOL_ERROR", raw::response(1, none, {{"connection", "close"}})},
      {"8_2_2_transfer_encoding", "PROTOCOL_ERROR", raw::response(1, none, {{"transfer-encoding", "chunked"}})},
      {"8_3_2_no_status", "PROTOCOL_ERROR", raw::headers(1, {{"a", "b"}})},
      {"8_3_2_two_statuses", "PROTOCOL_ERROR", raw::headers(1, {{":status", "200"}, {":status", "200"}})},
      {"8_3_2_a_status_that_is_no_number", "PROTOCOL_ERROR", raw::headers(1, {{":status", "ok"}})},
      {"8_3_2_a_status_above_599", "PROTOCOL_ERROR", raw::headers(1, {{":status", "600"}}, end_stream)},
      {"8_1_1_nothing_of_the_content_length", "PROTOCOL_ERROR",
       raw::response(1, end_stream, {{"content-length", "3"}})},
  };
}

void break_the_stream(const breach& what, role side, const phase& when, std::size_t bytes_per_read) {
  waiting_user user(side, when, bytes_per_read);
  auto& p = user.peer();
  p.say(what.frames);
  EXPECT_THAT(p.heard(), Contains("RST_STREAM 1 " + what.code));
  user.expect_told("protocol_error peer stream " + what.code);
  EXPECT_EQ(p.us.failure_of_connection(), "none");
}

class broken_body : public ::testing::TestWithParam<breach> {};
INSTANTIATE_TEST_SUITE_P(rfc9113, broken_body, ::testing::ValuesIn(breaches_of_a_body()), name_of_breach);

TEST_P(broken_body, of_a_response_is_a_protocol_error_for_the_read_and_the_sends_that_wait) {
  at_every_phase(phases_of_a_client(), [](const phase& when, std::size_t n) {
    if (when.story.empty() || when.heard_all) return;
    break_the_stream(GetParam(), role::client, when, n);
  });
}

TEST_P(broken_body, of_a_request_is_a_protocol_error_for_the_read_and_the_sends_that_wait) {
  at_every_phase(phases_of_a_server(), [](const phase& when, std::size_t n) {
    if (!when.heard_all) break_the_stream(GetParam(), role::server, when, n);
  });
}

class broken_response : public ::testing::TestWithParam<breach> {};
INSTANTIATE_TEST_SUITE_P(rfc9113, broken_response, ::testing::ValuesIn(breaches_of_a_response()), name_of_breach);

TEST_P(broken_response, is_a_protocol_error_for_the_read_and_the_sends_that_wait) {
  at_every_phase(phases_of_a_client(), [](const phase& when, std::size_t n) {
    if (when.story.empty()) break_the_stream(GetParam(), role::client, when, n);
  });
}

// A message that was complete

class after_the_end : public ::testing::TestWithParam<breach> {};
INSTANTIATE_TEST_SUITE_P(rfc9113, after_the_end,
                         ::testing::Values(breach{"5_1_data", "STREAM_CLOSED", raw::data(1, "more")},
                                           breach{"5_1_the_end_again", "STREAM_CLOSED", raw::data(1, "", end_stream)},
                                           breach{"5_1_trailers_again", "STREAM_CLOSED", trailing},
                                           breach{"5_1_a_head", "STREAM_CLOSED",
                                                  raw::headers(1, {{":status", "200"}})}),
                         name_of_breach);

TEST_P(after_the_end, fails_the_sends_that_wait_and_leaves_what_was_complete) {
  const auto check = [](role side, const phase& when, std::size_t n) {
    if (!when.heard_all) return;
    waiting_user user(side, when, n);
    user.peer().say(GetParam().frames);
    EXPECT_THAT(user.peer().heard(),
                Contains(AnyOf(StartsWith("GOAWAY " + GetParam().code + " "), "RST_STREAM 1 " + GetParam().code)));
    user.expect_told("protocol_error peer " + std::string(user.peer().us->failed() ? "connection " : "stream ") +
                     GetParam().code);
  };
  at_every_phase(phases_of_a_client(), [&](const phase& when, std::size_t n) { check(role::client, when, n); });
  at_every_phase(phases_of_a_server(), [&](const phase& when, std::size_t n) { check(role::server, when, n); });
}

}  // namespace
}  // namespace duplex::test
