// The root's list of cores, and what the node as a whole has to remember.
//
// A core is found by its discovery key or, if it is our own, by its name; each look-up is one or two reads of
// the root, and nothing is kept in memory for a core that is only known. Changes of the list are synced.
//
// Unsynced own appends: before the first append of an own core that is not synced, mark_unsynced() puts the
// machine's boot id on disk; mark_synced() removes it after a clean close. A mark left by another boot of the
// machine says that the machine stopped in between, and that signed history of ours may be lost: then
// needs_recovery(), until recovered() (docs: architecture, own cores and power loss).
//
// Threads: any; changes are made one after another. Secrets leave the memory of this class wiped; the file
// modes of the folder are its owner's care.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "sheaf/protocol/key.hpp"
#include "sheaf/storage/backend.hpp"

namespace sheaf {

inline constexpr std::uint32_t store_format = 2;

// What a core is to its user. The two cores of an archive name each other.
enum class CoreKind : std::uint8_t { bare, archive_db, archive_blobs };

struct CoreRecord {
  CoreId id;  // given by add()
  CoreKey key;
  DiscoveryKey discovery_key;
  std::string name;                             // of an own core; unique; else empty
  std::optional<SecretKey> secret_key;          // of our signer; present: writable
  std::optional<EncryptionKey> encryption_key;  // opens the blocks
  CoreKind kind = CoreKind::bare;
  std::optional<CoreKey> partner;  // the other core of its archive; of a db core, once it is known
  bool followed = false;
  bool is_private = false;  // never announced
  bool frozen = false;      // its writer signed two histories
  bool forgotten = false;   // a mark only: its data is gone, and it comes back only by the user's wish
};

// For whoever has no table. The record may hold secrets, which are its caller's to wipe in `bytes`.
Result<CoreRecord> decode_core_record(const DiscoveryKey& key, Bytes bytes);  // damaged

class CoreTable {
 public:
  // The backends are open and outlive the table. `boot_id` names this run of the machine.
  CoreTable(Backend& root, Backend& blocks, std::string boot_id);

  // Fails with newer_format. Writes the format into a new store, and finishes what a forget() that was cut
  // off has left.
  Result<void> open();

  Result<std::optional<CoreRecord>> find(const DiscoveryKey& key);  // gives forgotten ones, too
  Result<std::optional<CoreRecord>> find(std::string_view name);

  // Gives the record with its id. A forgotten core comes back with a new one. Fails with `exists` where the
  // discovery key is known or the name is taken, too_large for a name of more than 255 bytes.
  Result<CoreRecord> add(CoreRecord record);
  // An id for a core that may be added later, or never: nothing is written. add() takes it where the record
  // has it. Good for as long as the table lives.
  Result<CoreId> reserve_id();
  // Replaces all but id, key and name. not_found where it is not known.
  Result<void> update(const CoreRecord& record);
  // Deletes the core's data and secrets and keeps the mark. No CoreStore of it may be in use.
  Result<void> forget(const DiscoveryKey& key);

  // All records in the order of their discovery keys, as of now.
  class Walk {
   public:
    Result<std::optional<CoreRecord>> next();

   private:
    friend class CoreTable;
    explicit Walk(std::unique_ptr<Cursor> cursor) : cursor_(std::move(cursor)) {}
    std::unique_ptr<Cursor> cursor_;
  };
  Result<Walk> list();

  Result<void> mark_unsynced(CoreId core);  // synced; costs nothing once it was done
  Result<void> mark_synced(CoreId core);    // syncs all that was written before; keeps a foreign mark
  Result<bool> needs_recovery(CoreId core);
  Result<bool> unclean_restart();  // any core needs recovery
  Result<void> recovered(CoreId core);
  // The core's secret key has been elsewhere, where it may have signed more: it needs recovery from now on.
  Result<void> mark_foreign(CoreId core);

  Result<std::optional<Seed>> identity();
  Result<void> set_identity(const Seed& seed);
  // What the keys of this folder's archive are made from.
  Result<std::optional<Seed>> primary_key();
  Result<void> set_primary_key(const Seed& key);
  Result<void> erase_primary_key();

 private:
  Result<std::optional<Seed>> secret_at(Bytes key);
  Result<void> check_format();
  Result<CoreId> next_id();
  Result<void> erase(CoreId core);
  Result<std::optional<Buffer>> mark_of(CoreId core);

  Backend& root_;
  Backend& blocks_;
  std::string boot_id_;
  std::mutex changing_;
  std::uint32_t reserved_ = 0;  // ids below it are taken, or kept for a core that is not added yet
  std::set<CoreId> marked_;     // own cores marked by this run
};

}  // namespace sheaf
