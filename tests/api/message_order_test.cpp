// Messages come in the order of RFC 9113, section 8.1, and end once.

#include "raw_peer.hpp"
#include "support.hpp"

namespace duplex::test {
namespace {

using h2::fin;
using testing::ElementsAre;

TEST(messages, come_as_response_data_trailers_done_and_then_closed_for_ever) {
  both_ends ends;
  ends.remote.send_response({200, {{"content-type", "text/plain"}}});
  ends.remote.send("abc");
  ends.remote.send("def");
  ends.remote.send_trailers({{"grpc-status", "0"}});

  EXPECT_THAT(transcript(ends.client),
              ElementsAre("response 200 content-type=text/plain", "data abcdef", "trailers grpc-status=0", "done"));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(recv_error(ends.client), "closed");
  EXPECT_FALSE(ends.client.failure());
}

TEST(messages, without_trailers_go_from_data_to_done) {
  both_ends ends;
  ends.remote.send_response({200, {}});
  ends.remote.send("abc", fin);
  EXPECT_THAT(transcript(ends.client), ElementsAre("response 200", "data abc", "done"));
}

TEST(messages, of_a_trailers_only_reply_are_response_and_done_with_the_status_in_the_response) {
  both_ends ends;
  ends.remote.send_response({200, {{"grpc-status", "12"}, {"grpc-message", "no"}}}, fin);
  EXPECT_THAT(transcript(ends.client), ElementsAre("response 200 grpc-status=12 grpc-message=no", "done"));
  EXPECT_EQ(recv_error(ends.client), "closed");
}

TEST(messages, of_a_server_are_data_trailers_done_after_the_request) {
  both_ends ends;
  ends.client.send("abc");
  ends.client.send_trailers({{"checksum", "1"}});
  EXPECT_THAT(transcript(ends.remote), ElementsAre("data abc", "trailers checksum=1", "done"));
  EXPECT_EQ(recv_error(ends.remote), "closed");
}

TEST(messages, empty_data_that_does_not_end_the_stream_is_not_delivered) {
  raw_peer server;
  auto s = h2::open({.url = server.url()}, bounded());
  server.accept_http2();
  server.write(raw::ok(1) + raw::frame(raw::data, raw::none, 1, "") + raw::frame(raw::data, raw::none, 1, "abc") +
               raw::frame(raw::data, raw::none, 1, "") + raw::frame(raw::data, raw::end_stream, 1, ""));
  EXPECT_THAT(transcript(s), ElementsAre("response 200", "data abc", "done"));
}

TEST(messages, padding_is_not_delivered) {
  raw_peer server;
  auto s = h2::open({.url = server.url()}, bounded());
  server.accept_http2();
  server.write(raw::ok(1) + raw::padded_data(1, "abc", 200) + raw::padded_data(1, "", 10) +
               raw::frame(raw::data, raw::end_stream, 1, "d"));
  EXPECT_THAT(transcript(s), ElementsAre("response 200", "data abcd", "done"));
}

TEST(messages, an_empty_send_without_fin_puts_no_frame_on_the_wire) {
  frame_log frames;
  auto opts = bounded();
  opts.on_frame = frames.recorder();
  both_ends ends(opts);
  ends.client.send("");
  EXPECT_EQ(outcome(ends.client.async_send("", as_future)), "ok");
  fence(ends);
  EXPECT_EQ(frames.sent("DATA"), 0);
  ends.client.send("", fin);
  EXPECT_THAT(transcript(ends.remote), ElementsAre("done"));
}

TEST(messages, interim_replies_are_dropped_unless_asked_for) {
  both_ends ends;
  ends.remote.send_informational({103, {{"link", "</style.css>"}}});
  ends.remote.send_response({200, {}}, fin);
  EXPECT_THAT(transcript(ends.client), ElementsAre("response 200", "done"));
}

TEST(messages, interim_replies_that_were_asked_for_come_before_the_response) {
  auto opts = bounded();
  opts.informational = true;
  both_ends ends(opts);
  ends.remote.send_informational({100, {}});
  ends.remote.send_informational({103, {{"link", "</style.css>"}}});
  ends.remote.send_response({200, {}}, fin);
  EXPECT_THAT(transcript(ends.client),
              ElementsAre("informational 100", "informational 103 link=</style.css>", "response 200", "done"));
}

TEST(messages, repeated_fields_keep_their_number_and_order) {
  both_ends ends;
  ends.remote.send_response({200, {{"Set-Cookie", "a=1"}, {"x", "2"}, {"set-cookie", "b=3"}}}, fin);
  EXPECT_THAT(transcript(ends.client), ElementsAre("response 200 set-cookie=a=1 x=2 set-cookie=b=3", "done"));
}

TEST(messages, interleave_freely_in_both_directions) {
  both_ends ends;
  ends.remote.send_response({200, {}});
  EXPECT_EQ(describe(ends.client.recv()), "response 200");
  for (int i = 0; i < 50; ++i) {
    const auto text = "msg" + std::to_string(i);
    ends.client.send(text);
    EXPECT_EQ(receive(ends.remote, text.size()), text);
    ends.remote.send(text);
    EXPECT_EQ(receive(ends.client, text.size()), text);
  }
  ends.client.send("", fin);
  EXPECT_THAT(transcript(ends.remote), ElementsAre("done"));
  ends.remote.send_trailers({{"grpc-status", "0"}});
  EXPECT_THAT(transcript(ends.client), ElementsAre("trailers grpc-status=0", "done"));
}

}  // namespace
}  // namespace duplex::test
