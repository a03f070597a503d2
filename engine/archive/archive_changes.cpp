// What differs between versions of an archive, and whoever waits for that.
#include "engine/archive/archive_impl.hpp"
#include "protocol/entry_path.hpp"

namespace sheaf {
namespace {

using boost::asio::awaitable;

// Differences of one job on the pool.
constexpr std::size_t round_changes = 256;

// One side of a difference as far as it can be read.
std::optional<StoredEntry> side(const std::optional<BeeEntry>& entry) {
  if (!entry) return std::nullopt;
  auto stored = stored_entry(*entry);
  if (!stored) return std::nullopt;
  return std::move(*stored);
}

awaitable<Result<Archive>> handle_of(ArchiveRef ref, Version at) {
  ref.at = at;
  co_return Archive(std::make_unique<Archive::Impl>(Archive::Impl{std::move(ref)}));
}

}  // namespace

ChangeStream::Impl::Impl(ArchiveRef ref_, Version now_, Version before, const std::string& folder,
                         Core::From from)
    : ref(std::move(ref_)), now(now_), from_(from), diff_(now_, before, below_folder(folder)) {}

awaitable<Result<void>> ChangeStream::Impl::fill() {
  struct Sides {
    std::optional<StoredEntry> now, before;
  };
  std::vector<Sides> round;
  auto gather = [&](BeeBlocks& blocks) -> Result<void> {
    while (round.size() < round_changes) {
      auto next = diff_.next(blocks);
      if (!next) return next.error();
      if (!*next) {
        ended_ = true;
        return {};
      }
      Sides sides{side((*next)->left), side((*next)->right)};
      // What no entry can be read from is nothing, and between nothing and nothing there is no change.
      if (sides.now || sides.before) round.push_back(std::move(sides));
    }
    return {};
  };
  if (auto walked = co_await ref.archive->walk(gather, from_); !walked) co_return walked.error();
  for (Sides& sides : round) {
    EntryChange change;
    if (sides.now) {
      auto entry = co_await ref.archive->shown(std::move(*sides.now), Core::From::here);
      if (entry) change.now = std::move(*entry);
    }
    if (sides.before) {
      auto entry = co_await ref.archive->shown(std::move(*sides.before), Core::From::here);
      if (entry) change.before = std::move(*entry);
    }
    ready_.push_back(std::move(change));
  }
  co_return Result<void>();
}

awaitable<Result<std::optional<EntryChange>>> ChangeStream::Impl::next() {
  while (ready_.empty()) {
    if (ended_) co_return std::optional<EntryChange>();
    if (auto filled = co_await call(ref, fill()); !filled) co_return filled.error();
  }
  EntryChange out = std::move(ready_.front());
  ready_.pop_front();
  co_return std::optional(std::move(out));
}

ChangeStream::ChangeStream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ChangeStream::ChangeStream(ChangeStream&&) noexcept = default;
ChangeStream& ChangeStream::operator=(ChangeStream&&) noexcept = default;
ChangeStream::~ChangeStream() = default;

Version ChangeStream::version() const { return impl_->now; }

awaitable<Result<std::optional<EntryChange>>> ChangeStream::next() { co_return co_await impl_->next(); }

awaitable<Result<ChangeStream>> Archive::diff(Version before, std::string folder, Core::From from) {
  auto path = normal_path(folder);
  if (!path) co_return EngineErrc::bad_name;
  auto now = co_await call(impl_->ref, impl_->ref.archive->settle(impl_->ref.at, from));
  if (!now) co_return now.error();
  auto then = co_await call(impl_->ref, impl_->ref.archive->settle(before, from));
  if (!then) co_return then.error();
  co_return ChangeStream(std::make_unique<ChangeStream::Impl>(impl_->ref, *now, *then, *path, from));
}

// -- ArchiveWatch.

namespace {

// The version and fork that are here, once they are not `seen` any more.
awaitable<Result<ArchiveWatch::Impl::State>> changed_from(ArchiveRef ref, ArchiveWatch::Impl::State seen) {
  for (;;) {
    auto core = co_await ref.archive->db();
    if (!core) co_return core.error();
    const TreeHead& head = (*core)->local().head;
    const ArchiveWatch::Impl::State state{std::max(Version{1}, head.length), head.fork};
    if (state != seen) co_return state;
    if (auto waited = co_await (*core)->until_changed(); !waited) co_return waited.error();
  }
}

awaitable<Result<ArchiveWatch::Impl::State>> state_of(ArchiveRef ref) {
  co_return co_await changed_from(std::move(ref), {});
}

}  // namespace

awaitable<Result<ArchiveWatch::Step>> ArchiveWatch::Impl::next() {
  for (;;) {
    auto state = co_await call(ref, changed_from(ref, seen));
    if (!state) co_return state.error();
    bool differs = state->fork != seen.fork;
    if (!differs) {
      ChangeStream::Impl changes(ref, state->version, seen.version, folder, Core::From::peers);
      auto first = co_await changes.next();
      if (!first) co_return first.error();
      differs = first->has_value();
    }
    const State before = std::exchange(seen, *state);
    if (!differs) continue;
    auto now = co_await handle_of(ref, state->version);
    auto then = co_await handle_of(ref, before.version);
    co_return Step{std::move(*now), std::move(*then)};
  }
}

ArchiveWatch::ArchiveWatch(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ArchiveWatch::ArchiveWatch(ArchiveWatch&&) noexcept = default;
ArchiveWatch& ArchiveWatch::operator=(ArchiveWatch&&) noexcept = default;
ArchiveWatch::~ArchiveWatch() = default;

awaitable<Result<ArchiveWatch::Step>> ArchiveWatch::next() { co_return co_await impl_->next(); }

awaitable<Result<ArchiveWatch>> Archive::watch(std::string folder) {
  auto path = normal_path(folder);
  if (!path) co_return EngineErrc::bad_name;
  auto state = co_await call(impl_->ref, state_of(impl_->ref));
  if (!state) co_return state.error();
  ArchiveRef ref = impl_->ref;
  ref.at.reset();
  co_return ArchiveWatch(
      std::make_unique<ArchiveWatch::Impl>(ArchiveWatch::Impl{std::move(ref), std::move(*path), *state}));
}

}  // namespace sheaf
