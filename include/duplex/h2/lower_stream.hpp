#pragma once
// A byte stream of any type, that a connection can be made over: its type forgotten.

#include <duplex/error.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/buffer.hpp>

#include <cstddef>
#include <memory>
#include <utility>

namespace duplex::h2 {

namespace asio = boost::asio;

/// What `connection::over` makes of the stream that it is handed. Whoever has a stream that is none of Asio's may
/// derive from it instead. One read and one write at a time; everything is called on the connection's strand, and
/// handlers are called on their associated executor. What throws, drops a handler, claims more bytes than it was given,
/// or reads none again and again has failed, and so has the connection.
class lower_stream {
 public:
  using io_handler = asio::any_completion_handler<void(error_code, std::size_t)>;
  using end_handler = asio::any_completion_handler<void(error_code)>;

  lower_stream() = default;
  lower_stream(const lower_stream&) = delete;
  lower_stream& operator=(const lower_stream&) = delete;
  virtual ~lower_stream() = default;

  [[nodiscard]] virtual asio::any_io_executor get_executor() = 0;
  /// Asked once, first: one that is not is refused.
  [[nodiscard]] virtual bool is_open() const { return true; }
  virtual void async_read_some(asio::mutable_buffer to, io_handler handler) = 0;
  virtual void async_write_some(asio::const_buffer from, io_handler handler) = 0;
  /// Tells the peer that nothing follows, if there is a way to; no write is pending. `handler` keeps what this needs,
  /// and may be dropped.
  virtual void async_shutdown(end_handler handler) = 0;
  /// Ends at once: what is pending completes.
  virtual void close() = 0;
  /// Of a socket: its descriptor, which is the caller's from then on. Otherwise -1.
  [[nodiscard]] virtual int release() { return -1; }
};

/// Any AsyncReadStream and AsyncWriteStream. It is ended by what it has of `shutdown_send()`, `async_shutdown(token)`,
/// and closed by what its lowest layer has of `close(error_code&)`, `close()`.
template <class Stream>
class lower_stream_of final : public lower_stream {
 public:
  explicit lower_stream_of(Stream s) : stream_(std::move(s)) {}

  asio::any_io_executor get_executor() override { return stream_.get_executor(); }
  bool is_open() const override {
    if constexpr (requires { bool{stream_.lowest_layer().is_open()}; }) {
      return stream_.lowest_layer().is_open();
    } else if constexpr (requires { bool{stream_.is_open()}; }) {
      return stream_.is_open();
    } else {
      return true;
    }
  }
  void async_read_some(asio::mutable_buffer to, io_handler handler) override {
    stream_.async_read_some(to, std::move(handler));
  }
  void async_write_some(asio::const_buffer from, io_handler handler) override {
    stream_.async_write_some(from, std::move(handler));
  }
  void async_shutdown(end_handler handler) override {
    if constexpr (requires { stream_.shutdown_send(); }) {
      stream_.shutdown_send();
    } else if constexpr (requires { stream_.async_shutdown(std::move(handler)); }) {
      stream_.async_shutdown(std::move(handler));
    }
  }
  void close() override {
    if constexpr (requires { stream_.lowest_layer(); }) {
      close(stream_.lowest_layer());
    } else {
      close(stream_);
    }
  }
  int release() override {
    // Of Asio's sockets; the templates are not asked on systems where a descriptor is something else.
    if constexpr (requires(error_code ec) { int{stream_.release(ec)}; }) {
      error_code ec;
      const int descriptor = stream_.release(ec);
      return ec ? -1 : descriptor;
    } else {
      return -1;
    }
  }

 private:
  template <class Layer>
  static void close(Layer& layer) {
    error_code ignored;
    if constexpr (requires { layer.close(ignored); }) {
      layer.close(ignored);
    } else if constexpr (requires { layer.close(); }) {
      layer.close();
    }
  }

  Stream stream_;
};

}  // namespace duplex::h2
