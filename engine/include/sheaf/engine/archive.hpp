// An archive: a tree of named files on two cores, as Hyperdrive 13 keeps them. Its db core is a Hyperbee of
// entries, its blobs core holds their contents; the key of the db core names the archive.
//
// Archive is a handle: cheap, movable, and void once its node is closed (calls then answer
// EngineErrc::closed). Every function may be awaited on any executor; it hops to the node's strand.
// Cancelling a call ends it without effect.
//
// Names are normalised (entry.hpp); EngineErrc::bad_name for one that leaves the root or is the root. Who
// asks for an entry that is not there gets an empty optional, or not_found where contents were asked for.
// Reading with From::peers waits for what is not here, until a peer sends it or the call is cancelled; with
// From::here it answers not_available at once. Trees that break a rule of the format, whoever wrote them:
// ProtocolErrc::malformed.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "sheaf/engine/core.hpp"
#include "sheaf/engine/entry.hpp"
#include "sheaf/engine/error.hpp"

namespace sheaf {

struct ArchiveInfo {
  CoreKey key;
  DiscoveryKey discovery_key;
  std::optional<CoreKey> blobs_key;  // nothing until header and manifest are here
  bool is_private = false;
  bool frozen = false;
  Version version;  // that is known here; 0 where nothing is
  Fork fork;
  ByteCount bytes;        // of all contents ever written, as far as known
  Length blocks;          // of both cores
  Length local;           // of those, how many are here
  bool complete = false;  // all of them are
  std::size_t peers = 0;  // sessions on which its db core has an open channel
};

// -- Streams. Each is pulled: next() gives one after another, then nothing. A stream holds a bounded number
// of entries or blocks, belongs to one caller at a time, and may be dropped at any point.

class EntryStream {
 public:
  EntryStream(EntryStream&&) noexcept;
  EntryStream& operator=(EntryStream&&) noexcept;
  ~EntryStream();
  boost::asio::awaitable<Result<std::optional<Entry>>> next();
  // How many so far were left out, because what the tree says of them is no entry.
  std::uint64_t unreadable() const;

  struct Impl;  // of this library alone
  explicit EntryStream(std::unique_ptr<Impl> impl);

 private:
  std::unique_ptr<Impl> impl_;
};

// The contents of one file, from a position on: the read stream and the byte cursor in one.
class FileReader {
 public:
  FileReader(FileReader&&) noexcept;
  FileReader& operator=(FileReader&&) noexcept;
  ~FileReader();
  const Entry& entry() const;
  // Of the whole file, whatever range is read.
  ByteCount length() const;
  ByteCount position() const;
  // The next bytes, as many as lie together; empty at the end. What is to come is asked of peers ahead.
  boost::asio::awaitable<Result<Buffer>> next();
  // The next next() begins at this byte of the file; past the end gives the end. Ends a range that read()
  // was given.
  void seek(ByteCount position);

  struct Impl;
  explicit FileReader(std::unique_ptr<Impl> impl);

 private:
  std::unique_ptr<Impl> impl_;
};

struct ListOptions {
  std::string folder = "/";           // what lies below it; a file's own name gives nothing
  bool recursive = true;              // else for each name directly below, the first entry at or under it
  std::vector<std::string> ignore{};  // names that are left out with all below them
  bool reverse = false;
  std::optional<std::uint64_t> limit{};
  Core::From from = Core::From::peers;
};

struct ReadOptions {
  ByteCount offset{};
  std::optional<ByteCount> length{};  // cut at the end of the file
  Core::From from = Core::From::peers;
};

class Archive {
 public:
  Archive(Archive&&) noexcept;
  Archive& operator=(Archive&&) noexcept;
  ~Archive();

  const CoreKey& key() const;
  boost::asio::awaitable<Result<ArchiveInfo>> info();
  // Waits until the blobs core is known.
  boost::asio::awaitable<Result<CoreKey>> blobs_key();

  // The archive as it was at a version; one that is not known yet is waited for when it is read.
  Archive checkout(Version version) const;
  // Waits until the connected peers have said how long the db core is, and gives the version. Of a checkout:
  // the one it was made with, once it is known.
  boost::asio::awaitable<Result<Version>> update();

  boost::asio::awaitable<Result<std::optional<Entry>>> entry(std::string name,
                                                             Core::From from = Core::From::peers);
  // In the order of names, of the version that is the latest now.
  boost::asio::awaitable<Result<EntryStream>> list(ListOptions options = {});
  // Whole contents in memory; out_of_range above `most`.
  boost::asio::awaitable<Result<Buffer>> get(std::string name, Core::From from = Core::From::peers,
                                             ByteCount most = {64 * 1024 * 1024});
  // no_contents for what is no file.
  boost::asio::awaitable<Result<FileReader>> read(std::string name, ReadOptions options = {});

  struct Impl;  // of this library alone
  explicit Archive(std::unique_ptr<Impl> impl);

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace sheaf
