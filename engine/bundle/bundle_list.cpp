#include <algorithm>
#include <deque>
#include <list>

#include "sheaf/engine/bundle.hpp"

namespace sheaf {

using boost::asio::awaitable;

namespace {

// Whether the name is the prefix or lies below it. Requires: both normal.
bool is_within(std::string_view name, std::string_view prefix) {
  if (prefix == "/" || name == prefix) return true;
  return name.starts_with(prefix) && name.substr(prefix.size()).starts_with('/');
}

}  // namespace

struct BundleList::Impl {
  // One archive, at the version that is being listed.
  struct Source {
    explicit Source(Archive archive_) : archive(std::move(archive_)) {}
    Archive archive;
    Version version{};                    // that was listed, or is being; 0: none yet
    std::optional<EntryStream> stream;    // while the whole is listed
    std::optional<ChangeStream> changes;  // while what came after a version is
    std::optional<Entry> head;
    bool at_prefix = false;  // the entry at the prefix itself comes first
    bool behind = false;     // it has changed since
    bool noted = false;      // in `incomplete`
  };

  awaitable<Result<void>> begin(Source& source);
  awaitable<Result<void>> advance(Source& source);
  awaitable<Result<std::optional<Entry>>> next_of_first_pass();
  awaitable<Result<std::optional<Entry>>> next_live();
  awaitable<Result<std::optional<Entry>>> rest_of(Source& source);
  awaitable<Result<void>> take_news();
  // Leaves out what cannot be read of the archive; the error itself where the list cannot go on.
  Result<void> leave_out(Source& source, const Error& error);
  void note(Source& source, Incomplete::Why why);
  static bool comes_after(const Source* a, const Source* b);

  Node* node = nullptr;
  std::string prefix;
  bool live = false;
  bool only_these = false;
  bool first_pass = true;
  std::list<Source> sources;
  std::vector<Source*> heap;  // of the first pass: those with a next entry, the one to be given at the top
  std::optional<ArchiveEvents> events;
  std::vector<Incomplete> incomplete;
  std::uint64_t unreadable = 0;
};

std::optional<BundleList::Incomplete::Why> BundleList::why_left_out(const Error& error) {
  if (error == EngineErrc::not_available || error == EngineErrc::out_of_range)
    return Incomplete::Why::partly_here;
  if (error == EngineErrc::wrong_key) return Incomplete::Why::no_key;
  if (error.category() == protocol_category()) return Incomplete::Why::malformed;
  return std::nullopt;
}

void BundleList::Impl::note(Source& source, Incomplete::Why why) {
  if (!std::exchange(source.noted, true)) incomplete.push_back({source.archive.key(), why});
}

Result<void> BundleList::Impl::leave_out(Source& source, const Error& error) {
  const auto why = why_left_out(error);
  if (!why) return error;
  note(source, *why);
  if (*why == Incomplete::Why::partly_here) return {};  // it goes on when more is here
  source.stream.reset();
  source.changes.reset();
  if (*why == Incomplete::Why::no_key) source.version = {};  // from its beginning, should the key come
  return {};
}

// Opens the listing of all that the archive has now.
awaitable<Result<void>> BundleList::Impl::begin(Source& source) {
  const auto info = co_await source.archive.info();
  if (!info) co_return info.error();
  source.stream.reset();
  source.changes.reset();
  source.head.reset();
  source.version = {};
  source.at_prefix = prefix != "/";
  if (info->version.value == 0) {
    note(source, Incomplete::Why::nothing_here);
    co_return Result<void>();
  }
  ListOptions options;
  options.folder = prefix;
  options.from = Core::From::here;
  auto stream = co_await source.archive.list(options);
  if (!stream && !source.archive.version()) co_return leave_out(source, stream.error());
  if (!stream) co_return stream.error();
  source.version = stream->version();
  source.stream = std::move(*stream);
  co_return co_await advance(source);
}

// Loads the next entry of the listing into `head`, or ends it.
awaitable<Result<void>> BundleList::Impl::advance(Source& source) {
  source.head.reset();
  Result<std::optional<Entry>> next = std::optional<Entry>();
  if (std::exchange(source.at_prefix, false)) {
    Archive at = source.archive.checkout(source.version);
    next = co_await at.entry(prefix, Core::From::here);
    if (next && *next) {
      source.head = std::move(*next);
      co_return Result<void>();
    }
    source.at_prefix = !next;
  }
  if (next) next = co_await source.stream->next();
  if (!next) co_return leave_out(source, next.error());
  if (!*next) {
    unreadable += source.stream->unreadable();
    source.stream.reset();
  }
  source.head = std::move(*next);
  co_return Result<void>();
}

bool BundleList::Impl::comes_after(const Source* a, const Source* b) {
  return std::pair(std::string_view(a->head->name), a->archive.key()) >
         std::pair(std::string_view(b->head->name), b->archive.key());
}

awaitable<Result<std::optional<Entry>>> BundleList::Impl::next_of_first_pass() {
  if (heap.empty()) co_return std::optional<Entry>();
  std::ranges::pop_heap(heap, comes_after);
  Source* least = heap.back();
  heap.pop_back();
  Entry out = std::move(*least->head);
  if (auto advanced = co_await advance(*least); !advanced) co_return advanced.error();
  if (least->head) {
    heap.push_back(least);
    std::ranges::push_heap(heap, comes_after);
  }
  co_return std::optional(std::move(out));
}

// The next entry of what is here of the archive and was not given yet; nothing once there is none.
awaitable<Result<std::optional<Entry>>> BundleList::Impl::rest_of(Source& source) {
  for (;;) {
    if (source.head) {
      Entry out = std::move(*source.head);
      if (auto advanced = co_await advance(source); !advanced) co_return advanced.error();
      co_return std::optional(std::move(out));
    }
    if (source.stream) {  // it had stopped where something was not here
      if (auto advanced = co_await advance(source); !advanced) co_return advanced.error();
      if (source.head) continue;
      if (source.stream) co_return std::optional<Entry>();
    }
    if (source.version.value == 0) {
      if (!std::exchange(source.behind, false)) co_return std::optional<Entry>();
      if (auto begun = co_await begin(source); !begun) co_return begun.error();
      if (source.version.value == 0) co_return std::optional<Entry>();
      continue;
    }
    if (!source.changes) {
      if (!std::exchange(source.behind, false)) co_return std::optional<Entry>();
      auto changes = co_await source.archive.diff(source.version, "/", Core::From::here);
      if (!changes) {
        if (auto left = leave_out(source, changes.error()); !left) co_return left.error();
        co_return std::optional<Entry>();
      }
      if (changes->version() == source.version) continue;
      source.changes = std::move(*changes);
    }
    auto change = co_await source.changes->next();
    if (!change) {
      if (auto left = leave_out(source, change.error()); !left) co_return left.error();
      co_return std::optional<Entry>();
    }
    if (!*change) {
      source.version = source.changes->version();
      source.changes.reset();
      source.behind = true;  // there may be more by now
      continue;
    }
    if ((*change)->now && is_within((*change)->now->name, prefix))
      co_return std::optional(std::move(*(*change)->now));
  }
}

// Waits until something has happened to an archive, and notes it.
awaitable<Result<void>> BundleList::Impl::take_news() {
  auto event = co_await events->next();
  if (!event) co_return event.error();
  const auto found = std::ranges::find(sources, event->link, [](const Source& s) { return s.archive.key(); });
  if (found == sources.end()) {
    if (only_these || event->removed || !(event->added || event->changed)) co_return Result<void>();
    auto archive = co_await node->archive(event->link);
    if (!archive) co_return archive.error() == EngineErrc::not_found ? Result<void>() : archive.error();
    sources.emplace_back(std::move(*archive)).behind = true;
    co_return Result<void>();
  }
  if (event->removed) {
    sources.erase(found);
    co_return Result<void>();
  }
  if (event->wound_back && *event->wound_back < found->version) {
    // What was listed above is gone; what follows it is new.
    found->version = std::max(Version{1}, *event->wound_back);
    found->stream.reset();
    found->head.reset();
    found->changes.reset();
  }
  found->behind = found->behind || event->changed;
  co_return Result<void>();
}

awaitable<Result<std::optional<Entry>>> BundleList::Impl::next_live() {
  for (;;) {
    for (Source& source : sources) {
      auto entry = co_await rest_of(source);
      if (!entry || *entry) co_return entry;
    }
    if (auto taken = co_await take_news(); !taken) co_return taken.error();
  }
}

awaitable<Result<BundleList>> BundleList::open(Node& node, std::vector<Archive> archives,
                                               BundleListOptions options, bool only_these) {
  const auto prefix = normal_name(options.prefix);
  if (!prefix) co_return EngineErrc::bad_name;
  auto impl = std::make_unique<Impl>();
  impl->node = &node;
  impl->prefix = *prefix;
  impl->live = options.live;
  impl->only_these = only_these;
  if (options.live) {
    auto events = co_await node.watch_archives();
    if (!events) co_return events.error();
    impl->events = std::move(*events);
  }
  for (Archive& archive : archives) {
    Impl::Source& source = impl->sources.emplace_back(std::move(archive));
    if (auto begun = co_await impl->begin(source); !begun) co_return begun.error();
    if (source.head) impl->heap.push_back(&source);
  }
  std::ranges::make_heap(impl->heap, Impl::comes_after);
  co_return BundleList(std::move(impl));
}

BundleList::BundleList(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
BundleList::BundleList(BundleList&&) noexcept = default;
BundleList& BundleList::operator=(BundleList&&) noexcept = default;
BundleList::~BundleList() = default;

awaitable<Result<std::optional<Entry>>> BundleList::next() {
  if (impl_->first_pass) {
    auto entry = co_await impl_->next_of_first_pass();
    if (!entry || *entry || !impl_->live) co_return entry;
    impl_->first_pass = false;
  }
  co_return co_await impl_->next_live();
}

const std::vector<BundleList::Incomplete>& BundleList::incomplete() const { return impl_->incomplete; }
std::uint64_t BundleList::unreadable() const { return impl_->unreadable; }

}  // namespace sheaf
