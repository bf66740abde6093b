#pragma once
// What a peer says first that does not speak HTTP/2 here (RFC 9113, section 3.4): a status line or a request line of
// HTTP/1.x (RFC 9112, sections 3 and 4), a record of TLS (RFC 8446, section 5.1), or the text of something else, as
// SSH. None of these can be a frame: its length would be above every limit that we announce.

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

namespace duplex::core {

enum class stranger { none, perhaps, http1, tls, other };

inline constexpr std::string_view http1_answer = "HTTP/";

/// Of an alert, and of a handshake message.
inline constexpr std::array<std::string_view, 2> tls_records{"\x15\x03", "\x16\x03"};

/// Who says `begin`; `perhaps` if more of it is needed to tell.
[[nodiscard]] inline stranger judge_answer(std::string_view begin) noexcept {
  auto verdict = stranger::none;
  for (const auto& [words, who] : {std::pair(http1_answer, stranger::http1), std::pair(tls_records[0], stranger::tls),
                                   std::pair(tls_records[1], stranger::tls)}) {
    if (begin.starts_with(words)) return who;
    if (words.starts_with(begin)) verdict = stranger::perhaps;
  }
  const bool is_text = !begin.empty() && begin.front() >= ' ' && begin.front() <= '~';
  return verdict == stranger::none && is_text ? stranger::other : verdict;
}

/// Of which client `begin` is, whose first bytes are not the preface: its request line has to be whole to tell.
[[nodiscard]] inline stranger judge_request(std::string_view begin) noexcept {
  constexpr std::size_t longest_line = 8000;  // RFC 9112, section 3
  const auto line = begin.substr(0, begin.find_first_of("\r\n"));
  const auto is_text = [](char c) { return c >= ' ' && c <= '~'; };
  if (line.empty() || line.size() > longest_line || !std::ranges::all_of(line, is_text)) return stranger::none;
  if (line.size() == begin.size()) return stranger::perhaps;
  const auto version = line.substr(std::min(line.rfind(' '), line.size()));
  return version == " HTTP/1.1" || version == " HTTP/1.0" ? stranger::http1 : stranger::none;
}

}  // namespace duplex::core
