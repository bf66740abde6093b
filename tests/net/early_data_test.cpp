// Early data of TLS 1.3 (RFC 8446, section 2.3), and the requests that go with it (RFC 8470).

#include "net/server_tls.hpp"
#include "net/tls.hpp"
#include "net/tls_engine.hpp"
#include "net/tls_pins.hpp"
#include "net/tls_sessions.hpp"

#include "early_server.hpp"
#include "peers.hpp"

#include <boost/asio/error.hpp>

#include <ctime>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace duplex::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// The engine

/// One of ours, on either side.
struct end {
  end(const std::shared_ptr<asio::ssl::context>& context, net::tls_engine::role role) : engine(context, role) {}

  void feed(std::string_view cipher) {
    if (!cipher.empty()) engine.feed(asio::buffer(cipher));
    if (!open) ec = engine.handshake();
    open = open || !ec;
    std::string piece(1000, '\0');
    while (open && !ec) plain.append(piece, 0, engine.read(asio::buffer(piece), ec));
    if (open && ec == asio::error::would_block) ec = {};
    engine.keep();
  }
  error_code write(std::string_view bytes) {
    error_code why;
    const auto n = engine.write(asio::buffer(bytes), why);
    EXPECT_TRUE(why || n == bytes.size());
    return why;
  }
  std::string take() {
    std::string all;
    while (!engine.drained()) {
      const auto next = engine.output();
      all.append(static_cast<const char*>(next.data()), next.size());
      engine.sent(next.size());
    }
    return all;
  }
  [[nodiscard]] SSL* ssl() const { return engine.native_handle(); }
  [[nodiscard]] bool may_send(std::size_t size) const { return net::allow_early_data(ssl(), size); }

  net::tls_engine engine;
  bool open = false;
  error_code ec{};
  std::string plain{};
};

/// Until nobody has anything to say.
template <class Server>
void converse(end& client, Server& server) {
  client.feed({});
  for (auto cipher = client.take(); !cipher.empty(); cipher = client.take()) {
    server.feed(cipher);
    client.feed(server.take());
  }
}

class early_data : public ::testing::Test {
 protected:
  std::unique_ptr<end> client() {
    auto c = std::make_unique<end>(context_, asio::ssl::stream_base::client);
    EXPECT_TRUE(net::prepare_client(c->ssl(), trusting_, "localhost"));
    net::resume_session(c->ssl(), {"localhost", "here"});
    return c;
  }
  /// A client that has been there before.
  std::unique_ptr<end> known_client() {
    context_ = net::make_client_context(trusting_);
    early_server server(serving_);
    before_ = client();
    EXPECT_FALSE(before_->may_send(1));
    if (serving_.protocol == "http/1.1") net::offer_http1(before_->ssl(), false);
    converse(*before_, server);
    EXPECT_TRUE(before_->open) << before_->ec.message();
    return client();
  }

  certificate cert_ = make_self_signed();
  tls_options trusting_{.verify = false};
  std::shared_ptr<asio::ssl::context> context_ = net::make_client_context(trusting_);  // which has the sessions
  early_server_options serving_{cert_};
  std::unique_ptr<end> before_{};
};

TEST_F(early_data, arrives_with_the_first_flight_and_is_not_written_again) {
  const auto c = known_client();
  early_server server(serving_);
  ASSERT_TRUE(c->may_send(5));
  c->engine.write_early("hello");
  c->feed({});
  EXPECT_FALSE(c->open);
  server.feed(c->take());
  EXPECT_EQ(server.early, "hello");
  server.write("answered at once");
  c->feed(server.take());
  ASSERT_TRUE(c->open) << c->ec.message();
  EXPECT_EQ(c->plain, "answered at once");
  for (const auto* part : {"hel", "lo, and", " more"}) EXPECT_EQ(c->write(part), error_code());
  converse(*c, server);
  EXPECT_EQ(server.early, "hello");
  EXPECT_EQ(server.plain, ", and more");
}

TEST_F(early_data, is_written_again_if_the_server_did_not_take_it) {
  early_server_options stranger(cert_);  // who does not know the session
  const std::vector<std::function<early_server_options&()>> ways{
      [&]() -> auto& { return stranger; },
      [&]() -> auto& {
        SSL_CTX_set1_groups_list(serving_.context.native_handle(), "P-384");  // HelloRetryRequest
        return serving_;
      },
      [&]() -> auto& {
        serving_.refuse();
        return serving_;
      }};
  for (const auto& way : ways) {
    const auto c = known_client();
    ASSERT_TRUE(c->may_send(5));
    early_server server(way());
    c->engine.write_early("hello");
    converse(*c, server);
    ASSERT_TRUE(c->open) << c->ec.message();
    EXPECT_EQ(server.early + server.plain, "");
    EXPECT_EQ(c->write("hello, and more"), error_code());
    converse(*c, server);
    EXPECT_EQ(server.early, "");
    EXPECT_EQ(server.plain, "hello, and more");
  }
}

TEST_F(early_data, breaks_the_connection_if_something_else_is_written) {
  const auto c = known_client();
  early_server server(serving_);
  ASSERT_TRUE(c->may_send(5));
  c->engine.write_early("hello");
  converse(*c, server);
  ASSERT_TRUE(c->open);
  EXPECT_EQ(c->write("hullo"), error_code(asio::error::invalid_argument));
  EXPECT_EQ(c->write("hello"), error_code(asio::error::invalid_argument));
}

TEST_F(early_data, is_not_for_more_than_the_session_takes) {
  const auto c = known_client();
  EXPECT_TRUE(c->may_send(early_server_options::most));
  EXPECT_FALSE(c->may_send(early_server_options::most + 1));
}

TEST_F(early_data, is_not_for_a_ticket_that_is_too_old) {
  const auto c = known_client();
  const auto aged = [&c](long seconds) {
    auto* session = SSL_get_session(c->ssl());
    const auto lifetime = static_cast<long>(SSL_SESSION_get_ticket_lifetime_hint(session));
    SSL_SESSION_set_time(session, std::time(nullptr) - lifetime + seconds);
    return c->may_send(1);
  };
  EXPECT_TRUE(aged(60));
  EXPECT_FALSE(aged(0));
}

TEST_F(early_data, is_not_for_a_session_of_another_protocol) {
  for (const auto* protocol : {"", "http/1.1"}) {
    serving_.protocol = protocol;
    const auto c = known_client();
    EXPECT_NE(SSL_SESSION_get_max_early_data(SSL_get_session(c->ssl())), 0);
    EXPECT_FALSE(c->may_send(1)) << protocol;
  }
}

TEST_F(early_data, is_not_for_a_session_whose_connection_broke) {
  const auto c = known_client();
  before_.reset();
  EXPECT_FALSE(c->may_send(1));
}

TEST_F(early_data, arrives_even_if_the_sessions_connection_breaks_meanwhile) {
  const auto c = known_client();
  EXPECT_TRUE(c->may_send(5));
  before_.reset();
  early_server server(serving_);
  c->engine.write_early("hello");
  converse(*c, server);
  EXPECT_EQ(server.early, "hello");
}

TEST_F(early_data, can_wait_for_the_sessions_certificate_to_have_a_pinned_key) {
  const auto c = known_client();
  EXPECT_FALSE(net::check_pins(c->ssl(), net::pin_of_peer(before_->ssl())));
  EXPECT_TRUE(net::check_pins(c->ssl(), "sha256//" + std::string(43, 'A') + "="));
}

TEST_F(early_data, is_neither_offered_nor_taken_by_our_server) {
  h2::server_options served;
  served.certificate_pem = cert_.certificate_pem;
  served.key_pem = cert_.key_pem;
  const auto context = net::make_server_contexts(served);
  end before(context, asio::ssl::stream_base::server);
  converse(*client(), before);
  const auto c = client();
  ASSERT_NE(SSL_get_session(c->ssl()), nullptr);
  EXPECT_FALSE(c->may_send(1));

  end server(context, asio::ssl::stream_base::server);
  SSL_SESSION_set_max_early_data(SSL_get_session(c->ssl()), 100);
  c->engine.write_early("hello");
  converse(*c, server);
  ASSERT_TRUE(c->open) << c->ec.message();
  EXPECT_EQ(SSL_session_reused(c->ssl()), 1);
  EXPECT_EQ(server.plain, "");
  EXPECT_EQ(c->write("hello"), error_code());
  converse(*c, server);
  EXPECT_EQ(server.plain, "hello");
}

// Requests

class early_request : public ::testing::Test {
 protected:
  struct visitor {
    std::vector<std::string> early;  // frames
    std::vector<std::string> later;
  };

  [[nodiscard]] request marked() const { return {.method = "GET", .url = peer_.url("https"), .early_data = true}; }

  opened open(request head) {
    opened result;
    EXPECT_TRUE(run(io_, test::open(result, std::move(head), options_)));
    return result;
  }
  /// One connection from its beginning to its end. Whether the request was early data.
  bool visit(request head) {
    auto s = open(std::move(head));
    EXPECT_EQ(name(s.ec), "ok") << s.message;
    if (s.ec) return false;
    EXPECT_EQ(std::get<response>(receive_now(io_, s.stream).got).status, 200);
    const auto info = s.stream.connection().info();
    s.stream.close();
    EXPECT_TRUE(run_until(io_, [this] { return open_ == 0; }));
    return info.tls_early_data;
  }
  /// Has the client know the server.
  void introduce() { EXPECT_FALSE(visit({.method = "GET", .url = peer_.url("https")})); }

  // Answers as soon as it has the request.
  asio::awaitable<void> serve(tcp::socket& socket) {
    ++open_;
    auto& v = visitors_.emplace_back();
    early_server tls(serving_);
    std::size_t answered = 0;
    for (std::string piece(20'000, '\0');;) {
      const auto [ec, n] = co_await socket.async_read_some(asio::buffer(piece), as_value);
      if (ec) break;
      tls.feed(std::string_view(piece).substr(0, n));
      v = {frame_names(tls.early), frame_names(tls.plain)};
      if (leaves_ && !tls.early.empty()) break;
      std::size_t asked = 0;
      for (const auto& f : parse_frames(tls.early + tls.plain)) {
        if (f.type != headers || ++asked <= answered) continue;
        tls.write((answered++ == 0 ? server_greeting() : "") + make_frame(headers, 5, f.stream, status_));
      }
      co_await say(socket, tls.take());
      if (tls.ended()) break;
    }
    --open_;
  }

  temporary_folder folder_;
  asio::io_context io_;
  certificate cert_ = make_self_signed();
  early_server_options serving_{cert_};
  static constexpr std::uint8_t headers = 1;
  std::string status_ = "\x88";  // 200, by HPACK
  bool leaves_ = false;
  int open_ = 0;
  std::list<visitor> visitors_;
  tcp_peer peer_{io_, [this](tcp::socket& socket) { return serve(socket); }};
  options options_{.close_timeout = 20ms, .tls = {.ca_file = folder_.write("ca.pem", cert_.certificate_pem)}};
};

const std::vector<std::string> whole_request{"SETTINGS", "WINDOW_UPDATE", "HEADERS end"};

TEST_F(early_request, is_answered_before_the_handshake_is_over) {
  EXPECT_FALSE(visit(marked())) << "there is no session yet";
  EXPECT_TRUE(visit(marked()));
  EXPECT_TRUE(visit(marked()));
  EXPECT_EQ(visitors_.back().early, whole_request);
  EXPECT_THAT(visitors_.back().later, ElementsAre("SETTINGS ack", "GOAWAY")) << "nothing came twice";
}

TEST_F(early_request, is_one_that_is_marked) {
  introduce();
  EXPECT_FALSE(visit({.method = "GET", .url = peer_.url("https")}));
  EXPECT_THAT(visitors_.back().early, IsEmpty());
}

TEST_F(early_request, is_sent_as_ever_where_sessions_are_not_resumed) {
  options_.tls.resume = false;
  introduce();
  EXPECT_FALSE(visit(marked()));
}

TEST_F(early_request, is_sent_again_to_a_server_that_did_not_take_it) {
  introduce();
  serving_.refuse();
  EXPECT_FALSE(visit(marked()));
  EXPECT_THAT(visitors_.back().early, IsEmpty());
  EXPECT_THAT(visitors_.back().later,
              ElementsAre("SETTINGS", "WINDOW_UPDATE", "HEADERS end", "SETTINGS ack", "GOAWAY"));
}

TEST_F(early_request, waits_for_the_handshake_if_it_is_larger_than_the_session_takes) {
  introduce();
  auto head = marked();
  head.headers.add("large", std::string(early_server_options::most, '~'));
  EXPECT_FALSE(visit(head));
  EXPECT_THAT(visitors_.back().early, IsEmpty());
}

TEST_F(early_request, does_not_hide_that_the_server_speaks_another_protocol_now) {
  introduce();
  serving_.protocol = "";
  const auto s = open(marked());
  EXPECT_EQ(name(s.ec), "protocol_not_negotiated");
  EXPECT_FALSE(s.stream.failure().value().retry_safe);
}

TEST_F(early_request, may_have_been_seen_where_the_dial_failed) {
  introduce();
  leaves_ = true;
  const auto s = open(marked());
  EXPECT_EQ(name(s.ec), "tls_failed") << s.message;
  EXPECT_EQ(visitors_.back().early, whole_request);
  EXPECT_FALSE(s.stream.failure().value().retry_safe);
}

TEST_F(early_request, goes_to_a_server_whose_key_is_pinned) {
  early_server before(serving_);
  end c(net::make_client_context({.verify = false}), asio::ssl::stream_base::client);
  converse(c, before);
  options_.tls.pinned_keys = net::pin_of_peer(c.ssl());
  introduce();
  EXPECT_TRUE(visit(marked()));
}

TEST_F(early_request, has_no_body) {
  auto s = open(marked());
  std::optional<error_code> sent;
  s.stream.async_send("", h2::fin, [&](error_code ec) { sent = ec; });
  EXPECT_TRUE(run_until(io_, [&] { return sent.has_value(); }));
  EXPECT_EQ(sent, error_code(errc::send_closed));

  std::optional<h2::reply> failed;
  h2::async_fetch(io_.get_executor(), marked(), std::string("body"), {.stream = options_},
                  [&](error_code, h2::reply r) { failed = std::move(r); });
  EXPECT_TRUE(run_until(io_, [&] { return failed.has_value(); }));
  EXPECT_EQ(failed->failure.value().code, errc::invalid_argument);
}

TEST_F(early_request, is_of_a_method_that_is_safe_to_be_repeated) {
  for (const auto* method : {"GET", "HEAD", "OPTIONS"}) {
    auto head = marked();
    head.method = method;
    visit(head);
  }
  for (const auto* method : {"POST", "PUT", "DELETE", "CONNECT", "get"}) {
    auto head = marked();
    head.method = method;
    const auto s = open(head);
    EXPECT_EQ(name(s.ec), "invalid_argument");
    EXPECT_THAT(s.message, HasSubstr("early_data is for GET, HEAD and OPTIONS"));
  }
}

TEST_F(early_request, is_the_first_of_a_client) {
  introduce();
  h2::client shared(io_.get_executor());
  std::vector<std::string> outcomes;
  const auto fetch = [&](request head) {
    h2::async_fetch(shared, std::move(head), {}, {.stream = options_}, [&](error_code ec, const h2::reply& r) {
      outcomes.push_back(name(ec) + std::to_string(r.status));
    });
  };
  fetch(marked());
  fetch(marked());
  EXPECT_TRUE(run_until(io_, [&] { return outcomes.size() == 2; }));
  EXPECT_THAT(outcomes, ElementsAre("ok200", "ok200"));
  EXPECT_EQ(visitors_.back().early, whole_request);
  shared.close();
  EXPECT_TRUE(run_until(io_, [this] { return open_ == 0; }));
  EXPECT_EQ(visitors_.size(), 2);
}

TEST_F(early_request, that_is_told_too_early_is_the_callers_to_repeat) {
  introduce();
  status_ =
      "\x08\x03"
      "425";
  std::optional<h2::reply> got;
  h2::async_fetch(io_.get_executor(), marked(), {}, {.stream = options_},
                  [&](error_code, h2::reply r) { got = std::move(r); });
  EXPECT_TRUE(run_until(io_, [&] { return got.has_value(); }));
  EXPECT_EQ(got->status, 425);
  EXPECT_FALSE(got->failure);
}

TEST_F(early_request, is_the_same_in_blocking_style) {
  struct serving {
    explicit serving(asio::io_context& context) : io(context), thread([this] { io.run(); }) {}
    serving(const serving&) = delete;
    serving& operator=(const serving&) = delete;
    ~serving() {
      io.stop();
      thread.join();
    }
    asio::io_context& io;
    std::thread thread;
  } until_the_end(io_);
  for (int i = 0; i < 3; ++i) {
    auto s = h2::open(marked(), options_);
    EXPECT_EQ(std::get<response>(s.recv(20s)).status, 200);
    EXPECT_EQ(s.connection().info().tls_early_data, i > 0);
    EXPECT_TRUE(std::holds_alternative<done>(s.recv(20s)));
  }
}

}  // namespace
}  // namespace duplex::test
