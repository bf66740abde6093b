// A turn: everything is processed first, then all frames that are ready leave in one write.

#include "frames.hpp"
#include "memory_link.hpp"

#include <algorithm>
#include <optional>
#include <string>

namespace duplex::test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsSupersetOf;
using ::testing::SizeIs;

const auto ignore = [](error_code ec) { EXPECT_EQ(name(ec), "ok"); };

TEST(coalescing, an_open_and_the_sends_beside_it_are_one_write) {
  memory_link link({});
  auto s = link.open();
  s.async_send("one", ignore);
  s.async_send("two", ignore);
  s.async_send_trailers({{"a", "b"}}, ignore);
  link.client->start();  // the server does not: what is written is the client's own doing
  settle(link.io);
  ASSERT_THAT(link.client_log->writes, SizeIs(1));
  EXPECT_EQ(link.client_log->writes[0].substr(0, client_preface.size()), client_preface);
  EXPECT_THAT(frame_names(link.client_log->writes[0]),
              ElementsAre("SETTINGS", "WINDOW_UPDATE", "HEADERS", "DATA", "HEADERS end"));
  EXPECT_EQ(parse_frames(link.client_log->writes[0])[3].payload, "onetwo") << "small sends share a frame";
}

TEST(coalescing, what_several_streams_send_in_one_turn_is_one_write) {
  memory_link link({});
  auto first = link.open();
  auto second = link.open();
  link.start();
  settle(link.io);
  link.client_log->writes.clear();
  first.async_send("one", ignore);
  second.async_send("two", ignore);
  first.async_send("three", h2::fin, ignore);
  settle(link.io);
  ASSERT_THAT(link.client_log->writes, SizeIs(1));
  EXPECT_THAT(frame_names(link.client_log->writes[0]), ::testing::UnorderedElementsAre("DATA end", "DATA"));
}

TEST(coalescing, everything_a_read_brought_is_processed_before_the_next_write) {
  std::optional<h2::stream> at_server;
  std::string body = "all of ";
  memory_link link({}, [&](const request&, const h2::stream& s) {
    at_server = s;
    at_server->async_send_response({200, {}}, ignore);
    at_server->set_active(active::on, [&](error_code, const message& m) {
      if (const auto* d = std::get_if<data>(&m)) body += d->bytes;
      if (std::holds_alternative<done>(m)) at_server->async_send(body, h2::fin, ignore);
    });
  });
  auto s = link.open();
  s.async_send("one ", ignore);
  s.async_send("two", h2::fin, ignore);
  link.client->start();
  settle(link.io);
  ASSERT_THAT(link.client_log->writes, SizeIs(1));
  link.server->start();
  settle(link.io);
  // One read brought the whole request: the answer leaves with the greeting.
  ASSERT_THAT(link.server_log->writes, SizeIs(1));
  EXPECT_THAT(frame_names(link.server_log->writes[0]),
              ElementsAre("SETTINGS", "SETTINGS ack", "WINDOW_UPDATE", "HEADERS", "DATA end"));
  EXPECT_EQ(parse_frames(link.server_log->writes[0]).back().payload, "all of one two");
  at_server.reset();
}

TEST(coalescing, what_completions_send_again_needs_no_other_event) {
  std::optional<h2::stream> at_server;
  memory_link link({}, [&](const request&, const h2::stream& s) {
    at_server = s;
    at_server->async_send_response({200, {}}, [&](error_code) {
      at_server->async_send("one", [&](error_code) { at_server->async_send_trailers({{"a", "b"}}, ignore); });
    });
  });
  auto s = link.open();
  link.start();
  settle(link.io);
  const auto all = frame_names(link.server_log->written());
  EXPECT_THAT(all, IsSupersetOf({"HEADERS", "DATA", "HEADERS end"}));
  at_server.reset();
}

TEST(coalescing, a_large_body_leaves_in_writes_of_about_64_kib) {
  link_options opts;
  opts.server.stream_window = std::size_t{4} << 20;
  memory_link link(opts);
  auto s = link.open();
  link.start();
  settle(link.io);  // the server's windows are known
  link.client_log->writes.clear();
  const std::string body(std::size_t{1} << 20, 'x');
  bool sent = false;
  s.async_send(body, [&](error_code ec) { sent = !ec; });
  EXPECT_TRUE(run_until(link.io, [&] { return sent; }));
  settle(link.io);
  EXPECT_LE(link.client_log->writes.size(), 20U);
  for (const auto& w : link.client_log->writes) EXPECT_LE(w.size(), 96U << 10U);
}

TEST(coalescing, a_send_that_is_too_much_for_a_turn_has_its_time_out_all_the_same) {
  link_options opts;
  opts.server.stream_window = std::size_t{16} << 20;
  const std::string body(std::size_t{8} << 20, 'x');
  memory_link link(opts);
  auto s = link.open();
  link.start();
  settle(link.io);
  const auto deadline = [&] { return link.client->session().next_deadline(); };
  EXPECT_FALSE(deadline());
  link.client_log->writes.clear();
  s.async_send(body, [](error_code) {});
  EXPECT_TRUE(run_until(link.io, [&] { return !link.client_log->writes.empty(); }));
  EXPECT_LT(link.client_log->written().size(), body.size());
  EXPECT_TRUE(deadline());
}

// So that the memory of one message serves the next: freed together, those of several reads go back to the kernel.
TEST(coalescing, what_a_read_brought_is_told_before_the_next_read) {
  link_options opts;
  opts.server.stream_window = std::size_t{4} << 20;
  std::optional<h2::stream> at_server;
  std::size_t received = 0;
  std::size_t most_waiting = 0;
  memory_link link(opts, [&](const request&, const h2::stream& s) {
    at_server = s;
    at_server->set_active(active::on, [&](error_code, const message& m) {
      const auto* d = std::get_if<data>(&m);
      if (!d) return;
      received += d->bytes.size();
      const auto* all = link.server->session().find(at_server->id());
      most_waiting = std::max(most_waiting, d->bytes.size() + all->in.bytes());
    });
  });
  auto s = link.open();
  link.start();
  settle(link.io);
  const std::string body(std::size_t{1} << 20, 'x');
  s.async_send(body, ignore);
  EXPECT_TRUE(run_until(link.io, [&] { return received == body.size(); }));
  EXPECT_LE(most_waiting, 80U << 10U);
  at_server.reset();
}

}  // namespace
}  // namespace duplex::test
