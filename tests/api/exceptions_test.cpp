// Exceptions that leave users' handlers: out of `run()` on a context of the user's, and then everything goes on.

#include "support.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include <sys/resource.h>
#include <unistd.h>

#include <stdexcept>

namespace duplex::test {
namespace {

using h2::fin;
using testing::ElementsAre;

struct oops : std::runtime_error {
  oops() : std::runtime_error("of the user") {}
};

// A handler of anything. What it holds tells whether it was let go.
struct thrower {
  std::shared_ptr<int> held;
  template <class... Args>
  void operator()(Args&&...) const {
    throw oops();
  }
};

// Runs `io` until a handler throws, and returns whether one did.
bool throws(asio::io_context& io) {
  try {
    return run_until(io, [] { return false; }) && false;
  } catch (const oops&) {
    return true;
  }
}

// On one context with what throws, so that the test sees what leaves it.
h2::connection connect_on(asio::io_context& io, const std::string& url, options opts = bounded()) {
  h2::connection link;
  h2::connection::async_connect(io.get_executor(), url, std::move(opts),
                                [&](error_code, h2::connection c) { link = std::move(c); });
  EXPECT_TRUE(run_until(io, [&] { return static_cast<bool>(link); }));
  return link;
}

h2::stream open_on(asio::io_context& io, h2::connection& link, const std::string& url) {
  h2::stream s;
  link.async_open_stream({.url = url}, bounded(), [&](error_code, h2::stream opened) { s = std::move(opened); });
  EXPECT_TRUE(run_until(io, [&] { return static_cast<bool>(s); }));
  return s;
}

std::string next_on(asio::io_context& io, h2::stream& s) {
  std::string told;
  s.async_recv([&](error_code ec, const message& m) { told = ec ? name(ec) : describe(m); });
  EXPECT_TRUE(run_until(io, [&] { return !told.empty(); }));
  return told;
}

// A connection with two streams to a server that echoes, all on one context: `used` is for the handler that throws.
struct party {
  explicit party(options opts = bounded()) {
    link = connect_on(io, server.url(), std::move(opts));
    used = open();
    other = open();
    EXPECT_EQ(next(used), "response 200");
    EXPECT_EQ(next(other), "response 200");
  }
  party(const party&) = delete;
  party& operator=(const party&) = delete;

  h2::stream open() { return open_on(io, link, server.url()); }
  std::string next(h2::stream& s) { return next_on(io, s); }
  std::string echo(h2::stream& s, const std::string& text) {
    s.async_send(text, [](error_code) {});
    return next(s);
  }
  /// Handles gone, the context runs out of work, and nobody holds the handler any more.
  void end() {
    used = other = {};
    link = {};
    signal.reset();
    io.restart();
    io.run_for(patience);
    EXPECT_TRUE(io.stopped()) << "somebody still waits";
    EXPECT_EQ(held.use_count(), 1) << "a handler has leaked";
  }
  thrower handler() { return {held}; }

  service server{echo_back};
  asio::io_context io;
  std::shared_ptr<int> held = std::make_shared<int>();
  std::optional<asio::cancellation_signal> signal = std::make_optional<asio::cancellation_signal>();
  h2::connection link;
  h2::stream used;
  h2::stream other;
};

enum class afterwards { stream_goes_on, stream_is_over, connection_is_over };

struct kind {
  const char* name;
  void (*provoke)(party& p);
  afterwards then = afterwards::stream_goes_on;
};

asio::awaitable<void> receive_and_throw(h2::stream s, thrower t) {
  co_await s.async_send("x", asio::use_awaitable);
  co_await s.async_recv(asio::use_awaitable);
  t();
}

const kind kinds[] = {
    {"recv",
     [](party& p) {
       p.used.async_send("x", [](error_code) {});
       p.used.async_recv(p.handler());
     }},
    {"recv_timeout", [](party& p) { p.used.async_recv(1ms, p.handler()); }},
    {"recv_busy",
     [](party& p) {
       p.used.async_recv([](error_code, const message&) {});
       p.used.async_recv(p.handler());
       p.used.async_send("for the first", [](error_code) {});
     }},
    {"recv_canceled",
     [](party& p) {
       p.used.async_recv(asio::bind_cancellation_slot(p.signal->slot(), p.handler()));
       p.signal->emit(asio::cancellation_type::terminal);
     }},
    {"send", [](party& p) { p.used.async_send("", p.handler()); }},
    {"send_fin", [](party& p) { p.used.async_send("", fin, p.handler()); }, afterwards::stream_is_over},
    {"send_trailers", [](party& p) { p.used.async_send_trailers({}, p.handler()); }, afterwards::stream_is_over},
    {"refused_response",
     [](party& p) {
       p.used.async_send_response({200, {}}, p.handler());
     }},
    {"stream_stats", [](party& p) { p.used.async_stats(p.handler()); }},
    {"close", [](party& p) { p.used.async_close(p.handler()); }, afterwards::stream_is_over},
    {"recv_of_a_closed_stream",
     [](party& p) {
       p.used.async_recv(p.handler());
       p.used.reset(static_cast<std::uint32_t>(h2::code::cancel));
     },
     afterwards::stream_is_over},
    {"active_on",
     [](party& p) {
       p.used.set_active(active::on, p.handler());
       p.used.async_send("x", [](error_code) {});
     },
     afterwards::stream_is_over},
    {"active_once",
     [](party& p) {
       p.used.set_active(active::once, p.handler());
       p.used.async_send("x", [](error_code) {});
     }},
    {"coroutine",
     [](party& p) {
       asio::co_spawn(p.used.get_executor(), receive_and_throw(p.used, p.handler()), [](const std::exception_ptr& e) {
         if (e) std::rethrow_exception(e);
       });
     }},
    {"coroutine_on_the_context",
     [](party& p) {
       asio::co_spawn(p.io, receive_and_throw(p.used, p.handler()), [](const std::exception_ptr& e) {
         if (e) std::rethrow_exception(e);
       });
     }},
    {"handler_on_a_strand_of_its_own",
     [](party& p) {
       const auto strand = asio::make_strand(p.io);
       p.used.async_send("", asio::bind_executor(strand, p.handler()));
     }},
    {"open_stream", [](party& p) { p.link.async_open_stream({.url = p.server.url()}, bounded(), p.handler()); }},
    {"refused_open", [](party& p) { p.link.async_open_stream({.url = "no URL"}, bounded(), p.handler()); }},
    {"open", [](party& p) { h2::async_open(p.io.get_executor(), {.url = p.server.url()}, bounded(), p.handler()); }},
    {"failed_open", [](party& p) { h2::async_open(p.io.get_executor(), {.url = "no URL"}, bounded(), p.handler()); }},
    {"connect",
     [](party& p) { h2::connection::async_connect(p.io.get_executor(), p.server.url(), bounded(), p.handler()); }},
    {"ping", [](party& p) { p.link.async_ping(p.handler()); }},
    {"connection_stats", [](party& p) { p.link.async_stats(p.handler()); }},
    {"fetch", [](party& p) { h2::async_fetch(p.link, {.url = p.server.url()}, "x", {}, p.handler()); }},
    {"fetch_stream", [](party& p) { h2::async_fetch_stream(p.link, {.url = p.server.url()}, "x", {}, p.handler()); }},
    {"shutdown", [](party& p) { p.link.async_shutdown(0ms, p.handler()); }, afterwards::connection_is_over},
    {"recv_when_the_connection_closes",
     [](party& p) {
       p.used.async_recv(p.handler());
       p.link.close();
     },
     afterwards::connection_is_over},
    {"ping_when_the_connection_closes",
     [](party& p) {
       p.link.async_ping(p.handler());
       p.link.close();
     },
     afterwards::connection_is_over},
};

class an_exception : public testing::TestWithParam<kind> {};

TEST_P(an_exception, of_a_handler_leaves_run_and_the_rest_goes_on) {
  party p;
  GetParam().provoke(p);
  ASSERT_TRUE(throws(p.io)) << "it was swallowed, or the handler never called";
  if (GetParam().then != afterwards::connection_is_over) {
    EXPECT_EQ(p.echo(p.other, "abc"), "data abc");
    auto another = p.open();
    EXPECT_EQ(p.next(another), "response 200");
  }
  if (GetParam().then == afterwards::stream_goes_on) {
    EXPECT_EQ(p.echo(p.used, "abc"), "data abc");
  }
  p.end();
}

INSTANTIATE_TEST_SUITE_P(handlers, an_exception, testing::ValuesIn(kinds),
                         [](const auto& one) { return std::string(one.param.name); });

TEST(an_exception, of_an_active_handler_loses_no_message) {
  party p;
  std::vector<std::string> heard;
  p.used.set_active(active::on, [&heard, held = p.held](error_code ec, const message& m) {
    heard.push_back(ec ? name(ec) : describe(m));
    throw oops();
  });
  for (const auto* text : {"a", "b"}) {
    p.used.async_send(text, [](error_code) {});
    ASSERT_TRUE(throws(p.io));
  }
  p.used.async_send("", fin, [](error_code) {});
  ASSERT_TRUE(throws(p.io));
  EXPECT_THAT(heard, ElementsAre("data a", "data b", "done"));
  EXPECT_EQ(p.echo(p.other, "abc"), "data abc");
  p.end();
}

// More than the windows of the stream and the connection together are passed on by handlers that throw each time.
TEST(an_exception, of_every_handler_loses_no_byte_and_no_window) {
  auto opts = bounded();
  opts.stream_window = 65536;
  opts.connection_window = 65536;
  party p(opts);
  const auto sent = pattern(300'000);
  p.other.async_send(sent, fin, p.handler());
  std::string heard;
  bool over = false;
  std::function<void()> ask = [&] {
    p.other.async_recv([&](error_code ec, const message& m) {
      over = ec || std::holds_alternative<done>(m);
      if (const auto* d = std::get_if<data>(&m)) heard += d->bytes;
      if (!over) ask();
      throw oops();
    });
  };
  ask();
  int thrown = 0;
  while (!over && throws(p.io)) ++thrown;
  EXPECT_GT(thrown, 3);
  EXPECT_TRUE(heard == sent);
  EXPECT_EQ(p.echo(p.used, "abc"), "data abc");
  ask = {};
  p.end();
}

TEST(an_exception, of_on_frame_leaves_run_and_no_frame_is_reported_twice_or_never) {
  const service server(echo_back);
  std::vector<std::string> quiet;
  std::vector<std::string> loud;
  const auto walk = [&server](std::vector<std::string>& frames, bool throwing) {
    asio::io_context io;
    auto opts = bounded();
    opts.on_frame = [&frames, throwing](const frame_info& f) {
      frames.push_back((f.sent ? "> " : "< ") + f.text);
      if (throwing) throw oops();
    };
    std::string told;
    {
      h2::stream s;
      const auto until = [&io](auto ready) {
        for (;;) {
          try {
            return run_until(io, ready);
          } catch (const oops&) {
          }
        }
      };
      h2::async_open(io.get_executor(), {.url = server.url()}, opts,
                     [&](error_code, h2::stream opened) { s = std::move(opened); });
      EXPECT_TRUE(until([&] { return static_cast<bool>(s); }));
      s.async_send("x", [](error_code) {});
      for (int i = 0; i < 4; ++i) {
        if (i == 2) s.async_send("", fin, [](error_code) {});
        bool there = false;
        s.async_recv([&](error_code ec, const message& m) {
          told += (ec ? name(ec) : describe(m)) + ";";
          there = true;
        });
        EXPECT_TRUE(until([&] { return there; }));
      }
      s = {};
      EXPECT_TRUE(until([&] { return io.stopped(); }));
    }
    EXPECT_EQ(told, "response 200;data x;done;closed;");
    std::sort(frames.begin(), frames.end());
  };
  walk(quiet, false);
  walk(loud, true);
  EXPECT_EQ(loud, quiet);
}

TEST(an_exception, of_a_clients_handler_leaves_run_and_the_client_goes_on) {
  const service server(echo_back);
  asio::io_context io;
  const auto held = std::make_shared<int>();
  {
    h2::client client(io.get_executor());
    client.async_open({.url = server.url()}, bounded(), thrower{held});
    ASSERT_TRUE(throws(io));
    client.async_open({.url = "no URL"}, bounded(), thrower{held});
    ASSERT_TRUE(throws(io));
    client.async_stats(thrower{held});
    ASSERT_TRUE(throws(io));
    h2::stream s;
    client.async_open({.url = server.url()}, bounded(), [&](error_code, h2::stream opened) { s = std::move(opened); });
    ASSERT_TRUE(run_until(io, [&] { return static_cast<bool>(s); }));
    s = {};
    client.async_shutdown(0ms, thrower{held});
    ASSERT_TRUE(throws(io));
  }
  io.restart();
  io.run_for(patience);
  EXPECT_TRUE(io.stopped());
  EXPECT_EQ(held.use_count(), 1);
}

// The server's side: both ends on one context, so that the test sees what leaves it.

struct served {
  template <class Handler>
  explicit served(Handler handler) : io(), server(io.get_executor(), cleartext(), std::move(handler)) {
    link = connect_on(io, server.url());
  }
  h2::stream open(const std::string& path) { return open_on(io, link, server.url() + path); }
  std::string next(h2::stream& s) { return next_on(io, s); }
  asio::io_context io;
  h2::server server;
  h2::connection link;
};

void expect_internal_error(served& both) {
  auto before = both.open("/");
  auto bad = both.open("/throw");
  auto after = both.open("/");
  EXPECT_EQ(both.next(bad), "stream_reset");
  EXPECT_EQ(why(bad).http2_code, static_cast<std::uint32_t>(h2::code::internal_error));
  for (auto* s : {&before, &after}) EXPECT_EQ(both.next(*s), "response 200");
}

TEST(a_servers_handler, that_throws_has_its_stream_alone_reset_with_internal_error) {
  served both([](const request& head, h2::stream s) {
    if (head.path() == "/throw") throw oops();
    s.async_send_response({200, {}}, [s](error_code) {});
  });
  expect_internal_error(both);
}

TEST(a_servers_handler, that_throws_after_it_gave_the_stream_away_has_it_reset_with_internal_error) {
  std::vector<h2::stream> kept;
  served both([&kept](const request& head, h2::stream s) {
    kept.push_back(s);
    if (head.path() == "/throw") throw oops();
    s.async_send_response({200, {}}, [](error_code) {});
  });
  expect_internal_error(both);
  kept.clear();
}

TEST(a_servers_handler, that_is_a_coroutine_and_throws_has_its_stream_alone_reset_with_internal_error) {
  served both([](request head, h2::stream s) -> asio::awaitable<void> {
    if (head.path() == "/throw") throw oops();
    response ok{200, {}};
    co_await s.async_send_response(std::move(ok));
    co_await s.async_recv();
  });
  expect_internal_error(both);
}

TEST(a_servers_handler, whose_completion_throws_lets_it_leave_run_and_serves_on) {
  served both([](const request& head, h2::stream s) {
    s.async_send_response({200, {}}, [s, bad = head.path() == "/throw"](error_code) {
      if (bad) throw oops();
    });
  });
  auto bad = both.open("/throw");
  ASSERT_TRUE(throws(both.io));
  EXPECT_EQ(both.next(bad), "response 200");
  EXPECT_EQ(both.next(bad), "stream_reset") << "its last handle went with the handler";
  auto after = both.open("/");
  EXPECT_EQ(both.next(after), "response 200");
}

TEST(a_servers_handler, of_its_shutdown_that_throws_lets_it_leave_run) {
  served both([](const request&, const h2::stream&) {});
  both.link = {};
  both.server.async_shutdown(0ms, [](error_code) { throw oops(); });
  EXPECT_TRUE(throws(both.io));
  both.io.restart();
  both.io.run_for(patience);
  EXPECT_TRUE(both.io.stopped());
}

// The library's own thread

TEST(an_exception, of_a_handler_on_an_executor_of_the_users_never_reaches_the_librarys_thread) {
  const service server(echo_back);
  auto s = h2::open({.url = server.url()}, bounded());
  asio::io_context io;
  s.async_send("a", asio::bind_executor(io, thrower{}));
  ASSERT_TRUE(throws(io));
  io.run_for(patience);  // which ends when the library's thread has let go of the context
  EXPECT_EQ(describe(s.recv()), "response 200");
  EXPECT_EQ(describe(s.recv()), "data a");
}

// Each connection that callers serve has a descriptor of its own besides its socket.
TEST(a_connection, for_which_no_descriptor_is_left_is_not_made_and_the_program_goes_on) {
#if defined(__has_feature)
#if __has_feature(undefined_behavior_sanitizer)
  GTEST_SKIP() << "this sanitizer looks at memory through a pipe, and takes objects for broken where it gets none";
#endif
#endif
  const service server(echo_back);
  std::vector<h2::stream> kept{h2::open({.url = server.url()}, bounded())};
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const int next = dup(0);
  close(next);
  auto tight = before;
  tight.rlim_cur = static_cast<rlim_t>(next) + 1;  // for the socket
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
  error_code ec;
  // What an earlier test left behind may close only now, and make room for another.
  while (!ec) kept.push_back(h2::open({.url = server.url()}, bounded(), ec));
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(name(ec), "connect_failed");
  EXPECT_THAT(why(kept.back()).message, testing::HasSubstr("Too many open files"));
  auto s = h2::open({.url = server.url()}, bounded());
  EXPECT_EQ(describe(s.recv()), "response 200");
}

TEST(an_exception_death_test, of_a_handler_on_the_librarys_thread_ends_the_program) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto die = [](auto provoke) {
    const service server(echo_back);
    auto s = h2::open({.url = server.url()}, bounded());
    provoke(s);
    std::promise<void>().get_future().wait();
  };
  EXPECT_DEATH(die([](h2::stream& s) { s.async_send("a", thrower{}); }), "of the user");
  EXPECT_DEATH(die([](h2::stream& s) { s.set_active(active::on, thrower{}); }), "of the user");
}

}  // namespace
}  // namespace duplex::test
