// Dialing.

#include "net/dialer.hpp"

#include "core/validate.hpp"
#include "net/endpoint.hpp"
#include "net/http2_connect.hpp"
#include "net/lookup.hpp"
#include "net/proxy.hpp"
#include "net/proxy_talk.hpp"
#include "net/race.hpp"
#include "net/socket_transport.hpp"
#include "net/tls.hpp"
#include "net/tls_contexts.hpp"
#include "net/tls_failure.hpp"
#include "net/tls_pins.hpp"
#include "net/tls_sessions.hpp"
#include "net/tls_transport.hpp"

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/system_error.hpp>

#include <chrono>
#include <optional>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

namespace duplex::net {
namespace {

// What the exception says, without the code that it names behind it.
std::string explanation(const boost::system::system_error& e) {
  std::string text = e.what();
  const auto code = ": " + e.code().what();
  if (text.ends_with(code)) text.resize(text.size() - code.size());
  return text;
}

using namespace std::chrono_literals;
using tcp = asio::ip::tcp;
using unix_protocol = asio::local::stream_protocol;

class attempt final : public dialer, public std::enable_shared_from_this<attempt> {
 public:
  attempt(const strand& executor, target where, const options& opts, dial_handler handler, dialed over,
          std::string early)
      : over_(std::move(over.link)),
        strand_(executor),
        origin_(where),
        where_(std::move(where)),
        options_(opts),
        handler_(std::move(handler)),
        timer_(strand_),
        early_(std::move(early)),
        info_(std::move(over.info)) {}

  void start() {
    const bool hurried = options_.max_time && *options_.max_time < options_.connect_timeout;
    const auto patience = hurried ? *options_.max_time : options_.connect_timeout;
    timer_.expires_at(core::after(connection::now(), patience));
    timer_.async_wait([self = shared_from_this(), hurried, patience](error_code ec) {
      if (ec) return;
      self->fail(errc::timeout, self->doing() + " took longer than " + (hurried ? "max_time, " : "connect_timeout, ") +
                                    std::to_string(patience.count()) + " ms" + self->attempts());
    });
    (void)lap();
    if (over_) {
      if (origin_.tls && !make_context(context_, options_.tls)) return;
      return secure(std::move(over_));
    }
    if (const auto& from = options_.tcp.local_address; !from.empty()) {
      error_code no_address;
      asio::ip::make_address(from, no_address);
      if (no_address) {
        return fail(errc::invalid_argument, "option tcp.local_address " + core::quoted(from) +
                                                " is not an IP address; the name of a device is not taken");
      }
    }
    if (!options_.connect_to.empty()) {
      auto there = parse_host_port(options_.connect_to, "option connect_to");
      if (const auto* bad = std::get_if<std::string>(&there)) return fail(errc::invalid_argument, *bad);
      where_ = std::get<target>(std::move(there));
    }
    if (origin_.tls && !make_context(context_, options_.tls)) return;
    if (!options_.unix_socket.empty()) return connect_unix();
    auto chosen = choose_proxy(origin_, options_.proxy, process_environment);
    if (const auto* bad = std::get_if<std::string>(&chosen)) return fail(errc::invalid_argument, *bad);
    proxy_ = std::get<std::optional<proxy>>(std::move(chosen));
    if (!proxy_) return resolve(where_, [this](const auto& list) { connect(list); });
    info_.proxy = proxy_->name();
    if (proxy_->speaks == proxy::kind::https && !make_context(proxy_context_, options_.proxy.tls)) return;
    if (auto bad = core::check_fields(options_.proxy.headers)) return fail(errc::invalid_argument, "proxy: " + *bad);
    const auto dial_proxy = [this] { resolve(proxy_->where, [this](const auto& list) { connect(list); }); };
    if (proxy_->speaks != proxy::kind::socks5) return dial_proxy();
    resolve(where_, [this, dial_proxy](const auto& list) {
      if (list.empty()) return no_address();
      where_.host = list.front().address().to_string();
      dial_proxy();
    });
  }

  void cancel() override { fail(errc::canceled, doing() + " was canceled"); }

 private:
  // The first outcome counts; what is still under way finds the attempt over.
  bool over() const noexcept { return !handler_; }

  void finish(std::optional<failure> why, dialed result) {
    if (over()) return;
    if (why) {
      if (early_sent_) why->retry_safe = false;
      note_failed_step();
      result.info = info_;
    }
    asio::post(strand_, [handler = std::exchange(handler_, nullptr), why = std::move(why),
                         result = std::make_shared<dialed>(std::move(result))]() mutable {
      handler(std::move(why), std::move(*result));
    });
    timer_.cancel();
    if (lookup_) lookup_->cancel();
    error_code ignored;
    if (race_) race_->cancel();
    if (unix_) unix_->close(ignored);
    if (tls_) tls_->close();
    if (link_) link_->close();
    if (asking_) asking_.async_close([](error_code) {});
  }

  // It took its time as well.
  void note_failed_step() {
    if (step_began_ == core::time_point()) return;
    auto& times = info_.times;
    auto& connecting = lookup_ && !race_ ? times.resolve : times.connect;
    auto& asking = link_ || asking_ || tunneled_ ? times.proxy : connecting;
    auto& step = tls_ && (tunneled_ || !proxy_) ? times.tls : asking;
    if (!step) step = lap();
    if (race_) info_.attempts = race_->attempts();
  }

  // False: the attempt has failed.
  [[nodiscard]] bool make_context(std::shared_ptr<asio::ssl::context>& context, const tls_options& opts) try {
    context = asio::use_service<tls_contexts>(asio::query(strand_, asio::execution::context)).get(opts);
    return true;
  } catch (const boost::system::system_error& e) {
    fail(e.code(), &opts == &options_.proxy.tls ? of_proxy(explanation(e)) : explanation(e));
    return false;
  }

  void fail(error_code ec, std::string message, origin from = origin::local) {
    failure why;
    why.code = ec;
    why.message = std::move(message);
    why.origin = from;
    why.scope = scope::connection;
    why.retry_safe = true;  // nothing was written
    finish(std::move(why), {});
  }

  [[nodiscard]] std::string dialed_address() const {
    if (!options_.unix_socket.empty()) return options_.unix_socket;
    return to_authority(where_);
  }

  [[nodiscard]] std::string peer() const {
    if (!proxy_) return name_of_peer(origin_, info_.peer);
    return name_of_peer(origin_, {}) + " through the proxy " + info_.proxy;
  }
  // The one whose address is dialed.
  [[nodiscard]] std::string next_hop() const { return proxy_ ? "the proxy " + info_.proxy : peer(); }

  // What is under way, for a person.
  [[nodiscard]] std::string doing() const {
    if (tls_) return "the TLS handshake with " + (tunneled_ || !proxy_ ? peer() : next_hop());
    if (link_ || asking_) return "asking " + next_hop() + " for " + to_authority(where_);
    if (tried().empty()) return "resolving " + resolving_;
    return "connecting to " + next_hop();
  }

  [[nodiscard]] std::string tried() const { return race_ ? race_->told() : trying_; }

  // The addresses that were tried, unless the only one has been named already.
  [[nodiscard]] std::string attempts() const {
    const auto all = tried();
    return tls_ || link_ || asking_ || all.empty() || all == next_hop() ? "" : ": " + all;
  }

  void cannot_dial_from(const std::string& why) {
    fail(errc::connect_failed, "option tcp.local_address " + options_.tcp.local_address + " cannot be used: " + why);
  }

  void cannot_connect(const std::string& attempts, bool all_refused) {
    const auto name = next_hop();
    const bool named = attempts.starts_with(name + " (");  // it is the address
    fail(errc::connect_failed,
         "cannot connect to " + (named ? "" : name + ": ") + attempts + (all_refused ? "; nothing listens there" : ""),
         origin::network);
  }

  void no_address() {
    fail(errc::connect_failed, "cannot connect to " + next_hop() + ": it has no address of the wanted family",
         origin::network);
  }

  /// `then` gets the addresses of the wanted family, perhaps none.
  template <class Then>
  void resolve(const target& whom, Then then) {
    error_code not_an_address;
    const auto address = asio::ip::make_address(whom.host, not_an_address);
    if (!not_an_address) {
      if (const auto zone = whom.host.find('%'); zone != std::string::npos && address.to_v6().scope_id() == 0) {
        return fail(errc::connect_failed,
                    "cannot connect to " + whom.host + ": there is no network interface " + whom.host.substr(zone + 1));
      }
      return then(wanted({tcp::endpoint(address, whom.port)}));
    }

    resolving_ = whom.host;
    (void)lap();
    lookup_ =
        std::make_shared<lookup>(strand_, resolve_query{whom.host, whom.port, options_.family, {}}, options_.resolver);
    lookup_->start([weak = weak_from_this(), then](lookup::answer a) {
      const auto self = weak.lock();
      if (!self || self->over()) return;
      if (a.problem) {
        const bool of_proxy = self->proxy_ && self->resolving_ == self->proxy_->where.host;
        return self->fail(
            errc::resolve_failed,
            std::string("cannot resolve ") + (of_proxy ? "the proxy " : "") + self->resolving_ + ": " + *a.problem,
            a.whose);
      }
      auto& taken = self->info_.times.resolve;
      taken = taken.value_or(0us) + self->lap();
      then(self->wanted(std::move(a.found)));
    });
  }

  // What has passed since it was last called.
  h2::dial_times::duration lap() {
    const auto now = connection::now();
    return std::chrono::duration_cast<h2::dial_times::duration>(now - std::exchange(step_began_, now));
  }

  void connect(std::vector<tcp::endpoint> list) {
    if (list.empty()) return no_address();
    if (const auto& from = options_.tcp.local_address; !from.empty()) {
      const bool v6 = asio::ip::make_address(from).is_v6();
      std::erase_if(list, [v6](const auto& e) { return e.address().is_v6() != v6; });
      if (list.empty()) return cannot_dial_from(next_hop() + " has no IPv" + (v6 ? "6" : "4") + " address");
    }
    (void)lap();
    race_ = std::make_shared<race>(strand_, list, options_.tcp, [self = weak_from_this()](auto socket, const auto& to) {
      const auto a = self.lock();
      if (!a || a->over()) return;
      if (!socket && a->race_->not_bound()) return a->cannot_dial_from(a->race_->not_bound().message());
      if (!socket) return a->cannot_connect(a->race_->told(), a->race_->all_refused());
      a->connected(std::move(socket), to_string(to));
    });
    race_->start();
  }

  [[nodiscard]] std::vector<tcp::endpoint> wanted(std::vector<tcp::endpoint> list) const {
    std::erase_if(list, [this](const auto& e) { return !allowed(e); });
    return list;
  }

  [[nodiscard]] bool allowed(const tcp::endpoint& e) const {
    if (options_.family == address_family::any) return true;
    return e.address().is_v6() == (options_.family == address_family::v6);
  }

  void connect_unix() {
    constexpr std::size_t longest = 107;  // of sockaddr_un on Linux
    if (options_.unix_socket.size() > longest) {
      return fail(errc::invalid_argument, "option unix_socket is longer than 107 bytes");
    }
    (void)lap();
    trying_ = options_.unix_socket;
    unix_ = std::make_unique<unix_protocol::socket>(strand_.get_inner_executor());
    auto connected = [self = shared_from_this()](error_code ec) {
      if (self->over()) return;
      // Where the line of those who wait is full, the system says so at once, which Asio takes for "not yet".
      if (!ec) self->unix_->remote_endpoint(ec);
      if (ec == asio::error::not_connected) ec = asio::error::try_again;
      const auto& path = self->options_.unix_socket;
      if (ec) {
        return self->cannot_connect(path + " (" + ec.message() + ")", ec == asio::error::connection_refused);
      }
      self->connected(std::move(self->unix_), path);
    };
    unix_->async_connect(options_.unix_socket, asio::bind_executor(strand_, std::move(connected)));
  }

  template <class Socket>
  void connected(std::unique_ptr<Socket> socket, std::string peer) {
    info_.times.connect = lap();
    info_.attempts = race_ ? race_->attempts() : std::vector{h2::dial_attempt{peer, {}}};
    info_.peer = std::move(peer);
    std::unique_ptr<transport> link = std::make_unique<socket_transport<Socket>>(std::move(*socket), strand_);
    if (!proxy_) return secure(std::move(link));
    if (proxy_->speaks != proxy::kind::https) return ask_proxy(std::move(link));
    shake_hands(std::move(link), options_.proxy.tls, proxy_->where.host, [this](error_code ec) {
      if (ec) {
        auto why = explain_handshake(tls_->native_handle(), ec, options_.proxy.tls, proxy_->where.host, next_hop());
        why.message = of_proxy(std::move(why.message));
        if (why.code != errc::protocol_not_negotiated) return finish(std::move(why), {});
        return proxy_refuses(options_.proxy.http2 ? "by ALPN it takes neither HTTP/2 nor HTTP/1.1"
                                                  : "by ALPN it takes no HTTP/1.1; proxy.http2 offers it HTTP/2");
      }
      const bool http2 = options_.proxy.http2 && chosen_protocol(tls_->native_handle()) == "h2";
      http2 ? ask_http2(std::move(tls_)) : ask_proxy(std::move(tls_));
    });
  }

  void ask_http2(std::unique_ptr<transport> link) try {
    const tunnel_request wanted{next_hop(), to_authority(where_), fields_of_connect()};
    const auto self = shared_from_this();
    asking_ = ask_http2_proxy(strand_, std::move(link), wanted, options_, [self](const auto& v, auto tunnel) {
      if (self->over()) return;
      if (!v.refused.empty()) return self->proxy_refuses(v.refused);
      self->asking_ = {};
      self->secure(std::move(tunnel));
    });
  } catch (const std::system_error& e) {  // no descriptor is left
    fail(errc::connect_failed, "the connection to " + next_hop() + " cannot be served: " + e.what());
  }

  void ask_proxy(std::unique_ptr<transport> link) {
    link_ = std::move(link);
    talk_to_proxy(*link_, codec(), [self = shared_from_this()](const proxy_verdict& v) {
      if (self->over()) return;
      if (!v.ec && v.refused.empty()) return self->secure(std::move(self->link_));
      if (!v.refused.empty()) return self->proxy_refuses(v.refused);
      self->proxy_refuses(is_alert(v.ec) ? of_proxy(explain_break(v.ec, &self->options_.proxy.tls, "it"))
                                         : "the connection to it is lost: " + v.ec.message());
    });
  }

  void proxy_refuses(const std::string& why) {
    fail(errc::proxy_failed, next_hop() + " does not connect us to " + to_authority(where_) + ": " + why, origin::peer);
  }

  [[nodiscard]] proxy_codec codec() const {
    if (proxy_->socks()) {
      return socks5(where_.host, where_.port,
                    has_login() ? std::optional(socks5::login{proxy_->user, proxy_->password}) : std::nullopt);
    }
    return http_connect(to_authority(where_), fields_of_connect());
  }

  [[nodiscard]] fields fields_of_connect() const {
    auto extra = options_.proxy.headers;
    if (has_login() && !extra.find("proxy-authorization")) {
      extra.add("proxy-authorization", basic_credentials(proxy_->user, proxy_->password));
    }
    return extra;
  }

  [[nodiscard]] bool has_login() const { return !proxy_->user.empty() || !proxy_->password.empty(); }

  // HTTP/2 over `link`, which reaches the other end.
  void secure(std::unique_ptr<transport> link) {
    tunneled_ = proxy_.has_value();
    if (tunneled_) info_.times.proxy = lap();
    if (!origin_.tls) return finish(std::nullopt, {std::move(link), info_});
    shake_hands(std::move(link), options_.tls, origin_.host, [this](error_code ec) { shook_hands(ec); });
  }

  /// `then(error_code)` while the attempt is not over; `tls_` is the session.
  template <class Then>
  void shake_hands(std::unique_ptr<transport> link, const tls_options& opts, const std::string& host, Then then) {
    const bool of_proxy = !tunneled_ && proxy_;
    tls_ = std::make_unique<tls_transport>(std::move(link), of_proxy ? proxy_context_ : context_,
                                           asio::ssl::stream_base::client);
    auto* ssl = tls_->native_handle();
    if (!prepare_client(ssl, opts, host)) {
      return fail(errc::invalid_argument, "no certificate can have the name " +
                                              core::quoted(verified_name(opts, host)) + "; " +
                                              (of_proxy ? "proxy." : "") + "tls.server_name verifies another");
    }
    if (of_proxy) offer_http1(ssl, options_.proxy.http2);
    resume_session(ssl, {verified_name(opts, host), of_proxy ? to_authority(proxy_->where) : dialed_address()});
    // Only who was verified when the session began, or holds its keys, can read it.
    if (!of_proxy && !early_.empty() && allow_early_data(ssl, early_.size()) && !check_pins(ssl, opts.pinned_keys)) {
      early_sent_ = true;
      tls_->write_early(std::move(early_));
    }
    tls_->async_handshake([self = shared_from_this(), &opts, of_proxy, then](error_code ec) {
      if (self->over()) return;
      if (const auto wrong = ec ? std::nullopt : check_pins(self->tls_->native_handle(), opts.pinned_keys)) {
        return self->fail(errc::certificate_invalid,
                          "the certificate of " + (of_proxy ? self->next_hop() : self->peer()) +
                              " is not valid: " + (of_proxy ? net::of_proxy(*wrong) : *wrong));
      }
      then(ec);
    });
  }

  void shook_hands(error_code ec) {
    if (ec) return finish(explain_handshake(tls_->native_handle(), ec, options_.tls, origin_.host, peer()), {});
    const auto protocol = chosen_protocol(tls_->native_handle());
    if (protocol != "h2") {
      return fail(errc::protocol_not_negotiated,
                  peer() + " does not speak HTTP/2 on this port: by ALPN it chose " +
                      (protocol.empty() ? "no protocol" : core::quoted(protocol)) + ", and h2 is needed",
                  origin::peer);
    }
    info_.times.tls = lap();
    describe_session(tls_->native_handle(), info_);
    finish(std::nullopt, {std::move(tls_), info_});
  }

  std::unique_ptr<transport> over_;  // which was handed in
  strand strand_;
  target origin_;  // of the URL: what the certificate must name
  target where_;   // to dial
  options options_;
  dial_handler handler_;
  asio::steady_timer timer_;
  core::time_point step_began_{};
  std::shared_ptr<lookup> lookup_;
  std::string resolving_;  // whose addresses are asked for
  std::optional<proxy> proxy_;
  std::shared_ptr<asio::ssl::context> context_;
  std::shared_ptr<asio::ssl::context> proxy_context_;
  std::string trying_;  // the path of the Unix socket
  std::string early_;
  bool early_sent_ = false;
  h2::connection_info info_;
  std::shared_ptr<race> race_;
  std::unique_ptr<unix_protocol::socket> unix_;
  std::unique_ptr<transport> link_;  // to the proxy, while it is asked
  h2::stream asking_;                // as well, by HTTP/2
  bool tunneled_ = false;            // by the proxy, to the other end
  std::unique_ptr<tls_transport> tls_;
};

}  // namespace

std::shared_ptr<dialer> dial(const strand& executor, const target& where, const options& opts, dial_handler handler,
                             dialed over, std::string early) {
  auto self = std::make_shared<attempt>(executor, where, opts, std::move(handler), std::move(over), std::move(early));
  self->start();
  return self;
}

}  // namespace duplex::net
