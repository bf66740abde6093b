// What was wrong elsewhere and must not be here: peers that are not floods, by the number of their advisory. The floods
// are in flood_test.cpp, those of queues in queued_control_test.cpp.

#include "heap.hpp"
#include "session_test.hpp"

namespace duplex::test {
namespace {

using raw::end_headers;
using raw::end_stream;
using raw::frame;
using raw::none;

class advisory : public session_test {};
INSTANTIATE_TEST_SUITE_P(bytes_per_read, advisory, read_sizes(), name_of_read_size);

constexpr std::array<role, 2> both{role::client, role::server};

/// A request to a server under test, or the stream that a client under test opens.
std::int32_t begin(scripted_peer& p, role side) {
  p.greet();
  if (side == role::server) {
    p.say(raw::request(1));
  } else {
    EXPECT_EQ(p.open(), 1);
  }
  (void)p.heard();
  return 1;
}

/// Stream 1, on which the session under test may send DATA, within this window.
void begin_to_send(scripted_peer& p, role side, std::uint32_t window) {
  p.greet({{raw::initial_window_size, window}});
  if (side == role::server) {
    p.say(raw::request(1, end_stream));
    EXPECT_EQ(name(p.us.respond(1)), "ok");
    p.listen();
  } else {
    EXPECT_EQ(p.open(), 1);
  }
}

// A static table's entry with one byte each (RFC 7541, section 6.1): `accept-encoding: gzip, deflate`.
constexpr char indexed = '\x90';
std::string request_block() {
  return raw::block({{":method", "GET"}, {":scheme", "http"}, {":authority", "p"}, {":path", "/"}});
}

// Windows

TEST_P(advisory, cve_2019_9511_a_window_of_one_byte_at_a_time_costs_no_memory) {
  for (const auto side : both) {
    scripted_peer p(side, GetParam());
    begin_to_send(p, side, 0);
    EXPECT_EQ(name(p.us.send_buffered(1, pattern(2000), true)), "ok");
    p.listen();
    const heap_use before;
    for (int i = 0; i < 2000; ++i) p.us->feed(raw::window_update(1, 1));
    EXPECT_LT(before.grown(), 65536U);
    p.say(raw::window_update(1, 1));
    EXPECT_EQ(p.payload(1), pattern(2000));
    EXPECT_EQ(p.us.failure_of_connection(), "none");
  }
}

TEST_P(advisory, cve_2019_9517_who_opens_the_window_and_does_not_read_gets_no_more_than_the_send_buffer) {
  options opts;
  opts.send_buffer = 10000;
  for (const auto side : both) {
    scripted_peer p(side, GetParam(), opts);
    begin_to_send(p, side, 0x7fffffff);
    p.say(raw::window_update(0, 0x7fffffff - 65535));
    const auto before = p.us.sent().size();
    for (int i = 0; i < 100; ++i) EXPECT_EQ(name(p.us.send_buffered(1, pattern(1000))), "ok");
    p.us->settle_sends(p.now);
    p.us.collect();
    EXPECT_EQ(p.us.sent().size() - before, 10U) << "the others wait, and so do their callers";
  }
}

TEST_P(advisory, cve_2026_21714_a_connection_window_that_overflows_ends_and_frees_everything) {
  for (const auto side : both) {
    scripted_peer p(side, GetParam());
    const auto id = begin(p, side);
    p.say(raw::window_update(0, 0x7fffffff));
    EXPECT_THAT(p.heard(), Contains(StartsWith("GOAWAY FLOW_CONTROL_ERROR")));
    EXPECT_TRUE(p.us->finished());
    p.us->lost(errc::connection_lost, "end of file");
    p.us.release(id);
    EXPECT_FALSE(p.us.knows(id));
    EXPECT_EQ(p.us->active_streams(), 0U);
  }
}

// Header sections

TEST_P(advisory, cve_2019_9516_fields_without_a_name_reset_the_stream_and_leave_nothing) {
  for (const auto side : both) {
    scripted_peer p(side, GetParam());
    const auto id = begin(p, side);
    if (side == role::server) {
      p.say(raw::request(3, none, {{"", ""}, {"", "x"}}));
      EXPECT_FALSE(p.us.knows(3));
    } else {
      p.say(raw::response(id, none, {{"", ""}, {"", "x"}}));
      EXPECT_EQ(p.us.failure_of(id), "protocol_error peer stream PROTOCOL_ERROR");
    }
    EXPECT_THAT(p.heard(), Contains(HasSubstr("PROTOCOL_ERROR")));
  }
}

TEST_P(advisory, vu_421644_continuation_frames_without_end_are_a_flood) {
  for (const auto side : both) {
    for (const auto* payload : {"", "\x90"}) {
      scripted_peer p(side, GetParam());
      const auto id = begin(p, side);
      p.say(frame(raw::type_headers, none, side == role::server ? 3 : id, ""));
      int sent = 0;
      for (; sent < 100 && !p.us->failed(); ++sent) {
        p.say(frame(raw::type_continuation, none, side == role::server ? 3 : id, payload));
      }
      EXPECT_LT(sent, 15);
      EXPECT_EQ(p.us.failure_of_connection(), "limit_exceeded peer connection ENHANCE_YOUR_CALM");
      EXPECT_THAT(p.us->failed()->message, HasSubstr("limits.max_continuations"));
      EXPECT_EQ(p.us.failure_of(id), "limit_exceeded peer connection ENHANCE_YOUR_CALM");
    }
  }
}

TEST_P(advisory, cve_2024_28182_a_legal_block_in_many_reads_is_none) {
  for (const auto side : both) {
    scripted_peer p(side, GetParam());
    const auto id = begin(p, side);
    const auto stream = side == role::server ? 3 : id;
    p.say(frame(raw::type_headers, end_stream, stream,
                side == role::server ? request_block() : raw::block({{":status", "200"}})));
    for (int i = 0; i < 7; ++i) p.say(frame(raw::type_continuation, none, stream, raw::block({{"a", "b"}})));
    p.say(frame(raw::type_continuation, end_headers, stream, ""));
    EXPECT_EQ(p.us.failure_of_connection(), "none");
    EXPECT_THAT(p.us.story(stream), HasSubstr("done"));
  }
}

TEST_P(advisory, cve_2026_49975_a_block_of_references_is_passed_over_after_its_limit) {
  for (const auto side : both) {
    scripted_peer p(side, GetParam());
    const auto id = begin(p, side);
    const auto stream = side == role::server ? 3 : id;
    const heap_use before;
    auto block = side == role::server ? request_block() : raw::block({{":status", "200"}});
    p.us->feed(frame(raw::type_headers, end_stream, stream, block));
    for (int i = 0; i < 8; ++i) {
      p.us->feed(frame(raw::type_continuation, i == 7 ? end_headers : none, stream, std::string(16384, indexed)));
    }
    EXPECT_LT(before.grown(), 65536U) << "of 131072 fields";
    p.listen();
    EXPECT_THAT(p.heard(), Contains("RST_STREAM " + std::to_string(stream) + " ENHANCE_YOUR_CALM"));
    EXPECT_EQ(p.us.failure_of_connection(), "none");
    if (side == role::client) {
      EXPECT_EQ(p.us.failure_of(id), "limit_exceeded local stream ENHANCE_YOUR_CALM");
    }
  }
}

TEST_P(advisory, cve_2026_47774_every_crumb_of_a_cookie_is_a_field) {
  for (const bool fits : {true, false}) {
    options opts;
    opts.max_header_fields = 50;
    scripted_peer p(role::server, GetParam(), opts);
    p.greet();
    raw::list crumbs;
    for (int i = 0; i < (fits ? 50 : 51); ++i) crumbs.emplace_back("cookie", "a=b");
    p.say(raw::request(1, end_stream, crumbs));
    EXPECT_EQ(p.us.requests().size(), fits ? 1U : 0U);
  }
}

TEST_P(advisory, cve_2022_41717_names_that_were_never_seen_are_not_remembered) {
  for (const auto side : both) {
    scripted_peer p(side, GetParam());
    p.greet();
    const auto round = [&](int i) {
      const auto id = 1 + 2 * i;
      const raw::list fields{{"x-name-" + std::to_string(i), std::string(1000, 'x')}};
      core::outgoing out;
      if (side == role::client) {
        EXPECT_EQ(p.us.open(p.session_options), id);
        (void)p.us.send(id, "", true);
        p.us->pull(out, p.now);
      }
      p.us->feed(side == role::server ? raw::request(id, end_stream, fields) : raw::response(id, end_stream, fields));
      p.us.collect();
      if (side == role::server) (void)p.us.respond(id, 200, {}, true);
      p.us.release(id);
      p.us->pull(out, p.now);
      (void)p.us->take_events();
    };
    for (int i = 0; i < 200; ++i) round(i);
    const heap_use before;
    for (int i = 200; i < 1200; ++i) round(i);
    EXPECT_EQ(p.us->active_streams(), 0U);
    EXPECT_LT(before.grown(), 65536U + 1000U * 400U) << "what the test keeps: events and names";
  }
}

TEST_P(advisory, cve_2022_41723_a_huffman_code_in_small_pieces_is_decoded_within_the_limit) {
  for (const auto side : both) {
    scripted_peer p(side, GetParam());
    const auto id = begin(p, side);
    const auto stream = side == role::server ? 3 : id;
    // 0x00 is `0` and `0` and the begin of another: a literal of 60,000 bytes with the Huffman code (RFC 7541, 5.2).
    auto block = std::string("\x00\x01x\xff\xe1\xd3\x03", 7) + std::string(60000, '\0');
    if (side == role::server) block = request_block() + block;
    for (std::size_t at = 0, n = 0; at < block.size(); at += n) {
      n = std::min<std::size_t>(16000, block.size() - at);
      const std::uint8_t flags = at + n == block.size() ? end_headers : none;
      p.say(frame(at == 0 ? raw::type_headers : raw::type_continuation, flags, stream, block.substr(at, n)));
      if (p.us->failed()) break;
    }
    EXPECT_THAT(p.us.requests(), Not(Contains(3)));
    if (side == role::client) {
      EXPECT_NE(p.us.failure_of(id), "none");
    }
  }
}

TEST_P(advisory, cve_2026_33186_a_path_begins_with_a_slash) {
  const auto ask = [](const std::string& method, const std::string& scheme, const std::string& path) {
    scripted_peer p(role::server, GetParam());
    p.greet();
    p.say(
        raw::headers(1, {{":method", method}, {":scheme", scheme}, {":authority", "p"}, {":path", path}}, end_stream));
    EXPECT_EQ(p.us.failure_of_connection(), "none");
    if (p.us.requests().size() == 1) return std::string("taken");
    EXPECT_FALSE(p.us.knows(1)) << "nobody has a handle that would let it go";
    const auto heard = p.heard();
    return heard.empty() ? std::string("nothing") : heard.back();
  };
  for (const std::string scheme : {"http", "https", "coap"}) {
    EXPECT_EQ(ask("GET", scheme, "/"), "taken");
    EXPECT_EQ(ask("GET", scheme, "/a?b"), "taken");
    EXPECT_EQ(ask("OPTIONS", scheme, "*"), "taken");
    for (const std::string path : {"", "admin", "*", "http://other/", "?x", "a/b"}) {
      EXPECT_EQ(ask("GET", scheme, path), "RST_STREAM 1 PROTOCOL_ERROR") << scheme << " " << path;
    }
    EXPECT_EQ(ask("OPTIONS", scheme, "*a"), "RST_STREAM 1 PROTOCOL_ERROR");
  }
}

TEST_P(advisory, rfc8441_3_an_extended_connect_is_not_said_to_a_server_that_does_not_know_it) {
  for (const std::uint32_t knows : {0U, 1U}) {
    scripted_peer p(role::client, GetParam());
    const core::request_head head{"CONNECT", "http", "peer", "/", "websocket", {}};
    EXPECT_EQ(p.us->open(head, {}), 0) << "the server has not said anything yet";
    p.greet({{8, knows}});
    EXPECT_EQ(p.us->open(head, {}), knows == 1 ? 1 : 0);
    EXPECT_EQ(name(p.us->open_when_possible(1, head, {}, p.now + 1s)), knows == 1 ? "ok" : "protocol_not_negotiated");
    if (knows == 0) {
      EXPECT_THAT(p.heard(), IsEmpty()) << "not a byte was sent";
    }
  }
}

// SETTINGS

TEST_P(advisory, cve_2020_11080_settings_with_many_entries_end_the_connection) {
  for (const auto side : both) {
    scripted_peer p(side, GetParam());
    const auto id = begin(p, side);
    std::vector<std::pair<std::uint16_t, std::uint32_t>> entries(2400, {raw::initial_window_size, 65535});
    const heap_use before;
    p.us->feed(raw::settings(entries));
    EXPECT_LT(before.grown(), 65536U);
    p.listen();
    EXPECT_THAT(p.heard(), Contains(StartsWith("GOAWAY ENHANCE_YOUR_CALM")));
    EXPECT_EQ(p.us.failure_of_connection(), "limit_exceeded peer connection ENHANCE_YOUR_CALM");
    EXPECT_EQ(p.us.failure_of(id), "limit_exceeded peer connection ENHANCE_YOUR_CALM");
  }
}

TEST_P(advisory, cve_2026_33814_any_settings_are_taken_or_refused_and_nothing_hangs) {
  for (const auto side : both) {
    for (const std::uint16_t id : {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 255, 65535}) {
      for (const std::uint32_t value : {0U, 1U, 2U, 16383U, 16384U, 0xffffffU, 0x1000000U, 0x7fffffffU, 0xffffffffU}) {
        scripted_peer p(side, GetParam());
        const auto stream = begin(p, side);
        p.say(raw::settings({{id, value}}));
        const auto heard = p.heard();
        const bool taken = !p.us->failed();
        EXPECT_THAT(heard, Contains(StartsWith(taken ? "SETTINGS ack" : "GOAWAY "))) << id << "=" << value;
        EXPECT_EQ(p.us->finished(), !taken);
        if (side == role::server) (void)p.us.respond(stream);
        EXPECT_EQ(name(p.us.send(stream, "abc", true)), taken ? "ok" : "protocol_error") << id << "=" << value;
        p.listen();
      }
    }
  }
}

// Resets

TEST_P(advisory, cve_2023_45802_a_stream_that_was_reset_frees_its_memory_at_once) {
  options opts;
  opts.limits.resets = {infinity, 0};
  scripted_peer p(role::server, GetParam(), opts);
  p.greet();
  const auto round = [&](int i) {
    const auto id = 1 + 2 * i;
    p.us->feed(raw::request(id, none, {{"large", std::string(8000, 'x')}}) + raw::data(id, std::string(1000, 'x')) +
               raw::rst_stream(id, h2::code::cancel));
    p.us->release(id);
    core::outgoing out;
    p.us->pull(out, p.now);
    (void)p.us->take_events();
  };
  for (int i = 0; i < 100; ++i) round(i);
  const heap_use before;
  for (int i = 100; i < 1100; ++i) round(i);
  EXPECT_LT(before.grown(), 65536U) << "of 9 MB that came";
  EXPECT_EQ(p.us->active_streams(), 0U);
}

TEST_P(advisory, cve_2023_35945_goaway_and_a_reset_together_leave_nothing) {
  const auto once = [] {
    scripted_peer p(role::client, GetParam());
    p.greet();
    const auto id = p.open();
    const auto above = p.open();
    p.say(raw::goaway(id, h2::code::no_error) + raw::rst_stream(id, h2::code::cancel) +
          raw::rst_stream(above, h2::code::cancel));
    EXPECT_THAT(p.us.failure_of(id), StartsWith("stream_reset"));
    EXPECT_THAT(p.us.failure_of(above), HasSubstr("refused"));
    p.us.release(id);
    p.us.release(above);
    EXPECT_FALSE(p.us.knows(id) || p.us.knows(above));
    EXPECT_TRUE(p.us->finished());
  };
  once();
  const heap_use before;
  for (int i = 0; i < 100; ++i) once();
  EXPECT_LT(before.grown(), 65536U);
}

TEST_P(advisory, cve_2026_23918_a_reset_and_an_end_of_one_stream_clean_up_once) {
  for (const bool answered : {false, true}) {
    scripted_peer p(role::server, GetParam());
    p.greet();
    p.us->feed(raw::request(1, end_stream));
    p.us.collect();
    if (answered) {
      EXPECT_EQ(name(p.us.respond(1, 200, {}, true)), "ok");
    }
    p.us->feed(raw::rst_stream(1, h2::code::cancel) + raw::rst_stream(1, h2::code::cancel));
    p.us.reset(1, h2::code::internal_error);
    p.listen();
    EXPECT_EQ(p.us->active_streams(), 0U);
    p.us.release(1);
    EXPECT_FALSE(p.us.knows(1));
    p.us.release(1);
    p.say(raw::rst_stream(1, h2::code::cancel));
    EXPECT_EQ(p.us.failure_of_connection(), "none");
  }
}

TEST_P(advisory, cve_2026_26311_nothing_is_delivered_after_a_reset_in_the_same_read) {
  for (const auto side : both) {
    scripted_peer p(side, GetParam());
    const auto id = begin(p, side);
    if (side == role::client) p.say(raw::response(id));
    p.say(raw::data(id, "before") + raw::rst_stream(id, h2::code::cancel) + raw::data(id, "after") +
          raw::headers(id, {{"late", "trailer"}}, end_stream));
    const auto told = p.us.story(id);
    EXPECT_THAT(told, AllOf(HasSubstr("before"), HasSubstr("stream_reset")));
    EXPECT_THAT(told, AllOf(Not(HasSubstr("after")), Not(HasSubstr("late")), Not(HasSubstr("done"))));
  }
}

TEST_P(advisory, interim_replies_are_together_within_max_header_bytes) {
  options opts;
  opts.max_header_bytes = 4000;
  opts.informational = true;
  scripted_peer p(role::client, GetParam(), opts);
  p.greet();
  const auto id = p.open();
  for (int i = 0; i < 10; ++i) p.say(raw::headers(id, {{":status", "103"}, {"link", std::string(1000, 'x')}}));
  EXPECT_EQ(p.us.failure_of(id), "limit_exceeded local stream CANCEL");
  EXPECT_THAT(p.heard(), Contains("RST_STREAM 1 CANCEL"));
}

}  // namespace
}  // namespace duplex::test
