#pragma once
// Threads inside a connection that its callers serve.

#include "net/connection.hpp"
#include "net/stream.hpp"
#include "run.hpp"

#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <variant>

namespace duplex::test {

[[nodiscard]] inline h2::stream open_on(const std::shared_ptr<net::connection>& link, const options& opts) {
  h2::stream s;
  link->submit([&] {
    const core::request_head head{"POST", "http", "peer", "/", {}, {}};
    s = h2::stream(std::make_shared<net::stream_handle>(link->open_stream(head, opts, false)));
  });
  return s;
}

/// What a `recv` on a thread of its own comes to. It waits, or is over, when this returns.
[[nodiscard]] inline std::future<std::string> receiving(h2::stream s) {
  auto told = std::async(std::launch::async, [s]() mutable -> std::string {
    try {
      error_code ec;
      const auto m = s.recv(ec);
      return ec ? name(ec) : std::holds_alternative<response>(m) ? "response" : "something else";
    } catch (const std::exception& e) {
      return e.what();
    }
  });
  while (!s.stats().recv_waits && told.wait_for(0s) != std::future_status::ready) std::this_thread::yield();
  return told;
}

[[nodiscard]] inline std::string get(std::future<std::string> told) {
  return told.wait_for(patience) == std::future_status::ready ? told.get() : "stranded";
}

}  // namespace duplex::test
