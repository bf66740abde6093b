// What a peer may not do to a connection (RFC 9113).

#include "breaches.hpp"

#include "raw_frames.hpp"

namespace duplex::test {
namespace {

using namespace raw;

std::string byte(char c, std::size_t count) { return std::string(count, c); }

std::string trailers_of(std::string_view block) { return frame(type_headers, end_headers | end_stream, 1, block); }

/// What neither side may say. Stream 1 is open, stream 99 is idle.
std::vector<breach> of_either_side() {
  return {breach{"4_2_a_frame_above_the_largest_size", "FRAME_SIZE_ERROR", data(1, byte('x', 16385))},
          // RFC 7541, section 5.1, 2.3.3, 4.2, 6.3 and 5.2.
          breach{"4_3_an_integer_without_end", "COMPRESSION_ERROR", trailers_of("\xff\xff\xff\xff\xff\xff")},
          breach{"4_3_an_index_of_0", "COMPRESSION_ERROR", trailers_of("\x80")},
          breach{"4_3_an_index_above_the_table", "COMPRESSION_ERROR", trailers_of("\xff\x80\x01")},
          breach{"4_3_a_table_above_its_limit", "COMPRESSION_ERROR", trailers_of("\x3f\xe2\x1f")},
          breach{"4_3_a_table_size_behind_a_field", "COMPRESSION_ERROR", trailers_of(block({{"a", "b"}}) + "\x20")},
          breach{"4_3_a_field_that_is_cut", "COMPRESSION_ERROR", trailers_of(block({{"a", "b"}}).substr(0, 4))},
          breach{"4_3_huffman_padding_of_a_byte", "COMPRESSION_ERROR",
                 trailers_of(block({{"a", ""}}).substr(0, 3) + "\x81\xff")},
          breach{"4_3_the_end_of_string_symbol", "COMPRESSION_ERROR",
                 trailers_of(block({{"a", ""}}).substr(0, 3) + "\x84\xff\xff\xff\xff")},
          breach{"5_1_data_on_an_idle_stream", "PROTOCOL_ERROR", data(99, "abc")},
          breach{"5_1_reset_of_an_idle_stream", "PROTOCOL_ERROR", rst_stream(99, h2::code::cancel)},
          breach{"5_1_window_update_of_an_idle_stream", "PROTOCOL_ERROR", window_update(99, 1)},
          breach{"6_1_data_on_stream_0", "PROTOCOL_ERROR", data(0, "abc")},
          breach{"6_1_more_padding_than_data", "PROTOCOL_ERROR", frame(type_data, padded, 1, byte('\x05', 1) + "abc")},
          breach{"6_2_headers_on_stream_0", "PROTOCOL_ERROR", response(0)},
          breach{"6_2_more_padding_than_headers", "PROTOCOL_ERROR",
                 frame(type_headers, padded | end_headers, 1, byte('\x50', 1) + block({{":status", "200"}}))},
          breach{"6_4_a_reset_of_3_bytes", "FRAME_SIZE_ERROR", frame(type_rst_stream, none, 1, "abc")},
          breach{"6_4_a_reset_of_stream_0", "PROTOCOL_ERROR", rst_stream(0, h2::code::cancel)},
          breach{"6_5_settings_of_5_bytes", "FRAME_SIZE_ERROR", frame(type_settings, none, 0, "abcde")},
          breach{"6_5_an_acknowledgement_with_settings", "FRAME_SIZE_ERROR",
                 frame(type_settings, ack, 0, u16(initial_window_size) + u32(1))},
          breach{"6_5_settings_of_a_stream", "PROTOCOL_ERROR", frame(type_settings, none, 1, "")},
          breach{"6_5_2_an_initial_window_of_2_to_the_31", "FLOW_CONTROL_ERROR",
                 settings({{initial_window_size, 0x80000000U}})},
          breach{"6_5_2_a_frame_size_of_16383", "PROTOCOL_ERROR", settings({{max_frame_size, 16383}})},
          breach{"6_5_2_a_frame_size_of_2_to_the_24", "PROTOCOL_ERROR", settings({{max_frame_size, 1U << 24U}})},
          breach{"6_7_a_ping_of_7_bytes", "FRAME_SIZE_ERROR", ping("1234567")},
          breach{"6_7_a_ping_of_a_stream", "PROTOCOL_ERROR", frame(type_ping, none, 1, "12345678")},
          breach{"6_8_a_goaway_of_7_bytes", "FRAME_SIZE_ERROR", frame(type_goaway, none, 0, "1234567")},
          breach{"6_8_a_goaway_of_a_stream", "PROTOCOL_ERROR", frame(type_goaway, none, 1, u32(0) + u32(0))},
          breach{"6_9_a_window_update_of_3_bytes", "FRAME_SIZE_ERROR", frame(type_window_update, none, 0, "abc")},
          breach{"6_9_a_window_update_by_0", "PROTOCOL_ERROR", window_update(0, 0)},
          breach{"6_9_1_a_connection_window_above_2_to_the_31", "FLOW_CONTROL_ERROR", window_update(0, 0x7fffffff)},
          breach{"6_10_a_continuation_of_nothing", "PROTOCOL_ERROR",
                 frame(type_continuation, end_headers, 1, block({{"a", "b"}}))},
          breach{"6_10_a_frame_inside_a_header_block", "PROTOCOL_ERROR",
                 frame(type_headers, end_stream, 1, block({{"a", "b"}})) + ping("12345678")},
          breach{"6_10_a_continuation_of_another_stream", "PROTOCOL_ERROR",
                 frame(type_headers, end_stream, 1, block({{"a", "b"}})) +
                     frame(type_continuation, end_headers, 3, block({{"a", "b"}}))}};
}

std::vector<breach> with(std::vector<breach> more) {
  auto all = of_either_side();
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

}  // namespace

std::vector<breach> breaches_of_a_server() {
  return with(
      {breach{"5_1_1_headers_of_an_idle_stream", "PROTOCOL_ERROR", response(99)},
       breach{"5_1_1_headers_of_an_even_stream", "PROTOCOL_ERROR", response(2)},
       breach{"6_5_2_a_server_that_allows_push", "PROTOCOL_ERROR", settings({{enable_push, 1}})},
       breach{
           "6_6_a_push_that_was_not_allowed", "PROTOCOL_ERROR",
           frame(type_push_promise, end_headers, 1,
                 u32(2) + block({{":method", "GET"}, {":scheme", "http"}, {":authority", "peer"}, {":path", "/"}}))}});
}

std::vector<breach> breaches_of_a_client() {
  return with({breach{"5_1_1_an_even_stream", "PROTOCOL_ERROR", request(2)},
               breach{"6_5_2_push_of_2", "PROTOCOL_ERROR", settings({{enable_push, 2}})},
               breach{"6_6_a_push_by_a_client", "PROTOCOL_ERROR",
                      frame(type_push_promise, end_headers, 1, u32(2) + block({{"a", "b"}}))}});
}

}  // namespace duplex::test
