// The blocking style, on one thread and on two, mixed with the others; and where it is refused.

#include "support.hpp"

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>

namespace duplex::test {
namespace {

using h2::fin;
using testing::ElementsAre;

TEST(blocking, one_thread_sends_and_receives_in_turn) {
  both_ends ends;
  ends.remote.send_response({200, {}});
  auto head = std::get<response>(ends.client.recv(5s));
  EXPECT_EQ(head.status, 200);
  ends.client.send("frame 1");
  EXPECT_EQ(receive(ends.remote, 7), "frame 1");
  ends.remote.send("answer");
  EXPECT_EQ(receive(ends.client, 6), "answer");
  ends.client.send("", fin);
  ends.remote.send("", fin);
  EXPECT_THAT(transcript(ends.client), ElementsAre("done"));
}

TEST(blocking, one_thread_sends_while_another_receives) {
  auto opts = bounded();
  opts.send_buffer = 10'000;
  both_ends ends(opts);
  ends.remote.send_response({200, {}});
  ASSERT_EQ(describe(ends.client.recv()), "response 200");
  // The server answers each piece before the next is read, so neither direction can wait for the other's end.
  auto far = std::async(std::launch::async, [&] {
    for (auto m = ends.remote.recv(); !std::holds_alternative<done>(m); m = ends.remote.recv()) {
      ends.remote.send(std::get<data>(m).bytes);
    }
    ends.remote.send_trailers({{"grpc-status", "0"}});
  });
  const auto sent = pattern(std::size_t{3} << 20);
  auto sending = std::async(std::launch::async, [&] {
    constexpr std::size_t piece = 7000;
    for (std::size_t at = 0; at < sent.size(); at += piece) {
      ends.client.send(std::string_view(sent).substr(at, piece));
    }
    ends.client.send("", fin);
  });
  EXPECT_TRUE((transcript(ends.client) == std::vector<std::string>{"data " + sent, "trailers grpc-status=0", "done"}));
  get(std::move(sending));
  get(std::move(far));
}

TEST(blocking, mixes_with_the_other_styles_on_one_stream) {
  both_ends ends;
  auto parked = ends.client.async_recv(as_future);
  ends.client.send("a");
  EXPECT_EQ(outcome(ends.client.async_send("b", as_future)), "ok");
  ends.client.send("c", fin);
  EXPECT_THAT(transcript(ends.remote), ElementsAre("data abc", "done"));
  ends.remote.send_response({200, {}});
  EXPECT_EQ(outcome(std::move(parked)), "ok");
  std::promise<std::string> pushed;
  ends.client.set_active(active::once, [&](error_code, const message& m) { pushed.set_value(describe(m)); });
  ends.remote.send("xyz");
  EXPECT_EQ(get(pushed.get_future()), "data xyz");
  ends.remote.send("", fin);
  EXPECT_EQ(describe(ends.client.recv()), "done");
}

TEST(blocking, every_verb_throws_or_sets_the_error_code) {
  both_ends ends;
  ends.client.send("", fin);
  EXPECT_THROW(ends.client.send("late"), boost::system::system_error);
  EXPECT_THROW(ends.client.send("late", fin), boost::system::system_error);
  EXPECT_THROW(ends.client.send_trailers({{"a", "b"}}), boost::system::system_error);
  EXPECT_THROW(ends.client.send_response({200, {}}), boost::system::system_error);
  EXPECT_THROW(ends.client.send_response({200, {}}, fin), boost::system::system_error);
  EXPECT_THROW(ends.client.send_informational({103, {}}), boost::system::system_error);
  error_code ec;
  ends.client.send("late", ec);
  EXPECT_EQ(ec, errc::send_closed);
  ec = {};
  ends.client.send("late", fin, ec);
  EXPECT_EQ(ec, errc::send_closed);
  ec = {};
  ends.client.send_trailers({{"a", "b"}}, ec);
  EXPECT_EQ(ec, errc::send_closed);
  ec = errc::timeout;
  ends.remote.send_response({200, {}}, fin, ec);
  EXPECT_FALSE(ec) << "success resets what was there before";
}

TEST(blocking, a_waiting_recv_ends_when_another_thread_closes) {
  both_ends ends;
  std::promise<void> started;
  auto waiting = std::async(std::launch::async, [&] {
    started.set_value();
    return recv_error(ends.client);
  });
  get(started.get_future());
  ends.client.close();
  EXPECT_THAT(get(std::move(waiting)), testing::AnyOf("canceled", "closed"));
}

TEST(blocking, an_open_that_fails_throws_the_reason_or_hands_it_over) {
  const request head{.url = "http://127.0.0.1:1/"};  // nobody listens on the port of tcpmux
  try {
    static_cast<void>(h2::open(head, bounded()));
    FAIL();
  } catch (const boost::system::system_error& e) {
    EXPECT_EQ(e.code(), errc::connect_failed);
    EXPECT_NE(std::string(e.what()).find("127.0.0.1:1"), std::string::npos) << e.what();
  }
  error_code ec;
  const auto s = h2::open(head, bounded(), ec);
  EXPECT_EQ(ec, errc::connect_failed);
  ASSERT_TRUE(s.failure());
  EXPECT_NE(s.failure()->message.find("127.0.0.1:1"), std::string::npos);
}

using verb = std::function<void(h2::stream&, error_code&)>;

struct named_verb {
  const char* name;
  verb call;
};

std::vector<named_verb> blocking_verbs() {
  return {
      {"recv", [](h2::stream& s, error_code& ec) { s.recv(ec); }},
      {"recv_with_timeout", [](h2::stream& s, error_code& ec) { s.recv(1ms, ec); }},
      {"send", [](h2::stream& s, error_code& ec) { s.send("abc", ec); }},
      {"send_fin", [](h2::stream& s, error_code& ec) { s.send("abc", fin, ec); }},
      {"send_trailers",
       [](h2::stream& s, error_code& ec) {
         s.send_trailers({{"a", "b"}}, ec);
       }},
      {"send_response",
       [](h2::stream& s, error_code& ec) {
         s.send_response({200, {}}, ec);
       }},
      {"send_response_fin",
       [](h2::stream& s, error_code& ec) {
         s.send_response({200, {}}, fin, ec);
       }},
      {"send_informational",
       [](h2::stream& s, error_code& ec) {
         s.send_informational({103, {}}, ec);
       }},
      {"open",
       [](h2::stream& s, error_code& ec) {
         static_cast<void>(h2::open(s.get_executor(), {.url = "http://127.0.0.1:1/"}, options(), ec));
       }},
  };
}

class would_deadlock : public testing::TestWithParam<named_verb> {};

INSTANTIATE_TEST_SUITE_P(verbs, would_deadlock, testing::ValuesIn(blocking_verbs()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(would_deadlock, is_what_the_verb_says_on_the_connections_strand) {
  both_ends ends;
  std::promise<error_code> said;
  ends.client.async_send("x", [&](error_code) {
    error_code ec;
    GetParam().call(ends.client, ec);
    said.set_value(ec);
  });
  EXPECT_EQ(get(said.get_future()), errc::would_deadlock);
  EXPECT_FALSE(ends.client.failure());
}

TEST_P(would_deadlock, is_what_the_verb_says_on_any_thread_of_the_executor) {
  peer server;
  context_threads threads(2);
  auto client = h2::open(threads.executor(), {.url = server.url()}, bounded());
  std::promise<error_code> said;
  asio::post(threads.executor(), [&] {  // not on the strand
    error_code ec;
    GetParam().call(client, ec);
    said.set_value(ec);
  });
  EXPECT_EQ(get(said.get_future()), errc::would_deadlock);
}

TEST(would_deadlock_elsewhere, in_an_active_handler) {
  both_ends ends;
  std::promise<error_code> said;
  ends.client.set_active(active::once, [&](error_code, const message&) {
    error_code ec;
    ends.client.recv(ec);
    said.set_value(ec);
  });
  ends.remote.send_response({200, {}});
  EXPECT_EQ(get(said.get_future()), errc::would_deadlock);
}

TEST(would_deadlock_elsewhere, in_a_servers_handler) {
  std::promise<error_code> said;
  service server([&](const request&, h2::stream s) {
    error_code ec;
    s.recv(ec);
    said.set_value(ec);
  });
  auto client = h2::open({.url = server.url()}, bounded());
  EXPECT_EQ(get(said.get_future()), errc::would_deadlock);
}

TEST(would_deadlock_elsewhere, throws_where_no_error_code_is_given) {
  both_ends ends;
  std::promise<error_code> said;
  ends.client.async_send("x", [&](error_code) {
    try {
      ends.client.recv();
      said.set_value({});
    } catch (const boost::system::system_error& e) {
      said.set_value(e.code());
    }
  });
  EXPECT_EQ(get(said.get_future()), errc::would_deadlock);
}

TEST(would_deadlock_elsewhere, on_the_librarys_own_thread_an_open_without_an_executor) {
  both_ends ends;
  std::promise<error_code> said;
  ends.client.async_send("x", [&](error_code) {
    error_code ec;
    static_cast<void>(h2::open({.url = "http://127.0.0.1:1/"}, options(), ec));
    said.set_value(ec);
  });
  EXPECT_EQ(get(said.get_future()), errc::would_deadlock);
}

TEST(would_deadlock_elsewhere, but_a_thread_of_another_context_may_block) {
  both_ends ends;
  context_threads other;
  std::promise<std::string> received;
  asio::post(other.executor(), [&] {
    error_code ec;
    const auto m = ends.client.recv(ec);
    received.set_value(ec ? name(ec) : describe(m));
  });
  ends.remote.send_response({200, {}});
  EXPECT_EQ(get(received.get_future()), "response 200");
}

TEST(never_blocking, close_reset_consume_and_set_active_return_at_once_on_the_strand) {
  both_ends ends;
  std::promise<void> over;
  ends.client.async_send("x", [&](error_code) {
    ends.client.set_active(active::on, [](error_code, const message&) {});
    ends.client.set_active(active::off);
    ends.client.consume(1);
    ends.client.reset(0x8);
    ends.client.close();
    over.set_value();
  });
  get(over.get_future());
}

}  // namespace
}  // namespace duplex::test
