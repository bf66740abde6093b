// What a connection's transport has, and tells nobody of: input that nobody has read, room that nobody has used. Who
// finds it, where callers serve the connection.

#include "frames.hpp"
#include "inside.hpp"
#include "net/background.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <limits>
#include <mutex>
#include <optional>

namespace duplex::test {
namespace {

// What the peer has said. Nobody is woken: it is found by those who look.
class mailbox {
 public:
  std::atomic<int> refuses = 0;  // so many of the next writes; then there is room again
  std::atomic<std::size_t> taken = 0;

  void put(std::string_view bytes) {
    const std::lock_guard lock(mutex_);
    bytes_ += bytes;
  }
  [[nodiscard]] bool empty() {
    const std::lock_guard lock(mutex_);
    return bytes_.empty();
  }
  std::size_t take(asio::mutable_buffer to) {
    const std::lock_guard lock(mutex_);
    const auto n = std::min(bytes_.size(), to.size());
    std::memcpy(to.data(), bytes_.data(), n);
    bytes_.erase(0, n);
    return n;
  }

 private:
  std::mutex mutex_;
  std::string bytes_;
};

class silent_transport final : public net::transport {
 public:
  silent_transport(std::shared_ptr<mailbox> in, asio::any_io_executor executor)
      : in_(std::move(in)), executor_(std::move(executor)), never_readable_(::eventfd(0, EFD_CLOEXEC)) {}
  silent_transport(const silent_transport&) = delete;
  silent_transport& operator=(const silent_transport&) = delete;
  ~silent_transport() override {
    end_wait();
    ::close(never_readable_);
  }

  std::size_t read_some(asio::mutable_buffer to, error_code& ec) override {
    const auto n = in_->take(to);
    ec = n > 0 ? error_code() : asio::error::would_block;
    return n;
  }
  std::size_t write_some(asio::const_buffer from, error_code& ec) override {
    const bool refuses = from.size() > 0 && in_->refuses.fetch_sub(1) > 0;
    ec = refuses ? error_code(asio::error::would_block) : error_code();
    if (refuses) return 0;
    in_->taken += from.size();
    return from.size();
  }
  error_code shutdown() override { return {}; }
  void close() override { end_wait(); }
  void async_wait(net::direction what, wait_handler handler) override {
    if (what == net::direction::reading) {
      wait_.emplace(std::move(handler));
    } else {
      asio::post(executor_, [handler = std::move(handler)]() mutable { std::move(handler)(error_code()); });
    }
  }
  asio::any_io_executor get_executor() override { return executor_; }
  int detach() override {
    end_wait();
    return never_readable_;
  }

 private:
  void end_wait() {
    if (!wait_) return;
    asio::post(executor_,
               [handler = std::move(*wait_)]() mutable { std::move(handler)(asio::error::operation_aborted); });
    wait_.reset();
  }

  std::shared_ptr<mailbox> in_;
  asio::any_io_executor executor_;
  int never_readable_;
  std::optional<wait_handler> wait_;
};

constexpr std::size_t window = 65535;        // what a peer grants that says nothing
constexpr std::size_t many = 300'000;        // more than a read or two bring
constexpr std::size_t too_many = 2'000'000;  // more than anybody reads at once

std::string data_frames(std::uint32_t stream, std::size_t bytes) {
  constexpr std::size_t largest = 16384;
  std::string all;
  for (std::size_t n = 0; bytes > 0; bytes -= n) {
    n = std::min(bytes, largest);
    all += make_frame(0, 0, stream, std::string(n, 'x'));
  }
  return all;
}

class unread : public ::testing::Test {
 protected:
  unread() { connect(patience); }
  void connect(std::chrono::milliseconds send_timeout, std::optional<std::chrono::milliseconds> preface_timeout = {}) {
    options opts;
    opts.recv_timeout = 3 * patience;  // which looks once more before it is up
    opts.send_timeout = send_timeout;
    opts.stream_window = too_many;
    const net::strand strand(net::background_executor());
    link_ = std::make_shared<net::connection>(
        strand, std::make_unique<silent_transport>(mail_, strand.get_inner_executor()),
        core::session_config{.defaults = opts}, h2::connection_info{}, net::target{false, "peer", 80});
    first_ = open_on(link_, opts);
    second_ = open_on(link_, opts);
    link_->start(preface_timeout);
    // What the first send takes along with it, nobody has read afterwards.
    first_.send("preface");
  }
  void use_up_the_window() { first_.send(std::string(window - first_.stats().bytes_sent, 'a')); }

  std::shared_ptr<mailbox> mail_ = std::make_shared<mailbox>();
  std::shared_ptr<net::connection> link_;
  h2::stream first_;
  h2::stream second_;
};

TEST_F(unread, is_looked_through_by_a_try_recv_for_what_is_behind_others) {
  mail_->put(server_greeting() + ok_response(1) + data_frames(1, many) + ok_response(3));
  const auto m = second_.try_recv();
  ASSERT_TRUE(m);
  EXPECT_TRUE(std::holds_alternative<response>(*m));
}

TEST_F(unread, credit_is_found_by_a_sender_that_never_receives) {
  use_up_the_window();
  const auto bytes_sent = [&] { return first_.stats().bytes_sent; };
  EXPECT_EQ(bytes_sent(), window);
  first_.send(std::string(1000, 'b'));
  EXPECT_EQ(bytes_sent(), window) << "the window is used up";
  const std::string more("\0\0\xff\xff", 4);
  mail_->put(server_greeting() + make_frame(8, 0, 0, more) + make_frame(8, 0, 1, more));
  first_.send(std::string(50000, 'c'));
  EXPECT_EQ(bytes_sent(), window + 51000);
}

// What is larger than the send buffer is never done at once, and it has never to wait either: there is room for all.
TEST_F(unread, is_read_by_a_sender_of_large_messages) {
  const std::string more("\x7f\xff\0\0", 4);
  mail_->put(server_greeting() + make_frame(8, 0, 0, more) + make_frame(8, 0, 1, more));
  EXPECT_FALSE(first_.try_recv());
  mail_->put(make_frame(6, 0, 0, "question"));
  first_.send(std::string(4'000'000, 'a'));
  EXPECT_TRUE(mail_->empty());
}

// Its descriptor will not tell: what is left is with the transport, as the plaintext of a TLS record is.
TEST_F(unread, is_left_to_the_one_that_leads_by_a_sender_that_looked_for_credit) {
  use_up_the_window();
  auto leading = receiving(second_);
  mail_->put(server_greeting() + ok_response(1) + data_frames(1, many) + ok_response(3));
  first_.send(std::string(50000, 'b'));
  EXPECT_EQ(get(std::move(leading)), "response");
}

TEST_F(unread, is_left_to_the_keeper_by_a_sender_that_looked_for_credit) {
  use_up_the_window();
  std::promise<std::string> told;
  second_.async_recv([&](error_code ec, const message&) { told.set_value(name(ec)); });
  mail_->put(server_greeting() + ok_response(1) + data_frames(1, many) + ok_response(3));
  first_.send(std::string(50000, 'b'));
  EXPECT_EQ(get(told.get_future()), "ok");
}

// Who looks late must not take its own lateness for the peer's.
TEST_F(unread, room_is_used_before_the_peer_is_said_to_have_read_nothing) {
  connect(1ms);
  const auto before = mail_->taken.load();
  mail_->refuses = 1;
  first_.send("a");
  const auto end = std::chrono::steady_clock::now() + patience;
  while (mail_->taken == before && !link_->why_failed() && std::chrono::steady_clock::now() < end) {
    std::this_thread::yield();
  }
  EXPECT_GT(mail_->taken, before);
  EXPECT_FALSE(link_->why_failed());
}

TEST_F(unread, settings_are_found_before_the_peer_is_said_to_have_sent_none) {
  connect(patience, 1s);
  mail_->put(server_greeting() + ok_response(1));
  std::promise<std::string> told;
  first_.async_recv([&](error_code ec, const message&) { told.set_value(name(ec)); });
  EXPECT_EQ(get(told.get_future()), "ok");
  EXPECT_FALSE(link_->why_failed());
}

// Its recv cannot be told before the handler has returned, and there is nothing more to serve until then.
TEST_F(unread, is_forgotten_by_the_one_that_leads_when_the_connection_was_closed) {
  connect(1ms);
  std::promise<void> begun;
  std::promise<void> goes_on;
  const auto handled = goes_on.get_future().share();
  first_.set_active(active::once, [&begun, handled](error_code, const message&) {
    begun.set_value();
    handled.wait();
  });
  mail_->put(server_greeting() + ok_response(1));
  EXPECT_FALSE(second_.try_recv());
  begun.get_future().wait();
  mail_->put(data_frames(1, too_many));
  EXPECT_FALSE(second_.try_recv());
  EXPECT_FALSE(mail_->empty());
  mail_->refuses = std::numeric_limits<int>::max();
  first_.send("a");
  const auto late = std::chrono::steady_clock::now() + 2ms;  // than send_timeout
  while (std::chrono::steady_clock::now() < late) std::this_thread::yield();
  auto leading = std::async(std::launch::async, [this] {
    error_code ec;
    (void)first_.recv(ec);
    return name(ec);
  });
  while (!link_->why_failed()) std::this_thread::yield();
  goes_on.set_value();
  EXPECT_THAT(get(std::move(leading)), ::testing::AnyOf("timeout", "ok"));
}

}  // namespace
}  // namespace duplex::test
