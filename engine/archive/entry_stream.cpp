#include "engine/archive/archive_impl.hpp"
#include "protocol/entry_path.hpp"

namespace sheaf {
namespace {

using boost::asio::awaitable;

// Entries of one job on the pool.
constexpr std::size_t round_entries = 256;

// The part of a name directly below the folder. Requires: it is below it.
std::string first_part(const std::string& name, const std::string& folder) {
  const std::size_t from = folder == "/" ? 1 : folder.size() + 1;
  return name.substr(from, name.find('/', from) - from);
}

}  // namespace

EntryStream::Impl::Impl(ArchiveRef ref_, Version version_, ListOptions options_)
    : ref(std::move(ref_)),
      version(version_),
      options(std::move(options_)),
      range_(below_folder(options.folder)),
      walk_(version, range_, options.reverse) {}

bool EntryStream::Impl::take(const BeeEntry& entry, std::vector<StoredEntry>& into) {
  auto stored = stored_entry(entry);
  if (!stored) {
    ++unreadable;
    return true;
  }
  for (const std::string& ignored : options.ignore)
    if (is_at_or_below(stored->name, ignored)) return true;
  if (!options.recursive) {
    const std::string part = first_part(stored->name, options.folder);
    const std::string path = (options.folder == "/" ? "/" : options.folder + "/") + part;
    const bool fresh = given_parts_.give(part);
    if (stored->name != path) {
      // Past the rest of that folder; '0' comes right after '/'.
      BeeRange rest = range_;
      if (options.reverse) {
        rest.lt = entry_key(path + "/");
      } else {
        rest.gt.reset();
        rest.gte = entry_key(path + "0");
      }
      walk_ = BeeWalk(version, std::move(rest), options.reverse);
    }
    if (!fresh) return true;
  }
  into.push_back(std::move(*stored));
  return into.size() < round_entries && (!options.limit || given_ + into.size() < *options.limit);
}

awaitable<Result<void>> EntryStream::Impl::fill() {
  std::vector<StoredEntry> round;
  auto gather = [&](BeeBlocks& blocks) -> Result<void> {
    for (;;) {
      auto next = walk_.next(blocks);
      if (!next) return next.error();
      if (!*next) {
        ended_ = true;
        return {};
      }
      if (!take(**next, round)) return {};
    }
  };
  if (options.limit && given_ >= *options.limit) {
    ended_ = true;
    co_return Result<void>();
  }
  if (auto walked = co_await ref.archive->walk(gather, options.from); !walked) co_return walked.error();
  given_ += round.size();
  for (StoredEntry& stored : round) {
    auto entry = co_await ref.archive->shown(std::move(stored), Core::From::here);
    if (!entry) {
      ++unreadable;
      continue;
    }
    ready.push_back(std::move(*entry));
  }
  co_return Result<void>();
}

awaitable<Result<std::optional<Entry>>> EntryStream::Impl::next() {
  while (ready.empty()) {
    if (ended_) co_return std::optional<Entry>();
    if (auto filled = co_await call(ref, fill()); !filled) co_return filled.error();
  }
  Entry out = std::move(ready.front());
  ready.pop_front();
  co_return std::optional(std::move(out));
}

EntryStream::EntryStream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
EntryStream::EntryStream(EntryStream&&) noexcept = default;
EntryStream& EntryStream::operator=(EntryStream&&) noexcept = default;
EntryStream::~EntryStream() = default;

awaitable<Result<std::optional<Entry>>> EntryStream::next() { co_return co_await impl_->next(); }
Version EntryStream::version() const { return impl_->version; }
std::uint64_t EntryStream::unreadable() const { return impl_->unreadable; }

}  // namespace sheaf
