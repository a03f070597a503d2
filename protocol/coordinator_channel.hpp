// One bundle with one peer: proves that both know it, compares what they hold, and tells what changes.
//
// Protocol: docs/protocol.md. The channel decodes and bounds what arrives, runs the comparison, keeps the
// credit in both directions, and says everything that has to be said unasked. What it means for this node it
// hands out: items with take_items(), newer heads with take_behind(); the owner decides what is followed, and
// says so with refund(), refuse() and dealt_with(). It keeps no table of archives: what we hold is `local`,
// shared by all channels of the bundle.
//
//   opening -> proved     the other side's proof and version hold: ours to tell what we hold
//   proved  -> closed     refused, said goodbye, or the session ends
//
// A run begins once both sides have said equally many roots and the last ones differ, so a side that delays
// its root delays the run. Driven by one owner at a time; `local`, `mux` and `limits` outlive it.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "protocol/mux.hpp"
#include "protocol/reconciliation.hpp"
#include "protocol/token_bucket.hpp"
#include "sheaf/protocol/limits.hpp"
#include "sheaf/protocol/session_end.hpp"

namespace sheaf {

// Our side of a bundle, as all its channels see it. Owned by the bundle.
struct CoordinatorLocal {
  BundleSecret secret = open_bundle_secret();
  DigestTrie elements{};  // what is shared: no private archive is here
  // The element in full, as others are told of it. Requires: it is in `elements`.
  std::function<coordinator::Item(const Element&)> describe{};
  bool closed = false;  // no archive is taken that is not an element
  bool whole = false;   // every block of every element is here
};

class CoordinatorChannel {
 public:
  struct Options {
    std::uint64_t credit = 1'024;  // items that the peer may send at first
    // What new archives use up is given back at once, not at the rate of L13.
    bool trusted = false;
  };
  enum class State : std::uint8_t { opening, proved, closed };
  // How the channel ended.
  struct Ending {
    bool rejected = false;        // the other side does not speak it, or holds another bundle: it is plain
    bool proof_failed = false;    // whoever opened it does not know the secret
    bool ours = false;            // the reason is what we told them
    bool settled = false;         // both sides had settled by then
    bool remote_missing = false;  // and they still missed something that we have not
    coordinator::ByeReason reason{};  // 0: closed without a word
    std::string text{};
  };
  struct Refused {
    CoreKey key;
    coordinator::RefusalReason reason;
  };
  struct Held {
    CoreKey key;
    coordinator::Holding holding;
  };

  CoordinatorChannel(CoordinatorLocal& local, Mux& mux, const Limits& limits, Options options);

  // Says our half of the opening.
  void open(Role role, const WideHash& handshake_hash, Instant now);
  // The other half has come. Checks proof, version and features, then says our root.
  std::optional<SessionEnd> opened(Bytes handshake, Instant now);
  std::optional<SessionEnd> receive(std::uint64_t type, Bytes body, Instant now);
  // The mux has closed it, or the session ends; nothing more is said.
  void closed(bool rejected);

  LocalId id() const { return id_; }
  const Hash& topic() const { return keys_->topic(); }
  State state() const { return state_; }
  const Ending& ending() const { return ending_; }

  // -- What came in since the last call.
  // Within the credit; what is beyond it was dropped and counted.
  std::vector<coordinator::Item> take_items() { return std::exchange(items_, {}); }
  // Elements of which the peer listed a newer head.
  std::vector<Reconciliation::Behind> take_behind() { return std::exchange(behind_, {}); }
  std::vector<Refused> take_refused() { return std::exchange(refused_, {}); }
  std::vector<Held> take_held() { return std::exchange(held_, {}); }

  // -- What is known of the other side.
  bool remote_closed() const { return remote_ && remote_->closed; }
  bool remote_whole() const { return remote_ && remote_->whole; }
  std::uint64_t remote_count() const { return remote_ ? remote_->count : 0; }
  // Both have said their roots, and no run is under way.
  bool live() const {
    return state_ == State::proved && roots_said_ > 0 && roots_said_ == roots_heard_ && !run_;
  }

  // -- Telling.
  // An element rose or appeared here; told unless `elements` lacks it by then. Several rises become one.
  void element_changed(const Slot& slot, Instant now);
  // A flag of `local` has changed.
  void flags_changed(Instant now) { want_root(now); }
  // So many items taken in may be sent again: at once, or those of new archives at the rate of L13 unless the
  // peer is trusted.
  void refund_known(std::uint64_t items) { refund_ += items; }
  void refund_new(std::uint64_t items, Instant now);
  void refuse(const CoreKey& key, coordinator::RefusalReason reason);
  // What does the peer hold of these? False: it cannot be asked now (C7), or does not answer such questions.
  // Requires: at most 1,024 keys.
  bool ask(std::vector<CoreKey> keys);
  bool answers_questions() const { return (features_ & coordinator::feature::holdings) != 0; }
  std::size_t questions() const { return asked_.size(); }  // that are not answered yet

  // -- Settling. The owner says whether all that came in has been dealt with: stored, durable, or refused.
  // `missing`: something is wanted that this peer has not.
  void dealt_with(bool all, bool missing);
  // The other side knows of everything heard so far that it is dealt with.
  bool told_settled() const { return told_settled_ && told_settled_->seen == heard_count_; }
  // Both sides have said that all they heard of each other is dealt with, and nothing is on its way.
  bool settled() const;
  // The other side has dealt with everything, but misses something that we have not.
  bool remote_missing() const { return remote_settled_ && remote_settled_->missing; }

  // Says goodbye and closes the channel; nothing more comes of it.
  void bye(coordinator::ByeReason reason, std::string_view text = {});

  // After whatever was called: says what can be said now, as far as credit and rates go.
  void pump(Instant now);
  std::optional<Instant> next_deadline() const;
  void on_time(Instant now) { pump(now); }

  // -- For whoever watches (I17, tests).
  std::size_t memory_bytes() const;
  std::uint64_t runs() const { return runs_; }
  std::uint64_t items_beyond_credit() const { return beyond_credit_; }
  std::uint64_t send_credit() const { return send_credit_; }

 private:
  struct AskedByThem {
    std::uint64_t id;
    std::vector<coordinator::Tag> tags;
    std::vector<coordinator::Holding> holdings;
  };
  struct Wanted {
    coordinator::Tag tag;
    std::optional<std::size_t> ask;  // none: in `unnamed_`
    std::size_t place;
  };

  void on(const coordinator::Root& root, Instant now);
  void on(const coordinator::Nodes& nodes, std::size_t bytes, Instant now);
  std::optional<SessionEnd> on(coordinator::Items items);
  void on(coordinator::Ask ask);
  void on(const coordinator::Tell& tell);
  void on(const coordinator::Refuse& refuse);
  void on(const coordinator::Settled& settled, Instant now);
  void pair_roots(Instant now);
  void advance_run(Instant now);
  void end_run(Instant now, bool again);
  void want_root(Instant now);
  void say_root(Instant now);
  void say_items(Instant now);
  std::size_t gather_gives(coordinator::Items& out, std::size_t most);
  void send_items(const coordinator::Items& items);
  void say_settled(Instant now);
  void say_refusals();
  void say_credit(Instant now);
  void scan();
  void leave(Ending ending);
  template <class Message>
  void say(coordinator::MessageType type, const Message& message);

  CoordinatorLocal& local_;
  Mux& mux_;
  const Limits& limits_;
  Options options_;
  std::optional<CoordinatorKeys> keys_;
  LocalId id_{};
  Role role_ = Role::initiator;
  State state_ = State::opening;
  Ending ending_;
  std::uint64_t features_ = 0;  // that both know
  Instant opened_at_;

  // Roots and the run.
  std::optional<coordinator::Root> remote_;
  Hash told_digest_{};  // of our last root
  std::uint64_t roots_said_ = 0;
  std::uint64_t roots_heard_ = 0;
  std::optional<Instant> root_due_;  // another root is to be said then
  TokenBucket our_roots_;
  TokenBucket their_roots_;
  std::optional<Reconciliation> run_;
  Instant run_heard_;  // when its last message came
  std::uint64_t runs_ = 0;
  std::size_t slow_runs_ = 0;

  // Items.
  std::deque<SlotRange> gives_;  // of runs, to be sent
  bool gives_left_ = false;      // some did not fit
  std::unordered_set<Slot, FixedBytesHash> live_;
  std::optional<Instant> live_due_;
  Instant live_said_;
  std::uint64_t send_credit_ = 0;     // items that we may send
  std::uint64_t receive_credit_ = 0;  // items that they may send
  std::uint64_t refund_ = 0;          // given back, not said yet
  std::uint64_t refund_slowly_ = 0;   // to be given back at a rate
  TokenBucket slow_refunds_;
  std::uint64_t beyond_credit_ = 0;

  // Settling.
  std::uint64_t said_count_ = 0;  // messages of types root to items
  std::uint64_t heard_count_ = 0;
  bool dealt_with_ = false;
  bool missing_ = false;
  std::optional<coordinator::Settled> told_settled_;
  Instant settled_said_;
  std::optional<coordinator::Settled> remote_settled_;
  TokenBucket their_settled_;

  std::vector<coordinator::Item> items_;
  std::vector<Reconciliation::Behind> behind_;
  std::vector<Refused> refused_;
  std::vector<Held> held_;
  std::deque<std::pair<coordinator::Tag, CoreKey>> told_;  // the last items, which may be refused
  std::vector<coordinator::Refusal> refusals_;
  std::unordered_set<coordinator::Tag, FixedBytesHash> refused_tags_;  // that were heard of
  std::vector<coordinator::Refusal> unnamed_;  // of what both sides knew; a scan finds the keys
  std::unordered_map<std::uint64_t, std::vector<CoreKey>> asked_;
  std::uint64_t last_ask_ = 0;
  std::vector<AskedByThem> asks_;
  std::vector<Wanted> scan_;  // the tags that the present scan looks for, ascending
  std::size_t scan_asks_ = 0;
  std::size_t scan_refusals_ = 0;
  std::optional<Slot> scan_from_;
};

}  // namespace sheaf
