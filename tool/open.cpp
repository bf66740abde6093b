// `duplex open`: one stream, from the command line to the exit status.

#include "open.hpp"

#include "frame_log.hpp"
#include "live_streams.hpp"
#include "open_settings.hpp"
#include "parallel.hpp"
#include "script_runner.hpp"
#include "signals.hpp"
#include "transfer.hpp"

#include <duplex/h2/open.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/system_error.hpp>

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <utility>

namespace duplex::tool {
namespace {

std::string read_script(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  try {
    if (file) return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  } catch (const std::ios_base::failure&) {  // a directory can be opened, but not read
  }
  throw problem::usage(path + ": cannot be read");
}

class client {
 public:
  explicit client(const open_settings& settings)
      : settings_(settings),
        file_(shared_file(settings)),
        out_(io_.get_executor(), file_.descriptor()),
        print_(settings.style) {
    if (settings.has_body || reads_script()) in_ = std::make_unique<input>(io_.get_executor(), STDIN_FILENO);
    if (reads_script()) {
      script_ = std::make_unique<script_source>(*in_);
    } else if (settings.script_file) {
      script_ = std::make_unique<script_source>(read_script(*settings.script_file));
    }
  }

  int run() {
    watch_signals();
    if (settings_.max_time) {
      deadline_.expires_after(*settings_.max_time);
      deadline_.async_wait([this](error_code ec) {
        if (!ec) abort(problem(exit_status::timeout, "timeout", "--max-time has passed"));
      });
    }
    asio::co_spawn(io_, session(),
                   asio::bind_cancellation_slot(stop_.slot(), [this](const std::exception_ptr& e) { finish(e); }));
    // Runs on after `finish`, until the connection has said its last words.
    io_.run();
    return status_;
  }

 private:
  // With #1 each of several URLs has a file of its own.
  static std::string shared_file(const open_settings& settings) {
    const bool own = settings.urls.size() > 1 && settings.output_file.find("#1") != std::string::npos;
    return own ? std::string() : settings.output_file;
  }

  [[nodiscard]] bool reads_script() const { return settings_.script_file == "-"; }

  asio::awaitable<void> session() {
    if (settings_.urls.size() > 1) {
      co_await several();
    } else {
      co_await one();
    }
  }

  [[nodiscard]] options with_log() {
    auto options = settings_.options;
    if (settings_.verbose) options.on_frame = [this](const frame_info& info) { log_.frame(info); };
    return options;
  }

  asio::awaitable<void> several() {
    auto [ec, c] = co_await h2::connection::async_connect(io_.get_executor(), settings_.head.url, with_log(),
                                                          asio::as_tuple(asio::deferred));
    if (ec) {
      if (ec != errc::invalid_argument) in_vain_ = c.info();
      throw problem(ec, c.failure(), operation::open);
    }
    if (settings_.verbose) log_.connected(c.info());
    parallel_transfer all(c, settings_, out_, print_, live_);
    const auto failed = co_await all.run();
    if (failed) status_ = static_cast<int>(failed->status());
    c.close();
  }

  asio::awaitable<void> one() {
    auto [ec, s] =
        co_await h2::async_open(io_.get_executor(), settings_.head, with_log(), asio::as_tuple(asio::deferred));
    if (ec) {
      if (ec != errc::invalid_argument) in_vain_ = s.connection().info();
      throw problem(ec, s.failure(), operation::open);
    }
    const live_streams::entry shown(live_, s);
    const auto info = s.connection().info();
    if (settings_.verbose) log_.connected(info);
    co_await out_.write(print_.opened(s.id(), info));
    if (script_) {
      script_runner runner(s, out_, print_, settings_.options.recv_timeout);
      co_await runner.run(*script_);
    } else {
      transfer both(s, in_.get(), out_, print_, settings_.input, settings_.options.flow == flow_control::manual);
      co_await both.run();
    }
    co_await s.async_close(asio::as_tuple(asio::deferred));
  }

  void watch_signals() {
    add_unless_ignored(signals_, {SIGINT, SIGTERM, SIGHUP});
    signals_.async_wait([this](error_code ec, int number) {
      if (ec) return;
      // The second time there is no time for good-byes: it ends the process.
      signals_.clear();
      abort(problem::signalled(number, ::strsignal(number)));
    });
    add_unless_ignored(questions_, {SIGQUIT});
    answer_questions();
  }

  // SIGQUIT, Ctrl-\ on a terminal, asks where everything stands.
  void answer_questions() {
    questions_.async_wait([this](error_code ec, int) {
      if (ec || finished_) return;
      asio::co_spawn(io_, live_.describe(), [](const std::exception_ptr& error, const std::string& text) {
        if (!error) std::fputs(text.c_str(), stderr);
      });
      answer_questions();
    });
  }

  // Ends the session from outside; the first reason counts.
  void abort(problem why) {
    if (!aborted_) aborted_ = std::move(why);
    stop_.emit(asio::cancellation_type::terminal);
  }

  void finish(const std::exception_ptr& error) {
    finished_ = true;  // a signal that came before this may be told of after it
    deadline_.cancel();
    signals_.cancel();
    questions_.cancel();
    if (settings_.verbose) log_.failed();
    if (aborted_) {
      report(*aborted_);
      return;
    }
    if (!error) return;
    try {
      std::rethrow_exception(error);
    } catch (const problem& p) {
      report(p);
    } catch (const script::syntax_error& e) {
      report(problem::usage(e.what()));
    } catch (const boost::system::system_error& e) {
      report(problem(e.code(), std::nullopt, operation::recv));
    }
  }

  void report(const problem& p) {
    status_ = static_cast<int>(p.status());
    if (!p.quiet()) {
      if (settings_.verbose && in_vain_) log_.dialed_in_vain(*in_vain_);
      if (settings_.verbose && p.why()) log_.explain(*p.why());
      out_.write_last(print_.failed(p, in_vain_));
      if (!settings_.silent) std::fprintf(stderr, "duplex: (%d) %s\n", status_, p.what());
    }
  }

  const open_settings& settings_;
  asio::io_context io_{1};
  output_file file_;
  std::unique_ptr<input> in_;
  output out_;
  printer print_;
  frame_log log_;
  std::unique_ptr<script_source> script_;
  live_streams live_;
  asio::signal_set signals_{io_};
  asio::signal_set questions_{io_};
  asio::steady_timer deadline_{io_};
  asio::cancellation_signal stop_;
  std::optional<problem> aborted_;
  std::optional<h2::connection_info> in_vain_;  // of a connection that was not made
  int status_ = 0;
  bool finished_ = false;
};

}  // namespace

int open_main(int argc, const char* const* argv) {
  const auto settings = parse_open(argc, argv);
  if (!settings) return 0;
  try {
    client c(*settings);
    return c.run();
  } catch (const script::syntax_error& e) {
    if (!settings->silent) throw problem::usage(e.what());
    return static_cast<int>(exit_status::usage);
  }
}

}  // namespace duplex::tool
