#include "plan.hpp"

#include <map>
#include <stdexcept>

namespace bench {
namespace {

workload workload_of(const std::string& name) {
  static const std::map<std::string, workload> all = {
      {"pingpong", workload::ping_pong},  {"up", workload::up},     {"down", workload::down},
      {"echo", workload::echo},           {"open", workload::open}, {"connect", workload::connect},
      {"reconnect", workload::reconnect}, {"idle", workload::idle}, {"idle-connections", workload::idle_connections},
  };
  const auto found = all.find(name);
  if (found == all.end()) throw std::runtime_error("no such workload: " + name);
  return found->second;
}

}  // namespace

std::string plan::path() const {
  const std::string service = grpc ? "/bench" : "";
  if (workload == workload::up) return service + "/sink";
  if (workload == workload::down) return service + (grpc ? "/source" : "/source?bytes=1000000000000000");
  return service + "/echo";
}

std::string plan::url() const {
  return (tls() ? "https" : "http") + std::string("://127.0.0.1:") + std::to_string(port) + path();
}

std::string plan::message() const {
  std::string framed;
  if (grpc) {
    framed.push_back(0);  // not compressed
    for (int shift = 24; shift >= 0; shift -= 8) framed.push_back(static_cast<char>(size >> shift));
  }
  return framed.append(size, 'x');
}

plan parse(int argc, char** argv) {
  if (argc < 2 || argc % 2 != 0) throw std::runtime_error("usage: WORKLOAD [--OPTION VALUE]...");
  plan p;
  p.workload = workload_of(argv[1]);
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string option = argv[i];
    const std::string value = argv[i + 1];
    if (option == "--port") {
      p.port = static_cast<std::uint16_t>(std::stoul(value));
    } else if (option == "--ca") {
      p.ca = value;
    } else if (option == "--size") {
      p.size = std::stoul(value);
    } else if (option == "--streams") {
      p.streams = std::stoul(value);
    } else if (option == "--seconds") {
      p.seconds = std::stod(value);
    } else if (option == "--server-pid") {
      p.server_pid = std::stoi(value);
    } else if (option == "--threads") {
      p.threads = std::stoul(value);
    } else if (option == "--io") {
      p.epoll = value == "epoll";
    } else if (option == "--framing") {
      p.grpc = value == "grpc";
    } else {
      throw std::runtime_error("no such option: " + option);
    }
  }
  const bool bulk = p.workload == workload::up || p.workload == workload::down || p.workload == workload::echo;
  if (bulk) p.size = chunk;
  return p;
}

}  // namespace bench
