// The TLS contexts of a client are made once, and sessions are resumed: with the same peer, verified in the same way.

#include "peers.hpp"

#include "net/tls_contexts.hpp"
#include "net/tls_sessions.hpp"

#include <boost/system/system_error.hpp>

#include <array>
#include <cstdlib>

namespace duplex::test {
namespace {

using net::tls_contexts;
using net::tls_sessions;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class tls_contexts_of_a_client : public ::testing::Test {
 protected:
  tls_contexts::context_ptr get(const tls_options& opts) { return asio::use_service<tls_contexts>(io_).get(opts); }
  static tls_options named(int n) { return {.server_name = "host" + std::to_string(n)}; }
  // Another file of the same name: the clocks of file systems tick slowly.
  void replace(const std::string& name, const std::string& text) {
    std::filesystem::rename(folder_.write("new", text), folder_.path(name));
  }

  temporary_folder folder_;
  asio::io_context io_;
  certificate cert_ = make_self_signed();
};

TEST_F(tls_contexts_of_a_client, are_made_once_for_equal_options) {
  const tls_options opts{.ca_file = folder_.write("ca.pem", cert_.certificate_pem)};
  const auto first = get(opts);
  EXPECT_EQ(get(opts), first);
  EXPECT_NE(get({.ca_file = opts.ca_file, .verify = false}), first);
  EXPECT_NE(get({.ca_file = opts.ca_file, .resume = false}), first);
  EXPECT_EQ(get(opts), first);
}

TEST_F(tls_contexts_of_a_client, belong_to_their_execution_context) {
  asio::io_context other;
  EXPECT_NE(asio::use_service<tls_contexts>(other).get({}), get({}));
}

TEST_F(tls_contexts_of_a_client, outlive_their_execution_context_while_they_are_used) {
  auto other = std::make_unique<asio::io_context>();
  const auto used = asio::use_service<tls_contexts>(*other).get(named(1));
  const std::weak_ptr unused = asio::use_service<tls_contexts>(*other).get(named(2));
  other.reset();
  EXPECT_EQ(used.use_count(), 1);
  EXPECT_TRUE(unused.expired());
}

TEST_F(tls_contexts_of_a_client, are_made_anew_when_a_file_is_another) {
  const tls_options opts{.ca_file = folder_.write("ca.pem", cert_.certificate_pem),
                         .cert_file = folder_.write("cert.pem", cert_.certificate_pem),
                         .key_file = folder_.write("key.pem", cert_.key_pem)};
  auto last = get(opts);
  for (const auto& [name, text] : {std::pair("ca.pem", cert_.certificate_pem),
                                   std::pair("cert.pem", cert_.certificate_pem), std::pair("key.pem", cert_.key_pem)}) {
    replace(name, text);
    const auto next = get(opts);
    EXPECT_NE(next, last) << name;
    EXPECT_EQ(get(opts), next) << name;
    last = next;
  }
  (void)folder_.write("ca.pem", cert_.certificate_pem + "# written in place\n");
  EXPECT_NE(get(opts), last);
}

TEST_F(tls_contexts_of_a_client, are_refused_once_a_file_is_gone) {
  const tls_options opts{.ca_file = folder_.write("ca.pem", cert_.certificate_pem)};
  (void)get(opts);
  std::filesystem::remove(opts.ca_file);
  for (int i = 0; i < 2; ++i) {
    try {
      (void)get(opts);
      ADD_FAILURE() << "the file is not there";
    } catch (const boost::system::system_error& e) {
      EXPECT_EQ(e.code(), errc::tls_failed);
      EXPECT_THAT(e.what(), HasSubstr("ca_file " + opts.ca_file));
    }
  }
  (void)folder_.write("ca.pem", cert_.certificate_pem);
  EXPECT_EQ(get(opts), get(opts));
}

TEST_F(tls_contexts_of_a_client, follow_the_systems_authorities) {
  const auto file = folder_.write("system.pem", cert_.certificate_pem);
  ::setenv("SSL_CERT_FILE", file.c_str(), 1);
  const auto before = get({});
  EXPECT_EQ(get({}), before);
  replace("system.pem", make_self_signed({"another"}).certificate_pem);
  EXPECT_NE(get({}), before);
  ::unsetenv("SSL_CERT_FILE");
}

TEST_F(tls_contexts_of_a_client, are_a_bounded_number_of_which_the_least_lately_used_goes) {
  const std::weak_ptr first = get(named(0));
  const std::weak_ptr second = get(named(1));
  for (int i = 2; i < static_cast<int>(tls_contexts::most); ++i) (void)get(named(i));
  EXPECT_EQ(get(named(0)), first.lock());
  (void)get(named(-1));
  EXPECT_FALSE(first.expired());
  EXPECT_TRUE(second.expired());
}

// Sessions, as values

class kept_tls_sessions : public ::testing::Test {
 protected:
  static tls_sessions::session_ptr session(char name, int version = TLS1_3_VERSION) {
    tls_sessions::session_ptr s(SSL_SESSION_new());
    SSL_SESSION_set_protocol_version(s.get(), version);
    const auto id = static_cast<unsigned char>(name);
    SSL_SESSION_set1_id(s.get(), &id, 1);
    return s;
  }
  void put(const net::tls_peer& peer, char name, int version = TLS1_3_VERSION) {
    sessions_.put(peer, {session(name, version), now_});
  }
  char take(const net::tls_peer& peer, std::chrono::minutes later = 0min) {
    const auto s = sessions_.take(peer, now_ + later).session;
    if (!s) return '-';
    unsigned size = 0;
    return static_cast<char>(*SSL_SESSION_get_id(s.get(), &size));
  }

  tls_sessions sessions_;
  tls_sessions::clock::time_point now_ = tls_sessions::clock::now();
  net::tls_peer peer_{"a.example", "a.example:443"};
};

TEST_F(kept_tls_sessions, of_tls_1_3_are_used_once_the_newest_first) {
  put(peer_, '1');
  put(peer_, '2');
  EXPECT_EQ(take(peer_), '2');
  EXPECT_EQ(take(peer_), '1');
  EXPECT_EQ(take(peer_), '-');
}

TEST_F(kept_tls_sessions, of_tls_1_2_are_used_again) {
  put(peer_, '1', TLS1_2_VERSION);
  EXPECT_EQ(take(peer_), '1');
  EXPECT_EQ(take(peer_), '1');
}

TEST_F(kept_tls_sessions, are_for_the_same_name_at_the_same_address) {
  put(peer_, '1');
  EXPECT_EQ(take({"b.example", "a.example:443"}), '-');
  EXPECT_EQ(take({"a.example", "a.example:8443"}), '-');
  EXPECT_EQ(take(peer_), '1');
}

TEST_F(kept_tls_sessions, are_bounded_for_a_peer_and_in_all) {
  for (char name = 'a'; name < 'a' + 6; ++name) put(peer_, name);
  std::string taken;
  for (char name = take(peer_); name != '-'; name = take(peer_)) taken += name;
  EXPECT_EQ(taken, "fedc");
  put(peer_, 'x');
  for (std::size_t i = 0; i < tls_sessions::most; ++i) put({std::to_string(i), {}}, 'y');
  EXPECT_EQ(take(peer_), '-');
  EXPECT_EQ(take({"0", {}}), 'y');
}

TEST_F(kept_tls_sessions, are_not_used_long_after_the_certificate_was_verified) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    put(peer_, '1', version);
    EXPECT_EQ(take(peer_, tls_sessions::longest_use), '-');
    put(peer_, '2', version);
    EXPECT_EQ(take(peer_, tls_sessions::longest_use - 1min), '2');
  }
}

// Over TLS

class tls_resumption : public ::testing::TestWithParam<int> {
 protected:
  tls_peer_options serving() const { return {.cert = cert_, .last_version = GetParam()}; }
  tls_peer::script answering() {
    return [this](tls_socket& tls) -> asio::awaitable<void> {
      resumed_.push_back(SSL_session_reused(tls.native_handle()) == 1);
      std::string said;
      co_await read_frame(tls, 1, said);
      co_await say(tls, server_greeting() + ok_response(1));
      co_await read_to_end(tls);
    };
  }
  // One connection from its beginning to its end.
  void visit(const std::string& url, const options& opts) {
    auto s = open_now(io_, url, opts);
    outcomes_.push_back(name(s.ec));
    if (s.ec) return;
    EXPECT_EQ(std::get<response>(receive_now(io_, s.stream).got).status, 200);
    const auto info = s.stream.connection().info();
    EXPECT_EQ(info.tls_resumed, resumed_.back()) << "both ends say the same";
    EXPECT_EQ(info.tls_version, GetParam() == TLS1_3_VERSION ? "TLSv1.3" : "TLSv1.2");
    EXPECT_THAT(info.peer_certificate, HasSubstr("example"));
  }

  temporary_folder folder_;
  asio::io_context io_;
  certificate cert_ = make_self_signed({"a.example", "b.example", "127.0.0.1"});
  std::vector<bool> resumed_{};
  std::vector<std::string> outcomes_{};
  options options_{.close_timeout = 20ms, .tls = {.ca_file = folder_.write("ca.pem", cert_.certificate_pem)}};
};

TEST_P(tls_resumption, makes_later_connections_to_a_peer_with_the_session_of_the_first) {
  tls_peer peer(io_, serving(), answering());
  for (int i = 0; i < 4; ++i) visit(peer.url(), options_);
  EXPECT_THAT(resumed_, ElementsAre(false, true, true, true));
}

TEST_P(tls_resumption, can_be_switched_off) {
  tls_peer peer(io_, serving(), answering());
  options_.tls.resume = false;
  for (int i = 0; i < 2; ++i) visit(peer.url(), options_);
  EXPECT_THAT(resumed_, ElementsAre(false, false));
}

TEST_P(tls_resumption, keeps_to_the_name_that_was_verified) {
  tls_peer peer(io_, serving(), answering());
  options_.connect_to = "127.0.0.1:" + std::to_string(peer.port());
  for (const auto* url : {"https://a.example/", "https://b.example/", "https://a.example/"}) visit(url, options_);
  EXPECT_THAT(resumed_, ElementsAre(false, false, true));
  visit("https://c.example/", options_);
  EXPECT_EQ(outcomes_.back(), "certificate_invalid") << "which a session for a.example must not hide";
}

TEST_P(tls_resumption, keeps_to_the_way_to_verify) {
  tls_peer peer(io_, serving(), answering());
  options careless = options_;
  careless.tls.verify = false;
  options other = options_;
  other.tls.ca_file = folder_.write("other.pem", make_self_signed({"other"}).certificate_pem);
  visit(peer.url(), careless);
  visit(peer.url(), other);
  visit(peer.url(), options_);
  visit(peer.url(), other);
  visit(peer.url(), careless);
  EXPECT_THAT(outcomes_, ElementsAre("ok", "certificate_invalid", "ok", "certificate_invalid", "ok"));
  EXPECT_THAT(resumed_, ElementsAre(false, false, true));
}

TEST_P(tls_resumption, ends_when_the_authorities_are_others) {
  tls_peer peer(io_, serving(), answering());
  visit(peer.url(), options_);
  std::filesystem::rename(folder_.write("new", make_self_signed({"other"}).certificate_pem), options_.tls.ca_file);
  visit(peer.url(), options_);
  EXPECT_EQ(outcomes_.back(), "certificate_invalid");
}

TEST_P(tls_resumption, is_not_needed_with_a_peer_that_has_forgotten) {
  tls_peer peer(io_, serving(), [this](tls_socket& tls) -> asio::awaitable<void> {
    resumed_.push_back(SSL_session_reused(tls.native_handle()) == 1);
    std::string said;
    co_await read_frame(tls, 1, said);
    co_await say(tls, server_greeting() + ok_response(1));
    std::array<unsigned char, 80> other_keys{};  // for the tickets, as of a server that was started again
    SSL_CTX_set_tlsext_ticket_keys(SSL_get_SSL_CTX(tls.native_handle()), other_keys.data(), other_keys.size());
    co_await read_to_end(tls);
  });
  for (int i = 0; i < 3; ++i) visit(peer.url(), options_);
  EXPECT_THAT(outcomes_, ElementsAre("ok", "ok", "ok"));
  EXPECT_THAT(resumed_, ElementsAre(false, false, true));
}

INSTANTIATE_TEST_SUITE_P(versions, tls_resumption, ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& p) { return p.param == TLS1_3_VERSION ? "tls_1_3" : "tls_1_2"; });

}  // namespace
}  // namespace duplex::test
