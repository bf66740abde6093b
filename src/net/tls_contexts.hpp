#pragma once
// The TLS contexts of the clients on one execution context. To make one takes milliseconds, most of it for the
// authorities; and the sessions that can be resumed are the context's.

#include <duplex/options.hpp>

#include <boost/asio/execution_context.hpp>
#include <boost/asio/ssl/context.hpp>

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace duplex::net {

namespace asio = boost::asio;

/// Asio makes it when it is first asked for: `asio::use_service<tls_contexts>(execution_context)`. Thread-safe.
class tls_contexts final : public asio::execution_context::service {
 public:
  using context_ptr = std::shared_ptr<asio::ssl::context>;

  static constexpr std::size_t most = 16;
  inline static asio::execution_context::id id;

  explicit tls_contexts(asio::execution_context& owner) : service(owner) {}

  /// One for `opts`, made of what its files hold now. Throws as `make_client_context`.
  [[nodiscard]] context_ptr get(const tls_options& opts);

 private:
  // Whether a file, or a folder, is the same as before.
  struct stamp {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::int64_t size = 0;
    std::int64_t changed_seconds = 0;
    std::int64_t changed_nanoseconds = 0;
    friend bool operator==(const stamp&, const stamp&) = default;
  };
  using stamps = std::vector<std::optional<stamp>>;  // none: there is no such file
  struct made {
    tls_options from;
    stamps files;
    context_ptr context;
  };

  [[nodiscard]] static std::optional<stamp> look_at(const std::string& path);
  [[nodiscard]] static stamps look_at_files(const tls_options& opts);
  // The one that is there, under the lock; one that was made of other files goes to `gone`.
  [[nodiscard]] context_ptr find(const tls_options& opts, const stamps& files, std::list<made>& gone);
  void shutdown() override;

  std::mutex mutex_;
  std::list<made> latest_first_;
};

}  // namespace duplex::net
