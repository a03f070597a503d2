#include <algorithm>

#include "engine/archive/archive_impl.hpp"
#include "protocol/entry_path.hpp"

namespace sheaf {
namespace {

using boost::asio::awaitable;

awaitable<Result<ArchiveInfo>> info_of(ArchiveRef ref) {
  auto db = co_await ref.archive->db();
  if (!db) co_return db.error();
  const CoreInfo entries = (*db)->info();
  ArchiveInfo out;
  out.key = entries.key;
  out.discovery_key = entries.discovery_key;
  out.blobs_key = (*db)->record().partner;
  out.writable = entries.writable;
  out.is_private = (*db)->record().is_private;
  out.frozen = entries.frozen;
  out.version = entries.length;
  out.fork = entries.fork;
  out.blocks = entries.length;
  out.local = entries.local;
  out.peers = entries.peers;
  if (!out.blobs_key) co_return out;
  auto blobs = co_await ref.archive->blobs(Core::From::here);
  if (!blobs) co_return blobs.error();
  const CoreInfo contents = (*blobs)->info();
  out.frozen = out.frozen || contents.frozen;
  out.bytes = contents.bytes;
  out.blocks = out.blocks + contents.length;
  out.local = out.local + contents.local;
  out.complete = out.local == out.blocks;
  co_return out;
}

awaitable<Result<CoreKey>> blobs_key_of(ArchiveRef ref) {
  auto blobs = co_await ref.archive->blobs(Core::From::peers);
  if (!blobs) co_return blobs.error();
  co_return (*blobs)->local().key;
}

awaitable<Result<Version>> settled(ArchiveRef ref) {
  co_return co_await ref.archive->settle(ref.at, Core::From::peers);
}

awaitable<Result<std::optional<Entry>>> entry_of(ArchiveRef ref, std::string path, Core::From from) {
  auto version = co_await ref.archive->settle(ref.at, from);
  if (!version) co_return version.error();
  auto stored = co_await ref.archive->find(std::move(path), *version, from);
  if (!stored) co_return stored.error();
  if (!*stored) co_return std::optional<Entry>();
  auto entry = co_await ref.archive->shown(std::move(**stored), from);
  if (!entry) co_return entry.error();
  co_return std::optional(std::move(*entry));
}

awaitable<Result<std::optional<Entry>>> end_of_links(ArchiveRef ref, std::string path, Core::From from) {
  constexpr int most_links = 15;  // as Hyperdrive
  for (int links = 0; links <= most_links; ++links) {
    auto entry = co_await entry_of(ref, path, from);
    if (!entry || !*entry || (*entry)->type != EntryType::symlink) co_return entry;
    auto target = link_target(path, (*entry)->linkname);
    if (!target || *target == "/") co_return EngineErrc::bad_name;
    path = std::move(*target);
  }
  co_return EngineErrc::too_many_links;
}

awaitable<Result<std::unique_ptr<FileReader::Impl>>> reader_of(ArchiveRef ref, std::string path,
                                                               ReadOptions options) {
  auto entry = co_await entry_of(ref, std::move(path), options.from);
  if (!entry) co_return entry.error();
  if (!*entry) co_return EngineErrc::not_found;
  if ((*entry)->type != EntryType::file) co_return EngineErrc::no_contents;
  auto reader = std::make_unique<FileReader::Impl>(ref, std::move(**entry), options.from);
  if (auto begun = co_await reader->begin(options); !begun) co_return begun.error();
  co_return reader;
}

awaitable<Result<Buffer>> contents_of(ArchiveRef ref, std::string path, Core::From from, ByteCount most) {
  auto reader = co_await reader_of(ref, std::move(path), {.from = from});
  if (!reader) co_return reader.error();
  if ((*reader)->length > most.value) co_return EngineErrc::out_of_range;
  Buffer out;
  for (;;) {
    auto part = co_await (*reader)->next();
    if (!part) co_return part.error();
    if (part->empty()) co_return out;
    append(out, *part);
  }
}

}  // namespace

std::optional<std::string> normal_name(std::string_view name) { return normal_path(name); }

Result<std::string> path_of(std::string_view name) {
  auto path = normal_path(name);
  if (!path || *path == "/") return EngineErrc::bad_name;
  return std::move(*path);
}

Archive::Archive(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Archive::Archive(Archive&&) noexcept = default;
Archive& Archive::operator=(Archive&&) noexcept = default;
Archive::~Archive() = default;

std::optional<Version> Archive::version() const { return impl_->ref.at; }

const CoreKey& Archive::key() const { return impl_->ref.archive->key(); }

awaitable<Result<ArchiveInfo>> Archive::info() { co_return co_await call(impl_->ref, info_of(impl_->ref)); }

awaitable<Result<void>> Archive::check_readable() {
  co_return co_await call(impl_->ref, impl_->ref.archive->check_readable());
}

awaitable<Result<CoreKey>> Archive::blobs_key() {
  co_return co_await call(impl_->ref, blobs_key_of(impl_->ref));
}

Archive Archive::checkout(Version version) const {
  ArchiveRef ref = impl_->ref;
  ref.at = version;
  return Archive(std::make_unique<Impl>(Impl{std::move(ref)}));
}

awaitable<Result<Version>> Archive::update() { co_return co_await call(impl_->ref, settled(impl_->ref)); }

awaitable<Result<std::optional<Entry>>> Archive::entry(std::string name, Core::From from) {
  auto path = path_of(name);
  if (!path) co_return path.error();
  co_return co_await call(impl_->ref, entry_of(impl_->ref, std::move(*path), from));
}

awaitable<Result<std::optional<Entry>>> Archive::follow(std::string name, Core::From from) {
  auto path = path_of(name);
  if (!path) co_return path.error();
  co_return co_await call(impl_->ref, end_of_links(impl_->ref, std::move(*path), from));
}

awaitable<Result<EntryStream>> Archive::list(ListOptions options) {
  auto folder = normal_path(options.folder);
  if (!folder) co_return EngineErrc::bad_name;
  options.folder = std::move(*folder);
  for (std::string& ignored : options.ignore) {
    auto path = normal_path(ignored);
    if (!path) co_return EngineErrc::bad_name;
    ignored = std::move(*path);
  }
  auto version = co_await call(impl_->ref, impl_->ref.archive->settle(impl_->ref.at, options.from));
  if (!version) co_return version.error();
  co_return EntryStream(std::make_unique<EntryStream::Impl>(impl_->ref, *version, std::move(options)));
}

// Not a default argument: g++ 12 destroys such a temporary of a co_await twice.
awaitable<Result<EntryStream>> Archive::list() { return list(ListOptions()); }

awaitable<Result<std::vector<std::string>>> Archive::readdir(std::string folder, Core::From from) {
  const auto path = normal_path(folder);
  if (!path) co_return EngineErrc::bad_name;
  ListOptions options;
  options.folder = *path;
  options.recursive = false;
  options.from = from;
  auto entries = co_await list(options);
  if (!entries) co_return entries.error();
  const std::size_t begin = *path == "/" ? 1 : path->size() + 1;
  std::vector<std::string> out;
  for (;;) {
    auto entry = co_await entries->next();
    if (!entry) co_return entry.error();
    if (!*entry) break;
    const std::string& name = (*entry)->name;
    out.push_back(name.substr(begin, name.find('/', begin) - begin));
  }
  // A folder comes where its first entry does, which can be behind a longer name.
  std::ranges::sort(out);
  co_return out;
}

awaitable<Result<Buffer>> Archive::get(std::string name, Core::From from, ByteCount most) {
  auto path = path_of(name);
  if (!path) co_return path.error();
  co_return co_await call(impl_->ref, contents_of(impl_->ref, std::move(*path), from, most));
}

awaitable<Result<FileReader>> Archive::read(std::string name, ReadOptions options) {
  auto path = path_of(name);
  if (!path) co_return path.error();
  auto reader = co_await call(impl_->ref, reader_of(impl_->ref, std::move(*path), options));
  if (!reader) co_return reader.error();
  co_return FileReader(std::move(*reader));
}

}  // namespace sheaf
