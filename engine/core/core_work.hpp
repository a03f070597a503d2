// What is done for one core off the strand: reading, proving, verifying, signing, storing.
//
// A batch owns its bytes, reads the core's state as it was when the batch was made, and never writes to it:
// what it changed on disk comes back as a Delta for the strand to apply. At most one batch of a core is on
// the pool, so nothing else changes the state or the store meanwhile. Everything here may block.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engine/core/completion.hpp"
#include "protocol/block_encryption.hpp"
#include "protocol/core_channel.hpp"
#include "protocol/local_core.hpp"
#include "protocol/merkle.hpp"
#include "protocol/reorg.hpp"
#include "sheaf/engine/core.hpp"
#include "sheaf/protocol/limits.hpp"
#include "storage/core_store.hpp"
#include "storage/core_table.hpp"

namespace sheaf {

// Names one channel of one core for as long as the core is open; never used again.
using AttachmentId = std::uint64_t;

// What the work on a core needs besides its state; outlives every batch.
struct CoreTools {
  CoreStore& store;
  CoreTable& table;
  CoreId id;
  const Limits& limits;
  const std::optional<KeyPair>& signer;
  const std::optional<BlockEncryption>& encryption;
  bool power_safe;                               // every commit is synced
  std::shared_ptr<const CoreRecord> unrecorded;  // of a core that the table learns of with its first commit
};

// -- Reading.

struct BlockRead {
  BlockIndex index;
  std::shared_ptr<Completion<Buffer>> done;
  Result<Buffer> block = EngineErrc::not_found;  // opened, where the core is encrypted
};

struct SeekRead {
  ByteCount bytes;
  std::shared_ptr<Completion<std::optional<Sought>>> done;
  Result<std::optional<Sought>> found = std::optional<Sought>();
};

// Bytes that the answers of one batch to one peer come to: no more are begun past it.
inline constexpr std::uint64_t serve_bytes = 2 * 1024 * 1024;

// What a piece of reading sees of its core off the strand: the state as it stands, and the blocks, opened.
class CoreView {
 public:
  CoreView(const LocalCore& local, const CoreTools& tools) : local_(local), tools_(tools) {}
  const LocalCore& local() const { return local_; }
  Length length() const { return local_.head.length; }
  Fork fork() const { return local_.head.fork; }
  bool has(BlockIndex index) const { return local_.have.test(index); }
  Result<Buffer> block(BlockIndex index) const;  // not_available, where it is not here

 private:
  const LocalCore& local_;
  const CoreTools& tools_;
};

// Runs on the pool, one after another for one core; may block.
struct CoreJob {
  std::function<void(const CoreView&)> run;
  std::shared_ptr<Completion<Length>> done;
};

struct Serve {
  AttachmentId attachment;
  IncomingRequest request;
  // later: the batch had grown large enough; the request has to be taken again.
  enum class Reply { data, not_available, old_fork, invalid, later } reply = Reply::not_available;
  // An encoded data message: small ones next to each other in Reads::bodies, a large one in its own frame.
  std::size_t body_begin = 0;
  std::size_t body_end = 0;
  std::optional<OutgoingFrame> frame;
};

struct Reads {
  std::vector<BlockRead> blocks;
  std::vector<SeekRead> seeks;
  std::vector<CoreJob> jobs;
  std::vector<Serve> serves;
  Buffer bodies;
  bool empty() const { return blocks.empty() && seeks.empty() && jobs.empty() && serves.empty(); }
};

void do_reads(Reads& reads, const LocalCore& local, const CoreTools& tools);

// -- Changing.

struct Ingest {
  struct Item {
    AttachmentId attachment;
    IncomingData data;
    Result<void> verdict = {};
  };
  std::vector<Item> items;
};

// One step of following a higher fork: its first proof, or a node that narrows down where it begins.
struct ReorgStep {
  Ingest::Item item;
  std::unique_ptr<Reorg> reorg;  // none: the item is the first proof
  BlockRange candidates;         // afterwards, unless finished: ask for one of these
};

struct ConflictCheck {
  Ingest::Item item;
  // A tree of the same length that the peer showed before, as a data message: both are beyond what is here,
  // and compared with each other. Empty: with ours.
  Buffer beside{};
  Result<Comparison> outcome = Comparison::invalid;
  // Of a conflict: both signed trees as data messages of request 0, for whoever is to see them.
  std::vector<Buffer> trees;
  bool found_conflict() const { return outcome.has_value() && *outcome == Comparison::conflict; }
};

struct Append {
  struct Part {
    std::vector<Buffer> blocks;
    std::shared_ptr<Completion<Length>> done;
    Length end;  // afterwards: the core's length with this part
  };
  std::vector<Part> parts;
  bool synced = false;
  bool new_fork = false;   // what was signed before may be lost: this history starts a fork of its own
  bool recovered = false;  // what was signed before is known again: the mark of doubt goes
};

struct Truncate {
  Length length;
  std::optional<Fork> fork;
  bool synced = false;
  std::shared_ptr<Completion<Length>> done;
};

struct Clear {
  BlockRange blocks;
  std::shared_ptr<Completion<Length>> done;
};

using Mutation = std::variant<Ingest, ReorgStep, ConflictCheck, Append, Truncate, Clear>;

// What a change did to the core, once it is stored.
struct Delta {
  Error error;  // of the store or of the change itself: nothing was changed
  std::optional<TreeHead> head;
  std::optional<Manifest> manifest;
  std::optional<Length> truncated;  // blocks from here on went, before `stored` came,
  Length truncated_end;             // up to here
  std::vector<BlockRange> stored;
  std::vector<BlockRange> cleared;
  ByteCount stored_bytes;  // of the blocks that a peer sent
  ByteCount gone_bytes;    // of the blocks that went, of a core that is not written here
  bool recorded = false;   // the table knows the core from now on
};

Delta do_change(Mutation& change, const LocalCore& local, const CoreTools& tools);

}  // namespace sheaf
