// TLS between two stretches of memory, engine against engine (RFC 8446, RFC 5246).

#include "net/tls_engine.hpp"
#include "net/server_tls.hpp"

#include "net/tls.hpp"
#include "net/tls_failure.hpp"

#include <duplex/certificate.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>

#include <openssl/err.h>

#include <malloc.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace duplex::test {
namespace {

namespace asio = net::asio;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Le;
using ::testing::SizeIs;

constexpr std::size_t whole = std::size_t(-1);
constexpr std::size_t kib = 1024;
constexpr auto client_role = asio::ssl::stream_base::client;
constexpr auto server_role = asio::ssl::stream_base::server;
const error_code would_block = asio::error::would_block;
const error_code eof = asio::error::eof;
const error_code truncated = asio::ssl::error::stream_truncated;

int reason(error_code ec) {
  EXPECT_EQ(ec.category(), asio::error::get_ssl_category()) << ec.message();
  return ERR_GET_REASON(static_cast<unsigned long>(ec.value()));
}

std::string sample(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>('a' + i * i % 23);
  return bytes;
}

/// Of each record in `cipher`, the length of what its head promises (RFC 8446, section 5.1).
std::vector<std::size_t> record_lengths(std::string_view cipher) {
  constexpr std::size_t head = 5;
  std::vector<std::size_t> lengths;
  while (cipher.size() >= head) {
    const auto octet = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(cipher[i])); };
    lengths.push_back(octet(3) * 256 + octet(4));
    cipher.remove_prefix(std::min(cipher.size(), head + lengths.back()));
  }
  EXPECT_TRUE(cipher.empty()) << "part of a record";
  return lengths;
}

/// An engine and what its user knows.
struct end {
  end(const std::shared_ptr<asio::ssl::context>& context, net::tls_engine::role role) : engine(context, role) {}

  /// As far as the input goes. True if the handshake ended now.
  bool advance() {
    const bool opening = !open;
    if (!open) ec = engine.handshake();
    if (opening && ec) return false;
    open = true;
    std::string piece(room, '\0');
    do {
      plain.append(piece, 0, engine.read(asio::buffer(piece), ec));
    } while (!ec);
    return opening;
  }
  void write(std::string_view bytes) {
    error_code why;
    EXPECT_EQ(engine.write(asio::buffer(bytes), why), bytes.size());
    EXPECT_EQ(why, error_code());
  }
  /// The output, as sent.
  std::string take() {
    std::string all;
    while (!engine.drained()) {
      const auto next = engine.output();
      all.append(static_cast<const char*>(next.data()), next.size());
      engine.sent(next.size());
    }
    return all;
  }

  net::tls_engine engine;
  bool open = false;
  error_code ec{};
  std::string plain{};
  std::size_t room = 64 * kib;
};

class tls_engine : public ::testing::TestWithParam<int> {
 protected:
  tls_engine() {
    h2::server_options served;
    served.certificate_pem = cert_.certificate_pem;
    served.key_pem = cert_.key_pem;
    server_context_ = net::make_server_contexts(served);
    SSL_CTX_set_max_proto_version(server_context_->native_handle(), GetParam());
    trusting_.verify = false;
  }

  void start() {
    client_ = std::make_unique<end>(net::make_client_context(trusting_), client_role);
    server_ = std::make_unique<end>(server_context_, server_role);
    ASSERT_TRUE(net::prepare_client(client_->engine.native_handle(), trusting_, "localhost"));
    client_->advance();
  }

  /// Gives `cipher` to `to`, `piece` bytes at a time, each in memory of its own.
  static void give(end& to, std::string_view cipher, std::size_t piece = whole, const std::string& greeting = "") {
    while (!cipher.empty() && !(to.open && to.ec && to.ec != would_block)) {
      const std::vector<char> part(cipher.begin(), cipher.begin() + std::min(piece, cipher.size()));
      cipher.remove_prefix(part.size());
      to.engine.feed(asio::buffer(part));
      if (to.advance()) to.write(greeting);
      EXPECT_TRUE(to.engine.hungry());
    }
  }
  /// Until nobody has anything to say.
  void converse(std::size_t piece = whole, const std::string& greeting = "") {
    while (!client_->engine.drained() || !server_->engine.drained()) {
      give(*server_, client_->take(), piece, greeting);
      give(*client_, server_->take(), piece, greeting);
    }
  }
  void open() {
    start();
    converse();
    ASSERT_TRUE(client_->open && server_->open) << client_->ec.message() << ", " << server_->ec.message();
  }
  [[nodiscard]] static bool tls13() { return GetParam() == TLS1_3_VERSION; }

  certificate cert_ = make_self_signed();
  tls_options trusting_{};
  std::shared_ptr<asio::ssl::context> server_context_;
  std::unique_ptr<end> client_;
  std::unique_ptr<end> server_;
};

INSTANTIATE_TEST_SUITE_P(versions, tls_engine, ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& version) { return version.param == TLS1_3_VERSION ? "tls13" : "tls12"; });

// What only this version has.
class tls13_engine : public tls_engine {};
INSTANTIATE_TEST_SUITE_P(version, tls13_engine, ::testing::Values(TLS1_3_VERSION));

// Opening

TEST_P(tls_engine, shakes_hands_in_pieces_of_any_size) {
  for (const std::size_t piece : {std::size_t(1), std::size_t(7), whole}) {
    start();
    converse(piece);
    EXPECT_TRUE(client_->open && server_->open) << piece;
    EXPECT_EQ(client_->ec, would_block);
    EXPECT_EQ(SSL_version(client_->engine.native_handle()), GetParam());
  }
}

TEST_P(tls_engine, loses_nothing_that_comes_right_behind_the_handshake) {
  for (const std::size_t piece : {std::size_t(1), whole}) {
    start();
    converse(piece, "from the first moment");
    EXPECT_EQ(client_->plain, "from the first moment");
    EXPECT_EQ(server_->plain, "from the first moment");
  }
}

TEST_P(tls_engine, agrees_on_h2) {
  open();
  EXPECT_EQ(net::chosen_protocol(client_->engine.native_handle()), "h2");
  EXPECT_EQ(net::chosen_protocol(server_->engine.native_handle()), "h2");
}

TEST_P(tls_engine, says_when_no_protocol_is_in_common) {
  const auto context = net::make_client_context(trusting_);
  SSL_CTX_set_alpn_protos(context->native_handle(), reinterpret_cast<const unsigned char*>("\x3xyz"), 4);
  client_ = std::make_unique<end>(context, client_role);
  server_ = std::make_unique<end>(server_context_, server_role);
  client_->advance();
  converse();
  EXPECT_EQ(
      net::explain_handshake(client_->engine.native_handle(), client_->ec, trusting_, "localhost", "localhost:443")
          .code,
      errc::protocol_not_negotiated);
  EXPECT_EQ(reason(server_->ec), SSL_R_NO_APPLICATION_PROTOCOL);
}

TEST_P(tls_engine, says_whom_it_does_not_trust_and_why_to_the_peer) {
  trusting_.verify = true;
  start();
  converse();
  const auto why =
      net::explain_handshake(client_->engine.native_handle(), client_->ec, trusting_, "localhost", "localhost:443");
  EXPECT_EQ(why.code, errc::certificate_invalid);
  EXPECT_THAT(why.message, AllOf(HasSubstr("self-signed"), HasSubstr("issuer")));
  EXPECT_EQ(reason(server_->ec), SSL_R_TLSV1_ALERT_UNKNOWN_CA);
}

TEST_P(tls_engine, takes_an_end_in_the_handshake_for_a_cut) {
  start();
  client_->engine.feed_end();
  EXPECT_EQ(client_->engine.handshake(), truncated);
}

// RFC 8446, section 6.1: it ends what its sender writes. Of a handshake it is no end, and not authenticated either.
TEST_P(tls_engine, takes_close_notify_in_the_handshake_for_a_cut) {
  start();
  const std::string close_notify("\x15\x03\x03\x00\x02\x01\x00", 7);
  client_->engine.feed(asio::buffer(close_notify));
  EXPECT_EQ(client_->engine.handshake(), truncated);
  EXPECT_TRUE(client_->engine.hungry()) << "the lent bytes are the caller's again";
  EXPECT_EQ(client_->engine.handshake(), truncated) << "for good";
}

TEST_P(tls_engine, refuses_what_is_not_tls_for_good) {
  start();
  client_->take();
  const std::string page = "HTTP/1.1 400 Bad Request\r\n\r\n";
  client_->engine.feed(asio::buffer(page));
  const auto ec = client_->engine.handshake();
  EXPECT_EQ(reason(ec), SSL_R_WRONG_VERSION_NUMBER);
  EXPECT_TRUE(client_->engine.hungry()) << "the lent bytes are the caller's again";
  EXPECT_EQ(client_->engine.handshake(), ec);
  error_code again;
  std::string to(1, '\0');
  EXPECT_EQ(client_->engine.read(asio::buffer(to), again), 0);
  EXPECT_EQ(again, ec);
  EXPECT_EQ(client_->engine.write(asio::buffer(to), again), 0);
  EXPECT_EQ(again, ec);
  client_->engine.feed(asio::buffer(page));
  EXPECT_TRUE(client_->engine.hungry());
}

// Data

TEST_P(tls_engine, carries_data_both_ways_in_pieces_of_any_size) {
  for (const std::size_t piece : {1, 2, 3, 8, 9, 16384, 65536}) {
    SCOPED_TRACE(piece);
    const auto bytes = sample(piece < 16 ? 10'000 : 100'000);
    open();
    client_->room = std::min<std::size_t>(piece, 64 * kib);
    for (auto* from : {client_.get(), server_.get()}) {
      for (std::size_t at = 0; at < bytes.size(); at += 64 * kib) {
        from->write(std::string_view(bytes).substr(at, 64 * kib));
      }
    }
    converse(piece);
    EXPECT_TRUE(client_->plain == bytes);
    EXPECT_TRUE(server_->plain == bytes);
  }
}

TEST_P(tls_engine, carries_small_messages_of_many_sizes) {
  open();
  std::string all;
  for (std::size_t size = 1; size < 300; ++size) {
    all += sample(size);
    client_->write(sample(size));
  }
  converse(13);
  EXPECT_EQ(server_->plain, all);
}

TEST_P(tls_engine, reads_several_records_at_once) {
  open();
  for (int i = 0; i < 10; ++i) client_->write("0123456789");
  const auto cipher = client_->take();
  server_->engine.feed(asio::buffer(cipher));
  std::string to(95, '\0');
  error_code ec;
  EXPECT_EQ(server_->engine.read(asio::buffer(to), ec), 95);
  EXPECT_EQ(ec, error_code());
  EXPECT_EQ(server_->engine.read(asio::buffer(to), ec), 5) << "of a record that did not fit";
  EXPECT_EQ(ec, error_code());
  EXPECT_EQ(server_->engine.read(asio::buffer(to), ec), 0);
  EXPECT_EQ(ec, would_block);
}

TEST_P(tls_engine, keeps_what_was_lent_when_asked) {
  open();
  for (int i = 0; i < 10; ++i) client_->write("0123456789");
  auto cipher = client_->take();
  server_->engine.feed(asio::buffer(cipher));
  std::string to(15, '\0');
  error_code ec;
  EXPECT_EQ(server_->engine.read(asio::buffer(to), ec), 15);
  EXPECT_FALSE(server_->engine.hungry());
  server_->engine.keep();
  server_->engine.keep();
  std::fill(cipher.begin(), cipher.end(), '#');
  EXPECT_EQ(server_->engine.read(asio::buffer(to), ec), 15);
  server_->engine.keep();
  server_->advance();
  EXPECT_EQ(server_->plain.size(), 70);
  EXPECT_EQ(server_->ec, would_block);
  client_->write("more");
  converse();
  EXPECT_THAT(server_->plain, ::testing::EndsWith("789more"));
}

TEST_P(tls_engine, writes_the_records_of_many_writes_into_one_output) {
  open();
  for (int i = 0; i < 5; ++i) client_->write("message");
  const auto out = client_->engine.output();
  EXPECT_THAT(record_lengths({static_cast<const char*>(out.data()), out.size()}), SizeIs(5));
  client_->engine.sent(out.size());
  EXPECT_TRUE(client_->engine.drained());
}

TEST_P(tls_engine, leaves_the_output_where_it_is_until_it_was_sent) {
  open();
  client_->write("first");
  const auto out = client_->engine.output();
  const std::string before(static_cast<const char*>(out.data()), out.size());
  client_->write(sample(200'000));
  EXPECT_EQ(client_->engine.output().data(), out.data());
  EXPECT_EQ(client_->engine.output().size(), out.size());
  EXPECT_EQ(std::string(static_cast<const char*>(out.data()), out.size()), before);
  client_->engine.sent(1);
  EXPECT_EQ(client_->engine.output().size(), out.size() - 1);
  client_->engine.sent(out.size() - 1);
  EXPECT_FALSE(client_->engine.drained());
  give(*server_, before);
  converse();
  EXPECT_TRUE(server_->plain == "first" + sample(200'000));
}

TEST_P(tls_engine, begins_with_small_records_and_does_so_again_after_a_rest) {
  constexpr std::size_t segment = 1460;
  constexpr std::size_t full = 16 * kib;
  open();
  for (int i = 0; i < 2; ++i) {
    SCOPED_TRACE(i);
    client_->write(sample(64 * kib));
    EXPECT_THAT(record_lengths(client_->take()), AllOf(SizeIs(47), Each(Le(segment))));
    client_->write(sample(64 * kib));
    EXPECT_THAT(record_lengths(client_->take()), AllOf(SizeIs(4), Each(Ge(full))));
    client_->engine.rest();
  }
  client_->write(sample(1400 * 46));
  client_->take();
  client_->write(sample(1400 + full + 100));
  EXPECT_THAT(record_lengths(client_->take()), ElementsAre(Le(segment), Ge(full), Le(segment)));
}

TEST_P(tls_engine, gives_its_memory_back_when_it_rests) {
  const auto in_use = [] { return mallinfo2().uordblks + mallinfo2().hblkhd; };
  if (in_use() == 0) GTEST_SKIP() << "another allocator";
  open();
  client_->write("hello");  // what is allocated once only is there now
  converse();
  for (auto* each : {client_.get(), server_.get()}) each->engine.rest();
  const auto before = in_use();
  for (int i = 0; i < 4; ++i) {
    client_->write(sample(256 * kib));
    const auto out = client_->engine.output();
    client_->write(sample(256 * kib));
    client_->engine.sent(out.size());
    client_->engine.sent(client_->engine.output().size());
  }
  EXPECT_GT(in_use(), before + 512 * kib) << "kept while it is busy";
  (void)client_->engine.take_output();
  client_->engine.rest();
  EXPECT_LT(in_use(), before + 4 * kib);

  client_->write("hello");
  converse();
  EXPECT_GT(in_use(), before + 32 * kib) << "OpenSSL's";
  for (auto* each : {client_.get(), server_.get()}) each->engine.rest();
  EXPECT_LT(in_use(), before + 4 * kib);
}

TEST_P(tls_engine, uses_the_memory_that_it_is_lent) {
  open();
  std::string memory(kib * 200, ' ');
  const auto* where = memory.data();
  client_->engine.lend_output(std::move(memory));
  client_->write(sample(100 * kib));
  EXPECT_EQ(client_->engine.output().data(), where);
  client_->take();
  EXPECT_EQ(client_->engine.take_output().data(), where);
}

TEST_P(tls_engine, keeps_what_is_on_its_way_when_it_rests) {
  open();
  client_->write("sent in part, ");
  client_->write("not at all");
  auto first = client_->engine.output();
  auto cipher = std::string(static_cast<const char*>(first.data()), 3);
  client_->engine.sent(3);
  client_->write(", and not yet");
  client_->engine.rest();
  cipher += client_->take();
  server_->engine.feed(asio::buffer(cipher));
  server_->engine.keep();
  server_->engine.rest();
  server_->advance();
  EXPECT_EQ(server_->plain, "sent in part, not at all, and not yet");
}

TEST_P(tls_engine, may_rest_at_any_byte) {
  start();
  for (int i = 0; i < 6; ++i) {
    if (client_->open) client_->write(sample(300));
    for (auto [from, to] : {std::pair(client_.get(), server_.get()), std::pair(server_.get(), client_.get())}) {
      for (const char octet : from->take()) {
        give(*to, {&octet, 1});
        to->engine.rest();
      }
    }
  }
  ASSERT_TRUE(client_->open && server_->open);
  EXPECT_GE(server_->plain.size(), 900);

  client_->write("does not fit");
  const auto cipher = client_->take();
  server_->plain.clear();
  server_->engine.feed(asio::buffer(cipher));
  std::string to(4, '\0');
  for (const auto* part : {"does", " not", " fit"}) {
    error_code ec;
    EXPECT_EQ(server_->engine.read(asio::buffer(to), ec), 4);
    EXPECT_EQ(to, part);
    server_->engine.rest();
  }
}

// Ends

TEST_P(tls_engine, takes_close_notify_for_the_end_and_writes_on) {
  open();
  client_->write("the last");
  client_->engine.shutdown();
  client_->engine.shutdown();
  error_code ec;
  EXPECT_EQ(client_->engine.write(asio::buffer("late", 4), ec), 0);
  EXPECT_EQ(ec, error_code(asio::error::shut_down));
  give(*server_, client_->take() + "and what does not count");
  EXPECT_EQ(server_->plain, "the last");
  EXPECT_EQ(server_->ec, eof);
  EXPECT_TRUE(server_->engine.hungry());
  server_->engine.feed_end();
  server_->advance();
  EXPECT_EQ(server_->ec, eof);

  server_->write("still here");
  server_->engine.shutdown();
  give(*client_, server_->take());
  EXPECT_EQ(client_->plain, "still here");
  EXPECT_EQ(client_->ec, eof);
}

TEST_P(tls_engine, takes_an_end_without_close_notify_for_a_cut) {
  open();
  client_->write("complete");
  client_->write("cut");
  const auto cipher = client_->take();
  give(*server_, std::string_view(cipher).substr(0, cipher.size() - 1));
  server_->engine.feed_end();
  server_->advance();
  EXPECT_EQ(server_->plain, "complete");
  EXPECT_EQ(server_->ec, truncated);
  server_->advance();
  EXPECT_EQ(server_->ec, truncated);
  EXPECT_TRUE(server_->engine.drained()) << "no alert for it";
  server_->write("still here");
}

TEST_P(tls_engine, has_nothing_to_shut_down_before_the_handshake_is_over) {
  start();
  client_->take();
  client_->engine.shutdown();
  EXPECT_TRUE(client_->engine.drained());
  EXPECT_EQ(ERR_peek_error(), 0);
}

TEST_P(tls_engine, fails_for_good_on_a_changed_record_and_says_so_to_the_peer) {
  open();
  client_->write("whole");
  client_->write("changed");
  auto cipher = client_->take();
  cipher.back() = static_cast<char>(cipher.back() ^ 1);
  give(*server_, cipher);
  EXPECT_EQ(server_->plain, "whole");
  const auto ec = server_->ec;
  EXPECT_EQ(ec.category(), asio::error::get_ssl_category()) << ec.message();
  server_->advance();
  EXPECT_EQ(server_->ec, ec);
  error_code again;
  EXPECT_EQ(server_->engine.write(asio::buffer("more", 4), again), 0);
  EXPECT_EQ(again, ec);
  server_->engine.shutdown();

  give(*client_, server_->take());
  EXPECT_EQ(reason(client_->ec), SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
}

// OpenSSL's ways

TEST_P(tls_engine, neither_trusts_nor_leaves_errors_in_the_threads_queue) {
  const auto litter = [] { ERR_raise(ERR_LIB_SSL, SSL_R_BAD_LENGTH); };
  litter();
  open();
  EXPECT_EQ(ERR_peek_error(), 0);
  error_code ec;
  std::string to(10, '\0');
  litter();
  EXPECT_EQ(client_->engine.read(asio::buffer(to), ec), 0);
  EXPECT_EQ(ec, would_block);
  EXPECT_EQ(ERR_peek_error(), 0);
  litter();
  client_->write("fine");
  EXPECT_EQ(ERR_peek_error(), 0);
  give(*server_, client_->take());
  EXPECT_EQ(server_->plain, "fine");
  const std::string garbage(100, '\x17');
  give(*server_, garbage);
  EXPECT_EQ(reason(server_->ec), SSL_R_WRONG_VERSION_NUMBER);
  EXPECT_EQ(ERR_peek_error(), 0);
}

TEST_P(tls13_engine, answers_a_key_update_in_the_middle_of_data) {
  open();
  auto* server = server_->engine.native_handle();
  server_->write("before, ");
  ASSERT_EQ(SSL_key_update(server, SSL_KEY_UPDATE_REQUESTED), 1);
  server_->write("behind");
  give(*client_, server_->take(), 5);
  EXPECT_EQ(client_->plain, "before, behind");
  client_->write("with the new key");
  const auto answer = client_->take();
  EXPECT_THAT(record_lengths(answer), SizeIs(2)) << "KeyUpdate, data";
  give(*server_, answer);
  EXPECT_EQ(server_->plain, "with the new key");
}

TEST_P(tls_engine, is_not_made_to_answer_without_end) {
  open();
  auto* server = server_->engine.native_handle();
  if (!tls13()) SSL_clear_options(server, SSL_OP_NO_RENEGOTIATION);
  for (int i = 0; i < 20'000 && client_->ec == would_block; ++i) {
    if (tls13()) {
      ASSERT_EQ(SSL_key_update(server, SSL_KEY_UPDATE_REQUESTED), 1);
    } else {
      ASSERT_EQ(SSL_renegotiate(server), 1);
    }
    ASSERT_GE(SSL_do_handshake(server), 0);
    give(*client_, server_->take());
  }
  EXPECT_EQ(client_->ec, error_code(errc::limit_exceeded));
  EXPECT_LT(client_->take().size(), 8 * kib);
}

TEST_P(tls13_engine, can_write_again_when_a_ticket_in_two_records_is_complete) {
  SSL_CTX_set_session_ticket_cb(
      server_context_->native_handle(),
      [](SSL* ssl, void*) {
        const std::string much(2000, 'x');
        return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), much.data(), much.size());
      },
      [](SSL*, SSL_SESSION*, const unsigned char*, std::size_t, SSL_TICKET_STATUS, void*) -> SSL_TICKET_RETURN {
        return SSL_TICKET_RETURN_IGNORE;
      },
      nullptr);
  open();
  auto* server = server_->engine.native_handle();
  SSL_set_max_send_fragment(server, 512);
  ASSERT_EQ(SSL_new_session_ticket(server), 1);
  ASSERT_EQ(SSL_do_handshake(server), 1);
  server_->write("behind");
  const auto cipher = server_->take();
  const auto first = 5 + record_lengths(cipher).front();
  ASSERT_LT(first, 600);
  give(*client_, std::string_view(cipher).substr(0, first));
  EXPECT_EQ(client_->ec, would_block);
  error_code ec;
  EXPECT_EQ(client_->engine.write(asio::buffer("message", 7), ec), 0);
  EXPECT_EQ(ec, would_block);
  client_->engine.shutdown();
  EXPECT_TRUE(client_->engine.drained());
  give(*client_, std::string_view(cipher).substr(first), 100);
  EXPECT_EQ(client_->plain, "behind");
  client_->write("message");
  converse();
  EXPECT_EQ(server_->plain, "message");
}

}  // namespace
}  // namespace duplex::test
