// One run of the coordinator's comparison: two sides take turns to find where their digest tries differ.
//
// Rules: docs/protocol.md, A run. A pure machine without time, streams or credit: messages of the other side
// go in, what to say comes out, and what was found. Elements to give come out as ranges of slots, so that a
// large set costs as little as a small one; the owner sends them as credit allows, before or after the turn.
// The trie may change between calls: what changes meanwhile is told live.
//
// Bounds: the work list, the ranges to give and the tags to ask for are capped (Reconciliation::Bounds); what
// does not fit is left to a later run (left_over()). A run that says or hears more than two honest sides
// need, or makes us hash more, is over_budget.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "protocol/coordinator_keys.hpp"
#include "protocol/digest_trie.hpp"

namespace sheaf {

// Elements from slot `first` up to and with slot `last`.
struct SlotRange {
  Slot first;
  Slot last;
};

class Reconciliation {
 public:
  struct Options {
    bool closed = false;         // we take nothing that we do not know
    bool remote_closed = false;  // nor do they
    std::uint64_t remote_count = 0;
  };
  struct Bounds {
    static constexpr std::size_t work = 16'384;    // prefixes to answer
    static constexpr std::size_t gives = 12'288;   // ranges handed out and not taken
    static constexpr std::size_t needs = 11'000;   // tags to ask for
    static constexpr std::size_t listed = 11'000;  // tags that we listed in our last turn
    static constexpr std::size_t turn_bytes = 128 * 1024;
    static constexpr std::size_t message_bytes = 60'000;
    static constexpr std::uint64_t run_bytes = 256 * 1024;  // of nodes that a side says, and for each
    static constexpr std::uint64_t run_bytes_each = 32;     // element of the smaller set so many more
  };
  enum class Verdict { good, over_budget };

  // Something that they hold a newer head of.
  struct Behind {
    CoreKey key;
    coordinator::Head head;
  };
  struct Turn {
    std::vector<coordinator::Tag> need;
    std::vector<coordinator::Nodes> nodes;  // the last one ends the turn
  };

  // The trie and the keys outlive it.
  Reconciliation(DigestTrie& trie, const CoordinatorKeys& keys, Options options);

  // Makes the first turn of the side that begins, the Noise initiator.
  void begin();
  // `bytes`: size of the message's body.
  Verdict take(const coordinator::Nodes& nodes, std::size_t bytes);
  void take(const coordinator::Need& need);

  // Our turn is to be said; asks for at most `need_most` elements.
  bool has_turn() const { return our_turn_; }
  // Requires: has_turn(). Empty if the run has grown over its budget: nothing more may be said.
  std::optional<Turn> turn(std::size_t need_most);

  // Both sides have been quiet, one after the other.
  bool finished() const { return finished_; }
  // A bound made us pass over differences; another run finds them.
  bool left_over() const { return left_over_; }

  // What has been found since the last call.
  std::vector<SlotRange> take_gives() { return std::exchange(gives_, {}); }
  std::vector<Behind> take_behind() { return std::exchange(behind_, {}); }

  std::uint64_t bytes_said() const { return said_; }

 private:
  // A prefix that something is to be said of.
  struct Work {
    enum class Kind : std::uint8_t { differs, asked, pull, ask, children, grandchildren };
    SlotPrefix prefix;
    Kind kind;
  };

  void add(Work work);
  void give(SlotRange range);
  void give_below(const SlotPrefix& prefix);
  void compare(const SlotPrefix& prefix, const coordinator::Digests& digests);
  void compare(const SlotPrefix& prefix, const coordinator::List& list);
  coordinator::Entry digests_below(const SlotPrefix& prefix, unsigned levels);
  coordinator::Entry list_below(const SlotPrefix& prefix);
  coordinator::Entry answer(const Work& work, std::size_t differing);
  std::uint64_t budget() const;

  DigestTrie& trie_;
  const CoordinatorKeys& keys_;
  Options options_;
  std::vector<Work> work_;
  std::vector<SlotRange> gives_;
  std::vector<Behind> behind_;
  std::vector<coordinator::Tag> needs_;
  struct ListedElement {
    coordinator::Tag tag;
    Slot slot;
  };
  std::vector<ListedElement> listed_;  // in our last turn, ascending by tag once it was said
  std::uint64_t said_ = 0;             // bytes of nodes
  std::uint64_t heard_ = 0;
  std::uint64_t tags_made_ = 0;
  bool our_turn_ = false;
  bool quiet_here_ = false;
  bool quiet_there_ = false;
  bool finished_ = false;
  bool left_over_ = false;
};

}  // namespace sheaf
