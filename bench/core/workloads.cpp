#include "workloads.hpp"

#include <stdexcept>

namespace bench {
namespace {

constexpr std::size_t small = 16;
constexpr std::size_t frame = std::size_t{16} << 10;

void expect(bool right) {
  if (!right) throw std::runtime_error("something else came back");
}

/// Every stream sends 16 bytes and gets them back.
class round_trips : public core_workload {
 public:
  explicit round_trips(std::size_t streams) {
    for (std::size_t i = 0; i < streams; ++i) ids_.push_back(pair_.open());
  }
  std::size_t step() override {
    for (const auto id : ids_) pair_.send(id, bytes_);
    pair_.pump();
    for (const auto id : ids_) expect(pair_.receive(id) == small);
    return ids_.size();
  }

 private:
  pair pair_{server_does::echo};
  std::string bytes_ = std::string(small, 'x');
  std::vector<std::int32_t> ids_;
};

/// One full DATA frame to the server.
class upload : public core_workload {
 public:
  std::size_t step() override {
    pair_.send(id_, bytes_);
    pair_.pump();
    return 1;
  }

 private:
  pair pair_{server_does::sink};
  std::string bytes_ = std::string(frame, 'x');
  std::int32_t id_ = pair_.open();
};

/// A stream with one message each way, opened and over.
class open_close : public core_workload {
 public:
  std::size_t step() override {
    const auto id = pair_.open();
    pair_.send(id, bytes_, true);
    pair_.pump();
    expect(pair_.receive(id) == small);
    pair_.release(id);
    return 1;
  }

 private:
  pair pair_{server_does::echo};
  std::string bytes_ = std::string(small, 'x');
};

}  // namespace

const std::vector<named_workload>& core_workloads() {
  static const std::vector<named_workload> all = {
      {"round-trip-16B", [] { return std::make_unique<round_trips>(1); }},
      {"upload-16KiB", [] { return std::make_unique<upload>(); }},
      {"round-robin-100-streams", [] { return std::make_unique<round_trips>(100); }},
      {"open-close", [] { return std::make_unique<open_close>(); }},
  };
  return all;
}

}  // namespace bench
