// Entries that wait to be put together, in the order of their operations, and what the archive looks like
// through them.
//
// On the strand. From the first change until it is destroyed or committed, nobody else changes the tree.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/archive/contents_sink.hpp"

namespace sheaf {

class PendingEntries {
 public:
  explicit PendingEntries(std::shared_ptr<OpenArchive> archive)
      : contents(archive), archive_(std::move(archive)) {}

  ContentsSink contents;  // of the files among them

  // Fails with not_writable, and when the wait for the turn is cancelled.
  boost::asio::awaitable<Result<void>> begin();
  // Requires: begun.
  void put(std::string path, DriveEntry entry);
  // Gives what was there; where nothing was, no operation is added. Requires: begun.
  boost::asio::awaitable<Result<std::optional<StoredEntry>>> del(std::string path);
  // As it would be after the commit.
  boost::asio::awaitable<Result<std::optional<StoredEntry>>> find(std::string path);

  // Stores the contents and then the entries, in one append, and gives the version that comes of it.
  // Afterwards nothing waits, and others have their turn; after an error all still waits.
  boost::asio::awaitable<Result<Version>> commit(Core::Safety safety);

 private:
  std::shared_ptr<OpenArchive> archive_;
  ArchiveLock::Turn turn_;
  std::vector<std::pair<std::string, std::optional<DriveEntry>>> operations_;  // nothing: a deletion
  std::map<std::string, std::size_t> latest_;                                  // by path, into operations_
};

}  // namespace sheaf
