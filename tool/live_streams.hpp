#pragma once
// The streams that Ctrl-\ shows.

#include <duplex/h2/stream.hpp>

#include <boost/asio/awaitable.hpp>

#include <list>
#include <string>

namespace duplex::tool {

namespace asio = boost::asio;

/// Knows the streams of one connection while they are used. All on one thread.
class live_streams {
 public:
  /// Keeps a stream in the list.
  class entry {
   public:
    entry(live_streams& owner, h2::stream s);
    ~entry();
    entry(const entry&) = delete;
    entry& operator=(const entry&) = delete;

   private:
    live_streams& owner_;
    std::list<h2::stream>::iterator at_;
  };

  /// Where each of them and their connection stand, for a person.
  asio::awaitable<std::string> describe() const;

 private:
  std::list<h2::stream> list_;
};

}  // namespace duplex::tool
