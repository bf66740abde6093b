// Handles dropped and closed, servers and contexts destroyed, at every point of a life that uses every verb: whatever
// was begun completes once or, if its context has gone, is let go; nothing is left to do and nothing is left over.

#include "life.hpp"
#include "walk.hpp"

#include <functional>

namespace duplex::test {
namespace {

enum class over { tcp, tls };

h2::server_options listening(over what) { return for_life(what == over::tls ? with_tls() : cleartext()); }

// One life and the server that it talks to; one of the two contexts is walked.
struct world {
  enum class side { client, server };

  explicit world(over what, side walked = side::client)
      : server(std::make_optional<h2::server>(far(walked).get_executor(), listening(what), echo_back)),
        lived(std::make_shared<life>(near(walked).get_executor(), server->url(), for_life(), tally)),
        watch(lived) {
    lived->begin();
  }
  asio::io_context& near(side walked) { return walked == side::client ? steps.walked() : steps.other(); }
  asio::io_context& far(side walked) { return walked == side::client ? steps.other() : steps.walked(); }

  /// So many steps, and whether it was still under way.
  bool advance(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      if (tally->over() || !steps.step()) return false;
    }
    return !tally->over();
  }
  /// Of a client that is not walked, and has lost its server.
  void expect_an_end_of_the_client() {
    EXPECT_TRUE(steps.other_until([this] { return tally->over(); }))
        << tally->completed << " of " << tally->begun << " operations are complete";
    lived->drop();
    lived.reset();
    EXPECT_TRUE(steps.other_runs_out()) << "something is left to do";
    EXPECT_TRUE(watch.expired()) << "something still owns a handler";
  }
  void expect_an_end() {
    EXPECT_TRUE(steps.runs_out()) << "something is left to do";
    EXPECT_TRUE(tally->over()) << tally->completed << " of " << tally->begun << " operations are complete";
    lived.reset();
    EXPECT_TRUE(watch.expired()) << "something still owns a handler";
  }

  walk steps;
  std::shared_ptr<life::tally> tally = std::make_shared<life::tally>();
  std::optional<h2::server> server;
  std::shared_ptr<life> lived;
  std::weak_ptr<life> watch;
};

class at_every_step : public testing::TestWithParam<over> {
 protected:
  // `act(world)` after 0, 1, 2 … steps, until everything is over before it comes to that.
  static void walk_through(const std::function<void(world&)>& act, world::side walked = world::side::client) {
    // Handshakes take most of the time.
    const std::size_t stride = GetParam() == over::tls ? 5 : 1;
    std::size_t at = 0;
    for (bool under_way = true; under_way && !HasFailure(); at += stride) {
      SCOPED_TRACE("at step " + std::to_string(at));
      world w(GetParam(), walked);
      under_way = w.advance(at);
      act(w);
    }
    EXPECT_GT(at, walked == world::side::client ? 100U : 30U) << "it was over too soon";
    RecordProperty("steps", static_cast<int>(at));
  }
};
INSTANTIATE_TEST_SUITE_P(over, at_every_step, testing::Values(over::tcp, over::tls),
                         [](const auto& p) { return p.param == over::tls ? "tls" : "tcp"; });

TEST(a_life, ends_well_when_nothing_is_done_to_it) {
  world w(over::tcp);
  EXPECT_TRUE(w.steps.until([&] { return w.tally->over(); }));
  EXPECT_EQ(w.tally->failed, 0U);
  EXPECT_GT(w.tally->completed, 50U);
  w.lived->drop();
  w.expect_an_end();
}

TEST_P(at_every_step, every_handle_may_be_dropped) {
  walk_through([](world& w) {
    w.lived->drop();
    w.expect_an_end();
  });
}

TEST_P(at_every_step, everything_may_be_closed) {
  walk_through([](world& w) {
    w.lived->close();
    EXPECT_TRUE(w.steps.until([&] { return w.tally->over(); }));
    w.lived->drop();
    w.expect_an_end();
  });
}

TEST_P(at_every_step, everything_may_be_closed_and_dropped_at_once) {
  walk_through([](world& w) {
    w.lived->close();
    w.lived->drop();
    w.expect_an_end();
  });
}

// What is inside the handlers is all that keeps the life.
TEST_P(at_every_step, the_context_may_be_destroyed) {
  walk_through([](world& w) {
    w.lived.reset();
    const std::size_t completed = w.tally->completed;
    w.steps.destroy();
    EXPECT_TRUE(w.watch.expired()) << "something still owns a handler";
    EXPECT_EQ(w.tally->completed, completed) << "a handler was called";
  });
}

TEST_P(at_every_step, the_context_may_be_stopped_then_the_handles_dropped_and_it_destroyed) {
  walk_through([](world& w) {
    w.steps.walked().stop();
    const std::size_t completed = w.tally->completed;
    w.lived->close();
    w.lived->drop();
    w.lived.reset();
    w.steps.destroy();
    EXPECT_TRUE(w.watch.expired()) << "something still owns a handler";
    EXPECT_EQ(w.tally->completed, completed) << "a handler was called";
  });
}

TEST_P(at_every_step, the_server_may_be_destroyed) {
  walk_through(
      [](world& w) {
        w.server.reset();
        EXPECT_TRUE(w.steps.runs_out()) << "the server still has something to do";
        w.expect_an_end_of_the_client();
      },
      world::side::server);
}

TEST_P(at_every_step, the_server_may_be_shut_down_without_grace) {
  walk_through(
      [](world& w) {
        std::string ended;
        w.server->async_shutdown(std::chrono::milliseconds(0), [&](error_code ec) { ended = name(ec); });
        EXPECT_TRUE(w.steps.runs_out()) << "the server still has something to do";
        EXPECT_EQ(ended, "ok");
        w.expect_an_end_of_the_client();
      },
      world::side::server);
}

TEST_P(at_every_step, the_context_of_a_server_may_be_destroyed) {
  walk_through(
      [](world& w) {
        w.server.reset();
        w.steps.destroy();
        w.expect_an_end_of_the_client();
      },
      world::side::server);
}

TEST(in_the_handler_of_any_operation, every_handle_may_be_dropped) {
  for (std::size_t n = 1;; ++n) {
    SCOPED_TRACE("in completion " + std::to_string(n));
    world w(over::tcp);
    w.lived->drop_at(n);
    EXPECT_TRUE(w.steps.until([&] { return w.tally->over(); }));
    const bool dropped = w.tally->completed >= n;
    w.lived->drop();
    w.expect_an_end();
    if (!dropped || testing::Test::HasFailure()) break;
  }
}

}  // namespace
}  // namespace duplex::test
