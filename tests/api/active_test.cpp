// Active mode: messages and the final error are pushed to one handler.

#include "support.hpp"

#include <atomic>

namespace duplex::test {
namespace {

using h2::fin;
using testing::ElementsAre;

// Collects what a handler is given, in words.
class mailbox {
 public:
  [[nodiscard]] active_handler handler() const {
    return [s = state_](error_code ec, const message& m) {
      const std::lock_guard lock(s->mutex);
      s->list.push_back(ec ? "error " + name(ec) : describe(m));
      s->changed.notify_all();
    };
  }
  [[nodiscard]] std::vector<std::string> wait(std::size_t count) const {
    std::unique_lock lock(state_->mutex);
    state_->changed.wait_for(lock, patience, [&] { return state_->list.size() >= count; });
    return state_->list;
  }
  [[nodiscard]] std::vector<std::string> now() const { return wait(0); }

 private:
  struct state {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<std::string> list;
  };
  std::shared_ptr<state> state_ = std::make_shared<state>();
};

// Response, data and done have all arrived.
void send_whole_reply(both_ends& ends) {
  ends.remote.send_response({200, {}});
  ASSERT_EQ(outcome(ends.remote.async_send("abc", fin, as_future)), "ok");
  fence(ends.client);
}

TEST(active_on, pushes_every_message_and_done_last) {
  both_ends ends;
  const mailbox box;
  ends.client.set_active(active::on, box.handler());
  ends.remote.send_response({200, {}});
  EXPECT_THAT(box.wait(1), ElementsAre("response 200"));
  ends.remote.send("abc");
  EXPECT_THAT(box.wait(2), ElementsAre("response 200", "data abc"));
  ends.remote.send_trailers({{"a", "b"}});
  EXPECT_THAT(box.wait(4), ElementsAre("response 200", "data abc", "trailers a=b", "done"));
  EXPECT_EQ(recv_error(ends.client), "closed");
  EXPECT_EQ(box.now().size(), 4);
}

TEST(active_on, pushes_what_was_buffered_before_it_was_set) {
  both_ends ends;
  const mailbox box;
  send_whole_reply(ends);
  ends.client.set_active(active::on, box.handler());
  EXPECT_THAT(box.wait(3), ElementsAre("response 200", "data abc", "done"));
}

TEST(active_on, gets_an_error_exactly_once_after_what_was_buffered) {
  both_ends ends;
  const mailbox box;
  ends.client.set_active(active::on, box.handler());
  ends.remote.send_response({200, {}});
  EXPECT_EQ(outcome(ends.remote.async_send("abc", as_future)), "ok");
  ends.remote.reset(0x2);
  EXPECT_THAT(box.wait(3), ElementsAre("response 200", "data abc", "error stream_reset"));
  fence(ends.client);
  EXPECT_EQ(box.now().size(), 3);
  ASSERT_TRUE(ends.client.failure());
  EXPECT_EQ(ends.client.failure()->http2_code, 0x2U);
}

TEST(active_on, from_the_start_by_the_options) {
  const mailbox box;
  auto opts = bounded();
  opts.active = active::on;
  opts.on_message = box.handler();
  both_ends ends(opts);
  ends.remote.send_response({200, {}}, fin);
  EXPECT_THAT(box.wait(2), ElementsAre("response 200", "done"));
}

TEST(active_on, works_on_a_servers_stream) {
  both_ends ends;
  const mailbox box;
  ends.remote.set_active(active::on, box.handler());
  ends.client.send("abc");
  EXPECT_THAT(box.wait(1), ElementsAre("data abc"));
  ends.client.send("", fin);
  EXPECT_THAT(box.wait(2), ElementsAre("data abc", "done"));
}

TEST(active_on, a_handler_may_switch_it_off_and_recv_gets_the_rest) {
  both_ends ends;
  std::promise<std::string> first;
  ends.client.set_active(active::on, [&](error_code, const message& m) {
    ends.client.set_active(active::off);
    first.set_value(describe(m));
  });
  send_whole_reply(ends);
  EXPECT_EQ(get(first.get_future()), "response 200");
  EXPECT_THAT(transcript(ends.client), ElementsAre("data abc", "done"));
}

TEST(active_on, a_handler_may_replace_itself) {
  both_ends ends;
  const mailbox box;
  std::promise<std::string> first;
  ends.client.set_active(active::on, [&](error_code, const message& m) {
    ends.client.set_active(active::on, box.handler());
    first.set_value(describe(m));
  });
  send_whole_reply(ends);
  EXPECT_EQ(get(first.get_future()), "response 200");
  EXPECT_THAT(box.wait(2), ElementsAre("data abc", "done"));
}

TEST(active_on, a_handler_may_close_the_stream_and_is_not_called_again) {
  both_ends ends;
  send_whole_reply(ends);
  std::atomic<int> calls = 0;
  std::promise<void> first;
  ends.client.set_active(active::on, [&](error_code, const message&) {
    ends.client.close();
    if (++calls == 1) first.set_value();
  });
  get(first.get_future());
  EXPECT_EQ(recv_error(ends.client), "closed");
  EXPECT_EQ(recv_error(ends.remote), "stream_reset");
  EXPECT_EQ(calls, 1);
}

TEST(active_on, a_handler_that_owns_its_stream_is_let_go_after_done) {
  both_ends ends;
  auto sentinel = std::make_shared<int>(0);
  const std::weak_ptr<int> watch = sentinel;
  std::promise<void> over;
  ends.client.set_active(active::on,
                         [own = ends.client, sentinel = std::move(sentinel), &over](error_code, const message& m) {
                           if (std::holds_alternative<done>(m)) over.set_value();
                         });
  send_whole_reply(ends);
  get(over.get_future());
  fence(ends.client);
  EXPECT_TRUE(watch.expired());
}

TEST(active_on, a_handler_that_owns_its_stream_is_let_go_after_an_error) {
  both_ends ends;
  auto sentinel = std::make_shared<int>(0);
  const std::weak_ptr<int> watch = sentinel;
  std::promise<void> over;
  ends.client.set_active(active::on,
                         [own = ends.client, sentinel = std::move(sentinel), &over](error_code ec, const message&) {
                           if (ec) over.set_value();
                         });
  ends.remote.reset(0x8);
  get(over.get_future());
  fence(ends.client);
  EXPECT_TRUE(watch.expired());
}

TEST(active_once, delivers_one_message_and_then_reverts_to_off) {
  both_ends ends;
  const mailbox box;
  send_whole_reply(ends);
  ends.client.set_active(active::once, box.handler());
  EXPECT_THAT(box.wait(1), ElementsAre("response 200"));
  EXPECT_THAT(transcript(ends.client), ElementsAre("data abc", "done"));
  EXPECT_EQ(box.now().size(), 1);
}

TEST(active_once, is_armed_again_by_set_active_with_the_same_handler_or_another) {
  both_ends ends;
  const mailbox box;
  const mailbox other;
  send_whole_reply(ends);
  ends.client.set_active(active::once, box.handler());
  EXPECT_THAT(box.wait(1), ElementsAre("response 200"));
  ends.client.set_active(active::once);
  EXPECT_THAT(box.wait(2), ElementsAre("response 200", "data abc"));
  ends.client.set_active(active::once, other.handler());
  EXPECT_THAT(other.wait(1), ElementsAre("done"));
  EXPECT_EQ(box.now().size(), 2);
}

TEST(active_once, never_loses_done_that_arrives_together_with_data) {
  both_ends ends;
  const mailbox box;
  ends.client.set_active(active::once, box.handler());
  send_whole_reply(ends);
  EXPECT_THAT(box.wait(1), ElementsAre("response 200"));
  ends.client.set_active(active::once);
  EXPECT_THAT(box.wait(2), ElementsAre("response 200", "data abc"));
  ends.client.set_active(active::once);
  EXPECT_THAT(box.wait(3), ElementsAre("response 200", "data abc", "done"));
}

TEST(active_once, never_loses_an_error_that_arrives_while_disarmed) {
  frame_log frames;
  auto opts = bounded();
  opts.on_frame = frames.recorder();
  both_ends ends(opts);
  const mailbox box;
  ends.client.set_active(active::once, box.handler());
  ends.remote.send_response({200, {}});
  EXPECT_THAT(box.wait(1), ElementsAre("response 200"));
  ends.remote.reset(0x2);
  ASSERT_TRUE(frames.wait_received("RST_STREAM"));
  EXPECT_EQ(box.now().size(), 1);
  ends.client.set_active(active::once);
  EXPECT_THAT(box.wait(2), ElementsAre("response 200", "error stream_reset"));
}

TEST(active_once, a_handler_may_arm_itself_again) {
  both_ends ends;
  std::vector<std::string> seen;
  std::promise<void> over;
  ends.client.set_active(active::once, [&](error_code, const message& m) {
    seen.push_back(describe(m));
    if (std::holds_alternative<done>(m)) return over.set_value();
    ends.client.set_active(active::once);
  });
  send_whole_reply(ends);
  get(over.get_future());
  EXPECT_THAT(seen, ElementsAre("response 200", "data abc", "done"));
}

TEST(active_off, lets_recv_work_again_and_drops_the_handler) {
  both_ends ends;
  auto sentinel = std::make_shared<int>(0);
  const std::weak_ptr<int> watch = sentinel;
  ends.client.set_active(active::on, [sentinel = std::move(sentinel)](error_code, const message&) {});
  ends.client.set_active(active::off);
  fence(ends.client);
  EXPECT_TRUE(watch.expired());
  send_whole_reply(ends);
  EXPECT_THAT(transcript(ends.client), ElementsAre("response 200", "data abc", "done"));
}

TEST(switching_the_mode, completes_a_parked_recv_first_and_the_handler_gets_the_rest) {
  both_ends ends;
  const mailbox box;
  auto parked = ends.client.async_recv(as_future);
  ends.client.set_active(active::on, box.handler());
  EXPECT_EQ(recv_error(ends.client), "active_mode");
  send_whole_reply(ends);
  const auto [ec, m] = get(std::move(parked));
  EXPECT_FALSE(ec);
  EXPECT_EQ(describe(m), "response 200");
  EXPECT_THAT(box.wait(2), ElementsAre("data abc", "done"));
}

TEST(switching_the_mode, to_once_leaves_a_parked_recv_first_in_line) {
  both_ends ends;
  const mailbox box;
  auto parked = ends.client.async_recv(as_future);
  ends.client.set_active(active::once, box.handler());
  send_whole_reply(ends);
  EXPECT_EQ(outcome(std::move(parked)), "ok");
  EXPECT_THAT(box.wait(1), ElementsAre("data abc"));
  EXPECT_THAT(transcript(ends.client), ElementsAre("done"));
}

TEST(switching_the_mode, gives_an_error_to_the_parked_recv_and_to_the_handler) {
  both_ends ends;
  const mailbox box;
  auto parked = ends.client.async_recv(as_future);
  ends.client.set_active(active::on, box.handler());
  ends.remote.reset(0x2);
  EXPECT_EQ(outcome(std::move(parked)), "stream_reset");
  EXPECT_THAT(box.wait(1), ElementsAre("error stream_reset"));
}

TEST(switching_the_mode, from_any_thread_loses_and_repeats_nothing) {
  auto generous = cleartext();
  generous.stream.limits.pings.burst = infinity;  // as many as it takes fences until the other threads had their turn
  both_ends ends(bounded(), generous);
  ends.remote.send_response({200, {}});
  ASSERT_EQ(describe(ends.client.recv()), "response 200");
  constexpr std::size_t size = 200'000;
  const auto sent = pattern(size);
  auto sending = std::async(std::launch::async, [&] {
    for (std::size_t at = 0; at < size; at += 1000) ends.remote.send(std::string_view(sent).substr(at, 1000));
    ends.remote.send("", fin);
  });

  std::mutex mutex;
  std::string seen;
  const auto take = [&](const message& m) {
    const std::lock_guard lock(mutex);
    if (const auto* d = std::get_if<data>(&m)) seen += d->bytes;
    return std::holds_alternative<done>(m);
  };
  std::promise<void> over;
  auto ended = over.get_future();
  const auto end = std::chrono::steady_clock::now() + patience;
  while (pending(ended) && std::chrono::steady_clock::now() < end) {
    ends.client.set_active(active::once, [&](error_code ec, const message& m) {
      if (!ec && take(m)) over.set_value();
    });
    error_code ec;
    if (const auto m = ends.client.try_recv(ec); m && take(*m)) over.set_value();
    ends.client.set_active(active::off);
    fence(ends.client);
  }
  get(std::move(ended));
  get(std::move(sending));
  EXPECT_EQ(seen, sent);
}

}  // namespace
}  // namespace duplex::test
