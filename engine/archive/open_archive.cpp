#include "engine/archive/open_archive.hpp"

#include <algorithm>

#include "protocol/entry_path.hpp"
#include "protocol/limits.hpp"
#include "protocol/signables.hpp"

namespace sheaf {
namespace {

using boost::asio::awaitable;

}  // namespace

Result<StoredEntry> stored_entry(const BeeEntry& entry) {
  auto name = entry_name(entry.key());
  const auto value = entry.value();
  if (!name || !value) return ProtocolErrc::malformed;
  auto decoded = decode_drive_entry(*value);
  if (!decoded) return decoded.error();
  return StoredEntry{std::move(*name), entry.seq, std::move(*decoded)};
}

OpenArchive::OpenArchive(CoreRegistry& cores, BeeCache& cache, const CoreKey& key,
                         boost::asio::any_io_executor strand)
    : OpenBee(cores, cache, key, strand, drive_header()), contents_turn(strand) {}

awaitable<Result<OpenCore*>> OpenArchive::blobs(Core::From from) {
  for (;;) {
    auto core = co_await db();
    if (!core) co_return core.error();
    if (const auto& partner = (*core)->record().partner) {
      auto blobs = co_await cores().open(discovery_key(*partner));
      // Its record is written a moment after the db core's names it.
      if (blobs || blobs.error() != EngineErrc::not_found) co_return blobs;
    }
    if (from == Core::From::here) co_return EngineErrc::not_available;
    if (auto waited = co_await (*core)->until_changed(); !waited) co_return waited.error();
  }
}

awaitable<Result<std::optional<StoredEntry>>> OpenArchive::find(std::string path, Version version,
                                                                Core::From from) {
  std::optional<StoredEntry> out;
  const Buffer key = entry_key(path);
  auto look = [&](BeeBlocks& blocks) -> Result<void> {
    auto entry = bee_get(blocks, version, key);
    if (!entry) return entry.error();
    if (!*entry) return {};
    auto stored = stored_entry(**entry);
    if (!stored) return stored.error();
    out = std::move(*stored);
    return {};
  };
  if (auto found = co_await look_up(look, from); !found) co_return found.error();
  co_return out;
}

awaitable<Result<std::vector<MappedBlock>>> OpenArchive::block_map(BlobId id, Core::From from) {
  std::vector<MappedBlock> out;
  if (id.block_length.value > limits::block_map_blocks) co_return ProtocolErrc::malformed;
  for (BlockIndex block = id.blocks().begin; block < id.blocks().end; ++block) {
    auto core = co_await blobs(from);
    if (!core) co_return core.error();
    auto bytes = co_await (*core)->get(block, from == Core::From::here ? from : Core::From::future);
    if (!bytes) co_return why_no_contents(bytes.error());
    if (auto decoded = decode_block_map(*bytes, out); !decoded) co_return decoded.error();
  }
  co_return out;
}

awaitable<Result<Entry>> OpenArchive::shown(StoredEntry entry, Core::From from) {
  Entry out;
  out.link = key();
  out.proper = normal_path(entry.name) == entry.name && entry.name != "/";
  out.name = std::move(entry.name);
  out.executable = entry.value.executable;
  out.metadata = std::move(entry.value.metadata);
  out.mtime_ms = entry.value.mtime_ms;
  out.version = {entry.seq.value + 1};
  if (entry.value.linkname) {
    out.type = EntryType::symlink;
    out.linkname = std::move(*entry.value.linkname);
  } else {
    out.type = entry.value.blob ? EntryType::file : EntryType::metadata;
  }
  out.length = ByteCount{};
  if (!entry.value.blob) co_return out;
  const BlobId& blob = *entry.value.blob;
  out.blocks = blob.block_length;
  out.offset = {blob.block_offset, blob.byte_offset};
  out.mapped = blob.mapped;
  out.length = blob.byte_length;
  auto core = co_await blobs(Core::From::here);
  if (core) out.local = (*core)->local().have.count(blob.blocks());
  if (!blob.mapped) co_return out;
  auto map = co_await block_map(blob, from);
  if (map)
    out.length = mapped_bytes(*map);
  else if (map.error() == EngineErrc::not_available)
    out.length.reset();
  else
    co_return map.error();
  co_return out;
}

// -- Writing.

awaitable<Result<BlobOffset>> OpenArchive::contents_end() {
  auto core = co_await blobs(Core::From::here);
  if (!core) co_return core.error();
  if (!(*core)->writable()) co_return EngineErrc::not_writable;
  // A longer history may be out there: whoever is connected shows it before this one goes on.
  if ((*core)->uncertain())
    if (auto length = co_await (*core)->update(); !length) co_return length.error();
  const CoreInfo info = (*core)->info();
  co_return BlobOffset{end_of(info.length), info.bytes};
}

awaitable<Result<void>> OpenArchive::append_contents(std::vector<Buffer> blocks, BlobOffset at, bool synced) {
  auto core = co_await blobs(Core::From::here);
  if (!core) co_return core.error();
  const CoreInfo info = (*core)->info();
  if (at != BlobOffset{end_of(info.length), info.bytes}) co_return EngineErrc::refused;
  auto length = co_await (*core)->append(std::move(blocks), synced);
  if (!length) co_return length.error();
  co_return Result<void>();
}

awaitable<Result<Length>> OpenArchive::named_blocks(Version version) {
  Length end;
  BeeWalk entries(version, below_folder("/"), false);
  auto look = [&](BeeBlocks& blocks) -> Result<void> {
    for (;;) {
      auto next = entries.next(blocks);
      if (!next) return next.error();
      if (!*next) return {};
      // What is no entry names nothing.
      const auto stored = stored_entry(**next);
      if (stored && stored->value.blob) end = std::max(end, Length{stored->value.blob->blocks().end.value});
    }
  };
  if (auto walked = co_await walk(look, Core::From::peers); !walked) co_return walked.error();
  co_return end;
}

}  // namespace sheaf
