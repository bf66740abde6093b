// A client's and a server's connection that drive one stream between them, without a socket.

#include "conversation.hpp"
#include "frames.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <functional>
#include <optional>
#include <stdexcept>

namespace duplex::test {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

void expect_all_went_well(const conversation& c) {
  EXPECT_EQ(c.client.messages, client_messages());
  EXPECT_EQ(c.client.body, whole_body());
  EXPECT_THAT(c.client.sends, Each("ok"));
  EXPECT_EQ(c.client.sends.size(), spoken().size());
  EXPECT_EQ(c.client.closing, "ok");
  EXPECT_EQ(c.server.messages, server_messages());
  EXPECT_EQ(c.server.body, whole_body());
  EXPECT_THAT(c.server.sends, Each("ok"));
  EXPECT_TRUE(c.let_go) << "a connection is still there";
}

TEST(connection, carries_the_whole_life_of_a_stream) { expect_all_went_well(hold(conversing())); }

TEST(connection, gives_the_same_result_whatever_a_read_brings) {
  for (const std::size_t size : {1U, 2U, 3U, 8U, 9U}) {
    SCOPED_TRACE(size);
    auto opts = conversing();
    opts.client_fault.bytes_per_read = size;
    opts.server_fault.bytes_per_read = size;
    expect_all_went_well(hold(opts));
  }
}

TEST(connection, gives_the_same_result_whatever_a_write_takes) {
  for (const std::size_t size : {1U, 2U, 3U, 8U, 9U}) {
    SCOPED_TRACE(size);
    auto opts = conversing();
    opts.client_fault.bytes_per_write = size;
    opts.server_fault.bytes_per_write = size;
    expect_all_went_well(hold(opts));
  }
}

// Payload that large is written from where it is, between the heads of its frames: a write may end in any of them.
TEST(connection, lets_go_of_lent_payload_when_its_send_is_complete_whatever_a_write_takes) {
  for (const std::size_t size : {7U, 4095U, 4096U, 4097U, 16384U, 16393U, 16394U, 32786U, 60000U}) {
    SCOPED_TRACE(size);
    memory_link link({.client_fault = {.bytes_per_write = size}});
    auto s = link.open_and_start();
    std::string lent(40000, 'a');
    bool complete = false;
    s.async_send(lent, h2::fin, [&](error_code ec) {
      EXPECT_EQ(name(ec), "ok");
      lent.assign(lent.size(), '!');
      complete = true;
    });
    std::string body;
    ASSERT_TRUE(run_until(link.io, [&] { return complete && !link.served.empty(); }));
    link.served.front().set_active(active::on, [&](error_code, const message& m) {
      if (const auto* d = std::get_if<data>(&m)) body += d->bytes;
    });
    EXPECT_TRUE(run_until(link.io, [&] { return body.size() == lent.size(); }));
    EXPECT_EQ(body, std::string(lent.size(), 'a'));
  }
}

TEST(connection, without_a_handle_says_goaway_and_closes) {
  memory_link link({});
  {
    const auto s = link.open_and_start();
    settle(link.io);
  }
  std::weak_ptr<net::connection> client = link.client;
  link.client.reset();
  EXPECT_TRUE(run_until(link.io, [&] { return client.expired(); }));
  const auto said = frame_names(link.client_log->written());
  ASSERT_GE(said.size(), 2U);
  EXPECT_THAT(said, ::testing::IsSupersetOf({"RST_STREAM", "GOAWAY"}));
  EXPECT_TRUE(link.client_log->shut_down) << "the end is said before the transport goes";
}

TEST(connection, of_a_finished_stream_closes_without_a_reset) {
  memory_link link({}, [](const request&, h2::stream s) {
    s.async_send_response({204, {}}, h2::fin, [s](error_code) {});
  });
  std::vector<std::string> heard;
  {
    auto s = link.open_and_start();
    s.async_send("", h2::fin, [](error_code ec) { EXPECT_EQ(name(ec), "ok"); });
    s.set_active(active::on,
                 [&](error_code ec, const message& m) { heard.push_back(ec ? name(ec) : std::to_string(m.index())); });
    EXPECT_TRUE(run_until(link.io, [&] { return heard.size() == 2; }));
  }
  settle(link.io);
  const auto said = frame_names(link.client_log->written());
  EXPECT_THAT(said, ::testing::Not(::testing::Contains("RST_STREAM")));
  EXPECT_EQ(said.back(), "GOAWAY");
}

TEST(connection, close_ends_what_waits_with_canceled) {
  memory_link link({});
  auto s = link.open_and_start();
  settle(link.io);
  std::optional<error_code> received;
  std::optional<error_code> closed;
  s.async_recv([&](error_code ec, const message&) { received = ec; });
  s.async_close([&](error_code ec) { closed = ec; });
  EXPECT_FALSE(received || closed) << "completed inside the call";
  EXPECT_TRUE(run_until(link.io, [&] { return received && closed; }));
  EXPECT_EQ(name(*received), "canceled");
  EXPECT_EQ(name(*closed), "ok");
}

TEST(connection, lets_a_close_be_canceled_that_waits_for_the_last_bytes_to_leave) {
  link_options opts;
  opts.client_fault = {fault::stall_writing, 60};
  opts.client.close_timeout = 200ms;
  memory_link link(opts);
  auto s = link.open_and_start();
  settle(link.io);
  asio::cancellation_signal cancel;
  std::optional<error_code> closed;
  s.async_close(asio::bind_cancellation_slot(cancel.slot(), [&](error_code ec) { closed = ec; }));
  settle(link.io);
  EXPECT_FALSE(closed);
  cancel.emit(asio::cancellation_type::terminal);
  settle(link.io);
  EXPECT_EQ(closed, make_error_code(errc::canceled));
}

TEST(connection, whose_completions_cause_the_next_for_ever_lets_others_have_their_turn) {
  memory_link link({});
  auto s = link.open_and_start();
  settle(link.io);
  bool stopped = false;
  std::function<void(error_code)> again = [&](error_code) {
    if (!stopped) s.async_send("", again);  // complete as soon as it is said
  };
  again({});
  asio::post(link.io, [&] { stopped = true; });
  EXPECT_TRUE(run_until(link.io, [&] { return stopped; }));
  settle(link.io);
}

TEST(connection, fails_all_its_streams_when_it_fails) {
  memory_link link({});
  auto first = link.open();
  auto second = link.open();
  link.start();
  std::vector<std::string> told;
  for (auto* s : {&first, &second}) {
    s->async_recv([&](error_code ec, const message&) { told.push_back(name(ec)); });
  }
  settle(link.io);
  EXPECT_TRUE(told.empty());
  link.server->submit([s = link.server] { s->goaway(static_cast<std::uint32_t>(h2::code::internal_error), "broken"); });
  EXPECT_TRUE(run_until(link.io, [&] { return told.size() == 2; }));
  EXPECT_THAT(told, Each("goaway"));
  const auto why = first.failure();
  ASSERT_TRUE(why);
  EXPECT_EQ(why->scope, scope::connection);
  EXPECT_EQ(why->origin, origin::peer);
  EXPECT_EQ(why->debug_data, "broken");
  EXPECT_EQ(name(link.client->why_failed().value().code), "goaway");
}

TEST(connection, takes_no_stream_once_it_is_closing) {
  memory_link link({});
  auto s = link.open_and_start();
  settle(link.io);
  link.client->submit([c = link.client] { c->close(); });
  settle(link.io);
  EXPECT_FALSE(link.open());
}

TEST(connection, answers_a_ping_and_fails_those_that_wait_when_it_ends) {
  memory_link link({});
  auto s = link.open_and_start();
  std::vector<std::string> told;
  const auto ping = [&] {
    s.connection().async_ping([&](error_code ec, std::chrono::microseconds) { told.push_back(name(ec)); });
  };
  ping();
  EXPECT_TRUE(run_until(link.io, [&] { return told.size() == 1; }));
  ping();
  link.client->submit([c = link.client] { c->close(); });
  EXPECT_TRUE(run_until(link.io, [&] { return told.size() == 2; }));
  ping();
  EXPECT_TRUE(run_until(link.io, [&] { return told.size() == 3; }));
  EXPECT_EQ(told[0], "ok");
  EXPECT_EQ(told[2], "closed");
}

TEST(connection, goes_on_after_a_handler_has_thrown) {
  memory_link link({}, [](const request&, h2::stream s) {
    s.async_send_response({200, {}}, [s](error_code) mutable { s.async_send("x", h2::fin, [s](error_code) {}); });
  });
  auto s = link.open_and_start();
  int calls = 0;
  // Three completions of one turn; the first throws out of run().
  s.async_send("a", [&](error_code) {
    ++calls;
    throw std::runtime_error("of the user");
  });
  s.async_send("b", [&](error_code) { ++calls; });
  s.async_send("c", [&](error_code) { ++calls; });
  EXPECT_THROW((void)run_until_idle(link.io), std::runtime_error);
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(run_until(link.io, [&] { return calls == 3; })) << "the rest waits for an event that may never come";

  std::optional<message> head;
  s.async_recv([&](error_code, message m) { head = std::move(m); });
  EXPECT_TRUE(run_until(link.io, [&] { return head.has_value(); }));
}

TEST(connection, lets_its_servers_handler_go_when_a_handler_has_thrown_at_the_end) {
  const auto kept = std::make_shared<std::vector<h2::stream>>();
  memory_link link({}, [kept](const request&, const h2::stream& s) { kept->push_back(s); });
  auto s = link.open_and_start();
  ASSERT_TRUE(run_until(link.io, [&] { return !kept->empty(); }));
  kept->front().async_recv([](error_code, const message&) { throw std::runtime_error("of the user"); });
  link.server->submit([c = link.server] { c->close(); });
  EXPECT_THROW((void)run_until_idle(link.io), std::runtime_error);
  EXPECT_TRUE(run_until(link.io, [&] { return kept.use_count() == 1; })) << "it owns streams that own it";
  kept->clear();
}

TEST(connection, says_the_status_line_of_a_peer_of_http1_however_it_arrives) {
  for (const std::size_t size : {1U, 2U, 3U, 8U, 9U, 100U}) {
    SCOPED_TRACE(size);
    asio::io_context io;
    const net::strand strand(io.get_executor());
    auto [near, far] = net::make_memory_pair(strand);
    core::session_config config;
    config.defaults.close_timeout = 2ms;
    const auto client = std::make_shared<net::connection>(
        strand,
        std::make_unique<faulty_transport>(std::move(near), std::make_shared<wire_log>(),
                                           fault_plan{.bytes_per_read = size}),
        std::move(config), h2::connection_info{}, net::target());
    auto state = client->open_stream({"POST", "http", "peer", "/", {}, {}}, {}, true);
    h2::stream s(std::make_shared<net::stream_handle>(std::move(state)));
    client->start();
    std::optional<error_code> told;
    s.async_recv([&](error_code ec, const message&) { told = ec; });
    error_code ignored;
    far->write_some(asio::buffer(std::string_view("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")), ignored);
    EXPECT_TRUE(run_until(io, [&] { return told.has_value(); }));
    EXPECT_EQ(name(told.value()), "protocol_not_negotiated");
    EXPECT_THAT(s.failure().value().message, HasSubstr("\"HTTP/1.1 400 Bad Request\""));
    far.reset();
    s = {};
    settle(io);
    EXPECT_TRUE(run_until_idle(io));
  }
}

}  // namespace
}  // namespace duplex::test
