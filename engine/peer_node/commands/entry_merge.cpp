#include "engine/peer_node/commands/entry_merge.hpp"

#include <algorithm>

#include "engine/peer_node/tasks.hpp"

namespace sheaf::peer_node {

namespace asio = boost::asio;

EntryMerge::EntryMerge(CommandContext& context, std::vector<Archive>& archives, std::string prefix,
                       Core::From from)
    : context_(context), archives_(archives), prefix_(std::move(prefix)), from_(from) {}

bool EntryMerge::comes_after(const Source& a, const Source& b) {
  return std::pair(std::string_view(a.head->name), a.link) >
         std::pair(std::string_view(b.head->name), b.link);
}

asio::awaitable<Result<std::optional<MergedEntry>>> EntryMerge::next() {
  if (!std::exchange(begun_, true)) {
    if (auto begun = co_await begin(); !begun) co_return begun.error();
  }
  if (sources_.empty()) co_return std::optional<MergedEntry>();
  std::ranges::pop_heap(sources_, &comes_after);
  Source first = std::move(sources_.back());
  sources_.pop_back();
  MergedEntry out{std::move(*first.head), first.archive};
  first.head.reset();
  if (auto advanced = co_await advance(std::move(first)); !advanced) co_return advanced.error();
  co_return std::optional(std::move(out));
}

asio::awaitable<Result<void>> EntryMerge::begin() {
  for (std::size_t i = 0; i < archives_.size(); ++i) {
    at_ = archives_[i].key();
    if (auto opened = co_await open(i); !opened) {
      if (auto noted = note(opened.error(), archives_[i].key()); !noted) co_return noted.error();
    }
  }
  co_return Result<void>();
}

// The entry at the prefix itself comes before those below it.
asio::awaitable<Result<void>> EntryMerge::open(std::size_t archive) {
  Archive& one = archives_[archive];
  const auto info = co_await one.info();
  if (!info) co_return info.error();
  if (info->version.value == 0 && from_ == Core::From::here) {
    incomplete_.push_back({one.key(), BundleList::Incomplete::Why::nothing_here});
    co_return Result<void>();
  }
  ListOptions options;
  options.folder = prefix_;
  options.from = from_;
  auto stream = co_await in_time(one.list(options));
  if (!stream) co_return stream.error();
  Source source{std::move(*stream), std::nullopt, one.key(), archive};
  if (normal_name(prefix_) != "/") {
    auto itself = co_await in_time(one.entry(prefix_, from_));
    if (!itself) co_return itself.error();
    source.head = std::move(*itself);
  }
  co_return co_await advance(std::move(source));
}

asio::awaitable<Result<void>> EntryMerge::advance(Source source) {
  at_ = source.link;
  if (!source.head) {
    auto next = co_await in_time(source.stream.next());
    if (!next) {
      unreadable_ += source.stream.unreadable();
      co_return note(next.error(), source.link);
    }
    source.head = std::move(*next);
  }
  if (source.head) {
    sources_.push_back(std::move(source));
    std::ranges::push_heap(sources_, &comes_after);
  } else {
    unreadable_ += source.stream.unreadable();
  }
  co_return Result<void>();
}

template <class T>
asio::awaitable<Result<T>> EntryMerge::in_time(asio::awaitable<Result<T>> work) {
  if (from_ == Core::From::here) co_return co_await std::move(work);
  co_return co_await within(context_.timers, context_.global.timeout, std::move(work));
}

Result<void> EntryMerge::note(const Error& error, const CoreKey& link) {
  if (error == make_error_code(EngineErrc::out_of_range)) return error;  // a version that is not there
  auto why = BundleList::why_left_out(error);
  if (error == make_error_code(NetErrc::timed_out)) why = BundleList::Incomplete::Why::partly_here;
  if (!why) return error;
  incomplete_.push_back({link, *why});
  return {};
}

}  // namespace sheaf::peer_node
