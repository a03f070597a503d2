// What this node holds of its bundle, what it wants, and what it tells: one for a node, heard and told
// through the coordinator channel of every session.
//
// Rules: docs/protocol.md. Elements are archives and bare cores, known by (key, fork, length) from the
// records and heads on disk: no core is opened for them. What a peer holds a newer head of becomes a want; a
// want opens the core, and a channel for it on the session that told it, and ends when everything is here
// that the peer has of it. An archive that only a peer has named lives in memory until something of it was
// verified: no record, no element, told to nobody.
//
// While the node's store takes nothing, wants of what is newer elsewhere are put off: whoever told it hears
// `disk`, once a session and archive, and they go on when the store does.
//
// On the strand. Sessions join once they are secured and leave before they go.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "engine/core/core_registry.hpp"
#include "protocol/coordinator_channel.hpp"
#include "sheaf/engine/node.hpp"

namespace sheaf {

// A session, as the coordinator sees it.
class CoordinatorSession {
 public:
  virtual CoordinatorChannel* coordinator() = 0;
  // Opens a channel for the core, unless there is one or the peer refused it before. One that the peer told
  // us of is no secret to it; any other is opened only where it is shown.
  virtual void share(OpenCore& core, bool told) = 0;
  virtual bool shows(const DiscoveryKey& core) const = 0;
  virtual void unshare(OpenCore& core) = 0;
  // none: not shared, refused or closed.
  virtual CoreChannel* channel_of(const OpenCore& core) = 0;
  // Nothing is asked or owed on any core's channel, and nothing that the peer announced is missing.
  virtual bool complete() const = 0;
  // The peer will not follow something that we told it of.
  virtual void was_refused(coordinator::RefusalReason reason) = 0;
  // It goes, and something that it told is still put off.
  virtual void left_with_put_off() = 0;
  // Lets the session look at what came of it: Coordinator::look() follows, at once or soon.
  virtual void look_again() = 0;
  // The sets were compared, and whatever a reader waits for was asked for.
  virtual void first_look_done() = 0;

 protected:
  ~CoordinatorSession() = default;
};

class Coordinator {
 public:
  Coordinator(NodeContext& node, CoreRegistry& cores, const NodeOptions& options);

  // Reads records and heads; opens nothing. Comes after CoreRegistry::load().
  boost::asio::awaitable<Result<void>> load();

  // Our side, as it is shown to this peer. Nothing of ours to whom nothing is announced.
  CoordinatorLocal& local_for(const PublicKey& remote);
  CoordinatorChannel::Options options_for(const PublicKey& remote, bool trusted) const;
  // Whether this peer is given the core: a private one only where the user chose the peer.
  bool shows(const DiscoveryKey& core, const PublicKey& remote, bool trusted) const;
  const std::set<DiscoveryKey>& private_cores() const { return private_; }
  bool lacks_something() const { return lacking_ > 0; }
  std::size_t elements() const { return shown_.elements.size(); }

  // -- Cores.
  void core_followed(const OpenCore& core);  // also: created here, or its record changed
  bool core_changed(OpenCore& core);         // true: it is an element from now on
  // Nothing of it is wanted on the session, and what becomes of it will be told there without its channel.
  bool tells(const CoordinatorSession& session, const OpenCore& core) const;
  // Something came on the session's channel of the core, or it was opened or closed.
  void channel_moved(const CoordinatorSession& session, const OpenCore& core);
  void core_wanted(OpenCore& core);
  void core_forgotten(const CoreRecord& record);
  // The archive of this db core, or the bare core, has come to its quota, or there is room again.
  void quota_moved(const OpenCore& core);
  // The store takes nothing: no block of any archive, no head. And it does again.
  void store_stopped();
  void store_healed();
  // The search for an archive's blobs core has ended, one way or the other.
  void blobs_looked_for(const DiscoveryKey& db, bool found);

  // -- Sessions.
  void joined(CoordinatorSession& session);
  void left(CoordinatorSession& session);
  // Takes in what came on the session, looks after its wants, and says what there is to say. Gives why the
  // session has to end, if it has to. The session calls it, and calls nothing else of it meanwhile.
  std::optional<SessionEnd> look(CoordinatorSession& session);
  // Something that the session's peer has told waits for the store.
  bool has_put_off(CoordinatorSession& session) const;

 private:
  // An element in full.
  struct Known {
    CoreKey key;
    DiscoveryKey discovery_key;
    bool bare = false;
    Fork fork{};
    Length length{};
    Length held{};
    std::optional<coordinator::Head> blobs{};  // of an archive whose blobs core is known
    Length blobs_held{};
    // Of interest whatever heads say: ours, and a peer may show another history of it; or frozen.
    bool first_try = false;
    bool counted_lacking = false;
    bool complete() const {
      return held == length && (bare || !blobs || blobs_held == blobs->length) &&
             (bare || blobs || length == Length{});
    }
  };
  struct Want {
    CoreKey key;
    DiscoveryKey discovery_key;
    coordinator::Head head{};
    enum class State : std::uint8_t { queued, opening, open, put_off } state = State::queued;
    std::set<CoordinatorSession*> tellers{};
    Instant moved{};         // when it was opened, or told anew, or something of it came
    bool candidate = false;  // nothing of it is here
  };
  struct Peer {
    CoordinatorSession* session;
    std::set<Slot> wants{};
    std::set<Slot> open{};     // those of them whose cores are open
    std::set<Slot> due{};      // those of them that something happened to
    std::set<Slot> put_off{};  // of the wants: those that wait for the store
    std::unordered_set<Slot, FixedBytesHash> told_disk{};
    std::unordered_set<Slot, FixedBytesHash> refused{};
    std::size_t broken_words = 0;   // claims that were not made good
    bool greeted = false;           // what readers wait for was opened
    bool tried = false;             // what is incomplete was tried once, or is asked for
    std::vector<CoreKey> to_ask{};  // what of these does it hold?
    bool told_first_look = false;
    bool missing = false;  // something wanted is not here, and this peer has it not
  };
  enum class Progress { waiting, done, broken, no_store };

  struct OnDisk;
  Result<OnDisk> read_all() const;
  void put(const Known& known);
  void remove(const CoreKey& key);
  void count_lacking(Known& known);
  bool element_changed(OpenCore& core);
  void blobs_changed(const OpenCore& core);
  void raise(const Known& known);
  bool is_listed(const PublicKey& remote) const;
  std::vector<CoordinatorSession*> sessions() const;
  coordinator::Item describe(const Element& element) const;
  void take_in(Peer& peer, CoordinatorChannel& channel);
  void note_refused(CoordinatorSession& session) const;
  void consider(Peer& peer, CoordinatorChannel& channel, const coordinator::Item& item);
  std::optional<coordinator::RefusalReason> refusal(const coordinator::Item& item) const;
  void want(Peer& peer, const CoreKey& key, coordinator::Head head);
  void want_opened(Peer& peer, const Slot& slot, OpenCore& core);
  void want_changed(const OpenCore& core);
  void start_wants();
  boost::asio::awaitable<void> open_want(Slot slot);
  void refuse_rest(Peer& peer, CoordinatorChannel& channel, const Want& want) const;
  Progress progress(Peer& peer, const Want& want);
  Progress waits_for(const CoreChannel& channel) const;
  Progress blobs_progress(Peer& peer, const Want& want, const OpenCore& db);
  bool is_news(const Slot& slot, const Want& want) const;
  void put_off(const Slot& slot, Want& want);
  void look_soon();
  boost::asio::awaitable<void> look_at_all();
  void end_want(Peer& peer, const Slot& slot);
  void close_want(const Slot& slot);
  void try_incomplete(Peer& peer, CoordinatorChannel& channel);
  void want_held(Peer& peer, CoordinatorChannel& channel);
  void share_asked_for(Peer& peer);
  boost::asio::awaitable<void> open_partner(DiscoveryKey blobs);
  boost::asio::awaitable<void> watch_wants();
  boost::asio::awaitable<void> drop(DiscoveryKey core);
  boost::asio::awaitable<void> close_unanswered(CoordinatorSession* session, DiscoveryKey key);
  void update_flags();
  void look_everywhere();
  Peer* find(const CoordinatorSession& session);

  NodeContext& node_;
  CoreRegistry& cores_;
  const NodeOptions& options_;
  CoordinatorLocal shown_;
  CoordinatorLocal hidden_;  // shown to whom nothing is announced: no element, so it tells us all that it has
  std::unordered_map<Slot, Known, FixedBytesHash> known_;
  std::unordered_set<DiscoveryKey, FixedBytesHash> forgotten_;
  std::set<DiscoveryKey> private_;
  std::unordered_set<DiscoveryKey, FixedBytesHash> without_blobs_;  // headers that name no blobs core
  std::set<DiscoveryKey> partners_opening_;
  std::set<DiscoveryKey> partners_lost_;  // blobs cores that could not be opened
  std::map<CoordinatorSession*, Peer> peers_;
  std::map<Slot, Want> wants_;
  std::deque<Slot> queue_;
  std::size_t lacking_ = 0;     // elements of which blocks are missing
  std::size_t active_ = 0;      // wants whose cores are open or being opened
  std::size_t candidates_ = 0;  // wants of which nothing is here
  bool watching_ = false;
  bool look_posted_ = false;
};

}  // namespace sheaf
