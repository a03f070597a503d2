#include "engine/archive/archive_impl.hpp"

namespace sheaf {
namespace {

using boost::asio::awaitable;

// How far ahead of the reader blocks are asked of peers: 4 MiB of ordinary ones.
constexpr std::uint64_t blocks_ahead = 64;

}  // namespace

FileReader::Impl::Impl(ArchiveRef ref_, Entry entry_, Core::From from_)
    : ref(std::move(ref_)), entry(std::move(entry_)), from(from_) {}

BlobId FileReader::Impl::blob() const {
  return {entry.offset.block, entry.offset.byte, entry.blocks, entry.length.value_or(ByteCount{}),
          entry.mapped};
}

awaitable<Result<void>> FileReader::Impl::begin(const ReadOptions& options) {
  if (entry.mapped) {
    auto map = co_await ref.archive->block_map(blob(), from);
    if (!map) co_return map.error();
    map_ = std::move(*map);
    entry.length = mapped_bytes(map_);
  }
  length = entry.length ? entry.length->value : 0;
  if (from != Core::From::here && entry.local < entry.blocks)
    if (auto fits = co_await check_quota(ref, {length}); !fits) co_return fits;
  position = std::min(options.offset.value, length);
  const std::uint64_t most = length - position;
  end = position + std::min(options.length ? options.length->value : most, most);
  co_return Result<void>();
}

void FileReader::Impl::seek(ByteCount to) {
  position = std::min(to.value, length);
  end = length;
  place_.reset();
}

awaitable<Result<FileReader::Impl::Place>> FileReader::Impl::locate() {
  if (entry.mapped) {
    std::uint64_t before = 0;
    for (std::size_t i = 0; i < map_.size(); ++i) {
      if (position < before + map_[i].bytes.value) co_return Place{map_[i].index, position - before, i};
      before += map_[i].bytes.value;
    }
    co_return ProtocolErrc::malformed;
  }
  if (position == 0) co_return Place{entry.offset.block, 0, 0};
  auto core = co_await ref.archive->blobs(from);
  if (!core) co_return core.error();
  // Only what is signed can be sought in.
  while (from != Core::From::here && end_of((*core)->local().head.length) < blob().blocks().end)
    if (auto waited = co_await (*core)->until_changed(); !waited) co_return waited.error();
  auto found = co_await (*core)->seek({entry.offset.byte.value + position}, from);
  if (!found) co_return why_no_contents(found.error());
  if (!blob().blocks().contains(found->block)) co_return ProtocolErrc::malformed;
  co_return Place{found->block, found->offset.value, 0};
}

std::uint64_t FileReader::Impl::blocks_left() const {
  const std::uint64_t average =
      std::max<std::uint64_t>(1, length / std::max<std::uint64_t>(1, entry.blocks.value));
  return (end - position) / average + 1;
}

awaitable<Result<Buffer>> FileReader::Impl::next() {
  while (position < end) {
    if (!place_) {
      auto place = co_await locate();
      if (!place) co_return place.error();
      place_ = *place;
    }
    // The entry promised more bytes than its blocks have.
    const bool past = entry.mapped ? place_->in_map >= map_.size() : !blob().blocks().contains(place_->block);
    if (past) co_return ProtocolErrc::malformed;
    auto core = co_await ref.archive->blobs(from);
    if (!core) co_return core.error();
    const BlockIndex index = entry.mapped ? map_[place_->in_map].index : place_->block;
    BlockRange ahead{index, index + Length{1}};
    if (!entry.mapped)
      ahead.end = std::min(index + Length{std::min(blocks_ahead, blocks_left())}, blob().blocks().end);
    Result<Buffer> block = EngineErrc::not_available;
    if (from == Core::From::here)
      block = co_await (*core)->get(index, from);
    else
      block = co_await (*core)->fetch(index, ahead);
    if (!block) co_return why_no_contents(block.error());
    if (entry.mapped && block->size() != map_[place_->in_map].bytes.value) co_return ProtocolErrc::malformed;
    const std::uint64_t skip = std::min<std::uint64_t>(place_->offset, block->size());
    const std::uint64_t size = std::min<std::uint64_t>(block->size() - skip, end - position);
    ++place_->block;
    ++place_->in_map;
    place_->offset = 0;
    position += size;
    if (size == 0) continue;
    if (skip > 0) block->erase(block->begin(), block->begin() + static_cast<std::ptrdiff_t>(skip));
    block->resize(size);
    co_return block;
  }
  co_return Buffer();
}

FileReader::FileReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
FileReader::FileReader(FileReader&&) noexcept = default;
FileReader& FileReader::operator=(FileReader&&) noexcept = default;
FileReader::~FileReader() = default;

const Entry& FileReader::entry() const { return impl_->entry; }
ByteCount FileReader::length() const { return {impl_->length}; }
ByteCount FileReader::position() const { return {impl_->position}; }
void FileReader::seek(ByteCount position) { impl_->seek(position); }
awaitable<Result<Buffer>> FileReader::next() { co_return co_await call(impl_->ref, impl_->next()); }

}  // namespace sheaf
