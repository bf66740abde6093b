// What a server's session says of streams that are over.

#include "session_test.hpp"

namespace duplex::test {
namespace {

class ended_stream : public session_test {
 protected:
  ended_stream() : us_({.role = role::server, .tell_ended = true}, now_) {
    say(std::string(raw::preface) + raw::settings() + raw::settings_ack());
  }
  void say(std::string_view bytes) {
    while (!bytes.empty()) {
      us_->feed(bytes.substr(0, GetParam()));
      us_.collect();
      flush();
      bytes.remove_prefix(std::min(GetParam(), bytes.size()));
    }
  }
  void flush() {
    std::string heard;
    while (us_.pull(heard, now_)) us_.collect();
    us_.collect();
  }
  // `stream status in out failure`.
  std::vector<std::string> ended() {
    flush();
    std::vector<std::string> out;
    for (const auto& each : us_->take_ended()) {
      out.push_back(std::to_string(each.stream) + " " + std::to_string(each.status) + " " +
                    std::to_string(each.bytes_received) + " " + std::to_string(each.bytes_sent) + " " +
                    (each.why ? name(each.why->code) : "well"));
    }
    return out;
  }

  time_point now_{};
  endpoint us_;
};
INSTANTIATE_TEST_SUITE_P(bytes_per_read, ended_stream, read_sizes(), name_of_read_size);

TEST_P(ended_stream, of_a_whole_exchange_ended_well_once) {
  say(raw::request(1) + raw::data(1, "12345", raw::end_stream));
  us_.respond(1, 201);
  us_.send(1, "abc", true);
  EXPECT_THAT(ended(), ElementsAre("1 201 5 3 well"));
  us_.release(1);
  EXPECT_THAT(ended(), IsEmpty());
}

TEST_P(ended_stream, of_an_answer_that_did_not_want_the_rest_of_the_request_ended_well) {
  say(raw::request(1) + raw::data(1, "12345"));
  us_.respond(1, 413, {}, true);
  us_.release(1);
  EXPECT_THAT(ended(), ElementsAre("1 413 5 0 well"));
  EXPECT_FALSE(us_.knows(1));
}

TEST_P(ended_stream, that_either_side_reset_says_so) {
  say(raw::request(1) + raw::request(3));
  us_.respond(1);
  us_.reset(1, h2::code::internal_error);
  EXPECT_THAT(ended(), ElementsAre("1 200 0 0 canceled"));
  say(raw::rst_stream(3, h2::code::cancel));
  EXPECT_THAT(ended(), ElementsAre("3 0 0 0 stream_reset"));
}

TEST_P(ended_stream, of_a_connection_that_is_lost_ended_with_it) {
  say(raw::request(1));
  us_->lost(errc::connection_lost, "end of file");
  EXPECT_THAT(ended(), ElementsAre("1 0 0 0 connection_lost"));
}

TEST_P(ended_stream, of_a_request_that_was_malformed_never_began) {
  say(raw::request(1, raw::end_stream, {{"x-bad", "a\nb"}}));
  EXPECT_THAT(ended(), IsEmpty());
}

}  // namespace
}  // namespace duplex::test
