#include "engine/archive/archive_impl.hpp"
#include "sheaf/protocol/invariant.hpp"

namespace sheaf {
namespace {

using boost::asio::awaitable;

// What a file may have in memory: 1 MiB.
constexpr std::size_t waiting_blocks = 16;

}  // namespace

FileWriter::Impl::Impl(ArchiveRef ref_, std::string path, DriveEntry entry,
                       std::shared_ptr<PendingEntries> batch)
    : ref(std::move(ref_)),
      path_(std::move(path)),
      entry_(std::move(entry)),
      in_batch_(batch != nullptr),
      pending_(in_batch_ ? std::move(batch) : std::make_shared<PendingEntries>(ref.archive)) {}

awaitable<Result<void>> FileWriter::Impl::store_full() {
  co_return co_await pending_->contents.add(blob_, cutter_.take(false));
}

awaitable<Result<void>> FileWriter::Impl::append(Bytes bytes) {
  invariant(!finished_, "a finished file takes no more bytes");
  constexpr std::size_t most = waiting_blocks * blob_block_bytes;
  while (!bytes.empty()) {
    const Bytes part = bytes.first(std::min(bytes.size(), most));
    cutter_.add(part);
    bytes = bytes.subspan(part.size());
    if (cutter_.full() < waiting_blocks) continue;
    if (auto stored = co_await call(ref, store_full()); !stored) co_return stored;
  }
  co_return Result<void>();
}

awaitable<Result<Version>> FileWriter::Impl::finish(Core::Safety safety) {
  invariant(!finished_, "a file is finished once");
  finished_ = true;
  ContentsSink& contents = pending_->contents;
  // Whoever needs both turns takes the entries' first: a file that has the other already gives it back.
  if (in_batch_ || !blob_)
    if (auto begun = co_await pending_->begin(); !begun) co_return begun.error();
  if (auto added = co_await contents.add(blob_, cutter_.take(true)); !added) co_return added.error();
  entry_.blob = blob_;
  if (in_batch_) {
    pending_->put(path_, std::move(entry_));
    co_return Version{};
  }
  if (auto stored = co_await contents.store(safety == Core::Safety::machine); !stored)
    co_return stored.error();
  contents.give_turn_back();
  if (auto begun = co_await pending_->begin(); !begun) co_return begun.error();
  pending_->put(path_, std::move(entry_));
  co_return co_await pending_->commit(safety);
}

FileWriter::FileWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
FileWriter::FileWriter(FileWriter&&) noexcept = default;
FileWriter& FileWriter::operator=(FileWriter&&) noexcept = default;
FileWriter::~FileWriter() = default;

awaitable<Result<void>> FileWriter::append(Bytes bytes) { co_return co_await impl_->append(bytes); }
awaitable<Result<Version>> FileWriter::finish(Core::Safety safety) {
  co_return co_await call(impl_->ref, impl_->finish(safety));
}

}  // namespace sheaf
