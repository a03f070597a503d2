// One core that is open: its state in memory, the queue of its work, and those who wait for it.
//
// Lives on the node's strand; the registry owns it and closes it after its last batch. Work is queued and
// done in batches on the pool, one batch at a time, reads first; what a batch changed is applied here, and
// then told to peers and to whoever waits. Functions that return awaitables are called on the strand;
// cancelling them is as the public header says (sheaf/engine/core.hpp).
#pragma once

#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "engine/core/event_queue.hpp"
#include "engine/core/replicator.hpp"

namespace sheaf {

class OpenCore final : private ReplicatorOwner {
 public:
  // What was read from disk; made off the strand.
  struct Loaded {
    CoreRecord record;
    std::unique_ptr<CoreStore> store;
    LocalCore local;
    std::vector<Buffer> conflict;  // both signed trees, if its writer signed two
    ByteCount keeps;               // bytes of the blocks here, of a core that is not ours
    bool uncertain = false;        // ours, and the machine stopped uncleanly since the last sync
    bool recorded = true;          // the table knows it; else it will with the first thing that holds
  };
  // Blocks: reads the core's state from the store. For a new core the record tells all there is; an own one's
  // manifest follows from it, and is kept from here on.
  static Result<Loaded> load(Backend& root, CoreTable& table, CoreRecord record);

  OpenCore(NodeContext& node, Loaded loaded);

  const LocalCore& local() const { return local_; }
  const CoreRecord& record() const { return record_; }
  CoreInfo info() const;
  bool writable() const { return signer_.has_value(); }
  // Ours, and a longer history of it than the one here may have been signed.
  bool uncertain() const { return uncertain_; }
  void set_record(CoreRecord record);
  // The table knows it. A core that a peer has named stays unknown to it until something of it was verified.
  bool recorded() const { return recorded_; }
  void set_recorded() { recorded_ = true; }

  boost::asio::awaitable<Result<Length>> append(std::vector<Buffer> blocks, bool synced);
  boost::asio::awaitable<Result<Buffer>> get(BlockIndex index, Core::From from);
  boost::asio::awaitable<Result<BytePosition>> seek(ByteCount bytes, Core::From from);
  boost::asio::awaitable<Result<void>> truncate(Length length, std::optional<Fork> fork, bool synced);
  boost::asio::awaitable<Result<void>> clear(BlockRange blocks);
  boost::asio::awaitable<Result<void>> download(BlockRange blocks);
  boost::asio::awaitable<Result<Length>> update();
  // Runs `job` on the pool with the core's state as it stands, one of this core's at a time; gives its length
  // then. Deaf to cancellation: what the job refers to stays in the caller's frame.
  boost::asio::awaitable<Result<Length>> run(std::function<void(const CoreView&)> job);
  // A block, from wherever it is, also if it is not written yet; meanwhile the blocks of `ahead` are asked of
  // peers, too.
  boost::asio::awaitable<Result<Buffer>> fetch(BlockIndex index, BlockRange ahead);
  // Ends once length, blocks or peers may have changed, or the core closes.
  boost::asio::awaitable<Result<void>> until_changed();
  // Tells the node if this is the db core of an archive whose blobs core can be found out now.
  void look_for_header();

  using Events = EventQueue<CoreEvent>;
  std::shared_ptr<Events> watch();

  Replicator& replicator() { return replicator_; }
  // Somebody waits for blocks of it, or for its length.
  bool asked_for() const { return !waiters_.empty() || !downloads_.empty() || changed_.awaited(); }
  // The archive that it is part of; of a bare core its own key.
  const CoreKey& whole() const;
  // Of an archive with a quota that has reached it: no block is fetched.
  bool over_quota() const override { return !writable() && node_.quota.full(whole()); }
  // The archive has become full, or what it keeps has changed otherwise: whoever waits for blocks of it hears
  // of it, or they are asked for again.
  void quota_moved();
  // What it keeps counts no more: it is forgotten, or was never more than a name.
  void leave_quota();
  // The node's store takes writes again: what is missing is asked for.
  void store_healed();
  // Something that waiters depend on may have changed elsewhere.
  void look_again() { changed_.notify(); }

  // Reads the state anew after the store was reopened; what was not acknowledged may or may not be there.
  boost::asio::awaitable<Result<void>> reload();
  // Fails everything that waits and takes no more. join() ends once no batch is on the pool.
  void close();
  boost::asio::awaitable<void> join();

 private:
  // -- ReplicatorOwner.
  void ingest(Ingest::Item item) override;
  void reorg_step(ReorgStep step) override;
  void conflict_check(ConflictCheck check) override;
  void serve(std::vector<Serve> items) override;
  std::vector<BlockRange> wanted() const override;
  bool takes_data() const override { return !store_failed_ && !closed_ && !node_.store_stopped; }
  bool is_own() const override { return writable(); }
  void peers_changed() override { changed_.notify(); }

  void kick();
  boost::asio::awaitable<void> work();
  CoreTools tools();
  void finish(Reads& reads);
  void finish(Mutation& change, Delta delta);
  void apply(const Delta& delta);
  void finish_one(Ingest& ingest, const Delta& delta);
  void finish_one(ReorgStep& step, const Delta& delta);
  void finish_one(ConflictCheck& check, const Delta& delta);
  void finish_one(Append& append, const Delta& delta);
  void finish_one(Truncate& truncate, const Delta& delta);
  void finish_one(Clear& clear, const Delta& delta);
  Quota::Part part() const {
    return record_.kind == CoreKind::archive_blobs ? Quota::Part::contents : Quota::Part::entries;
  }
  bool knows_quota() const;
  void tell_of_archive(const Mutation& change, const Delta& delta);
  void give_to_waiters(const Ingest::Item& item);
  void wake_waiters(BlockRange here);
  void freeze();
  void tell(CoreEvent event);
  boost::asio::awaitable<Result<Buffer>> read_here(BlockIndex index);
  boost::asio::awaitable<Result<Buffer>> wait_for(BlockIndex index);
  bool peers_may_know_more() const;

  NodeContext& node_;
  CoreRecord record_;
  std::unique_ptr<CoreStore> store_;
  LocalCore local_;
  std::optional<KeyPair> signer_;
  std::optional<BlockEncryption> encryption_;
  bool uncertain_ = false;
  bool recorded_ = true;
  bool store_failed_ = false;
  bool closed_ = false;
  ByteCount arriving_;  // room taken for blocks that are not stored yet

  Reads reads_;
  std::deque<Mutation> changes_;
  bool busy_ = false;

  // By block: its bytes as they came from a peer, or nothing when it is here to be read.
  using Arrival = Completion<std::optional<Buffer>>;
  std::unordered_map<std::uint64_t, std::vector<std::shared_ptr<Arrival>>> waiters_;
  std::list<BlockRange> downloads_;
  std::vector<std::weak_ptr<Events>> events_;
  Signal idle_;
  Signal changed_;  // length, blocks, peers: whoever waits looks again

  Replicator replicator_;
};

}  // namespace sheaf
