// What of an archive's contents is here, and fetching and dropping it.
#include <algorithm>

#include "engine/archive/archive_impl.hpp"
#include "protocol/entry_path.hpp"

namespace sheaf {
namespace {

using boost::asio::awaitable;

// The blobs of the file at a path and of those below it, at the version that the handle stands for.
awaitable<Result<std::vector<BlobId>>> blobs_at(ArchiveRef ref, std::string path, Core::From from) {
  auto version = co_await ref.archive->settle(ref.at, from);
  if (!version) co_return version.error();
  std::vector<BlobId> out;
  bool found = path == "/";
  if (path != "/") {
    auto stored = co_await ref.archive->find(path, *version, from);
    if (!stored) co_return stored.error();
    found = stored->has_value();
    if (found && (*stored)->value.blob) out.push_back(*(*stored)->value.blob);
  }
  BeeWalk entries(*version, below_folder(path), false);
  auto gather = [&](BeeBlocks& blocks) -> Result<void> {
    for (;;) {
      auto next = entries.next(blocks);
      if (!next) return next.error();
      if (!*next) return {};
      found = true;
      const auto stored = stored_entry(**next);
      if (stored && stored->value.blob) out.push_back(*stored->value.blob);
    }
  };
  if (auto walked = co_await ref.archive->walk(gather, from); !walked) co_return walked.error();
  if (!found) co_return EngineErrc::not_found;
  co_return out;
}

// What entries claim, signed or not, is claimed by whoever wrote them: the sum stays within what can be
// counted.
ByteCount bytes_of(const std::vector<BlobId>& blobs) {
  ByteCount out;
  for (const BlobId& blob : blobs) out = std::min(ByteCount{max_wire_integer}, out + blob.byte_length);
  return out;
}

// Where their blocks lie: neighbours are one range. Block maps come in front of what they name; those that
// are not here and shall not be fetched name nothing.
awaitable<Result<std::vector<BlockRange>>> ranges_of(ArchiveRef ref, std::vector<BlobId> blobs,
                                                     Core::From from) {
  std::vector<BlockRange> out;
  const auto add = [&](BlockRange range) {
    if (range.empty()) return;
    if (!out.empty() && out.back().end == range.begin)
      out.back().end = range.end;
    else
      out.push_back(range);
  };
  for (const BlobId& blob : blobs) {
    add(blob.blocks());
    if (!blob.mapped) continue;
    auto map = co_await ref.archive->block_map(blob, from);
    if (!map && map.error() == EngineErrc::not_available) continue;
    if (!map) co_return map.error();
    for (const MappedBlock& block : *map) add({block.index, block.index + Length{1}});
  }
  co_return out;
}

awaitable<Result<Length>> missing_at(ArchiveRef ref, std::string path) {
  auto found = co_await blobs_at(ref, std::move(path), Core::From::here);
  if (!found) co_return found.error();
  auto ranges = co_await ranges_of(ref, std::move(*found), Core::From::here);
  if (!ranges) co_return ranges.error();
  Length out;
  if (ranges->empty()) co_return out;
  auto core = co_await ref.archive->blobs(Core::From::here);
  for (const BlockRange& range : *ranges) {
    out = out + Length{range.end.value - range.begin.value};
    if (core) out.value -= (*core)->local().have.count(range).value;
  }
  co_return out;
}

awaitable<Result<void>> fetch_at(ArchiveRef ref, std::string path) {
  auto found = co_await blobs_at(ref, std::move(path), Core::From::peers);
  if (!found) co_return found.error();
  if (auto fits = co_await check_quota(ref, bytes_of(*found)); !fits) co_return fits;
  auto ranges = co_await ranges_of(ref, std::move(*found), Core::From::peers);
  if (!ranges) co_return ranges.error();
  for (const BlockRange& range : *ranges) {
    auto core = co_await ref.archive->blobs(Core::From::peers);
    if (!core) co_return core.error();
    if (auto fetched = co_await (*core)->download(range); !fetched) co_return fetched;
  }
  co_return Result<void>();
}

awaitable<Result<void>> drop_at(ArchiveRef ref, std::string path) {
  auto found = co_await blobs_at(ref, std::move(path), Core::From::here);
  if (!found) co_return found.error();
  auto ranges = co_await ranges_of(ref, std::move(*found), Core::From::here);
  if (!ranges) co_return ranges.error();
  for (const BlockRange& range : *ranges) {
    auto core = co_await ref.archive->blobs(Core::From::here);
    if (!core) co_return core.error();
    if (auto cleared = co_await (*core)->clear(range); !cleared) co_return cleared;
  }
  co_return Result<void>();
}

}  // namespace

awaitable<Result<void>> check_quota(ArchiveRef ref, ByteCount bytes) {
  if (bytes <= ref.node->options.quota_archive) co_return Result<void>();
  auto db = co_await ref.archive->db();
  if (!db) co_return db.error();
  if ((*db)->writable()) co_return Result<void>();
  co_return EngineErrc::quota;
}

awaitable<Result<Length>> Archive::missing(std::string name) {
  auto path = normal_path(name);
  if (!path) co_return EngineErrc::bad_name;
  co_return co_await call(impl_->ref, missing_at(impl_->ref, std::move(*path)));
}

awaitable<Result<void>> Archive::download(std::string name) {
  auto path = normal_path(name);
  if (!path) co_return EngineErrc::bad_name;
  co_return co_await call(impl_->ref, fetch_at(impl_->ref, std::move(*path)));
}

awaitable<Result<void>> Archive::clear(std::string name) {
  auto path = normal_path(name);
  if (!path) co_return EngineErrc::bad_name;
  co_return co_await call(impl_->ref, drop_at(impl_->ref, std::move(*path)));
}

}  // namespace sheaf
