// The router from inside. Its parts, one file each: life (router.cpp), what a write becomes
// (router_plan.cpp), writing, reading, walking, settling (the journal), copies without a pointer, checking,
// making a lost root again, adopting.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <shared_mutex>
#include <unordered_set>
#include <vector>

#include "storage/backend_support.hpp"
#include "storage/change_hub.hpp"
#include "storage/key_locks.hpp"
#include "storage/known_keys.hpp"
#include "storage/put_plan.hpp"
#include "storage/router_port.hpp"
#include "storage/router_records.hpp"

namespace sheaf {

class RouterImpl final : public Router {
 public:
  explicit RouterImpl(RouterOptions options);
  ~RouterImpl() override;

  Result<void> open() override;
  Result<void> close() override;
  Result<void> reopen() override;

  using Backend::get;
  Result<void> get(Bytes key, Buffer& out, Checked checked) override;
  Result<Buffer> post(Bytes value, const Traits& traits, Durable durable) override;
  Result<void> write(const Batch& batch, Durable durable) override;
  Result<void> sync() override;
  Result<std::unique_ptr<Cursor>> iterate(const KeyRange& range) override;
  Result<std::unique_ptr<Changes>> changes(const ChangeOptions& options) override;
  bool poisoned() const override { return root_.poisoned(); }
  const StoreLimits& limits() const override { return limits_; }
  std::string trouble() const override;

  Result<std::vector<FoundCopy>> get_all(Bytes key) override;
  Result<std::unique_ptr<RouterCursor>> entries(const KeyRange& range) override;
  Result<Explanation> explain(Bytes value, const Traits& traits) override;
  Result<CheckReport> check(const CheckOptions& options) override;
  Result<RebuildReport> rebuild_root(std::size_t most) override;
  Result<std::uint64_t> absorb() override;
  RouterCounters counters() const override;
  std::string store_trouble(std::string_view label) const override;

  // A snapshot: copies that it may name stay until it is released.
  std::uint64_t pin();  // Requires: committing_ is held.
  void unpin(std::uint64_t snapshot);
  // For a walk: the value that a pointer of its snapshot names.
  Result<void> fetch(Bytes key, const router_records::Pointer& pointer, Buffer& out);
  std::vector<std::string> labels_of(const router_records::Pointer& pointer) const;

 private:
  using Number = router_records::StoreNumber;
  using Pointer = router_records::Pointer;

  // Copies that no pointer names any more, waiting for the moment when that is certain to stay so.
  struct Garbage {
    std::uint64_t version = 0;  // of the journal entry
    std::uint64_t commit = 0;   // which commit stopped naming them
    bool removed = false;       // they are gone, but not synced: only the journal entry is left
    bool certain = false;       // the commit was synced, and its own copies with it
    bool unverified = false;  // of an earlier run, and a store that may hold its own copies has not answered
    std::vector<std::pair<Number, Buffer>> keys;
    std::vector<std::uint64_t> reversible{};  // of keys that go back should the put turn out to be lost
    std::uint64_t bytes = 0;                  // of the copies
  };

  // -- Life.
  Result<void> open_alone();  // Requires of both: open_ is held by nobody else.
  Result<void> close_alone();
  Result<void> check_root();
  Result<void> name_stores();
  Result<void> write_format();
  Result<void> write_format(Batch& with);  // in one write
  Result<std::uint64_t> root_number(Bytes key);
  Result<std::uint64_t> highest_version(RouterPort& port);
  Result<void> reserve_versions();
  RouterPort* port(Number number) const;
  RouterPort* port(std::string_view label) const;
  void note(std::string trouble);
  void derive_limits();
  // For every call that reads or writes. Puts of an earlier run are verified first where that can be done
  // now.
  std::shared_lock<std::shared_mutex> enter();

  // -- Writing.
  // The stores that get a copy: none, where it lies in the root.
  Result<std::vector<RouterPort*>> route(Bytes value, const Traits& traits);
  // `silent`: followers are not told; `only_if`: the root's record that the one key has to have still when
  // the put is made, whoever writes meanwhile; else not_found; `copies_first`: they are synced before the
  // root names them, whether the put is or not.
  struct Quietly {
    bool silent = false;
    std::optional<Bytes> only_if{};
    bool copies_first = false;
    const Batch* with = nullptr;  // puts that the root gets in the same write
  };
  Result<void> put_through(const Batch& batch, Durable durable, const Quietly& quietly);
  // Its steps.
  Result<void> route_all(PutPlan& plan);
  Result<void> gather(PutPlan& plan, const std::optional<Bytes>& only_if);
  Result<void> replace(PutPlan& plan, const Batch::Operation& operation, const std::optional<Bytes>& only_if);
  void add_put(PutPlan& plan, const Batch::Operation& operation, std::vector<RouterPort*> ports);
  void add_journal(PutPlan& plan);
  Result<void> place_copies(PutPlan& plan);
  void take_back_copies(const PutPlan& plan);
  Result<void> commit(PutPlan& plan, const Quietly& quietly);

  bool is_value_key(Bytes outer_key) const;
  void tell_known(const PutPlan& plan);
  void learn(KnownKeys& known);
  Result<std::optional<Buffer>> root_record(Bytes outer_key);
  Buffer fresh_outer_key();
  std::uint64_t begin_version();
  void end_version(std::uint64_t version);
  Result<void> use(RouterPort& port);
  void add_copy(Batch& batch, const Pointer& pointer, const router_records::CopyAt& copy, Bytes outer_key,
                Bytes value);
  void add_removal(Batch& batch, const Pointer& pointer, const router_records::CopyAt& copy, Bytes outer_key);
  Result<void> write_copies(RouterPort& port, const Batch& batch, Durable durable);

  // -- Reading.
  // The value that a pointer names; with `mend_too`, copies that are not what it says are written again.
  Result<void> read(Bytes key, const Pointer& pointer, Buffer& out, Checked checked, bool mend_too);
  Result<void> mend(Bytes key, const Pointer& pointer, Bytes value, std::span<const std::size_t> bad);
  Result<void> resolve(Bytes key, const Pointer& pointer, Buffer& out);
  Result<FoundCopy> found_copy(Bytes key, const Pointer& pointer, std::size_t at);
  Result<std::vector<FoundCopy>> found_copies(Bytes key, const Pointer& pointer, std::size_t at);
  Result<void> keep_aside(Bytes key, Bytes value, std::uint64_t version);

  // -- Settling.
  using Journals = std::vector<std::pair<std::uint64_t, router_records::Journal>>;
  Result<void> recover();
  Result<Journals> journals();  // the newest first
  // Keys that a later put has changed, and of these the ones of puts that may be undone still.
  struct Moved {
    std::set<Buffer> on;
    std::set<Buffer> undecided;
  };
  Result<void> replay(std::uint64_t version, const router_records::Journal& journal, Moved& moved);
  bool is_undecided(const router_records::Journal& journal, const Moved& moved) const;
  void note_moved(const router_records::Journal& journal, bool undecided, Moved& moved) const;
  void verify();  // Requires: open_ is held by nobody.
  void wake_silent();
  // What became of a put that was not synced.
  enum class Fate { kept, lost, unknown };
  Result<Fate> fate(std::uint64_t version, const router_records::Journal& journal);
  // Gives what is left of the journal entry: the keys that later puts have changed.
  Result<router_records::Journal> roll_back(std::uint64_t version, const router_records::Journal& journal,
                                            const Moved& moved);
  void collect_keys(Garbage& garbage, const router_records::Journal& journal) const;
  Result<void> settle();
  void settle_soon();
  void tidy();
  void remove_garbage(std::span<Garbage* const> all);
  void add_garbage(Garbage garbage, bool oldest);  // Requires: committing_ is held.
  std::set<Buffer> waiting_copies(Number store);
  std::uint64_t lowest_in_flight();

  // -- Checking.
  Result<void> check_entry(Bytes key, Bytes record, const CheckOptions& options, CheckReport& report);
  Result<void> check_pointer(Bytes key, const Pointer& pointer, const CheckOptions& options,
                             CheckReport& report);
  Result<void> rebalance(Bytes key, Bytes record, const router_records::Entry& entry, CheckReport& report);

  // -- Copies without a pointer.
  struct Orphan {
    Buffer copy;
    Buffer outer_key;                // empty where its record says nothing
    std::optional<Buffer> record{};  // the key of one that lies beside it
    std::uint64_t version = 0;
    bool block = false;
  };
  struct Orphans {
    std::vector<Orphan> found;
    std::uint64_t looked_at = 0;
    std::uint64_t settled = 0;   // below this version there is nothing else; of the first page
    bool readable = true;        // all of it was
    std::optional<Buffer> next;  // go on behind this key; none: the end was reached
  };
  Result<bool> named(Bytes outer_key, std::uint64_t version, Number store, Bytes copy_key);
  Result<Orphans> orphans(RouterPort& port, std::uint64_t from, const std::optional<Buffer>& after);
  void add_removal(Batch& batch, const Orphan& orphan);
  Result<void> sweep(RouterPort& port);
  Result<void> find_orphans(RouterPort& port, const CheckOptions& options, CheckReport& report);
  Result<void> keep_last_of_value(RouterPort& port, const Orphan& orphan);
  std::optional<CheckPosition> store_after(std::string_view label) const;

  // -- Making a lost root again.
  struct Remaking;
  Result<router_records::RemadeUpTo> remade_up_to();
  Result<bool> remake_pointers(RouterPort& port, Remaking& page);
  Result<void> remake_pointer(RouterPort& port, Bytes name, Remaking& page);
  Result<void> write_remade(const Remaking& page, bool done);

  // -- Adopting.
  Result<bool> absorb_one(RouterPort& port, const Change& change);
  Result<std::uint64_t> absorb_strangers(RouterPort& port);
  Result<bool> absorb_stranger(RouterPort& port, Bytes key);
  Result<void> adopt(RouterPort& port, Bytes original, Bytes value);
  Result<void> remove_original(RouterPort& port, Bytes original);
  Result<std::optional<Buffer>> owner(RouterPort& port, Bytes key);
  Result<bool> is_adopted(RouterPort& port, Bytes key, Bytes value);
  Result<bool> is_own_copy(RouterPort& port, Bytes key);
  Result<void> leave_out_recorded(RouterPort& port, std::set<Buffer>& keys);

  RoutedStore root_owner_;
  Backend& root_;
  const bool root_owned_;
  std::vector<std::unique_ptr<RouterPort>> ports_;
  const std::unique_ptr<Mapper> mapper_;
  const std::string fallback_;
  const std::size_t copies_least_;
  Resolver* const resolver_;
  const TraitsByKey* const traits_;
  const bool rebuild_;
  FreshKeys fresh_keys_;
  const Buffer fresh_prefix_;
  const bool fresh_text_;
  StoreLimits limits_;

  mutable std::shared_mutex open_;  // shared by calls, alone for open and close
  bool opened_ = false;
  // The root was lost and is not made again yet: nothing is written, and no copy is an orphan.
  std::atomic<bool> rebuilding_{false};
  std::map<Number, RouterPort*> by_number_;
  std::map<Number, std::string> labels_;  // of stores that are not configured any more, too
  std::uint64_t run_begin_ = 0;           // versions below were given out before this opening
  std::set<RouterPort*> silent_;          // whose answer decides what became of unverified puts

  KeyLocks keys_;
  KnownKeys present_;  // in the root
  KnownKeys pointed_;  // from it to copies
  std::mutex learning_;
  std::mutex remaking_;

  std::mutex committing_;  // orders the writes of the root; guards what follows
  ChangeHub hub_;
  std::uint64_t commits_ = 0;
  std::multiset<std::uint64_t> pins_;
  std::deque<Garbage> garbage_;
  std::vector<std::pair<Number, Buffer>> settling_copies_;  // of the garbage that settle() has taken out
  // Of all garbage, hashes of the outer keys. Two keys of one hash cost a journal entry that nobody needs.
  std::unordered_multiset<std::uint64_t> reversible_;

  std::mutex versions_;  // guards what follows
  std::uint64_t next_version_ = 1;
  std::uint64_t reserved_ = 1;
  std::uint64_t format_ = 0;              // of the root
  std::vector<std::uint64_t> in_flight_;  // ascending

  std::mutex settling_;
  std::unique_ptr<Lane> tidying_;  // may be none
  std::atomic<bool> tidying_asked_{false};
  std::mutex absorbing_;
  std::atomic<std::size_t> waiting_{0};  // garbage_.size()
  // What was added to it since it was last settled.
  std::atomic<std::size_t> unsettled_{0};
  std::atomic<std::uint64_t> unsettled_bytes_{0};

  mutable std::mutex noting_;
  std::string trouble_;
  std::atomic<std::uint64_t> repaired_{0}, swept_{0}, rolled_back_{0}, adopted_{0};
};

// A synced write of the root each; an opening does not care.
inline constexpr std::uint64_t versions_reserved = 65'536;
inline constexpr std::size_t strangers_a_page = 1'000;
inline constexpr std::size_t orphans_a_page = 4'096;
// Settling syncs every store, so it is done for many puts at once: after so many, or when so much waits to
// go. What is settled need not be looked at by an opening after a crash.
inline constexpr std::size_t settle_at = 2'048;
inline constexpr std::uint64_t settle_bytes = 32 * 1024 * 1024;
// Beside the puts, until so many times as much waits: then they wait, too.
inline constexpr std::size_t unsettled_most = 4;
inline constexpr std::size_t journal_bytes_most = 1 << 20;  // beyond it copies are synced first instead

}  // namespace sheaf
