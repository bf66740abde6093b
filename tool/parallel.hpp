#pragma once
// Several requests on one connection, some of them at a time.

#include "live_streams.hpp"
#include "open_settings.hpp"
#include "output.hpp"
#include "printer.hpp"

#include <duplex/h2/connection.hpp>

#include <cstddef>
#include <optional>

namespace duplex::tool {

/// A stream for each URL, in their order, without input. All on one thread.
class parallel_transfer {
 public:
  parallel_transfer(h2::connection c, const open_settings& settings, output& out, const printer& print,
                    live_streams& live);

  /// Returns the first problem of a URL; each has been told already, and has ended none of the others.
  /// Throws `problem` for what concerns all of them.
  asio::awaitable<std::optional<problem>> run();

 private:
  // Takes the next URL until there is none.
  asio::awaitable<void> work();
  asio::awaitable<void> transfer_one(std::size_t index);
  asio::awaitable<void> exchange(const std::string& url, output& out, printer& print);

  h2::connection connection_;
  const open_settings& settings_;
  output& out_;
  const printer& print_;
  live_streams& live_;
  std::size_t next_ = 0;
  std::optional<problem> first_problem_;
};

}  // namespace duplex::tool
