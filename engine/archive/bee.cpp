// The public face of a Hyperbee: calls hop onto the node's strand, walks of the tree run on its pool.
#include "sheaf/engine/bee.hpp"

#include <deque>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "engine/archive/archive_impl.hpp"
#include "engine/archive/open_bee.hpp"
#include "protocol/signables.hpp"
#include "sheaf/storage/error.hpp"

namespace sheaf {

using boost::asio::awaitable;

// Where a handle's calls go. The node outlives it; after the node's close() calls answer `closed`.
struct Bee::Impl {
  Node::Impl* node = nullptr;
  std::shared_ptr<OpenBee> bee;
  std::optional<Version> at;  // of a checkout
};

namespace {

// Keys, operations or differences of one job on the pool.
constexpr std::size_t round_items = 256;

BeeHeader plain_header() { return {to_buffer(as_bytes("hyperbee")), std::nullopt}; }

Bee::Entry shown(const BeeEntry& entry) {
  Bee::Entry out{entry.seq, to_buffer(entry.key()), std::nullopt};
  if (const auto value = entry.value()) out.value = to_buffer(*value);
  return out;
}

std::optional<Bee::Entry> shown(const std::optional<BeeEntry>& entry) {
  if (!entry) return std::nullopt;
  return shown(*entry);
}

BeeRange bounds_of(Bee::Range range) {
  return {std::move(range.gt), std::move(range.gte), std::move(range.lt), std::move(range.lte)};
}

template <class T>
awaitable<Result<T>> call(Node::Impl* node, awaitable<Result<T>> work) {
  return hop(node->strand, unless_closed(node, std::move(work)));
}

// What is read of a tree whose header is here has to begin with one.
awaitable<Result<Version>> settle(std::shared_ptr<OpenBee> bee, std::optional<Version> at, Core::From from) {
  auto version = co_await bee->settle(at, from);
  if (!version) co_return version;
  auto readable = co_await bee->check_readable();
  if (!readable && readable.error() == EngineErrc::wrong_key) co_return readable.error();
  co_return version;
}

awaitable<Result<std::optional<Bee::Entry>>> find(std::shared_ptr<OpenBee> bee, Version version, Buffer key,
                                                  Core::From from) {
  std::optional<Bee::Entry> out;
  auto look = [&](BeeBlocks& blocks) -> Result<void> {
    auto entry = bee_get(blocks, version, key);
    if (!entry) return entry.error();
    out = shown(*entry);
    return {};
  };
  if (auto found = co_await bee->look_up(look, from); !found) co_return found.error();
  co_return out;
}

awaitable<Result<std::optional<Bee::Entry>>> get_at(std::shared_ptr<OpenBee> bee, std::optional<Version> at,
                                                    Buffer key, Core::From from) {
  auto version = co_await settle(bee, at, from);
  if (!version) co_return version.error();
  co_return co_await find(std::move(bee), *version, std::move(key), from);
}

}  // namespace

awaitable<Result<std::shared_ptr<OpenBee>>> Node::Impl::bee(CoreKey key) {
  if (closed) co_return EngineErrc::closed;
  auto core = co_await cores.open(discovery_key(key));
  if (!core) co_return core.error() == StorageErrc::not_found ? Error(EngineErrc::not_found) : core.error();
  auto& open = bees[(*core)->record().discovery_key];
  if (!open) open = std::make_shared<OpenBee>(cores, decoded, key, strand, plain_header());
  co_return open;
}

awaitable<Result<Bee>> Node::bee(CoreKey key) {
  auto open = co_await hop(impl_->strand, impl_->bee(key));
  if (!open) co_return open.error();
  co_return Bee(std::make_unique<Bee::Impl>(Bee::Impl{impl_.get(), std::move(*open), {}}));
}

// -- Streams.

template <class T>
struct Bee::Stream<T>::Impl {
  using Step = std::function<Result<std::optional<T>>(BeeBlocks&)>;

  awaitable<Result<void>> fill() {
    auto gather = [this](BeeBlocks& blocks) -> Result<void> {
      while (ready.size() < round_items && left > 0) {
        auto one = step(blocks);
        if (!one) return one.error();
        if (!*one) left = 0;
        if (!*one) return {};
        ready.push_back(std::move(**one));
        --left;
      }
      return {};
    };
    auto walked = co_await bee->walk(gather, from);
    // What was read before comes first; whatever is wrong is found again behind it.
    if (!walked && ready.empty()) co_return walked.error();
    co_return Result<void>();
  }

  awaitable<Result<std::optional<T>>> next() {
    while (ready.empty()) {
      if (left == 0) co_return std::optional<T>();
      if (auto filled = co_await call(node, fill()); !filled) co_return filled.error();
    }
    std::optional<T> out(std::move(ready.front()));
    ready.pop_front();
    co_return out;
  }

  Node::Impl* node;
  std::shared_ptr<OpenBee> bee;
  Core::From from;
  std::uint64_t left;  // that may still come
  Step step;
  std::deque<T> ready{};
};

template <class T>
awaitable<Result<std::optional<T>>> Bee::Stream<T>::next() {
  co_return co_await impl_->next();
}

template class Bee::Stream<Bee::Entry>;
template class Bee::Stream<Bee::Operation>;
template class Bee::Stream<Bee::Difference>;

// -- Reading.

Bee::Bee(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Bee::Bee(Bee&&) noexcept = default;
Bee& Bee::operator=(Bee&&) noexcept = default;
Bee::~Bee() = default;

const CoreKey& Bee::key() const { return impl_->bee->key(); }

awaitable<Result<Version>> Bee::version(Core::From from) {
  co_return co_await call(impl_->node, settle(impl_->bee, impl_->at, from));
}

awaitable<Result<std::optional<Bee::Entry>>> Bee::get(Buffer key, Core::From from) {
  co_return co_await call(impl_->node, get_at(impl_->bee, impl_->at, std::move(key), from));
}

awaitable<Result<Bee::Stream<Bee::Entry>>> Bee::range(Range range) {
  auto at = co_await version(range.from);
  if (!at) co_return at.error();
  using Impl = Stream<Entry>::Impl;
  Impl impl{impl_->node, impl_->bee, range.from, range.limit.value_or(UINT64_MAX), {}};
  const bool reverse = range.reverse;
  auto walk = std::make_shared<BeeWalk>(*at, bounds_of(std::move(range)), reverse);
  impl.step = [walk](BeeBlocks& blocks) -> Result<std::optional<Entry>> {
    auto next = walk->next(blocks);
    if (!next) return next.error();
    return shown(*next);
  };
  co_return Stream<Entry>(std::make_shared<Impl>(std::move(impl)));
}

awaitable<Result<Bee::Stream<Bee::Operation>>> Bee::history(History history) {
  auto at = co_await version(history.from);
  if (!at) co_return at.error();
  using Impl = Stream<Operation>::Impl;
  Impl impl{impl_->node, impl_->bee, history.from, history.limit.value_or(UINT64_MAX), {}};
  // A version is the length that its write left, and block 0 is the header.
  BlockRange blocks_left{{}, end_of(*at)};
  blocks_left.begin = std::min(blocks_left.end, end_of(std::max(Version{1}, history.after)));
  impl.step = [left = blocks_left,
               reverse = history.reverse](BeeBlocks& blocks) mutable -> Result<std::optional<Operation>> {
    if (left.empty()) return std::optional<Operation>();
    const BlockIndex seq = reverse ? BlockIndex{left.end.value - 1} : left.begin;
    auto block = blocks.block(seq);
    if (!block) return block.error();
    auto is_put = (*block)->names(seq);
    if (!is_put) return is_put.error();
    Operation out{*is_put || (*block)->value(), shown(BeeEntry{seq, *block})};
    if (reverse)
      left.end = seq;
    else
      ++left.begin;
    return std::optional(std::move(out));
  };
  co_return Stream<Operation>(std::make_shared<Impl>(std::move(impl)));
}

awaitable<Result<Bee::Stream<Bee::Difference>>> Bee::diff(Version right, Range range) {
  auto left = co_await version(range.from);
  if (!left) co_return left.error();
  auto other = co_await call(impl_->node, settle(impl_->bee, right, range.from));
  if (!other) co_return other.error();
  using Impl = Stream<Difference>::Impl;
  Impl impl{impl_->node, impl_->bee, range.from, range.limit.value_or(UINT64_MAX), {}};
  const bool reverse = range.reverse;
  auto diff = std::make_shared<BeeDiff>(*left, *other, bounds_of(std::move(range)), reverse);
  impl.step = [diff](BeeBlocks& blocks) -> Result<std::optional<Difference>> {
    auto next = diff->next(blocks);
    if (!next) return next.error();
    if (!*next) return std::optional<Difference>();
    return std::optional(Difference{shown((*next)->left), shown((*next)->right)});
  };
  co_return Stream<Difference>(std::make_shared<Impl>(std::move(impl)));
}

Bee Bee::checkout(Version version) const {
  return Bee(std::make_unique<Impl>(Impl{impl_->node, impl_->bee, version}));
}

// -- Writing.

// On the strand, but for its destruction.
struct Bee::Batch::Impl {
  awaitable<Result<void>> begin() {
    if (turn) co_return Result<void>();
    if (at.at) co_return EngineErrc::not_writable;
    auto core = co_await at.bee->db();
    if (!core) co_return core.error();
    if (!(*core)->writable()) co_return EngineErrc::not_writable;
    if ((*core)->record().kind != CoreKind::bare) co_return EngineErrc::refused;
    auto taken = co_await at.bee->entries_turn.take();
    if (!taken) co_return taken.error();
    turn = std::move(*taken);
    // Whatever comes of it, as hyperbee does.
    co_return co_await at.bee->ensure_header(false);
  }

  awaitable<Result<void>> put(Buffer key, std::optional<Buffer> value) {
    if (auto begun = co_await begin(); !begun) co_return begun;
    latest[key] = operations.size();
    std::optional<std::optional<Buffer>> kept;
    kept.emplace(std::move(value));
    operations.emplace_back(std::move(key), std::move(kept));
    co_return Result<void>();
  }

  awaitable<Result<std::optional<Entry>>> del(Buffer key) {
    if (auto begun = co_await begin(); !begun) co_return begun.error();
    auto there = co_await get(key);
    if (!there || !*there) co_return there;
    latest[key] = operations.size();
    operations.emplace_back(std::move(key), std::nullopt);
    co_return there;
  }

  awaitable<Result<std::optional<Entry>>> get(Buffer key) {
    auto version = co_await settle(at.bee, at.at, Core::From::here);
    if (!version) co_return version.error();
    const auto waiting = latest.find(key);
    if (waiting == latest.end()) co_return co_await find(at.bee, *version, std::move(key), Core::From::peers);
    const auto& value = operations[waiting->second].second;
    if (!value) co_return std::optional<Entry>();
    // Every operation is one block.
    Entry out{{version->value + waiting->second}, std::move(key), *value};
    co_return std::optional(std::move(out));
  }

  awaitable<Result<Version>> flush(bool synced) {
    if (auto begun = co_await begin(); !begun) co_return begun.error();
    const auto apply = [this](BeeBatch& batch) -> Result<void> {
      for (const auto& [key, value] : operations) {
        if (!value) {
          if (auto gone = batch.del(key); !gone) return gone.error();
        } else if (auto put = batch.put(key, *value ? std::optional(Bytes(**value)) : std::nullopt); !put) {
          return put;
        }
      }
      return {};
    };
    auto version = co_await settle(at.bee, std::nullopt, Core::From::here);
    if (version) version = co_await at.bee->change(apply, synced);
    if (!version) co_return version;
    operations.clear();
    latest.clear();
    turn = {};
    co_return version;
  }

  Bee::Impl at;
  ArchiveLock::Turn turn{};
  std::vector<std::pair<Buffer, std::optional<std::optional<Buffer>>>> operations{};  // nothing: a deletion
  std::map<Buffer, std::size_t> latest{};                                             // into operations
};

Bee::Batch::Batch(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Bee::Batch::Batch(Batch&&) noexcept = default;
Bee::Batch& Bee::Batch::operator=(Batch&&) noexcept = default;
Bee::Batch::~Batch() = default;

awaitable<Result<void>> Bee::Batch::put(Buffer key, std::optional<Buffer> value) {
  co_return co_await call(impl_->at.node, impl_->put(std::move(key), std::move(value)));
}

awaitable<Result<std::optional<Bee::Entry>>> Bee::Batch::del(Buffer key) {
  co_return co_await call(impl_->at.node, impl_->del(std::move(key)));
}

awaitable<Result<std::optional<Bee::Entry>>> Bee::Batch::get(Buffer key) {
  co_return co_await call(impl_->at.node, impl_->get(std::move(key)));
}

awaitable<Result<Version>> Bee::Batch::flush(Core::Safety safety) {
  co_return co_await call(impl_->at.node, impl_->flush(safety == Core::Safety::machine));
}

Bee::Batch Bee::batch() { return Batch(std::make_unique<Batch::Impl>(Batch::Impl{.at = *impl_})); }

awaitable<Result<Version>> Bee::put(Buffer key, std::optional<Buffer> value, Core::Safety safety) {
  Batch one = batch();
  auto put = co_await one.put(std::move(key), std::move(value));
  if (!put) co_return put.error();
  co_return co_await one.flush(safety);
}

awaitable<Result<std::optional<Version>>> Bee::del(Buffer key, Core::Safety safety) {
  Batch one = batch();
  auto gone = co_await one.del(std::move(key));
  if (!gone) co_return gone.error();
  if (!*gone) co_return std::optional<Version>();
  auto version = co_await one.flush(safety);
  if (!version) co_return version.error();
  co_return std::optional(*version);
}

}  // namespace sheaf
