#include "storage/archive_lookup.hpp"

#include <mutex>

#include "protocol/signables.hpp"
#include "storage/core_table.hpp"
#include "storage/key_schema.hpp"
#include "storage/router_records.hpp"

namespace sheaf {
namespace {

// A record may hold secrets: the bytes are wiped, and so are the keys that it was decoded into.
std::optional<CoreRecord> record_of(Backend& root, const CoreKey& key) {
  const DiscoveryKey discovery = discovery_key(key);
  Buffer stored;
  std::optional<CoreRecord> out;
  if (root.get(router_records::entry_key(keys::core_record(discovery)), stored)) {
    const auto entry = router_records::decode_entry(stored);
    if (entry && !entry->pointer)
      if (auto record = decode_core_record(discovery, entry->inline_value); record && !record->forgotten)
        out = std::move(*record);
  }
  wipe(stored);
  return out;
}

}  // namespace

ArchiveLookup::ArchiveLookup(Backend& root, std::vector<CoreKey> archives)
    : root_(root), archives_(std::move(archives)) {}

ArchiveLookup::Found ArchiveLookup::look() const {
  Found out;
  for (const CoreKey& archive : archives_) {
    const auto db = record_of(root_, archive);
    if (db) out.cores[db->id] = archive;
    const auto blobs = db && db->partner ? record_of(root_, *db->partner) : std::nullopt;
    if (blobs) out.cores[blobs->id] = archive;
    out.complete = out.complete && blobs;
  }
  return out;
}

std::optional<CoreKey> ArchiveLookup::archive_of(CoreId core) {
  {
    const std::shared_lock lock(mutex_);
    if (others_.contains(core.value)) return std::nullopt;
    if (const auto known = cores_.find(core); known != cores_.end()) return known->second;
  }
  Found found = look();
  const std::unique_lock lock(mutex_);
  cores_.merge(found.cores);  // numbers of cores are never given twice
  if (const auto known = cores_.find(core); known != cores_.end()) return known->second;
  // Of a core that comes later than all of these it is not known yet what it will be, if one is missing.
  if (found.complete) {
    if (others_.size() >= others_most) others_.clear();
    others_.insert(core.value);
  }
  return std::nullopt;
}

}  // namespace sheaf
