// The value router: a store made of stores. A mapper looks at a value and names the stores that get a copy;
// the root keeps a pointer, or the value itself where nobody else shall.
//
// Order of a put: the copies, then one atomic write of the root (pointers and all else that changes), which
// is the moment of the acknowledgement, then the copies that are no longer named go. A put that fails leaves
// nothing that anybody sees, and a crash nothing that the next open() does not find: docs/storage.md.
//
// Durability is as Backend says it, with one addition for Durable::no: a loss of power may take the last
// writes of one store and leave those of another. open() finds a put whose copies are gone and puts back what
// was under its keys before, all keys of role `value` in a batch together. For values of role `block` the
// pointer stays, and reading gives not_found: a core fetches such a block again. A store that does not answer
// at opening decides about its puts once it does, and what they had replaced is kept until then; followers
// get a gap if some are undone.
//
// With Durable::yes the copies of a put and the root are synced, and of the other stores those that can be:
// one that cannot holds up no put elsewhere, and what it held unsynced is then as safe as it was. sync() says
// so.
//
// Roles: `state` always stays in the root, `block` and `value` go where the mapper says. A block that it
// sends nowhere stays in the root, too; a value goes to the fallback. A key keeps its role. Writers of the
// same key with role `value` are ordered here; those of `state` and `block` by their owner.
//
// A new root is made only where every store answers, and so is the place of a store that is new to a root:
// what lies in it already may be another router's, and is left alone.
//
// Failure of one store: writes that need it fail (or go on, where `copies_least` is reached), others do not
// notice. It is reopened by the next call that needs it. A failed write of the root poisons the router as any
// store. Threads: as Backend.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sheaf/protocol/random_source.hpp"
#include "sheaf/storage/backend.hpp"
#include "sheaf/storage/lane.hpp"

namespace sheaf {

// What a router can answer besides what a store can.
enum class RouterErrc {
  no_route = 1,  // the caller's: no store takes this value, or one is named that does not exist
};

const boost::system::error_category& router_category() noexcept;
inline Error make_error_code(RouterErrc e) noexcept { return {static_cast<int>(e), router_category()}; }

// The label by which a mapper names the root itself: the value lies beside the keys. Named together with
// other stores it adds no copy.
inline constexpr std::string_view root_label = "root";

// Says where a value belongs. Called from any thread, and by several at once.
class Mapper {
 public:
  virtual ~Mapper() = default;
  // Labels of the stores that get a copy; twice the same counts once. None: the fallback takes it.
  virtual std::vector<std::string> labels(Bytes value, const Traits& traits) = 0;
  // Every label that is known beforehand: held against the stores when the router is made.
  virtual std::vector<std::string> targets() const { return {}; }
  // One line for a person: which rule took the value, and why.
  virtual std::string why(Bytes value, const Traits& traits);
};

// Values of at least `least` bytes go to one store, others stay in the root.
std::unique_ptr<Mapper> size_mapper(std::string label, std::uint64_t least);

// One store under the router: owned, or lent. A lent one is open, outlives the router, and is neither opened
// nor closed by it (but reopened after a failed write).
struct RoutedStore {
  std::string label;
  std::unique_ptr<Backend> owned{};
  Backend* lent = nullptr;
  // Outlives the router. None: calls run in the caller's thread, without a deadline. A walk over all of a
  // store (sweeps, checks) is a call a page.
  Lane* lane = nullptr;
  std::unique_ptr<Lane> own_lane{};  // instead of a lent one
  bool adopt = false;                // values that others put here are taken in, and their changes followed
};

// A copy as it is found in a store.
struct FoundCopy {
  std::string store;
  std::uint64_t version = 0;  // 0: it has no record of its own
  bool current = false;       // it is what the pointer says
  Buffer value;
};

// Says by its key what lies there, role and core, for whoever has nothing but the key: a rebalance. Called
// from any thread.
class TraitsByKey {
 public:
  virtual ~TraitsByKey() = default;
  virtual Traits traits(Bytes key) const = 0;
};

// Decides between copies none of which is what the pointer says. Called from any thread.
class Resolver {
 public:
  virtual ~Resolver() = default;
  // Which of them to give; nothing: the read answers `damaged`. Requires nothing of the order.
  virtual std::optional<std::size_t> choose(Bytes key, std::span<const FoundCopy> copies) = 0;
};

struct RouterOptions {
  RoutedStore root;                 // its label is root_label, whatever is written here
  std::vector<RoutedStore> stores;  // opened in this order after the root, closed in the reverse
  std::unique_ptr<Mapper> mapper;
  std::string fallback{};        // a label, or root_label; empty: a value without a route is an error
  std::size_t copies_least = 0;  // so many copies acknowledge a put; 0: all of them
  Resolver* resolver = nullptr;  // outlives the router; none: the highest version
  // Outlives the router. None: what lies in the root is state to a rebalance, and stays there.
  const TraitsByKey* traits = nullptr;
  // Where copies that are no longer named are removed and the journal is kept short, a good many puts at
  // once: beside the puts that follow, and at most a few times as many wait for it. None: the put that makes
  // it due does it.
  std::unique_ptr<Lane> tidying{};
  RandomSource* random = nullptr;  // for keys; outlives the router; none: the system's
  // The keys of post() and of adopted values are this, then 16 random bytes; with fresh_text in hex digits.
  Buffer fresh_prefix{};
  bool fresh_text = false;
  // Memory, at most, for knowing which keys of values may be in the root, and which have copies elsewhere,
  // so that a put or a delete of others looks for nothing: 2 to 4 bytes for each value, and as many again
  // where it has copies. Where there are more than fit, all are looked for. 0: so they are in any case.
  std::size_t pointed_keys_bytes = 16 * 1024 * 1024;
  StoreLimits limits{};                       // at most; less where a store takes less
  std::chrono::milliseconds deadline{5'000};  // of a call in a lane
  bool rebuild_root = false;                  // open() accepts an empty root beside stores that hold copies
};

// Walks entries of a snapshot, with where each lies. value() fetches nothing; next() does, unless keys_only:
// where a value cannot be read next() fails for it, and goes on behind it when it is called again. It ends
// before the router does.
class RouterCursor : public Cursor {
 public:
  virtual std::uint64_t length() const = 0;
  virtual std::vector<std::string> stores() const = 0;  // root_label for what lies in the root
};

struct RouterFinding {
  enum class Kind : std::uint8_t {
    missing_copy,   // a pointer names a copy that is not there
    damaged_copy,   // a copy is not what its pointer says
    unreadable,     // a store cannot be asked
    no_good_copy,   // of a value: nothing mends it
    orphan_copy,    // no pointer names it
    damaged_entry,  // the root's own record does not decode
    misplaced       // today's routes would send it elsewhere
  };
  Kind kind;
  Buffer key;         // outer key; of an orphan the key in its store
  std::string store;  // label
  bool mended = false;
};

// How far a check has come: through the keys of the root first, then through the copies in each store.
struct CheckPosition {
  std::string store{};  // empty: in the root
  Buffer key{};         // the last that was looked at; an outer key, or a copy's
};

struct CheckOptions {
  bool repair = false;
  bool rebalance = false;
  std::optional<CheckPosition> after{};  // go on behind it
  std::uint64_t most = 1'000;            // so many keys, then return; of copies in a store some more
};

struct CheckReport {
  std::vector<RouterFinding> findings;
  std::uint64_t keys = 0;
  std::uint64_t copies = 0;           // of these keys
  std::uint64_t stored = 0;           // copies in the stores that were held against the root
  std::optional<CheckPosition> next;  // call again with after = next; none: the end was reached
};

struct RouterCounters {
  std::uint64_t repaired_by_read = 0;
  std::uint64_t swept = 0;        // copies removed that a cut-off put had left
  std::uint64_t rolled_back = 0;  // puts undone at opening, their copies having been lost
  std::uint64_t adopted = 0;
};

// Since the root was lost, all calls together.
struct RebuildReport {
  std::uint64_t copies = 0;  // looked at
  std::uint64_t values = 0;  // that have a pointer again
  bool done = false;
};

class Router : public Backend {
 public:
  // Every copy of a value that is somewhere, the diverging ones too, and those kept aside. not_found where
  // there is no such key.
  virtual Result<std::vector<FoundCopy>> get_all(Bytes key) = 0;
  virtual Result<std::unique_ptr<RouterCursor>> entries(const KeyRange& range) = 0;
  // Labels that would get this value now, and the reason in words.
  struct Explanation {
    std::vector<std::string> stores;
    std::string why;
  };
  virtual Result<Explanation> explain(Bytes value, const Traits& traits) = 0;

  // Compares pointers with copies, a page of keys a call, and then looks for copies without a pointer, a page
  // of a store a call. Safe while the router is in use, and may be stopped after any call.
  virtual Result<CheckReport> check(const CheckOptions& options) = 0;
  // Makes the pointers of a lost root again from what the copies say of themselves, the highest version of a
  // key winning: about `most` copies a call, until it says that it is done. It may be stopped after any call,
  // and goes on from there, in another process too. Until it is done reads find what was found so far, and
  // writes answer `damaged`. What lay in the root alone is lost, and the blocks of cores with it, whose state
  // did. Requires: the router was made with rebuild_root, and opened with a lost root beside copies; else
  // exists. All stores have to answer; a copy that cannot be read, or is not what its name says, is left out.
  virtual Result<RebuildReport> rebuild_root(std::size_t most = 1'000) = 0;

  // Takes in what others have changed in the stores marked `adopt` since the last call, and tells the
  // followers; gives how many changes. The first call after a store was opened also finds the values that
  // were put there before, by a walk over its keys; each is taken in once. What others changed or deleted
  // while the store was not open is damage to check(). A value that no route takes stays where it is;
  // trouble() says so.
  virtual Result<std::uint64_t> absorb() = 0;

  virtual RouterCounters counters() const = 0;
  // Whether a store (or root_label) answers; its words about the last failure otherwise.
  virtual std::string store_trouble(std::string_view label) const = 0;
};

// Not opened yet. Misuse throws std::invalid_argument: an empty, repeated or reserved label, more than 255
// stores, a fallback or a target of the mapper that is no store, no mapper.
std::unique_ptr<Router> router(RouterOptions options);

}  // namespace sheaf

template <>
struct boost::system::is_error_code_enum<sheaf::RouterErrc> : std::true_type {};
