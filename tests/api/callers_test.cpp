// Blocking verbs serve their connection themselves; several threads on one connection, and none at all.

#include "raw_peer.hpp"
#include "support.hpp"

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <atomic>
#include <future>
#include <thread>

namespace duplex::test {
namespace {

using h2::fin;

template <class Function>
auto on_thread(Function f) {
  return std::async(std::launch::async, std::move(f));
}

TEST(callers, one_thread_sends_while_another_receives) {
  const service server(echo_back);
  auto s = h2::open({.url = server.url()}, bounded());
  constexpr int count = 5000;
  auto sending = on_thread([s]() mutable {
    for (int i = 0; i < count; ++i) s.send(std::string(100, static_cast<char>('a' + i % 26)));
    s.send("", fin);
  });
  std::string body;
  EXPECT_EQ(describe(s.recv()), "response 200");
  for (auto m = s.recv(); !std::holds_alternative<done>(m); m = s.recv()) {
    if (const auto* d = std::get_if<data>(&m)) body += d->bytes;
  }
  sending.get();
  ASSERT_EQ(body.size(), 100U * count);
  for (int i = 0; i < count; ++i) {
    ASSERT_EQ(body[100U * static_cast<std::size_t>(i)], static_cast<char>('a' + i % 26));
  }
}

TEST(callers, many_threads_each_on_a_stream_of_one_connection) {
  const service server(echo_back);
  auto link = h2::connection::connect(server.url(), bounded());
  std::vector<std::future<int>> all;
  for (int t = 0; t < 8; ++t) {
    all.push_back(on_thread([link, url = server.url(), t]() mutable {
      int good = 0;
      auto s = link.open_stream({.url = url}, bounded());
      s.recv();
      for (int i = 0; i < 200; ++i) {
        const auto said = std::to_string(t) + "." + std::to_string(i);
        s.send(said);
        std::string heard;
        while (heard.size() < said.size()) {
          // A time-out takes the lead away from whoever has it, at any moment.
          error_code ec;
          const auto m = s.recv(std::chrono::milliseconds(1), ec);
          if (const auto* d = std::get_if<data>(&m); !ec && d) heard += d->bytes;
          if (ec && ec != errc::timeout) return good;
        }
        good += heard == said ? 1 : 0;
      }
      return good;
    }));
  }
  for (auto& one : all) EXPECT_EQ(get(std::move(one)), 200);
}

// The first thread waits for what never comes, and leads; the second follows.
struct two_waiting {
  two_waiting() {
    link = h2::connection::connect(server.url(), bounded());
    first = link.open_stream({.url = server.url()}, bounded());
    first_far = server.accept().stream;
    second = link.open_stream({.url = server.url()}, bounded());
    second_far = server.accept().stream;
  }
  void follow() {
    following = on_thread([this] { return describe(second.recv()); });
    until_waiting(second);
  }
  /// A `recv` that ends with an error, which it returns.
  template <class... Timeout>
  static std::future<std::string> fail_to_recv(h2::stream& s, Timeout... timeout) {
    return on_thread([&s, timeout...] {
      error_code ec;
      (void)s.recv(timeout..., ec);
      return name(ec);
    });
  }
  static void until_waiting(const h2::stream& s) {
    while (!s.stats().recv_waits) std::this_thread::yield();
  }
  peer server;
  h2::connection link;
  h2::stream first;
  h2::stream first_far;
  h2::stream second;
  h2::stream second_far;
  std::future<std::string> following;
};

TEST(callers, that_follow_lead_when_the_leader_times_out) {
  two_waiting both;
  auto leading = two_waiting::fail_to_recv(both.first, std::chrono::milliseconds(20));
  both.follow();
  EXPECT_EQ(get(std::move(leading)), "timeout");
  both.second_far.send_response({200, {}});
  EXPECT_EQ(get(std::move(both.following)), "response 200");
}

TEST(callers, that_follow_lead_when_the_leader_is_canceled) {
  two_waiting both;
  auto leading = two_waiting::fail_to_recv(both.first);
  both.follow();
  two_waiting::until_waiting(both.first);
  both.first.reset(static_cast<std::uint32_t>(h2::code::cancel));
  EXPECT_EQ(get(std::move(leading)), "canceled");
  both.second_far.send_response({200, {}});
  EXPECT_EQ(get(std::move(both.following)), "response 200");
}

TEST(callers, are_all_told_when_the_connection_is_closed) {
  two_waiting both;
  auto leading = two_waiting::fail_to_recv(both.first);
  auto following = two_waiting::fail_to_recv(both.second);
  for (const auto* s : {&both.first, &both.second}) two_waiting::until_waiting(*s);
  both.link.close();
  EXPECT_EQ(get(std::move(leading)), "canceled");
  EXPECT_EQ(get(std::move(following)), "canceled");
}

TEST(callers, that_follow_are_served_by_the_one_that_leads) {
  two_waiting both;
  auto leading = on_thread([&] { return describe(both.first.recv()); });
  both.follow();
  both.second_far.send_response({201, {}});
  EXPECT_EQ(get(std::move(both.following)), "response 201");
  both.first_far.send_response({202, {}});
  EXPECT_EQ(get(std::move(leading)), "response 202");
}

TEST(callers, are_not_needed_for_a_ping_to_be_answered) {
  both_ends ends;
  for (int i = 0; i < 3; ++i) {
    EXPECT_GE(ends.remote.connection().ping().count(), 0);
    ends.client.send("a");  // a caller came and went
  }
  auto waiting = on_thread([&] { return describe(ends.client.recv()); });
  EXPECT_GE(ends.remote.connection().ping().count(), 0) << "while one is inside";
  ends.remote.send_response({200, {}});
  EXPECT_EQ(get(std::move(waiting)), "response 200");
}

TEST(callers, are_not_needed_for_what_was_sent_to_leave) {
  constexpr std::size_t size = 3'000'000;
  auto opts = bounded();
  opts.send_buffer = size;
  both_ends ends(opts);
  ends.client.send(pattern(size), fin);
  EXPECT_TRUE(receive(ends.remote, size) == pattern(size));
}

// Nobody calls a verb after it, so it is the library's thread that sends it.
TEST(callers, are_not_needed_for_an_open_to_leave) {
  raw_peer peer;
  auto link = on_thread([url = peer.url()] { return h2::connection::connect(url, bounded()); });
  peer.accept_http2();
  auto c = get(std::move(link));
  auto s = c.open_stream({.url = peer.url()}, bounded());
  peer.read_until(raw::frame(raw::headers, raw::end_headers, 1, {}).substr(3));  // behind its length
  EXPECT_EQ(s.id(), 1);
}

TEST(callers, are_not_needed_for_credit_to_return) {
  constexpr std::size_t window = 65536;
  auto opts = bounded();
  opts.stream_window = window;
  both_ends ends(opts);
  ends.remote.send_response({200, {}});
  EXPECT_EQ(describe(ends.client.recv()), "response 200");
  ends.remote.send(std::string(window, 'x'));
  for (std::size_t got = 0; got < window;) got += std::get<data>(ends.client.recv()).bytes.size();
  auto sending = on_thread([&] { ends.remote.send(std::string(window, 'y'), fin); });
  get(std::move(sending));
}

TEST(callers, that_leave_do_not_keep_credit_back_from_one_who_waits) {
  constexpr std::size_t size = 1'000'000;  // many times the first window
  two_waiting both;
  auto leading = two_waiting::fail_to_recv(both.first);
  two_waiting::until_waiting(both.first);
  auto sending = on_thread([&] {
    both.second_far.send_response({200, {}});
    both.second_far.send(pattern(size), fin);
  });
  EXPECT_EQ(describe(both.second.recv()), "response 200");
  EXPECT_TRUE(receive(both.second, size) == pattern(size));
  get(std::move(sending));
  both.link.close();
  EXPECT_EQ(get(std::move(leading)), "canceled");
}

// The peer's windows take all that is sent, its socket does not.
struct full_socket {
  /// Sends `piece` bytes at a time.
  explicit full_socket(std::size_t piece) {
    constexpr std::uint32_t largest_window = 0x7fffffff;
    auto opts = bounded();
    opts.send_buffer = bytes.size();
    opts.send_timeout = 3 * patience;  // which tries once more before it is up
    auto dialing = on_thread([url = peer.url(), opts] { return h2::connection::connect(url, opts); });
    peer.accept_http2();
    link = get(std::move(dialing));
    peer.write(raw::frame(raw::settings, raw::none, 0, std::string("\0\4", 2) + raw::number(largest_window)) +
               raw::frame(raw::window_update, raw::none, 0, raw::number(largest_window - 65535)) +
               raw::frame(raw::ping, raw::none, 0, "in order"));
    peer.read_until(raw::frame(raw::ping, raw::ack, 0, "in order"));
    stream = link.open_stream({.url = peer.url()}, opts);
    error_code ec;
    (void)stream.recv(std::chrono::milliseconds(1), ec);  // leads, so that the library's thread rests
    for (std::string_view rest = bytes; !rest.empty(); rest.remove_prefix(std::min(piece, rest.size()))) {
      stream.send(rest.substr(0, piece));
    }
  }

  static constexpr std::size_t size = 8'000'000;
  std::string bytes = std::string(size, 'a') + "last";
  raw_peer peer;
  h2::connection link;
  h2::stream stream;
};

// What is left must not be read from the caller's memory.
TEST(callers, get_their_buffer_back_whatever_the_socket_took_of_it) {
  full_socket f(full_socket::size);
  f.bytes.assign(f.size, '!');
  const auto& seen = f.peer.read_until("last");
  EXPECT_GE(std::count(seen.begin(), seen.end(), 'a'), static_cast<std::ptrdiff_t>(f.size));
  EXPECT_EQ(seen.find("!!!!"), std::string::npos);
}

// None of them ever waits, and so none leads.
TEST(callers, that_come_and_go_without_end_do_not_hold_up_what_a_full_socket_left) {
  full_socket f(50'000);
  EXPECT_TRUE(f.link.stats().write_waits);
  std::atomic<bool> over = false;
  auto looking = on_thread([&, s = f.stream]() mutable {
    while (!over && !s.try_recv()) std::this_thread::yield();
  });
  struct end {
    std::atomic<bool>& over;
    ~end() { over = true; }
  };
  {
    const end of_looking{over};
    f.peer.read_until("last");
  }
  get(std::move(looking));
}

TEST(callers, that_come_and_go_without_end_do_not_hold_up_the_answer_to_a_ping) {
  auto roomy = cleartext();
  roomy.stream.stream_window = std::size_t{16} << 20;  // more than is sent: no send ever waits
  std::promise<std::string> told;
  both_ends ends(bounded(), roomy);
  fence(ends);
  error_code ec;
  (void)ends.client.recv(std::chrono::milliseconds(1), ec);  // leads, so that the library's thread rests
  auto answer = told.get_future();
  ends.remote.connection().async_ping([&](error_code why, std::chrono::microseconds) { told.set_value(name(why)); });
  const auto answered = [&] { return answer.wait_for(std::chrono::seconds(0)) == std::future_status::ready; };
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!answered() && std::chrono::steady_clock::now() < end) ends.client.send("a");
  ASSERT_TRUE(answered());
  EXPECT_EQ(answer.get(), "ok");
}

TEST(callers, come_and_go_while_a_handler_waits) {
  const service server(echo_back);
  auto s = h2::open({.url = server.url()}, bounded());
  s.recv();
  constexpr int rounds = 300;
  for (int i = 0; i < rounds; ++i) {
    std::promise<std::string> heard;
    s.async_recv([&](error_code ec, const message& m) { heard.set_value(ec ? name(ec) : describe(m)); });
    s.send(std::to_string(i));
    ASSERT_EQ(get(heard.get_future()), "data " + std::to_string(i));
  }
}

TEST(callers, leave_handlers_to_the_librarys_thread) {
  const service server(echo_back);
  auto s = h2::open({.url = server.url()}, bounded());
  s.recv();
  std::promise<std::thread::id> ran;
  s.async_send("a", [&](error_code) {
    (void)s.stats();  // inside a lock this would never return
    (void)s.connection().stats();
    ran.set_value(std::this_thread::get_id());
  });
  EXPECT_EQ(describe(s.recv()), "data a");
  EXPECT_NE(get(ran.get_future()), std::this_thread::get_id());
}

TEST(callers, are_refused_on_the_librarys_thread) {
  const service server(echo_back);
  auto s = h2::open({.url = server.url()}, bounded());
  std::promise<std::string> told;
  asio::post(s.get_executor(), [&] {
    error_code ec;
    (void)s.recv(ec);
    told.set_value(name(ec));
  });
  EXPECT_EQ(get(told.get_future()), "would_deadlock");
}

TEST(callers, that_listen_and_wait_at_the_same_time_see_one_order) {
  const service server(echo_back);
  auto s = h2::open({.url = server.url()}, bounded());
  s.recv();
  std::atomic<int> handled = 0;
  std::promise<void> all;
  constexpr int count = 200;
  s.set_active(active::on, [&](error_code, const message&) {
    if (++handled == count) all.set_value();
  });
  for (int i = 0; i < count; ++i) {
    s.send("x");
    while (handled <= i) std::this_thread::yield();  // one message for each
  }
  get(all.get_future());
}

}  // namespace
}  // namespace duplex::test
