#include "engine/archive/archive_impl.hpp"
#include "protocol/entry_path.hpp"

namespace sheaf {
namespace {

using boost::asio::awaitable;

Result<DriveEntry> link_entry(std::string linkname, const EntryTraits& traits) {
  if (linkname.empty() || !is_utf8(linkname)) return EngineErrc::bad_name;
  auto entry = drive_entry(traits);
  if (entry) entry->linkname = std::move(linkname);
  return entry;
}

// The work of a batch's calls, on the strand.

awaitable<Result<void>> add(PendingEntries& pending, std::string path, DriveEntry entry) {
  if (auto begun = co_await pending.begin(); !begun) co_return begun;
  pending.put(std::move(path), std::move(entry));
  co_return Result<void>();
}

awaitable<Result<void>> add_file(PendingEntries& pending, std::string path, Bytes bytes, DriveEntry entry) {
  if (auto begun = co_await pending.begin(); !begun) co_return begun;
  BlockCutter cutter;
  cutter.add(bytes);
  std::optional<BlobId> blob;
  if (auto added = co_await pending.contents.add(blob, cutter.take(true)); !added) co_return added;
  entry.blob = blob;
  pending.put(std::move(path), std::move(entry));
  co_return Result<void>();
}

awaitable<Result<void>> change_traits(PendingEntries& pending, std::string path, DriveEntry traits) {
  if (auto begun = co_await pending.begin(); !begun) co_return begun;
  auto stored = co_await pending.find(path);
  if (!stored) co_return stored.error();
  if (!*stored) co_return EngineErrc::not_found;
  DriveEntry entry = std::move((*stored)->value);
  entry.executable = traits.executable;
  entry.metadata = std::move(traits.metadata);
  pending.put(std::move(path), std::move(entry));
  co_return Result<void>();
}

awaitable<Result<std::optional<Entry>>> shown(ArchiveRef ref, Result<std::optional<StoredEntry>> stored) {
  if (!stored) co_return stored.error();
  if (!*stored) co_return std::optional<Entry>();
  auto entry = co_await ref.archive->shown(std::move(**stored), Core::From::here);
  if (!entry) co_return entry.error();
  co_return std::optional(std::move(*entry));
}

awaitable<Result<std::optional<Entry>>> remove(ArchiveRef ref, PendingEntries& pending, std::string path) {
  if (auto begun = co_await pending.begin(); !begun) co_return begun.error();
  co_return co_await shown(std::move(ref), co_await pending.del(std::move(path)));
}

awaitable<Result<std::optional<Entry>>> look_up(ArchiveRef ref, PendingEntries& pending, std::string path) {
  co_return co_await shown(std::move(ref), co_await pending.find(std::move(path)));
}

}  // namespace

Result<DriveEntry> drive_entry(const EntryTraits& traits) {
  DriveEntry out;
  out.executable = traits.executable;
  auto metadata = json_text(traits.metadata);
  if (!metadata) return metadata.error();
  out.metadata = std::move(*metadata);
  return out;
}

ArchiveBatch::ArchiveBatch(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ArchiveBatch::ArchiveBatch(ArchiveBatch&&) noexcept = default;
ArchiveBatch& ArchiveBatch::operator=(ArchiveBatch&&) noexcept = default;
ArchiveBatch::~ArchiveBatch() = default;

awaitable<Result<void>> ArchiveBatch::put(std::string name, Bytes contents, EntryTraits traits) {
  auto path = path_of(name);
  if (!path) co_return path.error();
  auto entry = drive_entry(traits);
  if (!entry) co_return entry.error();
  co_return co_await call(impl_->ref,
                          add_file(*impl_->pending, std::move(*path), contents, std::move(*entry)));
}

awaitable<Result<FileWriter>> ArchiveBatch::write(std::string name, EntryTraits traits) {
  auto path = path_of(name);
  if (!path) co_return path.error();
  auto entry = drive_entry(traits);
  if (!entry) co_return entry.error();
  co_return FileWriter(
      std::make_unique<FileWriter::Impl>(impl_->ref, std::move(*path), std::move(*entry), impl_->pending));
}

awaitable<Result<void>> ArchiveBatch::symlink(std::string name, std::string linkname, EntryTraits traits) {
  auto path = path_of(name);
  if (!path) co_return path.error();
  auto entry = link_entry(std::move(linkname), traits);
  if (!entry) co_return entry.error();
  co_return co_await call(impl_->ref, add(*impl_->pending, std::move(*path), std::move(*entry)));
}

awaitable<Result<void>> ArchiveBatch::put_entry(std::string name, EntryTraits traits) {
  auto path = path_of(name);
  if (!path) co_return path.error();
  auto entry = drive_entry(traits);
  if (!entry) co_return entry.error();
  co_return co_await call(impl_->ref, add(*impl_->pending, std::move(*path), std::move(*entry)));
}

awaitable<Result<void>> ArchiveBatch::set_traits(std::string name, EntryTraits traits) {
  auto path = path_of(name);
  if (!path) co_return path.error();
  auto entry = drive_entry(traits);
  if (!entry) co_return entry.error();
  co_return co_await call(impl_->ref, change_traits(*impl_->pending, std::move(*path), std::move(*entry)));
}

awaitable<Result<std::optional<Entry>>> ArchiveBatch::del(std::string name) {
  auto path = path_of(name);
  if (!path) co_return path.error();
  co_return co_await call(impl_->ref, remove(impl_->ref, *impl_->pending, std::move(*path)));
}

awaitable<Result<std::optional<Entry>>> ArchiveBatch::entry(std::string name) {
  auto path = path_of(name);
  if (!path) co_return path.error();
  co_return co_await call(impl_->ref, look_up(impl_->ref, *impl_->pending, std::move(*path)));
}

awaitable<Result<Version>> ArchiveBatch::flush(Core::Safety safety) {
  co_return co_await call(impl_->ref, impl_->pending->commit(safety));
}

// -- What an archive does by a batch of one.

namespace {

Result<ArchiveBatch> batch_of(const ArchiveRef& ref) {
  if (ref.at) return EngineErrc::not_writable;
  return ArchiveBatch(std::make_unique<ArchiveBatch::Impl>(
      ArchiveBatch::Impl{ref, std::make_shared<PendingEntries>(ref.archive)}));
}

awaitable<Result<void>> wind_back(ArchiveRef ref, Version version, bool synced) {
  if (ref.at) co_return EngineErrc::not_writable;
  OpenArchive& archive = *ref.archive;
  PendingEntries turn(ref.archive);
  if (auto begun = co_await turn.begin(); !begun) co_return begun;
  auto contents = co_await archive.contents_turn.take();
  if (!contents) co_return contents.error();
  auto db = co_await archive.db();
  if (!db) co_return db.error();
  if (version.value == 0 || version > (*db)->local().head.length) co_return EngineErrc::out_of_range;
  auto named = co_await archive.named_blocks(version);
  if (!named) co_return named.error();
  // First the entries: what lies between is contents that nothing names.
  db = co_await archive.db();
  if (!db) co_return db.error();
  if (auto cut = co_await (*db)->truncate(version, std::nullopt, synced); !cut) co_return cut;
  auto blobs = co_await archive.blobs(Core::From::here);
  if (!blobs) co_return blobs.error();
  const Length end = std::min(*named, (*blobs)->local().head.length);
  co_return co_await (*blobs)->truncate(end, std::nullopt, synced);
}

}  // namespace

awaitable<Result<ArchiveBatch>> Archive::batch() {
  auto batch = batch_of(impl_->ref);
  if (!batch) co_return batch.error();
  const auto info = co_await this->info();
  if (!info) co_return info.error();
  if (!info->writable) co_return EngineErrc::not_writable;
  co_return batch;
}

awaitable<Result<FileWriter>> Archive::write(std::string name, EntryTraits traits) {
  auto path = path_of(name);
  if (!path) co_return path.error();
  auto entry = drive_entry(traits);
  if (!entry) co_return entry.error();
  // Before its reading what may be a long input: who cannot write is told at once.
  if (auto batch = co_await this->batch(); !batch) co_return batch.error();
  co_return FileWriter(
      std::make_unique<FileWriter::Impl>(impl_->ref, std::move(*path), std::move(*entry), nullptr));
}

awaitable<Result<Version>> Archive::put(std::string name, Bytes contents, EntryTraits traits,
                                        Core::Safety safety) {
  auto batch = batch_of(impl_->ref);
  if (!batch) co_return batch.error();
  auto put = co_await batch->put(std::move(name), contents, std::move(traits));
  if (!put) co_return put.error();
  co_return co_await batch->flush(safety);
}

awaitable<Result<Version>> Archive::symlink(std::string name, std::string linkname, EntryTraits traits,
                                            Core::Safety safety) {
  auto batch = batch_of(impl_->ref);
  if (!batch) co_return batch.error();
  auto put = co_await batch->symlink(std::move(name), std::move(linkname), std::move(traits));
  if (!put) co_return put.error();
  co_return co_await batch->flush(safety);
}

awaitable<Result<Version>> Archive::put_entry(std::string name, EntryTraits traits, Core::Safety safety) {
  auto batch = batch_of(impl_->ref);
  if (!batch) co_return batch.error();
  auto put = co_await batch->put_entry(std::move(name), std::move(traits));
  if (!put) co_return put.error();
  co_return co_await batch->flush(safety);
}

awaitable<Result<Version>> Archive::set_traits(std::string name, EntryTraits traits, Core::Safety safety) {
  auto batch = batch_of(impl_->ref);
  if (!batch) co_return batch.error();
  auto set = co_await batch->set_traits(std::move(name), std::move(traits));
  if (!set) co_return set.error();
  co_return co_await batch->flush(safety);
}

awaitable<Result<std::optional<Version>>> Archive::del(std::string name, Core::Safety safety) {
  auto batch = batch_of(impl_->ref);
  if (!batch) co_return batch.error();
  auto gone = co_await batch->del(std::move(name));
  if (!gone) co_return gone.error();
  if (!*gone) co_return std::optional<Version>();
  auto version = co_await batch->flush(safety);
  if (!version) co_return version.error();
  co_return std::optional(*version);
}

awaitable<Result<void>> Archive::truncate(Version version, Core::Safety safety) {
  co_return co_await call(impl_->ref, wind_back(impl_->ref, version, safety == Core::Safety::machine));
}

}  // namespace sheaf
