// What a server counts, bounds over all connections, and tells of each request.

#include "peers.hpp"

#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <future>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>

namespace duplex::test {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

struct told_request {
  std::string what;  // method, path, status, bytes in and out, failure
  std::string peer;
  std::string user_agent;
  std::chrono::microseconds duration;
};

class server_counts : public ::testing::Test {
 protected:
  server_counts() {
    opts_.cleartext = true;
    opts_.stream.close_timeout = client_.close_timeout = 20ms;
    opts_.on_request_done = [this](const h2::request_report& r) {
      auto what = r.head.method + " " + r.head.path() + " " + std::to_string(r.status) + " " +
                  std::to_string(r.bytes_received) + " " + std::to_string(r.bytes_sent);
      if (r.why) what += " " + name(r.why->code);
      told_.push_back({what, r.client.peer, std::string(r.head.headers.value_or("user-agent", "")), r.duration});
    };
    opts_.on_failure = [this](const h2::connection_info& info, const failure& why) {
      failures_.push_back(info.peer + " " + name(why.code) + " " + why.message);
    };
  }
  h2::server start() {
    return {io_.get_executor(), opts_, [this](const request& head, const h2::stream& s) { return handle(head, s); }};
  }
  // Answers when it has read the request, unless its path says otherwise.
  asio::awaitable<void> handle(request head, h2::stream s) {
    if (head.path() == "/nothing") co_return;
    if (head.path() == "/reset") co_return s.reset(2);
    if (head.path() == "/keep") streams_.push_back(s);
    const response ok{200, {}};
    co_await s.async_send_response(ok, asio::use_awaitable);
    if (head.path() == "/keep") co_return;
    for (;;) {
      const auto m = co_await s.async_recv(asio::use_awaitable);
      if (std::holds_alternative<done>(m)) break;
    }
    co_await s.async_send("hello", h2::fin, asio::use_awaitable);
  }
  opened open_to(const h2::server& at, const std::string& path, fields headers = {}) {
    opened result;
    const request head{.url = at.url() + path, .headers = std::move(headers)};
    EXPECT_TRUE(run(io_, open(result, head, client_)));
    return result;
  }
  // To its end, or its error.
  std::string end_of(opened& s) {
    for (;;) {
      const auto next = receive_now(io_, s.stream);
      if (next.ec) return name(next.ec);
      if (std::holds_alternative<done>(next.got)) return "done";
    }
  }
  [[nodiscard]] bool told(std::size_t count) {
    return run_until(io_, [&] { return told_.size() >= count; });
  }

  asio::io_context io_;
  h2::server_options opts_;
  options client_;
  std::vector<told_request> told_;
  std::vector<std::string> failures_;
  std::vector<h2::stream> streams_;
};

// The access log

TEST_F(server_counts, a_request_that_is_over_is_told_of_with_all_that_a_log_wants) {
  const auto it = start();
  auto s = open_to(it, "/hello?x", {{"user-agent", "tests"}});
  s.stream.async_send("123", h2::fin, [](error_code) {});
  EXPECT_EQ(end_of(s), "done");
  ASSERT_TRUE(told(1));
  EXPECT_EQ(told_[0].what, "POST /hello?x 200 3 5");
  EXPECT_THAT(told_[0].peer, StartsWith("127.0.0.1:"));
  EXPECT_EQ(told_[0].user_agent, "tests");
  EXPECT_GT(told_[0].duration, 0us);
  EXPECT_LT(told_[0].duration, patience);
}

TEST_F(server_counts, requests_that_failed_are_told_of_with_the_reason) {
  const auto it = start();
  auto reset = open_to(it, "/reset");
  EXPECT_EQ(end_of(reset), "stream_reset");
  ASSERT_TRUE(told(1));
  auto dropped = open_to(it, "/nothing");
  EXPECT_EQ(end_of(dropped), "stream_reset");
  ASSERT_TRUE(told(2));
  auto left = open_to(it, "/keep");
  EXPECT_EQ(std::get<response>(receive_now(io_, left.stream).got).status, 200);
  left.stream.reset(8);
  ASSERT_TRUE(told(3));
  EXPECT_EQ(told_[0].what, "POST /reset 0 0 0 canceled");
  EXPECT_EQ(told_[1].what, "POST /nothing 0 0 0 canceled");
  EXPECT_EQ(told_[2].what, "POST /keep 200 0 0 stream_reset");
}

TEST_F(server_counts, requests_that_a_connection_takes_with_it_are_told_of) {
  const auto it = start();
  {
    auto s = open_to(it, "/keep");
    EXPECT_EQ(std::get<response>(receive_now(io_, s.stream).got).status, 200);
    s.stream.async_close([](error_code) {});
  }
  ASSERT_TRUE(told(1));
  EXPECT_THAT(told_[0].what, StartsWith("POST /keep 200 0 0 "));
  EXPECT_TRUE(run_until(io_, [&] { return it.stats().connections == 0; }));
  EXPECT_EQ(it.stats().streams, 0U);
}

TEST_F(server_counts, a_request_whose_handler_threw_is_told_of_with_what_it_threw) {
  std::vector<std::string> why;
  opts_.on_request_done = [&](const h2::request_report& r) { why.push_back(r.why ? r.why->message : "none"); };
  const auto throwing = [](std::string what) -> asio::awaitable<void> {
    throw std::runtime_error(what);
    co_return;
  };
  const std::vector<std::string> thrown{"no \"disk\"", std::string(1000, 'x')};
  const h2::server plain(io_.get_executor(), opts_,
                         [&](const request&, const h2::stream&) { throw std::runtime_error(thrown[0]); });
  const h2::server coroutine(io_.get_executor(), opts_,
                             [&](const request&, const h2::stream&) { return throwing(thrown[1]); });
  for (const auto* server : {&plain, &coroutine}) {
    auto o = open_now(io_, server->url(), client_);
    EXPECT_EQ(name(receive_now(io_, o.stream).ec), "stream_reset");
  }
  ASSERT_TRUE(run_until(io_, [&] { return why.size() == 2; }));
  EXPECT_EQ(why[0], R"(the handler of the request threw "no \"disk\"")");
  EXPECT_EQ(why[1], "the handler of the request threw \"" + std::string(256, 'x') + "...\"");
}

TEST_F(server_counts, the_head_that_is_told_is_the_one_that_came) {
  request head;
  opts_.on_request_done = [&](const h2::request_report& r) { head = r.head; };
  const auto it = start();
  const fields sent{{"a", "1"}, {"b", ""}, {"a", std::string(300, 'x')}, {"authorization", "secret", true}};
  auto s = open_to(it, "/reset", sent);
  EXPECT_EQ(end_of(s), "stream_reset");
  ASSERT_TRUE(run_until(io_, [&] { return !head.url.empty(); }));
  EXPECT_EQ(head, (request{.method = "POST", .url = it.url() + "/reset", .headers = sent}));
}

TEST_F(server_counts, connections_have_numbers_and_requests_the_ids_of_their_streams) {
  std::vector<std::string> ids;
  opts_.on_request_done = [&](const h2::request_report& r) {
    ids.push_back(std::to_string(r.client.id) + " " + std::to_string(r.stream_id));
  };
  const auto it = start();
  std::optional<h2::connection> shared;
  h2::connection::async_connect(io_.get_executor(), it.url(), client_,
                                [&](error_code, h2::connection c) { shared = std::move(c); });
  ASSERT_TRUE(run_until(io_, [&] { return shared.has_value(); }));
  EXPECT_EQ(shared->info().id, 0U) << "only a server has numbers";
  std::vector<h2::stream> opened;
  for (int i = 0; i < 2; ++i) {
    shared->async_open_stream({.url = it.url() + "/keep"}, client_,
                              [&](error_code, h2::stream s) { opened.push_back(std::move(s)); });
  }
  ASSERT_TRUE(run_until(io_, [&] { return streams_.size() == 2; }));
  auto other = open_to(it, "/keep");
  ASSERT_TRUE(run_until(io_, [&] { return streams_.size() == 3; }));
  EXPECT_EQ(streams_[0].connection().info().id, 1U);
  EXPECT_EQ(streams_[1].connection().info().id, 1U);
  EXPECT_EQ(streams_[2].connection().info().id, 2U);
  const auto over = [&](std::size_t count) { return run_until(io_, [&] { return ids.size() == count; }); };
  streams_[2].reset(2);
  EXPECT_TRUE(over(1));
  streams_[1].reset(2);
  EXPECT_TRUE(over(2));
  streams_[0].reset(2);
  EXPECT_TRUE(over(3));
  EXPECT_THAT(ids, ElementsAre("2 1", "1 3", "1 1"));
}

TEST_F(server_counts, the_number_of_a_connection_that_fails_is_that_of_none_that_comes_after_it) {
  std::vector<std::uint64_t> ids;
  opts_.max_connections_per_address = 1;
  opts_.on_failure = [&](const h2::connection_info& info, const failure&) { ids.push_back(info.id); };
  const auto it = start();
  auto one = open_to(it, "/keep");
  EXPECT_EQ(std::get<response>(receive_now(io_, one.stream).got).status, 200);
  auto two = open_to(it, "/keep");
  EXPECT_EQ(end_of(two), "connection_lost");
  one.stream.async_close([](error_code) {});
  EXPECT_TRUE(run_until(io_, [&] { return it.stats().connections == 0; }));
  auto three = open_to(it, "/keep");
  EXPECT_EQ(std::get<response>(receive_now(io_, three.stream).got).status, 200);
  EXPECT_EQ(streams_.back().connection().info().id, 3U);
  EXPECT_THAT(ids, ::testing::Contains(2U));
}

TEST_F(server_counts, a_log_that_throws_harms_nobody) {
  int calls = 0;
  opts_.on_request_done = [&](const h2::request_report&) {
    ++calls;
    throw std::runtime_error("no room for logs");
  };
  const auto it = start();
  for (int i = 1; i <= 2; ++i) {
    auto s = open_to(it, "/");
    s.stream.async_send("", h2::fin, [](error_code) {});
    EXPECT_EQ(end_of(s), "done");
    EXPECT_TRUE(run_until(io_, [&] { return calls == i; }));
  }
}

TEST_F(server_counts, a_log_that_ends_the_server_may_do_so) {
  std::optional<h2::server> it;
  opts_.on_request_done = [&](const h2::request_report&) { it.reset(); };
  it = start();
  auto s = open_to(*it, "/");
  s.stream.async_send("", h2::fin, [](error_code) {});
  EXPECT_TRUE(run_until(io_, [&] { return !it; }));
  s.stream = {};
  EXPECT_TRUE(run_until_idle(io_));
}

// The log of frames

TEST_F(server_counts, frames_are_told_with_their_connection_and_before_what_they_lead_to) {
  std::vector<std::string> log;
  const auto tell = [&](const h2::connection_info& client, std::int32_t stream, const std::string& what) {
    log.push_back(std::to_string(client.id) + " " + std::to_string(stream) + " " + what);
  };
  opts_.on_frame = [&](const h2::connection_info& client, const frame_info& f) {
    if (f.stream_id == 0) return;
    tell(client, f.stream_id, (f.sent ? "> " : "< ") + f.text.substr(0, f.text.find('\n')));
  };
  opts_.on_request_done = [&](const h2::request_report& r) { tell(r.client, r.stream_id, "done"); };
  const auto it = start();
  for (std::size_t i = 1; i <= 2; ++i) {
    auto s = open_to(it, "/");
    s.stream.async_send("123", h2::fin, [](error_code) {});
    EXPECT_EQ(end_of(s), "done");
    ASSERT_TRUE(run_until(io_, [&] { return log.size() == 5 * i; }));
  }
  EXPECT_THAT(
      log, ElementsAre("1 1 < HEADERS", "1 1 > HEADERS", "1 1 < DATA end_stream", "1 1 > DATA end_stream", "1 1 done",
                       "2 1 < HEADERS", "2 1 > HEADERS", "2 1 < DATA end_stream", "2 1 > DATA end_stream", "2 1 done"));
}

TEST_F(server_counts, a_log_of_frames_that_throws_harms_nobody) {
  int calls = 0;
  opts_.on_frame = [&](const h2::connection_info&, const frame_info&) {
    ++calls;
    throw std::runtime_error("no room for logs");
  };
  const auto it = start();
  auto s = open_to(it, "/");
  s.stream.async_send("123", h2::fin, [](error_code) {});
  EXPECT_EQ(end_of(s), "done");
  EXPECT_GT(calls, 4);
}

// Snapshots

TEST_F(server_counts, what_runs_and_what_was) {
  const auto it = start();
  EXPECT_EQ(it.stats().connections_accepted, 0U);
  auto one = open_to(it, "/keep");
  auto two = open_to(it, "/");
  two.stream.async_send("12", h2::fin, [](error_code) {});
  EXPECT_EQ(end_of(two), "done");
  auto three = open_to(it, "/reset");
  EXPECT_EQ(end_of(three), "stream_reset");
  ASSERT_TRUE(told(2));
  const auto now = it.stats();
  EXPECT_EQ(now.connections, 3U);
  EXPECT_EQ(now.streams, 1U);
  EXPECT_EQ(now.connections_accepted, 3U);
  EXPECT_EQ(now.requests, 3U);
  EXPECT_EQ(now.requests_done, 2U);
  EXPECT_EQ(now.requests_failed, 1U);
  EXPECT_EQ(now.bytes_received, 2U);
  EXPECT_EQ(now.bytes_sent, 5U);
  EXPECT_EQ(now.connections_failed, 0U);
}

TEST_F(server_counts, payload_is_counted_while_it_travels_and_once_only) {
  const auto it = start();
  const auto is_seen = [&](std::uint64_t received, std::uint64_t sent) {
    return run_until(io_, [&] {
      const auto now = it.stats();
      return now.bytes_received == received && now.bytes_sent == sent;
    });
  };
  auto s = open_to(it, "/keep");
  ASSERT_TRUE(run_until(io_, [&] { return streams_.size() == 1; }));
  s.stream.async_send("123", [](error_code) {});
  EXPECT_TRUE(is_seen(3, 0));
  streams_[0].async_send("hello", [](error_code) {});
  EXPECT_TRUE(is_seen(3, 5));
  EXPECT_EQ(it.stats().requests_done, 0U);
  s.stream.reset(8);
  ASSERT_TRUE(told(1));
  EXPECT_EQ(told_[0].what, "POST /keep 200 3 5 stream_reset");
  EXPECT_TRUE(is_seen(3, 5));
  s.stream.async_close([](error_code) {});
  EXPECT_TRUE(run_until(io_, [&] { return it.stats().connections == 0; }));
  EXPECT_TRUE(is_seen(3, 5)) << "also when the connection has gone";
}

// Bounds

TEST_F(server_counts, rfc9113_8_7_requests_above_max_streams_are_refused_and_safe_to_retry) {
  opts_.max_streams = 2;
  const auto it = start();
  auto one = open_to(it, "/keep");
  auto two = open_to(it, "/keep");
  EXPECT_EQ(std::get<response>(receive_now(io_, one.stream).got).status, 200);
  EXPECT_EQ(std::get<response>(receive_now(io_, two.stream).got).status, 200);
  auto three = open_to(it, "/keep");
  EXPECT_EQ(end_of(three), "refused");
  EXPECT_TRUE(three.stream.failure().value().retry_safe);
  EXPECT_THAT(streams_, SizeIs(2));
  EXPECT_EQ(it.stats().requests_refused, 1U);
  EXPECT_EQ(it.stats().streams, 2U);

  one.stream.async_close([](error_code) {});
  ASSERT_TRUE(told(1));
  EXPECT_THAT(told_, SizeIs(1)) << "nobody is told of the one that was refused";
  auto four = open_to(it, "/keep");
  EXPECT_EQ(std::get<response>(receive_now(io_, four.stream).got).status, 200);
}

TEST_F(server_counts, connections_of_one_address_have_a_bound_of_their_own) {
  opts_.max_connections_per_address = 2;
  const auto it = start();
  auto one = open_to(it, "/keep");
  auto two = open_to(it, "/keep");
  EXPECT_EQ(std::get<response>(receive_now(io_, two.stream).got).status, 200);
  auto three = open_to(it, "/keep");
  EXPECT_EQ(end_of(three), "connection_lost");
  ASSERT_THAT(failures_, SizeIs(1));
  EXPECT_THAT(failures_[0], AllOf(HasSubstr(" limit_exceeded "), HasSubstr("max_connections_per_address")));
  EXPECT_EQ(it.stats().connections_refused, 1U);

  tcp::socket elsewhere(io_, tcp::endpoint(asio::ip::make_address("127.0.0.2"), 0));
  elsewhere.connect(loopback(it.port()));
  EXPECT_TRUE(run_until(io_, [&] { return it.stats().connections == 3; })) << "another address";

  one.stream.async_close([](error_code) {});
  EXPECT_TRUE(run_until(io_, [&] { return it.stats().connections == 2; }));
  auto four = open_to(it, "/keep");
  EXPECT_EQ(std::get<response>(receive_now(io_, four.stream).got).status, 200);
}

TEST_F(server_counts, of_bounds_that_make_no_sense_are_refused) {
  const auto why_not = [&] {
    try {
      const auto it = start();
      return std::string("it started");
    } catch (const boost::system::system_error& e) {
      return std::string(e.what());
    }
  };
  opts_.max_streams = 0;
  EXPECT_THAT(why_not(), HasSubstr("max_streams"));
  opts_.max_streams = 1;
  opts_.max_connections_per_address = 0;
  EXPECT_THAT(why_not(), HasSubstr("max_connections_per_address"));
}

// Handlers and the end of things

TEST_F(server_counts, a_shutdown_whose_cancellation_comes_first_is_cancelled) {
  auto it = start();
  auto s = open_to(it, "/keep");
  EXPECT_EQ(std::get<response>(receive_now(io_, s.stream).got).status, 200);
  asio::cancellation_signal stop;
  std::optional<error_code> down;
  it.async_shutdown(std::chrono::minutes(10),
                    asio::bind_cancellation_slot(stop.slot(), [&](error_code ec) { down = ec; }));
  stop.emit(asio::cancellation_type::terminal);  // before the shutdown has begun
  EXPECT_TRUE(run_until(io_, [&] { return down.has_value(); }));
  EXPECT_EQ(name(*down), "canceled");
}

TEST_F(server_counts, a_shutdown_that_is_cancelled_ends_the_wait_of_no_other) {
  auto it = start();
  auto s = open_to(it, "/keep");
  EXPECT_EQ(std::get<response>(receive_now(io_, s.stream).got).status, 200);
  std::vector<std::string> order;
  asio::cancellation_signal stop;
  it.async_shutdown(50ms, [&](error_code ec) { order.push_back("first " + name(ec)); });
  it.async_shutdown(
      50ms, asio::bind_cancellation_slot(stop.slot(), [&](error_code ec) { order.push_back("second " + name(ec)); }));
  stop.emit(asio::cancellation_type::terminal);
  EXPECT_TRUE(run_until(io_, [&] { return order.size() == 2; }));
  EXPECT_THAT(order, ElementsAre("second closed", "first ok"));
}

// On several executors

TEST(server_on_executors, spreads_its_connections_over_them) {
  constexpr std::size_t count = 3;
  std::vector<std::unique_ptr<asio::io_context>> contexts;
  std::vector<asio::any_io_executor> executors;
  std::vector<asio::executor_work_guard<asio::io_context::executor_type>> work;
  for (std::size_t i = 0; i < count; ++i) {
    contexts.push_back(std::make_unique<asio::io_context>(1));
    executors.emplace_back(contexts.back()->get_executor());
    work.push_back(asio::make_work_guard(*contexts.back()));
  }
  std::vector<std::thread> threads;
  for (auto& each : contexts) threads.emplace_back([&each] { each->run(); });

  std::mutex mutex;
  std::set<std::thread::id> used;
  {
    h2::server it(executors, {.cleartext = true}, [&](const request&, h2::stream s) -> asio::awaitable<void> {
      {
        const std::lock_guard lock(mutex);
        used.insert(std::this_thread::get_id());
      }
      const response ok{200, {}};
      co_await s.async_send_response(ok, h2::fin, asio::use_awaitable);
    });
    for (std::size_t i = 0; i < 2 * count; ++i) {
      auto s = h2::open({.url = it.url()});
      EXPECT_EQ(std::get<response>(s.recv(patience)).status, 200);
    }
    it.async_shutdown(1s, asio::use_future).get();
    EXPECT_EQ(it.stats().requests, 2 * count);
  }
  work.clear();
  for (auto& each : threads) each.join();
  EXPECT_THAT(used, SizeIs(count));
}

TEST(server_on_executors, wants_one) {
  EXPECT_THROW(
      h2::server(std::vector<asio::any_io_executor>(), {.cleartext = true}, [](const request&, const h2::stream&) {}),
      boost::system::system_error);
}

}  // namespace
}  // namespace duplex::test
