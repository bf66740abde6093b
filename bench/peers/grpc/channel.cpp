#include "calls.hpp"

#include <grpc/grpc_security.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <fstream>
#include <iterator>

namespace bench {
namespace {

std::string content_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::shared_ptr<grpc::ChannelCredentials> credentials(const plan& p) {
  if (!p.tls()) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = content_of(p.ca);
  return grpc::SslCredentials(options);
}

}  // namespace

std::shared_ptr<grpc::Channel> dial(const plan& p) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 16 << 20);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  if (p.workload == workload::reconnect) {
    static grpc_ssl_session_cache* const sessions = grpc_ssl_session_cache_create_lru(1);
    const auto argument = grpc_ssl_session_cache_create_channel_arg(sessions);
    arguments.SetPointerWithVtable(argument.key, argument.value.pointer.p, argument.value.pointer.vtable);
  }
  return grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(p.port), credentials(p), arguments);
}

grpc::ByteBuffer message_of(const plan& p) {
  const grpc::Slice bytes(std::string(p.size, 'x'));
  return {&bytes, 1};
}

}  // namespace bench
