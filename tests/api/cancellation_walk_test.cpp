// Every asynchronous operation, cancelled at every point of its life: it completes once, as cancelled or with its
// result; what else runs on the connection is left alone; its handler is let go, and nothing is left to do.

#include "walk.hpp"

#include <functional>
#include <ostream>
#include <tuple>
#include <vector>

namespace duplex::test {
namespace {

using asio::cancellation_type;
using h2::fin;
using testing::AnyOf;
using testing::ElementsAre;

constexpr std::size_t window = 1000;

// A client and a server, one of them walked. Streams are answered with what they send; or the server's are the test's.
class scene {
 public:
  enum class side { client, server };

  explicit scene(h2::server_options opts, side walked = side::client, bool echoes = true)
      : client_(walked == side::client ? steps.walked() : steps.other()) {
    auto& io = walked == side::client ? steps.other() : steps.walked();
    if (echoes) {
      server.emplace(io.get_executor(), std::move(opts), echo_back);
    } else {
      server.emplace(io.get_executor(), std::move(opts), [this](const request&, h2::stream s) { far = std::move(s); });
    }
  }

  [[nodiscard]] asio::any_io_executor executor() { return client_.get_executor(); }
  [[nodiscard]] request rq() const { return {.url = server->url()}; }
  [[nodiscard]] static options opts() {
    auto o = trusting_localhost();
    o.connect_timeout = o.close_timeout = patience;
    return o;
  }

  /// A connection with a stream that has nothing to do with what is cancelled.
  void connect() {
    h2::connection::async_connect(executor(), server->url(), opts(),
                                  [this](error_code, h2::connection c) { link = std::move(c); });
    ASSERT_TRUE(steps.until([this] { return static_cast<bool>(link); }));
    bystander = open();
  }
  /// A stream whose response was read.
  h2::stream open() {
    h2::stream s;
    link.async_open_stream(rq(), opts(), [&](error_code, h2::stream opened) { s = std::move(opened); });
    EXPECT_TRUE(steps.until([&] { return static_cast<bool>(s); }));
    EXPECT_EQ(next(s), "response 200");
    return s;
  }
  std::string next(h2::stream& s) {
    std::string text;
    s.async_recv([&](error_code ec, const message& m) { text = ec ? name(ec) : describe(m); });
    EXPECT_TRUE(steps.until([&] { return !text.empty(); }));
    return text;
  }
  /// What is left of it, to its end.
  std::vector<std::string> rest(h2::stream& s, std::vector<std::string> seen = {}) {
    for (auto more = true; more;) {
      auto text = next(s);
      more = text.starts_with("response") || text.starts_with("data") || text.starts_with("trailers");
      const bool joins = text.starts_with("data") && !seen.empty() && seen.back().starts_with("data");
      if (joins) {
        seen.back() += text.substr(5);
      } else {
        seen.push_back(std::move(text));
      }
    }
    return seen;
  }
  /// Whether a stream that is open works.
  std::string echo(h2::stream& s) {
    std::string sent;
    s.async_send("abc", [&](error_code ec) { sent = name(ec); });
    const auto got = next(s);
    EXPECT_TRUE(steps.until([&] { return !sent.empty(); }));
    return got;
  }
  /// Whether one that was just opened does.
  std::string whole(h2::stream s) {
    std::string sent;
    s.async_send("abc", fin, [&](error_code ec) { sent = name(ec); });
    const auto seen = rest(s);
    EXPECT_TRUE(steps.until([&] { return !sent.empty(); }));
    return testing::PrintToString(seen);
  }

  h2::connection_stats stats() {
    std::optional<h2::connection_stats> now;
    link.async_stats([&](error_code, const h2::connection_stats& all) { now = all; });
    EXPECT_TRUE(steps.until([&] { return now.has_value(); }));
    return now.value_or(h2::connection_stats());
  }

  walk steps;
  std::optional<h2::server> server;
  h2::connection link;
  std::optional<h2::client> pool;
  h2::stream bystander;  // none where there is no connection, or no more
  h2::stream worked;     // what the operation is about
  h2::stream second;
  h2::stream far;
  h2::reply reply;
  std::string got;
  std::string payload = pattern(5 * window);

 private:
  asio::io_context& client_;
};

const std::string answered = R"({ "response 200", "data abc", "done" })";

// What is cancelled, and what must be so afterwards.
struct operation {
  std::string name;
  std::function<void(scene&)> prepare;
  std::function<void(scene&, ending&)> start;
  std::function<void(scene&, bool canceled)> check;
  enum { any_type, terminal_only, never } honours = any_type;  // never: or it never waits for anything
  h2::server_options server = cleartext();
  scene::side walked = scene::side::client;
  bool echoes = true;

  friend std::ostream& operator<<(std::ostream& out, const operation& op) { return out << op.name; }
};

h2::server_options small_windows() {
  auto opts = cleartext();
  opts.stream.stream_window = window;
  return opts;
}

h2::server_options two_streams() {
  auto opts = cleartext();
  opts.max_concurrent_streams = 2;
  return opts;
}

void connected(scene& s) { s.connect(); }
void with_stream(scene& s) {
  s.connect();
  s.worked = s.open();
}
void with_pool(scene& s) { s.pool.emplace(s.executor()); }
void with_pooled_stream(scene& s) {
  s.pool.emplace(s.executor(), h2::client_options{.max_connections_per_origin = 1});
  s.pool->async_open(s.rq(), scene::opts(), [&](error_code, h2::stream opened) { s.second = std::move(opened); });
  ASSERT_TRUE(s.steps.until([&] { return static_cast<bool>(s.second); }));
  EXPECT_EQ(s.next(s.second), "response 200");
}

auto keep_stream(scene& s) {
  return [&s](h2::stream opened) { s.worked = std::move(opened); };
}
void expect_opened(scene& s, bool canceled) {
  if (!canceled) {
    EXPECT_EQ(s.whole(std::move(s.worked)), answered);
    return;
  }
  EXPECT_FALSE(s.worked);
  EXPECT_EQ(why(s.worked).code, errc::canceled);
}
void expect_streams(scene& s, std::size_t count) {
  EXPECT_TRUE(s.steps.until([&] { return s.stats().streams == count; }));
  EXPECT_EQ(s.stats().waiting_opens, 0U);
}
void expect_reset(scene& s) {
  EXPECT_EQ(why(s.worked).code, errc::canceled);
  EXPECT_EQ(why(s.worked).http2_code, 0x8U);
  EXPECT_EQ(why(s.worked).origin, origin::local);
  EXPECT_EQ(s.rest(s.worked).back(), "canceled");
}

// Everything that was sent comes back.
void expect_all_sent(scene& s, bool ends) {
  if (!ends) s.worked.async_send("", fin, [](error_code) {});
  EXPECT_THAT(s.rest(s.worked), ElementsAre("data " + s.payload, "done"));
}

auto keep_reply(scene& s) {
  return [&s](h2::reply r) { s.reply = std::move(r); };
}
void expect_reply(scene& s, bool canceled) {
  if (canceled) {
    ASSERT_TRUE(s.reply.failure);
    EXPECT_EQ(s.reply.failure->code, errc::canceled);
  } else {
    EXPECT_EQ(s.reply.status, 200);
    EXPECT_TRUE(s.reply.body == s.payload);
  }
}
auto keep_head(scene& s) {
  return [&s](const response& head, h2::stream rest) {
    s.got = "response " + std::to_string(head.status);
    s.worked = std::move(rest);
  };
}
void expect_head(scene& s, bool canceled) {
  if (canceled) {
    EXPECT_EQ(why(s.worked).code, errc::canceled);
  } else {
    EXPECT_EQ(s.got, "response 200");
    EXPECT_THAT(s.rest(s.worked), ElementsAre("data " + s.payload, "done"));
  }
}

// The server's verbs: the walked side is the server, and its stream is the test's.
void with_far_stream(scene& s) {
  h2::async_open(s.executor(), s.rq(), scene::opts(),
                 [&](error_code, h2::stream opened) { s.worked = std::move(opened); });
  ASSERT_TRUE(s.steps.until([&] { return s.worked && s.far; }));
}
operation of_server(std::string name, std::function<void(scene&, ending&)> start,
                    std::function<void(scene&, bool)> check) {
  return {.name = std::move(name),
          .prepare = with_far_stream,
          .start = std::move(start),
          .check = std::move(check),
          .walked = scene::side::server,
          .echoes = false};
}

std::vector<operation> all_operations() {
  std::vector<operation> all;
  const auto executor_of = [](scene& s) { return s.executor(); };
  const auto open = [](scene& s, ending& end) {
    h2::async_open(s.executor(), s.rq(), scene::opts(), end.handler(keep_stream(s)));
  };
  all.push_back({.name = "open", .prepare = [](scene&) {}, .start = open, .check = expect_opened});
  all.push_back(
      {.name = "open_over_tls", .prepare = [](scene&) {}, .start = open, .check = expect_opened, .server = with_tls()});
  all.push_back({.name = "open_by_name",
                 .prepare = [](scene&) {},
                 .start =
                     [](scene& s, ending& end) {
                       const auto port = std::to_string(s.server->port());
                       h2::async_open(s.executor(), {.url = "http://localhost:" + port}, scene::opts(),
                                      end.handler(keep_stream(s)));
                     },
                 .check = expect_opened});
  all.push_back({.name = "connect_over_tls",
                 .prepare = [](scene&) {},
                 .start =
                     [](scene& s, ending& end) {
                       h2::connection::async_connect(s.executor(), s.server->url(), scene::opts(),
                                                     end.handler([&s](h2::connection c) { s.link = std::move(c); }));
                     },
                 .check =
                     [](scene& s, bool canceled) {
                       EXPECT_EQ(static_cast<bool>(s.link), !canceled);
                       if (canceled) {
                         EXPECT_EQ(s.link.failure()->code, errc::canceled);
                       } else {
                         s.bystander = s.open();
                       }
                     },
                 .server = with_tls()});
  const auto open_stream = [](scene& s, ending& end) {
    s.link.async_open_stream(s.rq(), scene::opts(), end.handler(keep_stream(s)));
  };
  all.push_back({.name = "open_stream",
                 .prepare = connected,
                 .start = open_stream,
                 .check =
                     [](scene& s, bool canceled) {
                       expect_opened(s, canceled);
                       expect_streams(s, 1);
                     },
                 .honours = operation::never});
  all.push_back({.name = "open_stream_that_waits_for_a_place",
                 .prepare =
                     [](scene& s) {
                       s.connect();
                       s.second = s.open();
                     },
                 .start =
                     [open_stream](scene& s, ending& end) {
                       open_stream(s, end);
                       s.second.async_send("", fin, [](error_code) {});  // whose end leaves a place
                     },
                 .check =
                     [](scene& s, bool canceled) {
                       expect_opened(s, canceled);
                       EXPECT_EQ(s.next(s.second), "done");
                       expect_streams(s, 1);
                       EXPECT_EQ(s.echo(s.worked = s.open()), "data abc") << "the place is gone";
                     },
                 .server = two_streams()});
  all.push_back({.name = "recv",
                 .prepare = with_stream,
                 .start =
                     [](scene& s, ending& end) {
                       s.worked.async_recv(end.handler([&s](const message& m) { s.got = describe(m); }));
                       s.worked.async_send("abc", fin, [](error_code) {});
                     },
                 .check =
                     [](scene& s, bool canceled) {
                       std::vector<std::string> seen;
                       if (!canceled) seen.push_back(s.got);
                       EXPECT_THAT(s.rest(s.worked, seen), ElementsAre("data abc", "done"));
                       EXPECT_FALSE(s.worked.failure());
                     }});
  all.push_back({.name = "recv_with_a_timeout",
                 .prepare = with_stream,
                 .start =
                     [](scene& s, ending& end) {
                       s.worked.async_recv(patience, end.handler([&s](const message& m) { s.got = describe(m); }));
                       s.worked.async_send("abc", [](error_code) {});
                     },
                 .check =
                     [](scene& s, bool canceled) {
                       EXPECT_EQ(canceled ? s.next(s.worked) : s.got, "data abc");
                       EXPECT_EQ(s.echo(s.worked), "data abc");
                     }});
  all.push_back({.name = "send_that_windows_hold_up",
                 .prepare = with_stream,
                 .start = [](scene& s, ending& end) { s.worked.async_send(s.payload, end.handler()); },
                 .check = [](scene& s, bool canceled) { canceled ? expect_reset(s) : expect_all_sent(s, false); },
                 .server = small_windows()});
  all.push_back({.name = "trailers_behind_data",
                 .prepare = with_stream,
                 .start =
                     [](scene& s, ending& end) {
                       s.worked.async_send(s.payload, [](error_code) {});
                       s.worked.async_send_trailers({{"a", "b"}}, end.handler());
                     },
                 .check = [](scene& s, bool canceled) { canceled ? expect_reset(s) : expect_all_sent(s, true); },
                 .server = small_windows()});
  all.push_back({.name = "ping",
                 .prepare = connected,
                 .start = [](scene& s, ending& end) { s.link.async_ping(end.handler()); },
                 .check = [](scene& s, bool) { EXPECT_FALSE(s.stats().ping_unanswered); }});
  all.push_back({.name = "close_of_a_stream",
                 .prepare = with_stream,
                 .start = [](scene& s, ending& end) { s.worked.async_close(end.handler()); },
                 .check =
                     [](scene& s, bool) {
                       EXPECT_EQ(s.next(s.worked), "closed");
                       expect_streams(s, 1);
                     },
                 .honours = operation::never});
  all.push_back({.name = "close_of_a_connection_of_its_own",
                 .prepare =
                     [open](scene& s) {
                       ending end;
                       open(s, end);
                       ASSERT_TRUE(s.steps.until([&] { return end.over(); }));
                     },
                 .start = [](scene& s, ending& end) { s.worked.async_close(end.handler()); },
                 .check = [](scene& s, bool) { EXPECT_EQ(s.next(s.worked), "closed"); },
                 .server = with_tls()});
  all.push_back({.name = "shutdown_of_a_connection",
                 .prepare = connected,
                 .start =
                     [](scene& s, ending& end) {
                       s.link.async_shutdown(patience, end.handler());
                       s.bystander.async_send("", fin, [](error_code) {});
                     },
                 .check =
                     [](scene& s, bool) {
                       EXPECT_THAT(s.rest(s.bystander), ElementsAre("done"));
                       s.bystander = {};
                     }});
  all.push_back({.name = "stats",
                 .prepare = with_stream,
                 .start = [](scene& s, ending& end) { s.worked.async_stats(end.handler()); },
                 .check = [](scene& s, bool) { EXPECT_EQ(s.echo(s.worked), "data abc"); },
                 .honours = operation::never});

  const auto pooled_open = [](scene& s, ending& end) {
    s.pool->async_open(s.rq(), scene::opts(), end.handler(keep_stream(s)));
  };
  const auto expect_pooled = [](scene& s, bool canceled) {
    expect_opened(s, canceled);
    s.pool->async_open(s.rq(), scene::opts(), [&](error_code, h2::stream opened) { s.worked = std::move(opened); });
    EXPECT_TRUE(s.steps.until([&] { return static_cast<bool>(s.worked); }));
    EXPECT_EQ(s.whole(std::move(s.worked)), answered);
    EXPECT_TRUE(s.steps.until([&] {
      std::optional<h2::client_stats> now;
      s.pool->async_stats([&](error_code, h2::client_stats stats) { now = stats; });
      return s.steps.until([&] { return now.has_value(); }) && now->pending_opens == 0 && now->dialing == 0;
    }));
  };
  all.push_back({.name = "open_of_a_client_that_dials",
                 .prepare = with_pool,
                 .start = pooled_open,
                 .check = expect_pooled,
                 .server = with_tls()});
  all.push_back({.name = "open_of_a_client_on_a_connection_that_is_there",
                 .prepare = with_pooled_stream,
                 .start = pooled_open,
                 .check =
                     [expect_pooled](scene& s, bool canceled) {
                       expect_pooled(s, canceled);
                       EXPECT_EQ(s.echo(s.second), "data abc");
                     },
                 .honours = operation::never});
  all.push_back({.name = "open_of_a_client_that_waits_for_a_place",
                 .prepare =
                     [](scene& s) {
                       with_pooled_stream(s);
                       s.pool->async_open(s.rq(), scene::opts(),
                                          [&](error_code, h2::stream opened) { s.far = std::move(opened); });
                       ASSERT_TRUE(s.steps.until([&] { return static_cast<bool>(s.far); }));
                     },
                 .start =
                     [pooled_open](scene& s, ending& end) {
                       pooled_open(s, end);
                       s.far.async_send("", fin, [](error_code) {});
                     },
                 .check =
                     [expect_pooled](scene& s, bool canceled) {
                       EXPECT_THAT(s.rest(s.far), ElementsAre("response 200", "done"));
                       expect_pooled(s, canceled);
                       EXPECT_EQ(s.echo(s.second), "data abc");
                     },
                 .server = two_streams()});
  all.push_back({.name = "shutdown_of_a_client",
                 .prepare = with_pooled_stream,
                 .start =
                     [](scene& s, ending& end) {
                       s.pool->async_shutdown(patience, end.handler());
                       s.second.async_send("", fin, [](error_code) {});
                     },
                 .check = [](scene& s, bool) { EXPECT_EQ(s.next(s.second), "done"); },
                 .honours = operation::never});

  const auto fetch_of = [](auto from) {
    return [from](scene& s, ending& end) {
      h2::async_fetch(from(s), s.rq(), s.payload, {.stream = scene::opts()}, end.handler(keep_reply(s)));
    };
  };
  const auto fetch_stream_of = [](auto from) {
    return [from](scene& s, ending& end) {
      h2::async_fetch_stream(from(s), s.rq(), s.payload, {.stream = scene::opts()}, end.handler(keep_head(s)));
    };
  };
  const auto link_of = [](scene& s) { return s.link; };
  const auto pool_of = [](scene& s) { return *s.pool; };
  auto tls_small = with_tls();
  tls_small.stream.stream_window = window;
  all.push_back({"fetch", [](scene&) {}, fetch_of(executor_of), expect_reply, operation::terminal_only, tls_small});
  all.push_back({"fetch_over_a_connection", connected, fetch_of(link_of),
                 [](scene& s, bool canceled) {
                   expect_reply(s, canceled);
                   expect_streams(s, 1);
                 },
                 operation::terminal_only, small_windows()});
  all.push_back(
      {"fetch_of_a_client", with_pool, fetch_of(pool_of), expect_reply, operation::terminal_only, small_windows()});
  all.push_back(
      {"fetch_stream", [](scene&) {}, fetch_stream_of(executor_of), expect_head, operation::terminal_only, tls_small});
  all.push_back({"fetch_stream_over_a_connection", connected, fetch_stream_of(link_of), expect_head,
                 operation::terminal_only, small_windows()});

  all.push_back(of_server(
      "response",
      [](scene& s, ending& end) {
        s.far.async_send_response({200, {}}, end.handler());
      },
      [](scene& s, bool canceled) { EXPECT_EQ(s.next(s.worked), canceled ? "stream_reset" : "response 200"); }));
  all.push_back(of_server(
      "interim_reply",
      [](scene& s, ending& end) {
        s.far.async_send_informational({103, {}}, end.handler());
      },
      [](scene& s, bool canceled) {
        if (!canceled) s.far.async_send_response({200, {}}, [](error_code) {});
        EXPECT_EQ(s.next(s.worked), canceled ? "stream_reset" : "response 200");
      }));
  all.push_back(of_server(
      "recv_of_a_server",
      [](scene& s, ending& end) {
        s.far.async_recv(end.handler([&s](const message& m) { s.got = describe(m); }));
        s.worked.async_send("abc", fin, [](error_code) {});
      },
      [](scene& s, bool canceled) { EXPECT_EQ(canceled ? s.next(s.far) : s.got, "data abc"); }));
  all.push_back(of_server(
      "shutdown_of_a_server",
      [](scene& s, ending& end) {
        s.server->async_shutdown(patience, end.handler());
        s.far.async_send_response({200, {}}, fin, [](error_code) {});
        s.worked.async_send("", fin, [](error_code) {});
      },
      [](scene& s, bool) { EXPECT_THAT(s.rest(s.worked), ElementsAre("response 200", "done")); }));
  return all;
}

class cancelled_at_every_step : public testing::TestWithParam<std::tuple<operation, cancellation_type>> {};

std::string type_name(cancellation_type type) {
  if (type == cancellation_type::terminal) return "terminal";
  return type == cancellation_type::partial ? "partial" : "total";
}

INSTANTIATE_TEST_SUITE_P(is, cancelled_at_every_step,
                         testing::Combine(testing::ValuesIn(all_operations()),
                                          testing::Values(cancellation_type::terminal, cancellation_type::partial,
                                                          cancellation_type::total)),
                         [](const auto& info) {
                           return std::get<0>(info.param).name + "_" + type_name(std::get<1>(info.param));
                         });

TEST_P(cancelled_at_every_step, an_operation_completes_once_and_disturbs_nothing) {
  const auto& [what, type] = GetParam();
  const bool honoured = what.honours == operation::any_type ||
                        (what.honours == operation::terminal_only && type == cancellation_type::terminal);
  std::size_t canceled = 0;
  std::size_t steps = 0;
  for (bool under_way = true; under_way && !HasFailure(); ++steps) {
    SCOPED_TRACE("at step " + std::to_string(steps));
    ending end;  // the signal outlives the contexts
    scene s(what.server, what.walked, what.echoes);
    what.prepare(s);
    if (HasFatalFailure()) return;
    what.start(s, end);
    for (std::size_t i = 0; i < steps && !end.over(); ++i) ASSERT_TRUE(s.steps.step());
    under_way = !end.over();
    end.cancel(type);
    EXPECT_TRUE(s.steps.until([&] { return end.over(); }));
    const bool was_canceled = end.result() == "canceled";
    canceled += was_canceled ? 1 : 0;
    EXPECT_THAT(end.result(), AnyOf("ok", "canceled"));
    if (was_canceled) {
      EXPECT_TRUE(honoured && under_way);
    }
    what.check(s, was_canceled);
    if (s.bystander) {
      EXPECT_EQ(s.echo(s.bystander), "data abc");
    }

    s.bystander = s.worked = s.second = s.far = {};
    s.link = {};
    s.pool.reset();
    if (what.walked == scene::side::server) s.server.reset();
    EXPECT_TRUE(s.steps.runs_out()) << "something is left to do";
    EXPECT_EQ(end.count(), 1);
    EXPECT_TRUE(end.let_go());
    s.server.reset();
  }
  EXPECT_EQ(canceled > 0, honoured) << "of " << steps << " steps";
  RecordProperty("steps", static_cast<int>(steps));
}

}  // namespace
}  // namespace duplex::test
