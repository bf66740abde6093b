// The end of the transport after every byte of an exchange, between frames and inside one (RFC 9113, section 5.4.3):
// what came whole stays, the rest is connection_lost, and what was cut never looks whole.

#include "session_test.hpp"

#include <algorithm>

namespace duplex::test {
namespace {

using raw::end_stream;
using raw::none;

const auto trailing = raw::headers(1, {{"a", "b"}}, end_stream);

class end_of_file : public session_test {
 protected:
  static void expect_cut(role side, const std::string& before, const std::string& frames, const std::string& all) {
    for (std::size_t size = 0; size <= frames.size(); ++size) {
      SCOPED_TRACE(std::to_string(size) + " bytes");
      scripted_peer p(side, GetParam());
      if (side == role::client) p.open();
      p.say(before + frames.substr(0, size));
      const bool known = p.us.knows(1);
      p.us->lost(errc::connection_lost, "end of file");
      EXPECT_TRUE(p.us->finished());
      EXPECT_EQ(p.us->active_streams(), 0U);
      EXPECT_FALSE(p.us->next_deadline());
      if (!known || p.us.requests().empty() == (side == role::server)) {
        EXPECT_NE(side, role::client) << "a client knows its stream";
        EXPECT_LT(size, frames.size());
        continue;  // the request had not come
      }
      const auto told = p.us.story(1);
      if (size == frames.size()) {
        EXPECT_EQ(told, all);
      } else {
        EXPECT_THAT(told, AllOf(HasSubstr("connection_lost"), Not(HasSubstr("done"))));
        const auto prefix = told.substr(0, told.size() - std::string("connection_lost").size());
        // "data ab, " is the beginning of "data abc, ".
        EXPECT_THAT(all, StartsWith(prefix.substr(0, prefix.size() - std::min<std::size_t>(2, prefix.size()))));
        EXPECT_EQ(p.us.failure_of(1), "connection_lost network connection");
      }
      EXPECT_EQ(name(p.us.send(1, "x")), "connection_lost");
    }
  }
};
INSTANTIATE_TEST_SUITE_P(bytes_per_read, end_of_file, read_sizes(), name_of_read_size);

TEST_P(end_of_file, after_every_byte_of_a_response_is_connection_lost) {
  expect_cut(role::client, raw::settings() + raw::settings_ack(),
             raw::headers(1, {{":status", "103"}}) + raw::response(1) + raw::padded_data(1, "ab", 3) +
                 raw::ping("12345678") + raw::data(1, "c") + trailing,
             "response 200, data abc, trailers {a: b}, done, closed");
}

TEST_P(end_of_file, after_every_byte_of_a_request_is_connection_lost) {
  expect_cut(role::server, std::string(raw::preface) + raw::settings() + raw::settings_ack(),
             raw::request(1) + raw::padded_data(1, "ab", 3) + raw::window_update(0, 7) + raw::data(1, "c") + trailing,
             "data abc, trailers {a: b}, done, closed");
}

TEST_P(end_of_file, after_every_byte_of_the_greeting_is_connection_lost) {
  const auto greeting = raw::settings({{raw::max_concurrent_streams, 7}}) + raw::settings_ack();
  for (std::size_t size = 0; size <= greeting.size(); ++size) {
    scripted_peer client(role::client, GetParam());
    const auto id = client.open();
    client.say(greeting.substr(0, size));
    client.us->lost(errc::connection_lost, "end of file");
    EXPECT_EQ(client.us.story(id), "connection_lost");
    EXPECT_EQ(client.us.failure_of_connection(), "connection_lost network connection");
  }
}

}  // namespace
}  // namespace duplex::test
