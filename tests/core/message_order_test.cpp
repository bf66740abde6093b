// What a reader gets, and in which order (RFC 9113, section 8.1; RFC 9110, section 15.2).

#include "session_test.hpp"

namespace duplex::test {
namespace {

class message_order : public session_test {};
INSTANTIATE_TEST_SUITE_P(bytes_per_read, message_order, read_sizes(), name_of_read_size);

TEST_P(message_order, is_response_data_trailers_done_then_closed) {
  memory_peers p(GetParam());
  const auto id = p.open();
  EXPECT_EQ(name(p.server.respond(id, 200, {{"content-type", "application/grpc"}})), "ok");
  EXPECT_EQ(name(p.server.send(id, "hello")), "ok");
  EXPECT_EQ(name(p.server.send_trailers(id, {{"grpc-status", "0"}})), "ok");
  p.pump();
  EXPECT_EQ(p.client.story(id),
            "response 200 {content-type: application/grpc}, data hello, trailers {grpc-status: 0}, done, closed");
  EXPECT_EQ(p.client.story(id), "closed") << "for ever";
  p.pump();
  EXPECT_EQ(p.client.story(id), "closed") << "for ever";
  EXPECT_EQ(p.client.failure_of(id), "none");
}

TEST_P(message_order, has_informational_replies_first_when_asked_for) {
  options opts;
  opts.informational = true;
  memory_peers p(GetParam(), opts);
  const auto id = p.open();
  EXPECT_EQ(name(p.server.inform(id, 100)), "ok");
  EXPECT_EQ(name(p.server.inform(id, 103, {{"link", "</a.css>"}})), "ok");
  EXPECT_EQ(name(p.server.respond(id, 204, {}, true)), "ok");
  p.pump();
  EXPECT_EQ(p.client.story(id), "informational 100, informational 103 {link: </a.css>}, response 204, done, closed");
}

TEST_P(message_order, drops_informational_replies_unless_asked_for) {
  memory_peers p(GetParam());
  const auto id = p.open();
  EXPECT_EQ(name(p.server.inform(id, 100)), "ok");
  EXPECT_EQ(name(p.server.inform(id, 103, {{"link", "</a.css>"}})), "ok");
  p.pump();
  EXPECT_EQ(p.client.story(id), "");
  EXPECT_EQ(name(p.server.respond(id, 200, {}, true)), "ok");
  p.pump();
  EXPECT_EQ(p.client.story(id), "response 200, done, closed");
}

TEST_P(message_order, a_trailers_only_reply_is_response_and_done) {
  memory_peers p(GetParam());
  const auto id = p.open();
  EXPECT_EQ(name(p.server.respond(id, 200, {{"grpc-status", "5"}}, true)), "ok");
  p.pump();
  EXPECT_EQ(p.client.story(id), "response 200 {grpc-status: 5}, done, closed");
}

TEST_P(message_order, empty_data_that_is_not_final_is_not_delivered) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  p.say(raw::response(id) + raw::data(id, "") + raw::padded_data(id, "", 20) + raw::data(id, "a") + raw::data(id, ""));
  EXPECT_EQ(p.us.story(id), "response 200, data a");
  p.say(raw::data(id, ""));
  EXPECT_EQ(p.us.story(id), "");
  p.say(raw::data(id, "", raw::end_stream));
  EXPECT_EQ(p.us.story(id), "done, closed");
}

TEST_P(message_order, data_boundaries_carry_no_meaning) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  p.say(raw::response(id) + raw::data(id, "ab") + raw::data(id, "c") + raw::padded_data(id, "def", 9) +
        raw::data(id, "g", raw::end_stream));
  EXPECT_EQ(p.us.story(id), "response 200, data abcdefg, done, closed");
}

TEST_P(message_order, rfc9113_8_1_trailers_end_the_message) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  p.say(raw::response(id) + raw::data(id, "abc"));
  p.say(raw::headers(id, {{"grpc-status", "0"}, {"grpc-status", "again"}}, raw::end_stream));
  EXPECT_EQ(p.us.story(id), "response 200, data abc, trailers {grpc-status: 0, grpc-status: again}, done, closed");
}

TEST_P(message_order, trailers_may_come_without_data) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  p.say(raw::response(id) + raw::headers(id, {{"grpc-status", "0"}}, raw::end_stream));
  EXPECT_EQ(p.us.story(id), "response 200, trailers {grpc-status: 0}, done, closed");
}

TEST_P(message_order, trailers_without_a_field_say_no_more_than_done) {
  scripted_peer p(role::client, GetParam());
  p.greet();
  const auto id = p.open();
  p.say(raw::response(id) + raw::data(id, "abc") + raw::headers(id, {}, raw::end_stream));
  EXPECT_EQ(p.us.story(id), "response 200, data abc, done, closed");
}

TEST_P(message_order, a_server_gets_the_request_then_data_trailers_done) {
  memory_peers p(GetParam());
  const auto id = p.client.open({}, {{"te", "trailers"}, {"x-a", "1"}, {"x-a", "2"}}, "PUT");
  EXPECT_EQ(name(p.client.send(id, "abc")), "ok");
  EXPECT_EQ(name(p.client.send_trailers(id, {{"x-sum", "7"}})), "ok");
  p.pump();
  ASSERT_THAT(p.server.requests(), ElementsAre(id));
  const auto& head = *p.server.stream(id).head;
  EXPECT_EQ(head.method, "PUT");
  EXPECT_EQ(head.url, "http://peer/");
  EXPECT_EQ(describe(head.headers), "{te: trailers, x-a: 1, x-a: 2}");
  EXPECT_EQ(p.server.story(id), "data abc, trailers {x-sum: 7}, done, closed");
}

TEST_P(message_order, the_request_is_announced_before_its_body) {
  memory_peers p(GetParam());
  const auto id = p.client.open({});
  EXPECT_EQ(name(p.client.send(id, "abc", true)), "ok");
  p.pump();
  std::size_t request = 0;
  std::size_t readable = 0;
  for (std::size_t i = 0; i < p.server.events().size(); ++i) {
    if (p.server.events()[i].what == kind::request) request = i + 1;
    if (p.server.events()[i].what == kind::readable && readable == 0) readable = i + 1;
  }
  EXPECT_EQ(p.server.count(kind::request), 1U);
  EXPECT_GT(request, 0U);
  EXPECT_GT(readable, request);
}

TEST_P(message_order, sensitive_fields_arrive_as_such) {
  memory_peers p(GetParam());
  fields secret;
  secret.add("authorization", "token", true);
  secret.add("plain", "value");
  const auto id = p.client.open({}, secret);
  p.pump();
  const auto& headers = p.server.stream(id).head->headers;
  ASSERT_EQ(headers.size(), 2U);
  EXPECT_TRUE(headers.find("authorization")->sensitive);
  EXPECT_FALSE(headers.find("plain")->sensitive);
}

TEST_P(message_order, rfc9113_8_3_1_host_stands_in_for_a_missing_authority) {
  scripted_peer p(role::server, GetParam());
  p.greet();
  p.say(raw::headers(1, {{":method", "GET"}, {":scheme", "http"}, {":path", "/x?y"}, {"host", "elsewhere:81"}},
                     raw::end_stream));
  ASSERT_THAT(p.us.requests(), ElementsAre(1));
  EXPECT_EQ(p.us.stream(1).head->url, "http://elsewhere:81/x?y");
}

TEST_P(message_order, rfc9113_8_3_1_a_path_of_an_asterisk_stays_apart_from_the_authority) {
  scripted_peer p(role::server, GetParam());
  p.greet();
  p.say(raw::headers(1, {{":method", "OPTIONS"}, {":scheme", "http"}, {":authority", "peer"}, {":path", "*"}},
                     raw::end_stream));
  ASSERT_THAT(p.us.requests(), ElementsAre(1));
  EXPECT_EQ(p.us.stream(1).head->authority(), "peer");
}

TEST_P(message_order, rfc9113_8_5_a_plain_connect_has_neither_scheme_nor_path) {
  memory_peers p(GetParam());
  const auto id = p.client.open({}, {}, "CONNECT");
  p.pump();
  ASSERT_THAT(p.server.requests(), ElementsAre(id));
  EXPECT_EQ(p.server.stream(id).head->method, "CONNECT");
  EXPECT_EQ(p.server.stream(id).head->url, "peer");
}

TEST_P(message_order, header_sections_of_many_frames_arrive_whole) {
  options opts;
  opts.max_header_bytes = 64 << 10;
  memory_peers p(GetParam(), opts, opts);
  // Not to be compressed much: it takes CONTINUATION frames.
  const auto long_value = [](char c) {
    std::string value;
    for (int i = 0; i < 15000; ++i) value += static_cast<char>(0x80 + (i * 31 + c) % 0x70);
    return value;
  };
  const fields big{{"x-a", long_value('a')}, {"x-b", long_value('b')}, {"x-c", long_value('c')}};
  const auto id = p.client.open({}, big);
  p.pump();
  ASSERT_THAT(p.server.requests(), ElementsAre(id)) << p.server.failure_of_connection();
  EXPECT_EQ(p.server.stream(id).head->headers, big);
}

TEST_P(message_order, requests_are_served_before_the_settings_are_acknowledged) {
  scripted_peer p(role::server, GetParam());
  p.say(std::string(raw::preface) + raw::settings() + raw::request(1, raw::end_stream));
  ASSERT_THAT(p.us.requests(), ElementsAre(1));
  EXPECT_EQ(name(p.us.respond(1, 200, {}, true)), "ok");
  EXPECT_THAT(p.heard(), Contains("HEADERS 1 end_stream"));
}

TEST_P(message_order, a_client_sends_before_it_has_seen_the_settings) {
  scripted_peer p(role::client, GetParam());
  const auto id = p.open();
  EXPECT_EQ(name(p.us.send(id, "early", true)), "ok");
  EXPECT_THAT(p.heard(), Contains("DATA 1 #5 end_stream"));
  p.say(raw::settings() + raw::response(id, raw::end_stream));
  EXPECT_EQ(p.us.story(id), "response 200, done, closed");
  EXPECT_EQ(p.us.count(kind::settings), 1U);
}

TEST_P(message_order, streams_do_not_mix) {
  memory_peers p(GetParam());
  const auto a = p.open();
  const auto b = p.open();
  const auto c = p.open();
  for (const auto id : {c, a, b}) EXPECT_EQ(name(p.server.respond(id)), "ok");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(name(p.server.send(a, "a")), "ok");
    EXPECT_EQ(name(p.server.send(b, "b")), "ok");
    p.pump();
  }
  EXPECT_EQ(name(p.server.send(b, "B", true)), "ok");
  EXPECT_EQ(name(p.server.send_trailers(c, {{"x", "c"}})), "ok");
  p.pump();
  EXPECT_EQ(p.client.story(a), "response 200, data aaa");
  EXPECT_EQ(p.client.story(b), "response 200, data bbbB, done, closed");
  EXPECT_EQ(p.client.story(c), "response 200, trailers {x: c}, done, closed");
}

}  // namespace
}  // namespace duplex::test
