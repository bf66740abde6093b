// A cancellation that reaches the connection before the operation that it is for.

#include "h2/stream_access.hpp"
#include "net/stream.hpp"
#include "support.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>

#include <future>

namespace duplex::test {
namespace {

// A thread that is held until it is let go.
struct held {
  std::promise<void> arrived;
  std::promise<void> let_go;
  void hold() {
    arrived.set_value();
    let_go.get_future().wait();
  }
};

// What an operation ends with that is started while the connection's strand is busy with who cancels it.
template <class Start, class Occupy>
std::string started_elsewhere(Start start, Occupy occupy) {
  held strand;
  asio::cancellation_signal cancel;
  std::promise<std::string> told;
  occupy([&] {
    strand.hold();
    cancel.emit(asio::cancellation_type::terminal);
  });
  get(strand.arrived.get_future());
  start(asio::bind_cancellation_slot(cancel.slot(), [&](error_code ec, auto&&...) { told.set_value(name(ec)); }));
  strand.let_go.set_value();
  return get(told.get_future());
}

TEST(a_cancellation, that_comes_before_its_operation_is_not_lost) {
  peer server;
  context_threads threads;
  auto link = h2::connection::connect(threads.executor(), server.url(), bounded());
  auto s = link.open_stream({.url = server.url()}, bounded());
  const auto far = server.accept();
  const auto on_strand = [&](auto f) { asio::post(s.get_executor(), f); };
  EXPECT_EQ(started_elsewhere([&](auto h) { s.async_recv(std::move(h)); }, on_strand), "canceled");
  EXPECT_EQ(started_elsewhere([&](auto h) { link.async_shutdown(patience, std::move(h)); }, on_strand), "canceled");
}

TEST(a_cancellation, that_comes_before_a_waiting_open_is_not_lost) {
  auto opts = cleartext();
  opts.max_concurrent_streams = 1;
  peer server(opts);
  context_threads threads;
  auto link = h2::connection::connect(threads.executor(), server.url(), bounded());
  const auto only = link.open_stream({.url = server.url()}, bounded());
  const auto far = server.accept();
  fence(only);  // the client knows the limit
  const auto on_strand = [&](auto f) { asio::post(link.get_executor(), f); };
  const auto open = [&](auto h) { link.async_open_stream({.url = server.url()}, bounded(), std::move(h)); };
  EXPECT_EQ(started_elsewhere(open, on_strand), "canceled");
}

TEST(a_cancellation, that_comes_before_an_open_of_a_client_is_not_lost) {
  auto opts = cleartext();
  opts.max_concurrent_streams = 1;
  peer server(opts);
  context_threads threads;
  h2::client client(threads.executor(), {.max_connections_per_origin = 1});
  const auto only = client.open({.url = server.url()}, bounded());
  const auto far = server.accept();
  fence(only);  // the client knows the limit
  const auto on_strand = [&](auto f) { client.async_stats([f](error_code, const h2::client_stats&) { f(); }); };
  const auto open = [&](auto h) { client.async_open({.url = server.url()}, bounded(), std::move(h)); };
  EXPECT_EQ(started_elsewhere(open, on_strand), "canceled");
}

// As by the destructor of something that a handler of another connection owned.
TEST(a_cancellation, of_what_was_started_inside_another_connection_is_not_lost) {
  both_ends here;
  both_ends there;
  const auto inside = h2::stream_access::state(there.client)->get_connection();
  ASSERT_TRUE(inside->served_by_callers());
  held library;
  asio::post(there.client.get_executor(), [&] { library.hold(); });
  get(library.arrived.get_future());
  asio::cancellation_signal cancel;
  std::promise<std::string> told;
  inside->submit([&] {
    here.client.async_recv(
        asio::bind_cancellation_slot(cancel.slot(), [&](error_code ec, const message&) { told.set_value(name(ec)); }));
  });
  cancel.emit(asio::cancellation_type::terminal);
  library.let_go.set_value();
  EXPECT_EQ(get(told.get_future()), "canceled");
}

}  // namespace
}  // namespace duplex::test
