#include "engine/peer_node/bench/memory_stream.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "sheaf/net/error.hpp"
#include "sheaf/net/signal.hpp"

namespace sheaf::peer_node {
namespace {

namespace asio = boost::asio;

// One direction: a ring of bytes that one end fills and the other empties.
struct Pipe {
  std::vector<std::byte> ring = std::vector<std::byte>(1024 * 1024);
  std::size_t first = 0;
  std::size_t filled = 0;
  bool ended = false;   // nothing more comes
  bool broken = false;  // one of the two ends was closed
  Signal changed;

  std::size_t put(Bytes bytes) {
    const std::size_t count = std::min(bytes.size(), ring.size() - filled);
    const std::size_t from = (first + filled) % ring.size();
    const std::size_t straight = std::min(count, ring.size() - from);
    if (straight > 0) std::memcpy(ring.data() + from, bytes.data(), straight);
    if (count > straight) std::memcpy(ring.data(), bytes.data() + straight, count - straight);
    filled += count;
    return count;
  }

  std::size_t take(MutableBytes into) {
    const std::size_t count = std::min(into.size(), filled);
    const std::size_t straight = std::min(count, ring.size() - first);
    if (straight > 0) std::memcpy(into.data(), ring.data() + first, straight);
    if (count > straight) std::memcpy(into.data() + straight, ring.data(), count - straight);
    first = (first + count) % ring.size();
    filled -= count;
    return count;
  }
};

struct Wire {
  Pipe there;
  Pipe back;
};

class MemoryStream final : public ByteStream {
 public:
  MemoryStream(std::shared_ptr<Wire> wire, Pipe& in, Pipe& out)
      : wire_(std::move(wire)), in_(in), out_(out) {}
  ~MemoryStream() override { close(); }

  Result<std::size_t> try_read(MutableBytes into) override {
    if (in_.broken) return NetErrc::closed;
    if (in_.filled == 0 && !in_.ended) return would_block_error();
    const std::size_t taken = in_.take(into);
    if (taken > 0) in_.changed.notify();
    return taken;
  }

  asio::awaitable<Result<void>> readable() override {
    while (in_.filled == 0 && !in_.ended && !in_.broken) {
      if (auto waited = co_await in_.changed.wait(); !waited) co_return waited.error();
    }
    co_return Result<void>{};
  }

  Result<std::size_t> try_write(std::span<const Bytes> runs) override {
    if (out_.broken || out_.ended) return NetErrc::closed;
    if (out_.filled == out_.ring.size()) return would_block_error();
    std::size_t written = 0;
    for (const Bytes run : runs) {
      const std::size_t went = out_.put(run);
      written += went;
      if (went < run.size()) break;
    }
    out_.changed.notify();
    return written;
  }

  asio::awaitable<Result<void>> writable() override {
    while (out_.filled == out_.ring.size() && !out_.broken) {
      if (auto waited = co_await out_.changed.wait(); !waited) co_return waited.error();
    }
    co_return Result<void>{};
  }

  void end() override {
    out_.ended = true;
    out_.changed.notify();
  }

  void close() override {
    // What was written before still arrives, as over a socket.
    end();
    in_.broken = true;
    in_.changed.notify();
  }

  std::string remote() const override { return "memory:"; }

 private:
  std::shared_ptr<Wire> wire_;
  Pipe& in_;
  Pipe& out_;
};

}  // namespace

std::pair<std::unique_ptr<ByteStream>, std::unique_ptr<ByteStream>> make_memory_streams() {
  auto wire = std::make_shared<Wire>();
  return {std::make_unique<MemoryStream>(wire, wire->back, wire->there),
          std::make_unique<MemoryStream>(wire, wire->there, wire->back)};
}

}  // namespace sheaf::peer_node
