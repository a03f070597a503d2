#include "engine/archive/contents_sink.hpp"

namespace sheaf {
namespace {

using boost::asio::awaitable;

// Appended together.
constexpr std::uint64_t group_bytes = 1024 * 1024;
constexpr std::size_t group_blocks = 1024;

}  // namespace

void BlockCutter::add(Bytes bytes) {
  while (!bytes.empty()) {
    if (blocks_.empty() || blocks_.back().size() == blob_block_bytes) blocks_.emplace_back();
    Buffer& last = blocks_.back();
    const Bytes part = bytes.first(std::min(bytes.size(), blob_block_bytes - last.size()));
    append(last, part);
    bytes = bytes.subspan(part.size());
  }
}

std::size_t BlockCutter::full() const {
  return blocks_.size() - (!blocks_.empty() && blocks_.back().size() < blob_block_bytes ? 1 : 0);
}

std::vector<Buffer> BlockCutter::take(bool all) {
  std::vector<Buffer> out;
  const std::size_t whole = full();
  out.swap(blocks_);
  if (!all && out.size() > whole) {
    blocks_.push_back(std::move(out.back()));
    out.pop_back();
  }
  return out;
}

awaitable<Result<void>> ContentsSink::add(std::optional<BlobId>& blob, std::vector<Buffer> blocks) {
  if (failed_) co_return *failed_;
  if (!turn_) {
    auto turn = co_await archive_->contents_turn.take();
    if (!turn) co_return turn.error();
    auto end = co_await archive_->contents_end();
    if (!end) co_return end.error();
    turn_ = std::move(*turn);
    end_ = stored_ = *end;
  }
  if (!blob) blob = BlobId{end_.block, end_.byte, {}, {}, false};
  if (blob->blocks().end != end_.block) co_return EngineErrc::refused;
  for (Buffer& block : blocks) {
    ++blob->block_length.value;
    blob->byte_length.value += block.size();
    ++end_.block;
    end_.byte.value += block.size();
    waiting_.push_back(std::move(block));
  }
  if (waiting_.size() < group_blocks && end_.byte.value - stored_.byte.value < group_bytes)
    co_return Result<void>();
  co_return co_await store(false);
}

awaitable<Result<void>> ContentsSink::store(bool synced) {
  if (failed_) co_return *failed_;
  if (waiting_.empty()) co_return Result<void>();
  auto stored = co_await archive_->append_contents(std::exchange(waiting_, {}), stored_, synced);
  if (!stored) {
    failed_ = stored.error();
    co_return stored;
  }
  stored_ = end_;
  auto core = co_await archive_->blobs(Core::From::here);
  if (!core) co_return core.error();
  fork_ = (*core)->local().head.fork;
  co_return Result<void>();
}

awaitable<Result<void>> ContentsSink::still_there() {
  if (!fork_) co_return Result<void>();
  auto core = co_await archive_->blobs(Core::From::here);
  if (!core) co_return core.error();
  const TreeHead& head = (*core)->local().head;
  if (head.fork != *fork_ || end_of(head.length) < stored_.block) co_return EngineErrc::refused;
  co_return Result<void>();
}

}  // namespace sheaf
