// Who serves a connection: every state that three threads, the keeper and the peer can bring it to.

#include "net/leadership.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace duplex::test {
namespace {

constexpr std::size_t threads = 3;

enum class where { out, deciding, leading, following };

// What the threads around a `leadership` do, one step at a time, as visit.cpp does it.
class model {
 public:
  struct event {
    std::string name;
    std::size_t thread;
  };

  [[nodiscard]] std::vector<event> possible() const {
    std::vector<event> all;
    for (std::size_t i = 0; i < threads; ++i) {
      if (at_[i] == where::out) all.push_back({"arrives", i});
      if (at_[i] == where::deciding) all.push_back({"decides", i});
      if (at_[i] == where::deciding && !callers_[i].done) all.push_back({"gives up", i});
      const bool unserved = !who_.leader() && who_.state() != leadership::keeper::serving;
      if (at_[i] == where::deciding && unserved) all.push_back({"looks", i});
      if (at_[i] == where::leading || at_[i] == where::following) all.push_back({"is woken", i});
      if (at_[i] != where::out && !callers_[i].done) all.push_back({"is done", i});
    }
    if (quiet_) all.push_back({"it was quiet", threads});
    return all;
  }

  void take(const event& e) {
    const auto i = e.thread;
    if (e.name == "arrives") {
      callers_[i] = {.done = false, .patient = i > 0};
      who_.arrive(callers_[i]);
      order_.push_back(i);
      at_[i] = where::deciding;
      used_ = true;
    } else if (e.name == "decides") {
      decide(i);
    } else if (e.name == "looks") {
      who_.led();
      served_ = true;
      held_back_ = held_back_ || who_.patient();  // an answer to what was read
    } else if (e.name == "gives up") {
      leave(i);
    } else if (e.name == "is woken") {
      at_[i] = where::deciding;
    } else if (e.name == "is done") {
      callers_[i].done = true;
      at_[i] = where::deciding;     // whoever waits is woken
      held_back_ = who_.patient();  // what there was to be sent then
    } else {
      who_.on_quiet();
      served_ = false;
      quiet_ = who_.state() == leadership::keeper::resting;
      if (who_.state() == leadership::keeper::serving) held_back_ = false;
    }
  }

  [[nodiscard]] std::string key() const {
    std::string k;
    for (std::size_t i = 0; i < threads; ++i) {
      k += std::to_string(static_cast<int>(at_[i])) + (callers_[i].done ? "d" : "-");
    }
    for (const auto i : order_) k += std::to_string(i);
    k += "k" + std::to_string(static_cast<int>(who_.state())) + (quiet_ ? "q" : "-") + (used_ ? "u" : "-");
    k += held_back_ ? "h" : "-";
    k += served_ ? "s" : "-";
    for (std::size_t i = 0; i < threads; ++i) k += who_.leader() == &callers_[i] ? "l" : ".";
    return k;
  }

  void check() const {
    std::size_t leading = 0;
    bool somebody_acts = false;
    bool somebody_waits = false;
    for (std::size_t i = 0; i < threads; ++i) {
      leading += at_[i] == where::leading ? 1U : 0U;
      somebody_acts = somebody_acts || at_[i] == where::deciding;
      somebody_waits = somebody_waits || at_[i] == where::following || at_[i] == where::leading;
    }
    EXPECT_LE(leading, 1U);
    if (somebody_waits && !somebody_acts) {
      EXPECT_EQ(leading, 1U) << "all wait, and nobody serves";
    }
    if (leading > 0) {
      EXPECT_NE(who_.state(), leadership::keeper::serving) << "two serve";
    }
    if (used_ && order_.empty()) {
      EXPECT_NE(who_.state(), leadership::keeper::off) << "nobody serves";
    }
    if (held_back_) {
      EXPECT_FALSE(somebody_waits) << "for an answer to what was not sent";
      if (order_.empty()) {
        EXPECT_EQ(who_.state(), leadership::keeper::resting) << "nobody would send it";
      }
    }
    EXPECT_EQ(quiet_, who_.state() == leadership::keeper::resting) << "nobody would look after a resting keeper";
    EXPECT_EQ(who_.busy(), !order_.empty());
  }

 private:
  using leadership = net::leadership;

  void decide(std::size_t i) {
    if (callers_[i].done) return leave(i);
    held_back_ = false;  // before anybody waits
    at_[i] = who_.leads(callers_[i]) ? where::leading : where::following;
    served_ = served_ || at_[i] == where::leading;
  }
  void leave(std::size_t i) {
    const auto* next = who_.leave(callers_[i]);
    at_[i] = where::out;
    std::erase(order_, i);
    for (std::size_t j = 0; j < threads; ++j) {
      if (next == &callers_[j]) at_[j] = where::deciding;
    }
    if (!order_.empty() || who_.state() == leadership::keeper::serving || !who_.rest()) return;
    quiet_ = true;
    served_ = false;
  }

  leadership who_;
  std::array<leadership::caller, threads> callers_{};
  std::array<where, threads> at_{};
  std::vector<std::size_t> order_;
  bool quiet_ = false;   // somebody will call `on_quiet`
  bool served_ = false;  // somebody has led since the last time
  bool used_ = false;
  bool held_back_ = false;  // something to be sent
};

std::string text(const std::vector<model::event>& path) {
  std::string all;
  for (const auto& e : path) all += (all.empty() ? "" : ", ") + std::to_string(e.thread) + " " + e.name;
  return all;
}

TEST(leadership, strands_nobody_in_any_order_of_events) {
  std::map<std::string, std::vector<model::event>> known;
  std::deque<std::vector<model::event>> open{{}};
  while (!open.empty()) {
    const auto path = open.front();
    open.pop_front();
    model m;
    for (const auto& e : path) m.take(e);
    for (const auto& e : m.possible()) {
      model next;
      auto longer = path;
      longer.push_back(e);
      for (const auto& step : longer) next.take(step);
      if (!known.emplace(next.key(), longer).second) continue;
      SCOPED_TRACE(text(longer));
      next.check();
      if (::testing::Test::HasFailure()) return;
      open.push_back(std::move(longer));
    }
  }
  EXPECT_GT(known.size(), 1000U) << "the model does not move";
}

TEST(leadership, goes_to_the_first_that_waits) {
  net::leadership who;
  net::leadership::caller a;
  net::leadership::caller b;
  net::leadership::caller c;
  for (auto* one : {&a, &b, &c}) who.arrive(*one);
  EXPECT_TRUE(who.leads(a));
  EXPECT_FALSE(who.leads(b));
  EXPECT_FALSE(who.leads(c));
  b.done = true;
  EXPECT_EQ(who.leave(a), &c) << "who is done needs no lead";
  EXPECT_TRUE(who.leads(c));
  EXPECT_EQ(who.leave(b), nullptr);
  EXPECT_EQ(who.leave(c), nullptr);
  EXPECT_FALSE(who.busy());
}

TEST(leadership, does_not_leave_it_to_callers_that_never_lead) {
  net::leadership who;
  net::leadership::caller a;
  const auto visit = [&] {
    who.arrive(a);
    EXPECT_EQ(who.leave(a), nullptr);
  };
  visit();
  EXPECT_TRUE(who.rest());
  visit();
  who.on_quiet();
  EXPECT_EQ(who.state(), net::leadership::keeper::serving);
  visit();
  EXPECT_EQ(who.state(), net::leadership::keeper::serving) << "nobody else serves";
}

TEST(leadership, leaves_the_keeper_at_rest_while_callers_come_and_lead) {
  net::leadership who;
  net::leadership::caller a;
  const auto visit = [&] {
    who.arrive(a);
    EXPECT_TRUE(who.leads(a));
    EXPECT_EQ(who.leave(a), nullptr);
  };
  visit();
  EXPECT_TRUE(who.rest());
  visit();
  EXPECT_FALSE(who.rest()) << "it rests already";
  who.on_quiet();
  EXPECT_EQ(who.state(), net::leadership::keeper::resting);
  who.on_quiet();
  EXPECT_EQ(who.state(), net::leadership::keeper::serving);
  visit();
  EXPECT_EQ(who.state(), net::leadership::keeper::off);
}

}  // namespace
}  // namespace duplex::test
