// A handful of contexts, the least lately used of which goes.

#include "net/tls_contexts.hpp"

#include "net/tls.hpp"

#include <openssl/x509.h>

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <sstream>
#include <string>
#include <utility>

namespace duplex::net {
namespace {

// Where OpenSSL looks for the system's authorities.
std::string from_environment(const char* variable, const char* otherwise) {
  const char* set = ::secure_getenv(variable);
  return set ? set : otherwise;
}

}  // namespace

std::optional<tls_contexts::stamp> tls_contexts::look_at(const std::string& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) return std::nullopt;
  // Of any change, also of the permissions: unlike that of the last writing, nobody sets it back.
  const auto& changed = found.st_ctim;
  return stamp{found.st_dev, found.st_ino, found.st_size, changed.tv_sec, changed.tv_nsec};
}

tls_contexts::stamps tls_contexts::look_at_files(const tls_options& opts) {
  stamps out;
  if (opts.ca_file.empty()) {
    out.push_back(look_at(from_environment(X509_get_default_cert_file_env(), X509_get_default_cert_file())));
    std::istringstream folders(from_environment(X509_get_default_cert_dir_env(), X509_get_default_cert_dir()));
    for (std::string folder; std::getline(folders, folder, ':');) out.push_back(look_at(folder));
  }
  for (const auto* file : {&opts.ca_file, &opts.cert_file, &opts.key_file}) {
    if (!file->empty()) out.push_back(look_at(*file));
  }
  return out;
}

tls_contexts::context_ptr tls_contexts::get(const tls_options& opts) {
  auto files = look_at_files(opts);  // before they are read: a change meanwhile is seen the next time
  std::list<made> gone;              // destroyed without the lock
  const std::lock_guard lock(mutex_);
  const auto at =
      std::find_if(latest_first_.begin(), latest_first_.end(), [&opts](const made& m) { return m.from == opts; });
  if (at != latest_first_.end()) {
    if (at->files == files) {
      latest_first_.splice(latest_first_.begin(), latest_first_, at);
      return at->context;
    }
    gone.splice(gone.end(), latest_first_, at);
  }
  latest_first_.push_front({opts, std::move(files), make_client_context(opts)});
  if (latest_first_.size() > most) gone.splice(gone.end(), latest_first_, std::prev(latest_first_.end()));
  return latest_first_.front().context;
}

void tls_contexts::shutdown() {
  const std::lock_guard lock(mutex_);
  latest_first_.clear();
}

}  // namespace duplex::net
