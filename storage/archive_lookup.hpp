// Which of some archives a core of this folder belongs to, by the folder's own records. For routes.
#pragma once

#include <map>
#include <shared_mutex>
#include <unordered_set>
#include <vector>

#include "sheaf/storage/backend.hpp"
#include "sheaf/storage/routes.hpp"

namespace sheaf {

// Reads the root below its router, so that a route may be asked for in the middle of the router's work.
class ArchiveLookup final : public ArchiveOfCore {
 public:
  // `root`: a router's, outlives this, and is open when it is asked. `archives`: by the key of the db core.
  ArchiveLookup(Backend& root, std::vector<CoreKey> archives);

  // A few reads of the root for a core that was not asked for before; for each block, while one of the
  // archives is not followed or its blobs core not known yet.
  std::optional<CoreKey> archive_of(CoreId core) override;

 private:
  struct Found {
    std::map<CoreId, CoreKey> cores;
    bool complete = true;  // both cores of every archive
  };
  Found look() const;

  static constexpr std::size_t others_most = 65'536;

  Backend& root_;
  const std::vector<CoreKey> archives_;
  std::shared_mutex mutex_;  // guards what follows
  std::map<CoreId, CoreKey> cores_;
  std::unordered_set<std::uint32_t> others_;  // of none of them
};

}  // namespace sheaf
