// A local ordered key-value store: keys and values are bytes, keys are ordered by their bytes.
//
// Threads: every function may be called from any thread at any time; writes are made one after another.
// All of them block. close() waits for the calls under way.
//
// Durability: a write that was acknowledged survives the end of the process. With Durable::yes it survives
// the end of the machine's power, and so does everything acknowledged before it. A batch is applied whole or
// not at all, after a crash too; a write that was not acknowledged may be found applied or not.
//
// Poison: the first write that the medium fails poisons the store. Every later write answers
// StorageErrc::poisoned, without touching the medium, until close() and a successful open(); reads go on.
// (LevelDB acknowledges writes after a failed append and loses them, which is why.) A write that is refused
// beforehand, for its size or for the floor of free space, changes nothing and does not poison.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "sheaf/protocol/bytes.hpp"
#include "sheaf/storage/batch.hpp"
#include "sheaf/storage/changes.hpp"
#include "sheaf/storage/error.hpp"

namespace sheaf {

enum class Durable : bool { no, yes };

// Whether a read compares the medium's own checksum. No: for bytes that something else vouches for, as the
// tree does for blocks; altered ones may then be given.
enum class Checked : bool { no, yes };

// L23: what a store takes; beyond it: StorageErrc::too_large.
struct StoreLimits {
  std::size_t key_bytes = 1024;
  std::size_t value_bytes = 64 * 1024 * 1024;
  std::size_t batch_operations = 10'000;
  std::size_t batch_bytes = 64 * 1024 * 1024;
};

// L20: below this much free space the medium takes nothing but deletes; the larger of the two holds.
struct SpaceFloor {
  std::uint64_t bytes = 64 * 1024 * 1024;
  unsigned percent = 1;
};

// Which keys, and in what order. An empty bound is no bound; the stricter of two holds.
struct KeyRange {
  Bytes gt{};
  Bytes gte{};
  Bytes lt{};
  Bytes lte{};
  bool reverse = false;
  bool keys_only = false;  // values read as empty, and are not fetched or verified
  std::uint64_t limit = UINT64_MAX;
};

// Walks a snapshot taken when it was made. Used by one thread at a time. While a cursor lives, its store
// does not fully close: a later open() may answer `locked`.
class Cursor {
 public:
  virtual ~Cursor() = default;
  // To the first entry, then to the next; false at the end. Fails with damaged or io_error.
  virtual Result<bool> next() = 0;
  // Of the entry that next() came to; stale after the following next().
  virtual Bytes key() const = 0;
  virtual Bytes value() const = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;

  // Fails with locked, damaged, full, io_error, or newer_format. Nothing happens to an open store.
  virtual Result<void> open() = 0;
  // Does not sync. The store is closed whatever the answer; a closed store may be closed again.
  virtual Result<void> close() = 0;
  // close(), then open(), which ends the poison. A store that can tell beforehand that opening would fail
  // (full) says so and stays open for reading.
  virtual Result<void> reopen();

  // Appends the value to `out`, which may end in other bytes already; not_found leaves it as it was.
  virtual Result<void> get(Bytes key, Buffer& out, Checked checked) = 0;
  Result<void> get(Bytes key, Buffer& out) { return get(key, out, Checked::yes); }
  // Deleting a key that is not there is no error.
  Result<void> put(Bytes key, Bytes value, const Traits& traits, Durable durable);
  Result<void> del(Bytes key, Durable durable);
  // Stores the value under a fresh key of 16 random bytes, and gives the key.
  virtual Result<Buffer> post(Bytes value, const Traits& traits, Durable durable) = 0;
  virtual Result<void> write(const Batch& batch, Durable durable) = 0;
  // Makes everything acknowledged so far survive the loss of power.
  virtual Result<void> sync() = 0;

  virtual Result<std::unique_ptr<Cursor>> iterate(const KeyRange& range) = 0;
  virtual Result<std::unique_ptr<Changes>> changes(const ChangeOptions& options) = 0;

  virtual bool poisoned() const = 0;
  virtual const StoreLimits& limits() const = 0;
  // The medium's own words about the last failure, for messages; empty if there was none.
  virtual std::string trouble() const = 0;
};

}  // namespace sheaf
