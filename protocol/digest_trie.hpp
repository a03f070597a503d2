// The set of elements that two peers compare, under digests by which they find the differences.
//
// Shape and digests: docs/protocol.md, The digest trie. A trie of fanout 16 over the nibbles of slots; a node
// is the set of elements below a prefix, a leaf while it has at most 16. The shape depends on the set alone.
// A change marks the way from the root; digests are computed when they are asked for, so filling the trie
// costs one hash a node, and one change among 100,000 elements five. Memory: about 115 bytes an element.
//
// Not thread-safe. Pointers to elements are good until the next set() or remove().
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "protocol/slot_prefix.hpp"
#include "sheaf/protocol/invariant.hpp"
#include "sheaf/protocol/units.hpp"

namespace sheaf {

// One archive or bare core, as it is compared: by the head of its core (an archive's: of its db core).
struct Element {
  CoreKey key;
  Slot slot;
  Fork fork;
  Length length;  // 0: asked for, and nothing is here yet
};

// Histories are ordered: a higher fork is newer, on one fork the longer one.
constexpr bool newer(Fork fork, Length length, Fork than_fork, Length than_length) {
  return fork != than_fork ? fork > than_fork : length > than_length;
}

class DigestTrie {
 public:
  static constexpr std::size_t leaf_most = 16;

  // Adds the element, or changes its head. True if something changed.
  bool set(const CoreKey& key, Fork fork, Length length);
  bool remove(const CoreKey& key);
  const Element* find(const Slot& slot) const;
  std::size_t size() const { return size_of(root_); }

  // Of all, or of those below the prefix; 32 zero bytes where there are none.
  Hash digest() { return digest(SlotPrefix()); }
  Hash digest(const SlotPrefix& prefix);
  std::size_t count(const SlotPrefix& prefix) const;

  // Calls visit(const Element&) -> bool for the elements below the prefix, ascending by slot, from slot
  // `from` on, until it gives false. The trie is not changed meanwhile.
  template <class Visit>
  void visit(const SlotPrefix& prefix, const Slot& from, Visit&& visit) const {
    const Place place = locate(prefix);
    if (place.node == none) return;
    const bool edge = SlotPrefix(from, place.depth) == SlotPrefix(prefix.first_slot(), place.depth);
    if (edge || from < prefix.first_slot()) walk(place.node, place.depth, edge, prefix, from, visit);
  }
  template <class Visit>
  void visit(const SlotPrefix& prefix, Visit&& visit) const {
    this->visit(prefix, prefix.first_slot(), visit);
  }

  std::size_t memory_bytes() const {
    return members_.memory_bytes() + nodes_.memory_bytes() + forks_.memory_bytes();
  }
  std::size_t node_count() const { return nodes_.size(); }
  std::uint64_t hashes_made() const { return hashes_made_; }

 private:
  using Index = std::uint32_t;
  static constexpr Index none = 0xffff'ffff;

  // Objects that stay where they are, by number; numbers are used again.
  template <class T>
  class Pool {
   public:
    Index add(T value) {
      Index at;
      if (!free_.empty()) {
        at = free_.back();
        free_.pop_back();
      } else {
        at = used_++;
        if (at / chunk == chunks_.size()) chunks_.push_back(std::make_unique<T[]>(chunk));
      }
      (*this)[at] = std::move(value);
      return at;
    }
    void remove(Index at) { free_.push_back(at); }
    T& operator[](Index at) { return chunks_[at / chunk][at % chunk]; }
    const T& operator[](Index at) const { return chunks_[at / chunk][at % chunk]; }
    std::size_t size() const { return used_ - free_.size(); }
    std::size_t memory_bytes() const {
      return chunks_.size() * (chunk * sizeof(T) + sizeof(void*)) + free_.capacity() * sizeof(Index);
    }

   private:
    static constexpr Index chunk = 512;
    std::vector<std::unique_ptr<T[]>> chunks_;
    std::vector<Index> free_;
    Index used_ = 0;
  };

  struct Member {
    Element element;
    Index next = none;  // in its leaf, ascending by slot
  };
  struct TrieNode {
    Hash digest;
    Index link = none;  // of a leaf: its first member; of an inner node: its fork
    std::uint32_t count : 30 = 0;
    std::uint32_t inner : 1 = 0;
    std::uint32_t stale : 1 = 1;  // the digest is of an older set
  };
  struct Branches {
    Index child[16];
  };
  // The node of a prefix, or the leaf above it that holds what is below it.
  struct Place {
    Index node = none;
    unsigned depth = 0;
  };

  std::size_t size_of(Index node) const { return node == none ? 0 : nodes_[node].count; }
  Place locate(const SlotPrefix& prefix) const;
  Index find_member(const Slot& slot) const;
  void mark_stale(const Slot& slot);
  Index add_node(unsigned depth, std::vector<Index> sorted_members);
  void put(Index leaf, unsigned depth, Index member);
  std::vector<Index> gather(Index node) const;
  void drop_below(Index node);
  const Hash& refresh(Index node);
  Hash leaf_digest(const std::vector<const Element*>& elements);

  // `edge`: `from` begins with this node's prefix, so what comes before it is passed over.
  template <class Visit>
  bool walk(Index at, unsigned depth, bool edge, const SlotPrefix& prefix, const Slot& from,
            Visit& visit) const {
    const TrieNode& node = nodes_[at];
    if (node.inner == 0) {
      for (Index i = node.link; i != none; i = members_[i].next) {
        const Element& element = members_[i].element;
        if (element.slot < from || !prefix.covers(element.slot)) continue;
        if (!visit(element)) return false;
      }
      return true;
    }
    const unsigned first = edge ? SlotPrefix::nibble_of(from, depth) : 0;
    for (unsigned nibble = first; nibble < 16; ++nibble) {
      const Index child = forks_[node.link].child[nibble];
      if (child != none && !walk(child, depth + 1, edge && nibble == first, prefix, from, visit))
        return false;
    }
    return true;
  }

  Pool<Member> members_;
  Pool<TrieNode> nodes_;
  Pool<Branches> forks_;
  Index root_ = none;
  std::uint64_t hashes_made_ = 0;
};

}  // namespace sheaf
