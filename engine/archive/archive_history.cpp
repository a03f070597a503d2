// What was written to an archive, one write after another: the blocks of its db core, in their order.
#include "engine/archive/archive_impl.hpp"
#include "protocol/entry_path.hpp"

namespace sheaf {
namespace {

using boost::asio::awaitable;

// Blocks of one job on the pool.
constexpr std::size_t round_blocks = 256;

// One block as far as it can be read: a name with an entry, or a name that was deleted.
struct Written {
  BlockIndex seq;
  std::string name;
  std::optional<StoredEntry> entry;
};

Result<Written> written(BlockIndex seq, SharedBeeBlock block) {
  auto name = entry_name(block->key());
  if (!name) return ProtocolErrc::malformed;
  auto is_put = block->names(seq);
  if (!is_put) return is_put.error();
  if (!*is_put && !block->value()) return Written{seq, std::move(*name), std::nullopt};
  auto stored = stored_entry({seq, std::move(block)});
  if (!stored) return stored.error();
  return Written{seq, std::move(*name), std::move(*stored)};
}

}  // namespace

HistoryStream::Impl::Impl(ArchiveRef ref_, Version version, const HistoryOptions& options)
    : ref(std::move(ref_)), from_(options.from), reverse_(options.reverse) {
  // A version is the length that its write left, and block 0 is the header.
  left_.end = end_of(version);
  left_.begin = std::min(left_.end, end_of(std::max(Version{1}, options.after)));
}

awaitable<Result<void>> HistoryStream::Impl::fill() {
  std::vector<Written> round;
  std::size_t looked_at = 0;
  auto gather = [&](BeeBlocks& blocks) -> Result<void> {
    while (left_.begin < left_.end && looked_at < round_blocks) {
      const BlockIndex seq = reverse_ ? BlockIndex{left_.end.value - 1} : left_.begin;
      auto block = blocks.block(seq);
      if (!block && block.error() != ProtocolErrc::malformed) return block.error();
      auto one = block ? written(seq, std::move(*block)) : Result<Written>(block.error());
      if (one)
        round.push_back(std::move(*one));
      else
        ++unreadable;
      ++looked_at;
      if (reverse_)
        left_.end = seq;
      else
        ++left_.begin;
    }
    return {};
  };
  if (auto walked = co_await ref.archive->walk(gather, from_); !walked) co_return walked.error();
  for (Written& one : round) {
    Operation operation;
    operation.version = Version{one.seq.value + 1};
    operation.name = std::move(one.name);
    if (one.entry) {
      auto entry = co_await ref.archive->shown(std::move(*one.entry), Core::From::here);
      if (!entry) {
        ++unreadable;
        continue;
      }
      operation.entry = std::move(*entry);
    }
    ready_.push_back(std::move(operation));
  }
  co_return Result<void>();
}

awaitable<Result<std::optional<Operation>>> HistoryStream::Impl::next() {
  while (ready_.empty()) {
    if (left_.begin == left_.end) co_return std::optional<Operation>();
    if (auto filled = co_await call(ref, fill()); !filled) co_return filled.error();
  }
  Operation out = std::move(ready_.front());
  ready_.pop_front();
  co_return std::optional(std::move(out));
}

HistoryStream::HistoryStream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HistoryStream::HistoryStream(HistoryStream&&) noexcept = default;
HistoryStream& HistoryStream::operator=(HistoryStream&&) noexcept = default;
HistoryStream::~HistoryStream() = default;

std::uint64_t HistoryStream::unreadable() const { return impl_->unreadable; }

awaitable<Result<std::optional<Operation>>> HistoryStream::next() { co_return co_await impl_->next(); }

awaitable<Result<HistoryStream>> Archive::history(HistoryOptions options) {
  auto version = co_await call(impl_->ref, impl_->ref.archive->settle(impl_->ref.at, options.from));
  if (!version) co_return version.error();
  // Blocks that cannot be opened are noise, not writes that cannot be read.
  auto readable = co_await call(impl_->ref, impl_->ref.archive->check_readable());
  if (!readable && readable.error() == EngineErrc::wrong_key) co_return readable.error();
  co_return HistoryStream(std::make_unique<HistoryStream::Impl>(impl_->ref, *version, options));
}

}  // namespace sheaf
