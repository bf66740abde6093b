// A handful of contexts, the least lately used of which goes.

#include "net/tls_contexts.hpp"

#include "net/tls.hpp"
#include "net/tls_trust.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

namespace duplex::net {
std::optional<tls_contexts::stamp> tls_contexts::look_at(const std::string& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) return std::nullopt;
  // Of any change, also of the permissions: unlike that of the last writing, nobody sets it back.
  const auto& changed = found.st_ctim;
  return stamp{found.st_dev, found.st_ino, found.st_size, changed.tv_sec, changed.tv_nsec};
}

tls_contexts::stamps tls_contexts::look_at_files(const tls_options& opts) {
  stamps out;
  if (opts.ca_file.empty() && opts.ca_path.empty()) {
    const auto store = system_trust_store();
    for (const auto& file : store.files) out.push_back(look_at(file));
    for (const auto& folder : store.folders) out.push_back(look_at(folder));
  }
  for (const auto* file : {&opts.ca_file, &opts.ca_path, &opts.cert_file, &opts.key_file}) {
    if (!file->empty()) out.push_back(look_at(*file));
  }
  return out;
}

tls_contexts::context_ptr tls_contexts::get(const tls_options& opts) {
  auto files = look_at_files(opts);  // before they are read: a change meanwhile is seen the next time
  std::list<made> gone;              // destroyed without the lock
  std::unique_lock lock(mutex_);
  if (auto ready = find(opts, files, gone)) return ready;
  context_ptr context;
  if (opts.ask_key_password) {  // which runs without the lock
    lock.unlock();
    context = make_client_context(opts);
    lock.lock();
    if (auto ready = find(opts, files, gone)) return ready;  // another's, who was faster
  } else {
    context = make_client_context(opts);
  }
  latest_first_.push_front({opts, std::move(files), std::move(context)});
  if (latest_first_.size() > most) gone.splice(gone.end(), latest_first_, std::prev(latest_first_.end()));
  return latest_first_.front().context;
}

tls_contexts::context_ptr tls_contexts::find(const tls_options& opts, const stamps& files, std::list<made>& gone) {
  const auto at =
      std::find_if(latest_first_.begin(), latest_first_.end(), [&opts](const made& m) { return m.from == opts; });
  if (at == latest_first_.end()) return nullptr;
  if (at->files != files) {
    gone.splice(gone.end(), latest_first_, at);
    return nullptr;
  }
  latest_first_.splice(latest_first_.begin(), latest_first_, at);
  return at->context;
}

void tls_contexts::shutdown() {
  const std::lock_guard lock(mutex_);
  latest_first_.clear();
}

}  // namespace duplex::net
