#include "sheaf/net/role_agreement.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "net/within.hpp"
#include "sheaf/net/error.hpp"

namespace sheaf {
namespace asio = boost::asio;

namespace {

constexpr std::string_view magic("SHEAF\0\0\1", 8);
constexpr std::size_t random_bytes = 16;
constexpr std::size_t preamble_bytes = magic.size() + random_bytes;
// The length before an initiator's first handshake message (24 bits, little-endian): 32. The magic, read as a
// length, is far more than any handshake message has.
constexpr std::array<std::byte, 3> handshake_begins{std::byte{32}, std::byte{0}, std::byte{0}};

using Preamble = std::array<std::byte, preamble_bytes>;

// A stream some of whose bytes were read already, or have yet to be passed over.
class LedStream final : public ByteStream {
 public:
  // Gives `early` first. With `may_skip` an agreement at the very beginning is passed over.
  LedStream(std::unique_ptr<ByteStream> below, Buffer early, bool may_skip)
      : below_(std::move(below)), early_(std::move(early)), may_skip_(may_skip) {}

  Result<std::size_t> try_read(MutableBytes into) override {
    while (may_skip_)
      if (const auto led = lead(); !led) return led.error();
    if (given_ == early_.size()) return below_->try_read(into);
    const std::size_t count = std::min(into.size(), early_.size() - given_);
    std::copy_n(early_.begin() + static_cast<std::ptrdiff_t>(given_), count, into.begin());
    given_ += count;
    return count;
  }

  asio::awaitable<Result<void>> readable() override {
    if (given_ < early_.size()) co_return Result<void>();
    co_return co_await below_->readable();
  }
  Result<std::size_t> try_write(std::span<const Bytes> runs) override { return below_->try_write(runs); }
  asio::awaitable<Result<void>> writable() override { return below_->writable(); }
  void end() override { below_->end(); }
  void close() override { below_->close(); }
  std::string remote() const override { return below_->remote(); }

 private:
  // Looks at the beginning: drops it if it is an agreement, gives it back if it is not.
  Result<void> lead() {
    Preamble piece;
    const auto taken = below_->try_read(MutableBytes(piece).first(preamble_bytes - early_.size()));
    if (!taken) {
      given_ = early_.size();  // nothing to give meanwhile
      return taken.error();
    }
    append(early_, Bytes(piece).first(*taken));
    given_ = 0;
    const std::size_t known = std::min(early_.size(), magic.size());
    if (*taken == 0 || !equal(Bytes(early_).first(known), as_bytes(magic).first(known))) {
      may_skip_ = false;
    } else if (early_.size() == preamble_bytes) {
      early_.clear();
      may_skip_ = false;
    }
    return {};
  }

  std::unique_ptr<ByteStream> below_;
  Buffer early_;
  std::size_t given_ = 0;
  bool may_skip_;
};

// Reads until it is an agreement or the beginning of a handshake; no_agreement for anything else.
asio::awaitable<Result<Buffer>> listen(ByteStream& stream) {
  Buffer heard;
  for (;;) {
    const std::size_t wanted =
        !heard.empty() && heard[0] == handshake_begins[0] ? handshake_begins.size() : preamble_bytes;
    if (heard.size() >= wanted) co_return heard;
    Preamble piece;
    const std::size_t most = heard.empty() ? 1 : wanted - heard.size();
    const auto taken = co_await read_some(stream, MutableBytes(piece).first(most));
    if (!taken) co_return taken.error();
    if (*taken == 0) co_return NetErrc::no_agreement;
    append(heard, Bytes(piece).first(*taken));
    const auto begins_like = [&](Bytes whole) {
      const std::size_t known = std::min(heard.size(), whole.size());
      return equal(Bytes(heard).first(known), whole.first(known));
    };
    if (!begins_like(as_bytes(magic)) && !begins_like(handshake_begins)) co_return NetErrc::no_agreement;
  }
}

asio::awaitable<Result<Buffer>> say_and_listen(ByteStream& stream, const Preamble& own) {
  if (const auto sent = co_await write_all(stream, own); !sent) co_return sent.error();
  co_return co_await listen(stream);
}

}  // namespace

asio::awaitable<Result<AgreedRole>> agree_on_role(std::unique_ptr<ByteStream> stream, RandomSource& random,
                                                  Timers& timers) {
  Preamble own;
  std::memcpy(own.data(), magic.data(), magic.size());
  random.fill(MutableBytes(own).subspan(magic.size()));
  auto heard = co_await within(timers, role_agreement_limit, say_and_listen(*stream, own));
  if (!heard) {
    stream->close();
    if (heard.error() == cancelled_error()) co_return heard.error();
    co_return NetErrc::no_agreement;
  }
  AgreedRole agreed;
  if (heard->size() == handshake_begins.size()) {
    agreed.stream = std::make_unique<LedStream>(std::move(stream), std::move(*heard), false);
    co_return agreed;
  }
  const int order = std::memcmp(own.data(), heard->data(), preamble_bytes);
  if (order == 0) {
    stream->close();
    co_return NetErrc::equal_roles;
  }
  agreed.initiator = order > 0;
  agreed.stream = std::move(stream);
  co_return agreed;
}

std::unique_ptr<ByteStream> without_agreement(std::unique_ptr<ByteStream> stream) {
  return std::make_unique<LedStream>(std::move(stream), Buffer(), true);
}

}  // namespace sheaf
