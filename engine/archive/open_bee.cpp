#include "engine/archive/open_bee.hpp"

#include <algorithm>

#include "protocol/signables.hpp"

namespace sheaf {
namespace {

using boost::asio::awaitable;

}  // namespace

OpenBee::OpenBee(CoreRegistry& cores, BeeCache& cache, const CoreKey& key,
                 boost::asio::any_io_executor strand, BeeHeader header)
    : entries_turn(strand),
      cores_(cores),
      key_(key),
      discovery_key_(discovery_key(key)),
      header_(std::move(header)),
      cache_(cache),
      tree_(cache.new_tree()) {}

awaitable<Result<OpenCore*>> OpenBee::db() { co_return co_await cores_.open(discovery_key_); }

awaitable<Result<Version>> OpenBee::settle(std::optional<Version> at, Core::From from) {
  auto core = co_await db();
  if (!core) co_return core.error();
  if (from != Core::From::here && !(*core)->writable())
    if (auto updated = co_await (*core)->update(); !updated) co_return updated.error();
  if (!at) co_return std::max(Version{1}, (*core)->local().head.length);
  while ((*core)->local().head.length < *at && at->value > 1) {
    if (from == Core::From::here || (*core)->writable()) co_return EngineErrc::out_of_range;
    if (auto waited = co_await (*core)->until_changed(); !waited) co_return waited.error();
  }
  co_return std::max(Version{1}, *at);
}

awaitable<Result<void>> OpenBee::check_readable() {
  auto core = co_await db();
  if (!core) co_return core.error();
  const Fork fork = (*core)->local().head.fork;
  if (readable_ == fork) co_return Result<void>();
  auto header = co_await (*core)->get(BlockIndex{0}, Core::From::here);
  if (!header && header.error() == EngineErrc::out_of_range) co_return EngineErrc::not_available;
  if (!header) co_return header.error();
  if (!decode_bee_header(*header)) co_return EngineErrc::wrong_key;
  readable_ = fork;
  co_return Result<void>();
}

awaitable<Result<void>> OpenBee::walk(Walk walk, Core::From from) {
  for (;;) {
    auto core = co_await db();
    if (!core) co_return core.error();
    Result<void> out;
    std::optional<BlockIndex> missing;
    auto job = [&](const CoreView& view) {
      CoreBlocks blocks(view, cache_, tree_);
      out = walk(blocks);
      if (!out && out.error() == EngineErrc::not_available) missing = blocks.missing();
    };
    if (auto ran = co_await (*core)->run(job); !ran) co_return ran.error();
    if (!out && out.error() == ProtocolErrc::malformed) {
      auto readable = co_await check_readable();
      if (!readable && readable.error() == EngineErrc::wrong_key) co_return readable;
    }
    if (!missing || from == Core::From::here) co_return out;
    if (auto got = co_await (*core)->get(*missing, Core::From::future); !got) co_return got.error();
  }
}

awaitable<Result<void>> OpenBee::look_up(Walk look, Core::From from) {
  auto core = co_await db();
  if (!core) co_return core.error();
  DecodedBlocks decoded(cache_, tree_, (*core)->local().head.fork);
  if (auto found = look(decoded); found) co_return found;
  co_return co_await walk(std::move(look), from);
}

awaitable<Result<void>> OpenBee::ensure_header(bool synced) {
  auto core = co_await db();
  if (!core) co_return core.error();
  if ((*core)->local().head.length.value > 0) co_return Result<void>();
  std::vector<Buffer> header{encode(header_)};
  auto appended = co_await (*core)->append(std::move(header), synced);
  if (!appended) co_return appended.error();
  co_return Result<void>();
}

awaitable<Result<Version>> OpenBee::change(Change change, bool synced) {
  auto core = co_await db();
  if (!core) co_return core.error();
  if (!(*core)->writable()) co_return EngineErrc::not_writable;
  if (auto header = co_await ensure_header(synced); !header) co_return header.error();
  core = co_await db();
  if (!core) co_return core.error();
  const Version version = (*core)->local().head.length;
  std::vector<Buffer> blocks;
  auto write = [&](BeeBlocks& source) -> Result<void> {
    BeeBatch batch(source, version);
    if (auto changed = change(batch); !changed) return changed;
    blocks = batch.finish();
    return {};
  };
  if (auto written = co_await walk(write, Core::From::peers); !written) co_return written.error();
  if (blocks.empty()) co_return version;
  core = co_await db();
  if (!core) co_return core.error();
  // The tree was written for this place and no other.
  if ((*core)->local().head.length != version) co_return EngineErrc::refused;
  auto length = co_await (*core)->append(std::move(blocks), synced);
  if (!length) co_return length.error();
  co_return *length;
}

}  // namespace sheaf
