// A WebSocket's accepting side (F20): an HTTP head and frames as a stranger sends them, in any pieces.
//
// With the first bit of the input the head is one that is admitted, so that the rest reaches the frames. What
// is told of the bytes must be a part of what was sent; the end comes, whatever the input is; and nothing is
// kept that a stranger can make grow.
#include <algorithm>
#include <array>
#include <cstdint>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "net/websocket_stream.hpp"
#include "sheaf/net/error.hpp"
#include "sheaf/net/virtual_timers.hpp"
#include "sheaf/protocol/invariant.hpp"

using namespace sheaf;
namespace asio = boost::asio;

namespace {

constexpr std::string_view admitted =
    "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

// Gives the input in pieces of some size with would-block between, and takes what it is told up to a limit.
class FuzzedRoad final : public ByteStream {
 public:
  FuzzedRoad(Buffer bytes, std::size_t piece, std::size_t& told)
      : bytes_(std::move(bytes)), piece_(piece), told_(told) {}

  Result<std::size_t> try_read(MutableBytes into) override {
    if (waits_ = !waits_; waits_) return would_block_error();
    const std::size_t count = std::min({into.size(), piece_, bytes_.size() - given_});
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(given_), count, into.begin());
    given_ += count;
    return count;
  }
  Result<std::size_t> try_write(std::span<const Bytes> runs) override {
    if (told_ >= 4096) return would_block_error();  // a reader that has stopped
    const std::size_t count = std::min(runs[0].size(), piece_);
    told_ += count;
    return count;
  }
  asio::awaitable<Result<void>> readable() override { co_return Result<void>(); }
  asio::awaitable<Result<void>> writable() override { co_return Result<void>(); }
  void end() override {}
  void close() override {}
  std::string remote() const override { return "tcp://fuzz:1"; }

 private:
  Buffer bytes_;
  std::size_t given_ = 0;
  std::size_t piece_;
  std::size_t& told_;
  bool waits_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  Buffer bytes;
  if (data[0] & 1) append(bytes, as_bytes(admitted));
  append(bytes, std::as_bytes(std::span(data + 2, size - 2)));
  const std::size_t most = bytes.size();
  asio::io_context io{1};
  VirtualTimers timers;
  Limits limits;
  limits.websocket_message_bytes = 4096;
  std::size_t told = 0;
  auto stream = WebSocketStream::accept(std::make_unique<FuzzedRoad>(std::move(bytes), 1 + data[1], told),
                                        io.get_executor(), limits, timers, {});
  std::array<std::byte, 512> into;
  std::size_t heard = 0;
  bool over = false;
  for (std::size_t step = 0; !over; ++step) {
    invariant(step < 4 * most + 1000, "the end comes");
    const auto taken = stream->try_read(into);
    if (!taken && is_would_block(taken.error())) {
      timers.jump_to(Instant{timers.now().since_origin + std::chrono::milliseconds(10)});
      continue;
    }
    over = !taken || *taken == 0;
    if (taken) heard += *taken;
    const Bytes echo = Bytes(into).first(taken ? *taken : 0);
    if (!echo.empty()) [[maybe_unused]]
      const auto sent = stream->try_write({&echo, 1});
  }
  invariant(heard <= most, "no more is heard than was sent");
  stream->close();
  return 0;
}
