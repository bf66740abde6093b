// Extended CONNECT at a server (RFC 8441).

#include "session_test.hpp"

namespace duplex::test {
namespace {

constexpr std::uint32_t enable_connect_protocol = 8;

class extended_connect : public session_test {
 protected:
  // A server that was greeted, and what it said before.
  struct peer {
    peer(bool announced, std::size_t bytes_per_read)
        : us({.role = role::server, .extended_connect = announced}, now), size(bytes_per_read) {
      say(std::string(raw::preface) + raw::settings() + raw::settings_ack());
    }
    void say(std::string_view bytes) {
      while (!bytes.empty()) {
        us->feed(bytes.substr(0, size));
        us.collect();
        listen();
        bytes.remove_prefix(std::min(size, bytes.size()));
      }
    }
    void listen() {
      while (us.pull(unread, now)) us.collect();
      for (auto& f : raw::take_frames(unread)) frames.push_back(std::move(f));
    }
    [[nodiscard]] std::vector<std::string> heard() const {
      std::vector<std::string> out;
      for (const auto& f : frames) out.push_back(f.text());
      return out;
    }
    time_point now{};
    endpoint us;
    std::size_t size;
    std::string unread;
    std::vector<raw::seen> frames;
  };
  using list = raw::list;
  static list websocket() {
    return {{":method", "CONNECT"},    {":protocol", "websocket"},       {":scheme", "https"},
            {":path", "/chat?room=1"}, {":authority", "server.example"}, {"sec-websocket-version", "13"}};
  }
  static list without(list all, const std::string& name) {
    std::erase_if(all, [&](const auto& field) { return field.first == name; });
    return all;
  }
  static std::string request_of(const list& fields) { return raw::headers(1, fields); }
};
INSTANTIATE_TEST_SUITE_P(bytes_per_read, extended_connect, read_sizes(), name_of_read_size);

TEST_P(extended_connect, rfc8441_3_is_announced_in_the_first_settings_if_it_is_wanted) {
  for (const bool wanted : {false, true}) {
    const peer p(wanted, GetParam());
    ASSERT_FALSE(p.frames.empty());
    const auto entry = raw::u16(enable_connect_protocol) + raw::u32(1);
    const bool said = p.frames.front().payload.find(entry) != std::string::npos;
    EXPECT_EQ(said, wanted);
  }
}

TEST_P(extended_connect, rfc8441_4_has_a_protocol_a_scheme_and_a_path) {
  peer p(true, GetParam());
  p.say(request_of(websocket()));
  ASSERT_THAT(p.us.requests(), ElementsAre(1));
  const auto& head = *p.us.stream(1).head;
  EXPECT_EQ(head.method, "CONNECT");
  EXPECT_EQ(head.protocol, "websocket");
  EXPECT_EQ(head.url, "https://server.example/chat?room=1");
  EXPECT_EQ(head.path(), "/chat?room=1");
}

TEST_P(extended_connect, rfc8441_4_without_a_scheme_a_path_or_an_authority_is_malformed) {
  for (const char* missing : {":scheme", ":path", ":authority"}) {
    peer p(true, GetParam());
    p.say(request_of(without(websocket(), missing)));
    EXPECT_THAT(p.us.requests(), IsEmpty()) << missing;
    EXPECT_THAT(p.heard(), Contains(StartsWith("RST_STREAM 1"))) << missing;
    EXPECT_FALSE(p.us->failed());
  }
}

TEST_P(extended_connect, rfc8441_4_is_a_connect_and_no_other_method) {
  peer p(true, GetParam());
  auto get = websocket();
  get.front().second = "GET";
  p.say(request_of(get));
  EXPECT_THAT(p.us.requests(), IsEmpty());
  EXPECT_THAT(p.heard(), Contains(StartsWith("RST_STREAM 1")));
}

TEST_P(extended_connect, rfc8441_3_is_malformed_where_it_was_not_announced) {
  peer p(false, GetParam());
  p.say(request_of(websocket()));
  EXPECT_THAT(p.us.requests(), IsEmpty());
  EXPECT_THAT(p.heard(), Contains(StartsWith("RST_STREAM 1")));
}

TEST_P(extended_connect, rfc9113_8_5_leaves_a_plain_connect_as_it_is) {
  peer p(true, GetParam());
  p.say(request_of({{":method", "CONNECT"}, {":authority", "server.example:443"}}));
  ASSERT_THAT(p.us.requests(), ElementsAre(1));
  EXPECT_EQ(p.us.stream(1).head->protocol, "");
}

TEST_P(extended_connect, rfc8441_5_carries_data_both_ways_and_ends_like_a_socket) {
  peer p(true, GetParam());
  p.say(request_of(websocket()));
  p.us.respond(1);
  p.us.send(1, "from the server");
  p.say(raw::data(1, "from the client"));
  p.listen();
  EXPECT_EQ(p.us.body(1), "from the client");
  EXPECT_THAT(p.heard(), Contains("DATA 1 #15"));
}

// A client

const core::request_head chat{"CONNECT", "http", "peer", "/", "chat", {}};

TEST_P(extended_connect, rfc8441_3_of_a_client_waits_for_the_servers_settings) {
  scripted_peer p(role::client, GetParam());
  EXPECT_EQ(name(p.us->open_when_possible(1, chat, {}, p.now + 1s)), "ok");
  EXPECT_EQ(name(p.us->open_when_possible(2, chat, {}, p.now + 1s)), "ok");
  EXPECT_THAT(p.us.opened(), IsEmpty());
  p.say(raw::settings({{enable_connect_protocol, 1}}));
  EXPECT_THAT(p.us.opened(), ElementsAre(1, 3));
  EXPECT_THAT(p.heard(), AllOf(Contains(StartsWith("HEADERS 1")), Contains(StartsWith("HEADERS 3"))));
}

TEST_P(extended_connect, rfc8441_3_of_a_client_is_not_opened_without_the_servers_offer) {
  scripted_peer p(role::client, GetParam());
  EXPECT_EQ(name(p.us->open_when_possible(1, chat, {}, p.now + 1s)), "ok");
  p.greet();
  EXPECT_EQ(p.us.count(core::event::kind::not_opened), 1U);
  EXPECT_EQ(name(p.us->why_not_opened().code), "protocol_not_negotiated");
  EXPECT_EQ(p.open(), 1) << "the connection goes on";
}

TEST_P(extended_connect, of_a_client_times_out_where_no_settings_come) {
  scripted_peer p(role::client, GetParam());
  EXPECT_EQ(name(p.us->open_when_possible(1, chat, {}, p.now + 1s)), "ok");
  p.advance(1s);
  EXPECT_EQ(p.us.count(core::event::kind::timed_out), 1U);
  p.greet({{enable_connect_protocol, 1}});
  EXPECT_THAT(p.us.opened(), IsEmpty());
}

}  // namespace
}  // namespace duplex::test
