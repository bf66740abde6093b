#pragma once
// Which signals are listened to.

#include <boost/asio/signal_set.hpp>

#include <initializer_list>

namespace duplex::tool {

/// What nohup and a shell's & have switched off stays off, as for cat.
void add_unless_ignored(boost::asio::signal_set& set, std::initializer_list<int> numbers);

}  // namespace duplex::tool
