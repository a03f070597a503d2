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
// ProtocolErrc::malformed; those whose encryption key is not here or another: wrong_key.
//
// Writing takes an archive whose secret key is here and no checkout of it; not_writable otherwise. Contents
// are stored first and then named by an entry in one append, so a file is there whole or not at all, whenever
// the process or the caller stops. One writer goes on at a time; others wait for their turn. Metadata that
// are no JSON: malformed; a link text that is empty or not UTF-8: bad_name.
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
  bool writable = false;
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
  // That is listed.
  Version version() const;

  struct Impl;  // of this library alone
  explicit EntryStream(std::unique_ptr<Impl> impl);

 private:
  std::unique_ptr<Impl> impl_;
};

// What became of one name between two versions: put (nothing before), changed, or deleted (nothing now). An
// entry that was put again the same counts as changed.
struct EntryChange {
  std::optional<Entry> now;
  std::optional<Entry> before;
};

class ChangeStream {
 public:
  ChangeStream(ChangeStream&&) noexcept;
  ChangeStream& operator=(ChangeStream&&) noexcept;
  ~ChangeStream();
  boost::asio::awaitable<Result<std::optional<EntryChange>>> next();
  // The later one of the two.
  Version version() const;

  struct Impl;  // of this library alone
  explicit ChangeStream(std::unique_ptr<Impl> impl);

 private:
  std::unique_ptr<Impl> impl_;
};

// One write of the archive: the version that it made, and what was put. Nothing: the name was deleted.
struct Operation {
  Version version;
  std::string name;
  std::optional<Entry> entry;
};

struct HistoryOptions {
  Version after{};  // the version from which on; its own write is not among them
  bool reverse = false;
  Core::From from = Core::From::peers;
};

// The writes one after another, overwritten and deleted entries among them. What no entry can be read from is
// left out and counted.
class HistoryStream {
 public:
  HistoryStream(HistoryStream&&) noexcept;
  HistoryStream& operator=(HistoryStream&&) noexcept;
  ~HistoryStream();
  boost::asio::awaitable<Result<std::optional<Operation>>> next();
  std::uint64_t unreadable() const;

  struct Impl;  // of this library alone
  explicit HistoryStream(std::unique_ptr<Impl> impl);

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

// -- Writing more than one call can say. A writer belongs to one caller at a time; dropped at any point it
// leaves no entry behind.

// A file being written. Up to 1 MiB stays in memory; from then on no other contents are written to the
// archive until finish() or the writer's destruction.
class FileWriter {
 public:
  FileWriter(FileWriter&&) noexcept;
  FileWriter& operator=(FileWriter&&) noexcept;
  ~FileWriter();
  boost::asio::awaitable<Result<void>> append(Bytes bytes);
  // The last call: puts the entry, and gives the version that has it. The file is there when this returns,
  // and has survived what `safety` says. In a batch the entry waits for the batch's flush(), and the version
  // is 0. refused where the archive was wound back meanwhile.
  boost::asio::awaitable<Result<Version>> finish(Core::Safety safety = Core::Safety::process);

  struct Impl;  // of this library alone
  explicit FileWriter(std::unique_ptr<Impl> impl);

 private:
  std::unique_ptr<Impl> impl_;
};

// Entries that come into being together: one append of the db core. They are seen through the batch at once,
// and by others after flush(). No other writer of the archive gets on from the first change until flush() or
// the batch's destruction, which drops its entries.
class ArchiveBatch {
 public:
  ArchiveBatch(ArchiveBatch&&) noexcept;
  ArchiveBatch& operator=(ArchiveBatch&&) noexcept;
  ~ArchiveBatch();
  boost::asio::awaitable<Result<void>> put(std::string name, Bytes contents, EntryTraits traits = {});
  // A file of any size. One that has outgrown memory is finished before other contents are put; refused else.
  boost::asio::awaitable<Result<FileWriter>> write(std::string name, EntryTraits traits = {});
  boost::asio::awaitable<Result<void>> symlink(std::string name, std::string linkname,
                                               EntryTraits traits = {});
  // An entry without contents and link.
  boost::asio::awaitable<Result<void>> put_entry(std::string name, EntryTraits traits = {});
  // New traits for what is there already, which stays what it is; not_found where nothing is.
  boost::asio::awaitable<Result<void>> set_traits(std::string name, EntryTraits traits);
  // Gives the entry that goes; nothing where there was none, and then nothing is appended for it.
  boost::asio::awaitable<Result<std::optional<Entry>>> del(std::string name);
  boost::asio::awaitable<Result<std::optional<Entry>>> entry(std::string name);
  // Gives the version that has them all. The batch is empty afterwards and may be used on; after an error all
  // its entries still wait.
  boost::asio::awaitable<Result<Version>> flush(Core::Safety safety = Core::Safety::process);

  struct Impl;
  explicit ArchiveBatch(std::unique_ptr<Impl> impl);

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

class ArchiveWatch;

class Archive {
 public:
  Archive(Archive&&) noexcept;
  Archive& operator=(Archive&&) noexcept;
  ~Archive();

  const CoreKey& key() const;
  boost::asio::awaitable<Result<ArchiveInfo>> info();
  // Whether its entries can be told: not_available where its header is not here, wrong_key where that cannot
  // be read.
  boost::asio::awaitable<Result<void>> check_readable();
  // Waits until the blobs core is known.
  boost::asio::awaitable<Result<CoreKey>> blobs_key();

  // The archive as it was at a version; one that is not known yet is waited for when it is read.
  Archive checkout(Version version) const;
  // Of a checkout: the one it was made with.
  std::optional<Version> version() const;
  // Waits until the connected peers have said how long the db core is, and gives the version. Of a checkout:
  // the one it was made with, once it is known.
  boost::asio::awaitable<Result<Version>> update();

  boost::asio::awaitable<Result<std::optional<Entry>>> entry(std::string name,
                                                             Core::From from = Core::From::peers);
  // The entry at which a chain of symlinks ends. A relative text is resolved as if the link were a folder, as
  // Hyperdrive does it; nothing where the last target is missing. too_many_links beyond 15, bad_name for a
  // text that leaves the root.
  boost::asio::awaitable<Result<std::optional<Entry>>> follow(std::string name,
                                                              Core::From from = Core::From::peers);
  // In the order of names, of the version that is the latest now.
  boost::asio::awaitable<Result<EntryStream>> list(ListOptions options);
  boost::asio::awaitable<Result<EntryStream>> list();
  // The names directly below a folder, each once, in order.
  boost::asio::awaitable<Result<std::vector<std::string>>> readdir(std::string folder = "/",
                                                                   Core::From from = Core::From::peers);
  // Whole contents in memory; out_of_range above `most`.
  boost::asio::awaitable<Result<Buffer>> get(std::string name, Core::From from = Core::From::peers,
                                             ByteCount most = {64 * 1024 * 1024});
  // no_contents for what is no file.
  boost::asio::awaitable<Result<FileReader>> read(std::string name, ReadOptions options = {});

  // -- Writing; each gives the version that has the change.
  boost::asio::awaitable<Result<Version>> put(std::string name, Bytes contents, EntryTraits traits = {},
                                              Core::Safety safety = Core::Safety::process);
  boost::asio::awaitable<Result<FileWriter>> write(std::string name, EntryTraits traits = {});
  boost::asio::awaitable<Result<Version>> symlink(std::string name, std::string linkname,
                                                  EntryTraits traits = {},
                                                  Core::Safety safety = Core::Safety::process);
  boost::asio::awaitable<Result<Version>> put_entry(std::string name, EntryTraits traits = {},
                                                    Core::Safety safety = Core::Safety::process);
  boost::asio::awaitable<Result<Version>> set_traits(std::string name, EntryTraits traits,
                                                     Core::Safety safety = Core::Safety::process);
  // No version where there was no such entry; nothing is appended then.
  boost::asio::awaitable<Result<std::optional<Version>>> del(std::string name,
                                                             Core::Safety safety = Core::Safety::process);
  boost::asio::awaitable<Result<ArchiveBatch>> batch();
  // Winds both cores back: the db core to the version, the blobs core to what the entries of that version
  // name. Their forks rise by one. out_of_range for a version that is not there, or 0.
  boost::asio::awaitable<Result<void>> truncate(Version version, Core::Safety safety = Core::Safety::process);

  // -- Between versions. What differs from another version below a folder, in the order of names.
  boost::asio::awaitable<Result<ChangeStream>> diff(Version before, std::string folder = "/",
                                                    Core::From from = Core::From::peers);
  // Every write up to this version, in their order.
  boost::asio::awaitable<Result<HistoryStream>> history(HistoryOptions options = {});
  // What changes below a folder from here on, also of an archive that others write.
  boost::asio::awaitable<Result<ArchiveWatch>> watch(std::string folder = "/");

  // -- What of the contents is here, of a file or of all files at and below a name ("/" is all of the
  // version); not_found where there are none. How many blocks are not here: those that a block map names
  // count once the map is here.
  boost::asio::awaitable<Result<Length>> missing(std::string name = "/");
  // Ends once they are here.
  boost::asio::awaitable<Result<void>> download(std::string name = "/");
  // Drops them here; the entries stay, and peers may send the contents again. Those of an own archive too:
  // nobody else may have them. Blocks that other files share go with them.
  boost::asio::awaitable<Result<void>> clear(std::string name);

  struct Impl;  // of this library alone
  explicit Archive(std::unique_ptr<Impl> impl);

 private:
  std::unique_ptr<Impl> impl_;
};

// What changes below a folder, from the moment of watching on.
class ArchiveWatch {
 public:
  ArchiveWatch(ArchiveWatch&&) noexcept;
  ArchiveWatch& operator=(ArchiveWatch&&) noexcept;
  ~ArchiveWatch();
  struct Step {
    Archive now;     // both are checkouts; after the archive was wound back `before` may be of a history that
    Archive before;  // is no more
  };
  // Waits until something has changed; several changes may be one step.
  boost::asio::awaitable<Result<Step>> next();

  struct Impl;  // of this library alone
  explicit ArchiveWatch(std::unique_ptr<Impl> impl);

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace sheaf
