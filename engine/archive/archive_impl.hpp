// What stands behind the public faces of an archive.
#pragma once

#include <deque>

#include "engine/archive/given_parts.hpp"
#include "engine/archive/pending_entries.hpp"
#include "engine/node/hop.hpp"
#include "engine/node/node_impl.hpp"
#include "sheaf/engine/archive.hpp"

namespace sheaf {

// Where a face's calls go. The node outlives it; after the node's close() calls answer `closed`.
struct ArchiveRef {
  Node::Impl* node = nullptr;
  std::shared_ptr<OpenArchive> archive;
  std::optional<Version> at;  // of a checkout
};

// quota where contents of so many bytes can never be here as a whole.
boost::asio::awaitable<Result<void>> check_quota(ArchiveRef ref, ByteCount bytes);

struct Archive::Impl {
  ArchiveRef ref;
};

struct EntryStream::Impl {
  Impl(ArchiveRef ref, Version version, ListOptions options);
  boost::asio::awaitable<Result<std::optional<Entry>>> next();

  ArchiveRef ref;
  Version version;
  ListOptions options;
  std::deque<Entry> ready;
  std::uint64_t unreadable = 0;

 private:
  // Notes what the walk came to; true while more fits into this round.
  bool take(const BeeEntry& entry, std::vector<StoredEntry>& into);
  boost::asio::awaitable<Result<void>> fill();

  BeeRange range_;
  BeeWalk walk_;
  std::uint64_t given_ = 0;
  GivenParts given_parts_;  // where each name directly below the folder is given once
  bool ended_ = false;
};

struct ChangeStream::Impl {
  Impl(ArchiveRef ref, Version now, Version before, const std::string& folder, Core::From from);
  boost::asio::awaitable<Result<std::optional<EntryChange>>> next();

  ArchiveRef ref;
  Version now;

 private:
  boost::asio::awaitable<Result<void>> fill();

  Core::From from_;
  BeeDiff diff_;
  std::deque<EntryChange> ready_;
  bool ended_ = false;
};

struct HistoryStream::Impl {
  Impl(ArchiveRef ref, Version version, const HistoryOptions& options);
  boost::asio::awaitable<Result<std::optional<Operation>>> next();

  ArchiveRef ref;
  std::uint64_t unreadable = 0;

 private:
  boost::asio::awaitable<Result<void>> fill();

  Core::From from_;
  bool reverse_;
  BlockRange left_;  // the blocks that were not looked at yet
  std::deque<Operation> ready_;
};

struct ArchiveWatch::Impl {
  struct State {
    Version version;
    Fork fork;
    bool operator==(const State&) const = default;
  };
  boost::asio::awaitable<Result<Step>> next();

  ArchiveRef ref;
  std::string folder;
  State seen;
};

// A file's bytes by position, whether its blocks lie together or are named by a map.
struct FileReader::Impl {
  Impl(ArchiveRef ref, Entry entry, Core::From from);
  boost::asio::awaitable<Result<void>> begin(const ReadOptions& options);
  boost::asio::awaitable<Result<Buffer>> next();
  void seek(ByteCount position);

  ArchiveRef ref;
  Entry entry;
  Core::From from;
  std::uint64_t length = 0;
  std::uint64_t position = 0;
  std::uint64_t end = 0;

 private:
  struct Place {
    BlockIndex block;
    std::uint64_t offset = 0;  // in the block
    std::size_t in_map = 0;
  };
  BlobId blob() const;
  std::uint64_t blocks_left() const;  // that hold what is to be read, about
  boost::asio::awaitable<Result<Place>> locate();

  std::vector<MappedBlock> map_;
  std::optional<Place> place_;
};

struct FileWriter::Impl {
  Impl(ArchiveRef ref, std::string path, DriveEntry entry, std::shared_ptr<PendingEntries> batch);
  boost::asio::awaitable<Result<void>> append(Bytes bytes);
  boost::asio::awaitable<Result<Version>> finish(Core::Safety safety);

  ArchiveRef ref;

 private:
  boost::asio::awaitable<Result<void>> store_full();

  std::string path_;
  DriveEntry entry_;
  bool in_batch_;
  std::shared_ptr<PendingEntries> pending_;  // where the entry goes: the batch's, or one for it alone
  BlockCutter cutter_;
  std::optional<BlobId> blob_;  // what is in the sink of it
  bool finished_ = false;
};

struct ArchiveBatch::Impl {
  ArchiveRef ref;
  std::shared_ptr<PendingEntries> pending;
};

// What a writer said, checked.
Result<DriveEntry> drive_entry(const EntryTraits& traits);

// The normal path of a name that can be an entry's; bad_name else.
Result<std::string> path_of(std::string_view name);

// A call of a face: on the node's strand, unless the node is closed.
template <class T>
boost::asio::awaitable<Result<T>> unless_closed(Node::Impl* node, boost::asio::awaitable<Result<T>> work) {
  if (node->closed) co_return EngineErrc::closed;
  co_return co_await std::move(work);
}

template <class T>
boost::asio::awaitable<Result<T>> call(const ArchiveRef& ref, boost::asio::awaitable<Result<T>> work) {
  return hop(ref.node->strand, unless_closed(ref.node, std::move(work)));
}

}  // namespace sheaf
