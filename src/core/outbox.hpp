#pragma once
// What is to be sent on one stream, in order, until it is framed.
//
// Two kinds of sends share the queue. A borrowed one leaves its bytes with the caller and is complete when the last
// was framed. A buffered one (blocking send) is complete as soon as what is left of it fits into the bounded buffer;
// until then the caller waits, and framing may take from the caller's bytes directly. A large one is not copied before
// framing had a chance to.

#include "core/fifo.hpp"
#include "core/outgoing.hpp"

#include <duplex/fields.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace duplex::core {

/// Names one operation of the user, unique on its connection.
using op_id = std::uint64_t;

class outbox {
 public:
  /// To which the sends that became complete are added, in order.
  using completed = std::vector<op_id>;

  /// `kept`: a buffered send after its bytes were copied.
  enum class kind : std::uint8_t { borrowed, buffered, kept };

  /// `capacity`: most bytes of buffered sends that wait.
  explicit outbox(std::size_t capacity) noexcept
      : capacity_(static_cast<std::uint32_t>(std::min<std::size_t>(capacity, UINT32_MAX))) {}

  /// Queues the bytes of one send; `end` half-closes behind them.
  void push(op_id op, std::span<const std::string_view> parts, bool end, kind how, completed& done);

  /// Queues trailing fields behind everything.
  void push_trailers(fields list);

  /// Ends without payload: the head said END_STREAM.
  void close() noexcept { end_ = ending::fin; }

  /// Moves at most `size` bytes of payload to `to`, which may be where they are: memory that was lent must stay until
  /// they were written, and not only until its send is complete.
  std::size_t read(outgoing& to, std::size_t size, completed& done);

  /// Whether `fin` or trailers were queued: nothing may follow.
  [[nodiscard]] bool closed() const noexcept { return end_ != ending::open; }
  /// Whether all payload was read, and END_STREAM or the trailers come next.
  [[nodiscard]] bool at_end() const noexcept { return closed() && queue_.empty(); }
  /// Whether there is payload or an end to send.
  [[nodiscard]] bool ready() const noexcept { return !queue_.empty() || closed(); }
  /// Whether the end is trailers and not `fin`.
  [[nodiscard]] bool has_trailers() const noexcept { return end_ == ending::trailers; }
  [[nodiscard]] fields take_trailers() { return trailers_ ? std::move(*std::exchange(trailers_, nullptr)) : fields(); }

  /// Copies the buffered sends that fit, in their order: the first one that does not holds back those behind it.
  void keep_what_fits(completed& done);
  /// Whether any buffered send, or this one, was neither framed nor copied yet.
  [[nodiscard]] bool waits() const noexcept { return waiting_ > 0; }
  [[nodiscard]] bool waits(op_id op) const noexcept;

  [[nodiscard]] bool empty() const noexcept { return queue_.empty(); }
  /// Payload that waits, borrowed and buffered.
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

  /// Whether a borrowed send still waits.
  [[nodiscard]] bool lends() const noexcept { return lent_ > 0; }

  /// Drops everything; the views that were lent are not used any more.
  void clear() noexcept;

 private:
  enum class ending : std::uint8_t { open, fin, trailers };
  struct entry {
    op_id op;
    std::string_view lent;  // what is left, in the caller's memory
    std::string own;        // of a kept send, all of it
    std::size_t read;       // of `own`
    kind how;
    bool last;  // framing it completes its send

    [[nodiscard]] std::string_view rest() const noexcept {
      return how == kind::kept ? std::string_view(own).substr(read) : lent;
    }
  };

  void keep(std::string_view bytes);

  fifo<entry> queue_;
  std::unique_ptr<fields> trailers_;
  std::size_t bytes_ = 0;
  std::uint32_t capacity_;
  std::uint32_t kept_bytes_ = 0;
  std::uint32_t lent_ = 0;     // borrowed sends in the queue
  std::uint32_t waiting_ = 0;  // buffered sends that were not copied
  ending end_ = ending::open;
};

}  // namespace duplex::core
