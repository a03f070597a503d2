#include "net/websocket_stream.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/websocket.hpp>

#include "net/race.hpp"
#include "net/upgrade_request.hpp"
#include "net/websocket_road.hpp"
#include "sheaf/net/error.hpp"
#include "sheaf/net/signal.hpp"
#include "sheaf/protocol/invariant.hpp"

namespace sheaf {
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;

namespace {

// What one message carries at most. Larger ones would save next to nothing and let more be kept back.
constexpr std::size_t message_bytes = 64 * 1024;
// How many runs go into one message: with its head, as many as one call of the system takes.
constexpr std::size_t runs_most = 63;
// Beast's buffer in which the dialling side masks: small where little is said, so that it is small when idle.
constexpr std::size_t mask_bytes = message_bytes;
constexpr std::size_t mask_bytes_of_little = 4 * 1024;
// How long whoever is turned away has to read why, and how much it may send meanwhile.
constexpr Duration linger_time = std::chrono::seconds(1);
constexpr std::size_t linger_bytes = 1024 * 1024;

// Beast's asynchronous handshake, waiting for bytes.
class WaitingRead {
 public:
  virtual ~WaitingRead() = default;
  virtual void go_on(Error error, std::size_t bytes) = 0;
};

struct HandshakeWait {
  MutableBytes into;
  std::unique_ptr<WaitingRead> reading;
  bool done = false;
  Error ending{};
  Signal changed{};
};

// What Beast calls its next layer. Reading and writing are the road's; the asynchronous half serves the
// handshake of the dialling side, which has no other.
class Layer {
 public:
  using executor_type = asio::any_io_executor;

  Layer(WebSocketRoad& road, HandshakeWait& wait, executor_type executor)
      : road_(road), wait_(wait), executor_(std::move(executor)) {}
  executor_type get_executor() const { return executor_; }

  template <class Buffers>
  std::size_t read_some(const Buffers& buffers, Error& error) {
    const auto taken = road_.read(first_of(buffers));
    if (!taken && is_would_block(taken.error())) throw NothingToRead{};
    error = taken ? *taken == 0 ? Error(asio::error::eof) : Error() : taken.error();
    return taken ? *taken : 0;
  }

  template <class Buffers>
  std::size_t write_some(const Buffers& buffers, Error& error) {
    std::array<Bytes, runs_most + 1> runs;
    std::size_t count = 0, bytes = 0;
    const auto end = asio::buffer_sequence_end(buffers);
    for (auto at = asio::buffer_sequence_begin(buffers); at != end && count < runs.size(); ++at) {
      const asio::const_buffer buffer(*at);
      if (buffer.size() == 0) continue;
      runs[count++] = Bytes(static_cast<const std::byte*>(buffer.data()), buffer.size());
      bytes += buffer.size();
    }
    error = {};
    if (count == 0) return 0;
    const auto written = road_.write(std::span(runs).first(count));
    if (!written) error = written.error();
    return written ? bytes : 0;
  }

  template <class Buffers>
  std::size_t read_some(const Buffers& buffers) {
    Error error;
    const auto bytes = read_some(buffers, error);
    if (error) throw boost::system::system_error(error);
    return bytes;
  }
  template <class Buffers>
  std::size_t write_some(const Buffers& buffers) {
    Error error;
    const auto bytes = write_some(buffers, error);
    if (error) throw boost::system::system_error(error);
    return bytes;
  }

  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    auto initiate = [this](auto handler, MutableBytes into) {
      wait_.into = into;
      wait_.reading = std::make_unique<Reading<decltype(handler)>>(std::move(handler));
      wait_.changed.notify();
    };
    return asio::async_initiate<Token, void(Error, std::size_t)>(std::move(initiate), token,
                                                                 first_of(buffers));
  }
  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    auto initiate = [this](auto handler, const Buffers& all) {
      Error error;
      const std::size_t bytes = write_some(all, error);
      asio::post(executor_, beast::bind_handler(std::move(handler), error, bytes));
    };
    return asio::async_initiate<Token, void(Error, std::size_t)>(std::move(initiate), token, buffers);
  }

  // Beast's doors for what ends a connection: the stream that carries it is ours to end.
  friend void teardown(beast::role_type, Layer& layer, Error& error) {
    error = {};
    layer.road_.end();
  }
  template <class Handler>
  friend void async_teardown(beast::role_type, Layer& layer, Handler&& handler) {
    layer.road_.end();
    asio::post(layer.executor_, beast::bind_handler(std::forward<Handler>(handler), Error()));
  }
  friend void beast_close_socket(Layer& layer) { layer.road_.below().close(); }

 private:
  template <class Handler>
  class Reading final : public WaitingRead {
   public:
    explicit Reading(Handler handler) : handler_(std::move(handler)) {}
    void go_on(Error error, std::size_t bytes) override { std::move(handler_)(error, bytes); }

   private:
    Handler handler_;
  };

  template <class Buffers>
  static MutableBytes first_of(const Buffers& buffers) {
    const auto end = asio::buffer_sequence_end(buffers);
    for (auto at = asio::buffer_sequence_begin(buffers); at != end; ++at)
      if (const asio::mutable_buffer buffer(*at); buffer.size() != 0)
        return {static_cast<std::byte*>(buffer.data()), buffer.size()};
    invariant(false, "Beast reads into a buffer that is not empty");
    return {};
  }

  WebSocketRoad& road_;
  HandshakeWait& wait_;
  executor_type executor_;
};

// A close frame as the last that is said. By hand, because Beast's close() reads on until it is answered and
// cannot be left before. The mask may be any number, since nothing in it is the other side's choice.
Buffer close_frame(beast::role_type role, websocket::close_code code) {
  const bool masked = role == beast::role_type::client;
  Buffer frame{std::byte{0x88}, masked ? std::byte{0x82} : std::byte{0x02}};
  if (masked) frame.insert(frame.end(), 4, std::byte{0});
  frame.push_back(static_cast<std::byte>(static_cast<unsigned>(code) >> 8));
  frame.push_back(static_cast<std::byte>(code));
  return frame;
}

std::string refusal(http::status status) {
  std::string text = "HTTP/1.1 " + std::to_string(static_cast<unsigned>(status)) + " " +
                     std::string(http::obsolete_reason(status)) +
                     "\r\nConnection: close\r\nContent-Length: 0\r\n";
  if (status == http::status::upgrade_required) text += "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
  if (status == http::status::method_not_allowed) text += "Allow: GET\r\n";
  return text + "\r\n";
}

std::string with_ws(std::string name) {
  if (name.starts_with("tcp:")) name.replace(0, 3, "ws");
  return name;
}

std::string authority(const Address& address) {
  const Address bare{.scheme = Scheme::ws, .host = address.host, .port = address.port};
  return to_string(bare).substr(std::string_view("ws://").size());
}

}  // namespace

class WebSocketStream::Impl {
 public:
  Impl(std::unique_ptr<ByteStream> below, asio::any_io_executor executor, const Limits& limits,
       Timers& timers, beast::role_type role)
      : name_(with_ws(below->remote())),
        road_(std::move(below)),
        timers_(timers),
        role_(role),
        control_most_(limits.control_frames_per_second),
        beast_(road_, wait_, std::move(executor)) {
    beast_.binary(true);
    beast_.auto_fragment(false);
    beast_.read_message_max(limits.websocket_message_bytes);
    beast_.write_buffer_bytes(mask_bytes_of_little);
    beast_.control_callback([this](websocket::frame_type type, beast::string_view) {
      if (type != websocket::frame_type::close) count_control_frame();
    });
  }

  void expect_request(std::size_t head_bytes, UpgradePolicy policy) {
    request_.emplace(head_bytes);
    policy_ = std::move(policy);
    state_ = State::asked;
  }

  asio::awaitable<Result<void>> ask(Address address);
  Result<std::size_t> try_read(MutableBytes into);
  asio::awaitable<Result<void>> readable();
  Result<std::size_t> try_write(std::span<const Bytes> runs);
  asio::awaitable<Result<void>> writable();
  void end();
  void close();
  const std::string& name() const { return name_; }

 private:
  enum class State {
    asked,      // the request is being read
    open,       // frames go both ways
    ended,      // the other side has closed
    lingering,  // the other side was told what is wrong and may read it
    failed,     // reading gives error_
    closed,
  };

  void take_request();
  void refuse(http::status status);
  void linger(Error error);
  Result<std::size_t> discard();
  void say_close(websocket::close_code code);
  void count_control_frame();
  asio::awaitable<Result<void>> until(State left);

  std::string name_;
  WebSocketRoad road_;
  HandshakeWait wait_;
  Timers& timers_;
  beast::role_type role_;
  State state_ = State::open;
  std::optional<UpgradeRequest> request_;  // while asked
  UpgradePolicy policy_;
  Error error_{};  // once lingering or failed
  Instant linger_until_{};
  std::size_t lingered_ = 0;
  bool drained_ = false;    // the last read found nothing more
  bool owes_byte_ = false;  // the last byte of a message is not yet reported as sent
  std::size_t control_most_;
  std::size_t control_frames_ = 0;  // in this second
  Instant second_began_{};
  bool flooded_ = false;
  Signal changed_;  // state_ did
  websocket::stream<Layer, false> beast_;
};

// -- Dialling.

// Beast's handshake asks for bytes and is given them here, so that a cancel can end it.
asio::awaitable<Result<void>> WebSocketStream::Impl::ask(Address address) {
  websocket::response_type response;
  const std::string host = authority(address);
  const std::string path = address.path.empty() ? "/" : address.path;
  beast_.async_handshake(response, host, path, [this](Error error) {
    wait_.done = true;
    wait_.ending = error;
    wait_.changed.notify();
  });
  for (;;) {
    while (!wait_.done && !wait_.reading) co_await wait_.changed.wait_through();
    if (wait_.done) break;
    auto sent = road_.flush();
    while (!sent && is_would_block(sent.error())) {
      sent = co_await road_.below().writable();
      if (sent) sent = road_.flush();
    }
    Result<std::size_t> taken = std::size_t{0};
    if (sent)
      taken = co_await read_some(road_.below(), wait_.into);
    else
      taken = sent.error();
    const auto reading = std::move(wait_.reading);
    if (!taken)
      reading->go_on(taken.error(), 0);
    else
      reading->go_on(*taken == 0 ? Error(asio::error::eof) : Error(), *taken);
  }
  if (!wait_.ending) co_return Result<void>();
  if (co_await was_cancelled()) co_return cancelled_error();
  if (wait_.ending == websocket::error::upgrade_declined) co_return NetErrc::upgrade_refused;
  const auto& category = wait_.ending.category();
  if (category == make_error_code(websocket::error::closed).category() ||
      category == make_error_code(http::error::end_of_stream).category())
    co_return NetErrc::bad_upgrade;
  co_return wait_.ending;
}

// -- Accepting.

void WebSocketStream::Impl::take_request() {
  while (request_->partial()) {
    const auto taken = road_.below().try_read(request_->room());
    if (!taken && is_would_block(taken.error())) return;
    if (!taken || *taken == 0) {
      error_ = taken ? make_error_code(NetErrc::ended) : taken.error();
      state_ = State::failed;
      changed_.notify();
      return;
    }
    request_->received(*taken);
  }
  if (request_->malformed() != http::status::continue_) return refuse(request_->malformed());
  if (const auto status = request_->judge(policy_); status != http::status::switching_protocols)
    return refuse(status);
  road_.put_back(request_->rest());
  Error error;
  beast_.accept(request_->message(), error);  // says itself what is wrong with key and version
  request_.reset();
  if (error) return linger(NetErrc::upgrade_refused);
  state_ = State::open;
  changed_.notify();
}

void WebSocketStream::Impl::refuse(http::status status) {
  const std::string text = refusal(status);
  const Bytes run = as_bytes(text);
  [[maybe_unused]] const auto gone = road_.write({&run, 1});
  request_.reset();
  linger(NetErrc::upgrade_refused);
}

// -- Ending.

// A close while the other side still sends would make the system tell it to forget what it has not read.
void WebSocketStream::Impl::linger(Error error) {
  error_ = error;
  state_ = State::lingering;
  linger_until_ = timers_.now() + linger_time;
  road_.mute();
  road_.end();
  changed_.notify();
}

Result<std::size_t> WebSocketStream::Impl::discard() {
  std::array<std::byte, 4096> scratch;
  [[maybe_unused]] const auto flushed = road_.flush();
  while (timers_.now() < linger_until_ && lingered_ < linger_bytes) {
    const auto taken = road_.below().try_read(scratch);
    if (!taken && is_would_block(taken.error())) return would_block_error();
    if (!taken || *taken == 0) break;
    lingered_ += *taken;
  }
  state_ = State::failed;
  changed_.notify();
  return error_;
}

void WebSocketStream::Impl::say_close(websocket::close_code code) {
  const Buffer frame = close_frame(role_, code);
  const Bytes run = frame;
  [[maybe_unused]] const auto gone = road_.write({&run, 1});
  road_.mute();
}

void WebSocketStream::Impl::end() {
  if (state_ == State::open && !road_.muted()) say_close(websocket::close_code::normal);
}

void WebSocketStream::Impl::close() {
  if (std::exchange(state_, State::closed) == State::asked) {
    const std::string text = refusal(http::status::request_timeout);
    const Bytes run = as_bytes(text);
    [[maybe_unused]] const auto gone = road_.write({&run, 1});
  }
  road_.below().close();
  changed_.notify();
}

// -- Bytes.

void WebSocketStream::Impl::count_control_frame() {
  const Instant now = timers_.now();
  if (now - second_began_ >= std::chrono::seconds(1)) {
    second_began_ = now;
    control_frames_ = 0;
  }
  if (++control_frames_ > control_most_ && !flooded_) {
    flooded_ = true;
    say_close(websocket::close_code::policy_error);
  }
}

Result<std::size_t> WebSocketStream::Impl::try_read(MutableBytes into) {
  drained_ = false;
  if (state_ == State::asked) take_request();
  switch (state_) {
    case State::asked: drained_ = true; return would_block_error();
    case State::open: break;
    case State::ended: return std::size_t{0};
    case State::lingering: drained_ = true; return discard();
    case State::failed: return error_;
    case State::closed: return NetErrc::closed;
  }
  road_.begin_turn();
  std::size_t taken = 0;
  Error error;
  try {
    while (taken < into.size() && !error && !flooded_) {
      const MutableBytes rest = into.subspan(taken);
      const std::size_t bytes = beast_.read_some(asio::buffer(rest.data(), rest.size()), error);
      if (!error && beast_.got_text()) {
        say_close(websocket::close_code::unknown_data);
        error = NetErrc::text_message;
      } else {
        taken += bytes;
      }
    }
  } catch (const NothingToRead&) {
    drained_ = !road_.turn_is_over();
  }
  if (flooded_) error = NetErrc::control_flood;
  if (error == websocket::error::closed || error == asio::error::eof) {
    state_ = State::ended;
    changed_.notify();
  } else if (error) {
    linger(error);
  }
  if (taken != 0) return taken;
  if (state_ == State::ended) return std::size_t{0};
  return would_block_error();
}

asio::awaitable<Result<void>> WebSocketStream::Impl::readable() {
  if (!drained_) {
    // Something is there already; but others have their turn first.
    co_await asio::post(asio::use_awaitable);
    if (co_await was_cancelled()) co_return cancelled_error();
    co_return Result<void>();
  }
  if (state_ == State::lingering) {
    const auto raced = co_await race(road_.below().readable(), timers_.sleep_until(linger_until_));
    if (co_await was_cancelled()) co_return cancelled_error();
    co_return raced.first == 0 && state_ == State::closed ? std::get<0>(raced.endings) : Result<void>();
  }
  // An answer, a pong or our last frame was kept: no writer comes for it, so it goes from here.
  if (road_.keeps_bytes() && !owes_byte_) {
    const auto raced = co_await race(road_.below().readable(), road_.below().writable());
    [[maybe_unused]] const auto flushed = road_.flush();
    co_return raced.first == 0 ? std::get<0>(raced.endings) : std::get<1>(raced.endings);
  }
  co_return co_await road_.below().readable();
}

Result<std::size_t> WebSocketStream::Impl::try_write(std::span<const Bytes> runs) {
  switch (state_) {
    case State::asked:
    case State::lingering: return would_block_error();
    case State::open: break;
    case State::ended: return Error(asio::error::broken_pipe);
    case State::failed: return error_;
    case State::closed: return NetErrc::closed;
  }
  if (road_.muted()) return Error(asio::error::broken_pipe);
  if (const auto flushed = road_.flush(); !flushed) return flushed.error();
  if (std::exchange(owes_byte_, false)) return std::size_t{1};
  std::array<asio::const_buffer, runs_most> buffers;
  std::size_t count = 0, bytes = 0;
  for (const Bytes run : runs) {
    if (count == buffers.size() || bytes == message_bytes) break;
    const std::size_t part = std::min(run.size(), message_bytes - bytes);
    buffers[count++] = asio::const_buffer(run.data(), part);
    bytes += part;
  }
  if (role_ == beast::role_type::client)
    beast_.write_buffer_bytes(bytes <= mask_bytes_of_little ? mask_bytes_of_little : mask_bytes);
  Error error;
  beast_.write_some(true, std::span<const asio::const_buffer>(buffers.data(), count), error);
  if (error) return error;
  // Whoever has written all and goes would leave behind what is kept. So its last byte counts as sent only
  // once it is: the caller offers it again, and comes back for that.
  if (road_.keeps_bytes()) {
    owes_byte_ = true;
    if (--bytes == 0) return would_block_error();
  }
  return bytes;
}

asio::awaitable<Result<void>> WebSocketStream::Impl::until(State left) {
  while (state_ == left)
    if (const auto waited = co_await changed_.wait(); !waited) co_return waited;
  co_return Result<void>();
}

asio::awaitable<Result<void>> WebSocketStream::Impl::writable() {
  if (state_ == State::asked || state_ == State::lingering) co_return co_await until(state_);
  co_return co_await road_.below().writable();
}

// -- The public face.

WebSocketStream::WebSocketStream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
WebSocketStream::~WebSocketStream() = default;

std::unique_ptr<WebSocketStream> WebSocketStream::accept(std::unique_ptr<ByteStream> below,
                                                         asio::any_io_executor executor, const Limits& limits,
                                                         Timers& timers, UpgradePolicy policy) {
  auto impl =
      std::make_unique<Impl>(std::move(below), std::move(executor), limits, timers, beast::role_type::server);
  impl->expect_request(limits.http_head_bytes, std::move(policy));
  return std::unique_ptr<WebSocketStream>(new WebSocketStream(std::move(impl)));
}

asio::awaitable<Result<std::unique_ptr<ByteStream>>> WebSocketStream::connect(
    std::unique_ptr<ByteStream> below, Address address, Limits limits, Timers& timers) {
  auto impl = std::make_unique<Impl>(std::move(below), co_await asio::this_coro::executor, limits, timers,
                                     beast::role_type::client);
  const auto asked = co_await impl->ask(std::move(address));
  if (!asked) co_return asked.error();
  co_return std::unique_ptr<ByteStream>(new WebSocketStream(std::move(impl)));
}

Result<std::size_t> WebSocketStream::try_read(MutableBytes into) { return impl_->try_read(into); }
asio::awaitable<Result<void>> WebSocketStream::readable() { return impl_->readable(); }
Result<std::size_t> WebSocketStream::try_write(std::span<const Bytes> runs) { return impl_->try_write(runs); }
asio::awaitable<Result<void>> WebSocketStream::writable() { return impl_->writable(); }
void WebSocketStream::end() { impl_->end(); }
void WebSocketStream::close() { impl_->close(); }
std::string WebSocketStream::remote() const { return impl_->name(); }

}  // namespace sheaf
