#include "protocol/digest_trie.hpp"

#include <algorithm>

#include "protocol/coordinator_keys.hpp"
#include "protocol/crypto.hpp"

namespace sheaf {
namespace {

void put_u64(Buffer& out, std::uint64_t value) {
  for (int i = 0; i < 8; ++i) out.push_back(static_cast<std::byte>(value >> (8 * i)));
}

}  // namespace

bool DigestTrie::set(const CoreKey& key, Fork fork, Length length) {
  const Slot slot = slot_of(key);
  if (const Index known = find_member(slot); known != none) {
    Element& element = members_[known].element;
    if (element.fork == fork && element.length == length) return false;
    element.fork = fork;
    element.length = length;
    mark_stale(slot);
    return true;
  }
  const Index member = members_.add({{key, slot, fork, length}, none});
  if (root_ == none) {
    root_ = add_node(0, {member});
    return true;
  }
  Index at = root_;
  for (unsigned depth = 0;; ++depth) {
    TrieNode& node = nodes_[at];
    if (node.inner == 0) {
      put(at, depth, member);
      return true;
    }
    ++node.count;
    node.stale = 1;
    Index& child = forks_[node.link].child[SlotPrefix::nibble_of(slot, depth)];
    if (child == none) {
      // The pool never moves what it holds, so the reference survives the new node.
      child = add_node(depth + 1, {member});
      return true;
    }
    at = child;
  }
}

bool DigestTrie::remove(const CoreKey& key) {
  const Slot slot = slot_of(key);
  const Index member = find_member(slot);
  if (member == none) return false;
  Index* at = &root_;
  for (unsigned depth = 0;; ++depth) {
    TrieNode& node = nodes_[*at];
    --node.count;
    node.stale = 1;
    if (node.inner == 1 && node.count <= leaf_most) {
      std::vector<Index> left = gather(*at);
      std::erase(left, member);
      drop_below(*at);
      nodes_.remove(*at);
      *at = add_node(depth, std::move(left));
      break;
    }
    if (node.inner == 0) {
      Index* link = &node.link;
      while (*link != member) link = &members_[*link].next;
      *link = members_[member].next;
      if (node.count == 0) {
        nodes_.remove(*at);
        *at = none;
      }
      break;
    }
    at = &forks_[node.link].child[SlotPrefix::nibble_of(slot, depth)];
  }
  members_.remove(member);
  return true;
}

const Element* DigestTrie::find(const Slot& slot) const {
  const Index member = find_member(slot);
  return member == none ? nullptr : &members_[member].element;
}

std::size_t DigestTrie::count(const SlotPrefix& prefix) const {
  const Place place = locate(prefix);
  if (place.node == none) return 0;
  if (place.depth == prefix.depth()) return nodes_[place.node].count;
  std::size_t count = 0;
  visit(prefix, [&](const Element&) {
    ++count;
    return true;
  });
  return count;
}

Hash DigestTrie::digest(const SlotPrefix& prefix) {
  const Place place = locate(prefix);
  if (place.node == none) return {};
  if (place.depth == prefix.depth()) return refresh(place.node);
  std::vector<const Element*> below;
  visit(prefix, [&](const Element& element) {
    below.push_back(&element);
    return true;
  });
  return below.empty() ? Hash{} : leaf_digest(below);
}

DigestTrie::Place DigestTrie::locate(const SlotPrefix& prefix) const {
  Place place{root_, 0};
  while (place.node != none && nodes_[place.node].inner == 1 && place.depth < prefix.depth()) {
    place.node = forks_[nodes_[place.node].link].child[prefix.nibble(place.depth)];
    ++place.depth;
  }
  return place;
}

DigestTrie::Index DigestTrie::find_member(const Slot& slot) const {
  const Place place = locate(SlotPrefix(slot));
  if (place.node == none) return none;
  Index at = nodes_[place.node].link;
  while (at != none && members_[at].element.slot != slot) at = members_[at].next;
  return at;
}

void DigestTrie::mark_stale(const Slot& slot) {
  Index at = root_;
  for (unsigned depth = 0; at != none; ++depth) {
    TrieNode& node = nodes_[at];
    node.stale = 1;
    if (node.inner == 0) return;
    at = forks_[node.link].child[SlotPrefix::nibble_of(slot, depth)];
  }
}

// A new subtree of these members, ascending by slot.
DigestTrie::Index DigestTrie::add_node(unsigned depth, std::vector<Index> sorted_members) {
  TrieNode node;
  node.count = static_cast<std::uint32_t>(sorted_members.size()) & 0x3fff'ffffu;
  if (sorted_members.size() <= leaf_most) {
    for (std::size_t i = sorted_members.size(); i-- > 0;) {
      members_[sorted_members[i]].next = node.link;
      node.link = sorted_members[i];
    }
    return nodes_.add(node);
  }
  invariant(depth < SlotPrefix::most_depth, "slots that are all alike are one element");
  Branches branches;
  auto from = sorted_members.begin();
  for (unsigned nibble = 0; nibble < 16; ++nibble) {
    const auto to = std::find_if(from, sorted_members.end(), [&](Index member) {
      return SlotPrefix::nibble_of(members_[member].element.slot, depth) != nibble;
    });
    branches.child[nibble] = from == to ? none : add_node(depth + 1, {from, to});
    from = to;
  }
  node.inner = 1;
  node.link = forks_.add(branches);
  return nodes_.add(node);
}

void DigestTrie::put(Index leaf, unsigned depth, Index member) {
  TrieNode& node = nodes_[leaf];
  const Slot& slot = members_[member].element.slot;
  if (node.count == leaf_most) {
    std::vector<Index> all = gather(leaf);
    const auto place =
        std::ranges::find_if(all, [&](Index other) { return members_[other].element.slot > slot; });
    all.insert(place, member);
    const Index grown = add_node(depth, std::move(all));
    nodes_[leaf] = nodes_[grown];
    nodes_.remove(grown);
    return;
  }
  Index* link = &node.link;
  while (*link != none && members_[*link].element.slot < slot) link = &members_[*link].next;
  members_[member].next = *link;
  *link = member;
  ++node.count;
  node.stale = 1;
}

std::vector<DigestTrie::Index> DigestTrie::gather(Index at) const {
  std::vector<Index> out;
  const TrieNode& node = nodes_[at];
  if (node.inner == 0) {
    for (Index i = node.link; i != none; i = members_[i].next) out.push_back(i);
    return out;
  }
  for (const Index child : forks_[node.link].child) {
    if (child == none) continue;
    const auto below = gather(child);
    out.insert(out.end(), below.begin(), below.end());
  }
  return out;
}

void DigestTrie::drop_below(Index at) {
  const TrieNode& node = nodes_[at];
  if (node.inner == 0) return;
  for (const Index child : forks_[node.link].child) {
    if (child == none) continue;
    drop_below(child);
    nodes_.remove(child);
  }
  forks_.remove(node.link);
}

const Hash& DigestTrie::refresh(Index at) {
  TrieNode& node = nodes_[at];
  if (node.stale == 0) return node.digest;
  if (node.inner == 0) {
    std::vector<const Element*> elements;
    for (Index i = node.link; i != none; i = members_[i].next) elements.push_back(&members_[i].element);
    node.digest = leaf_digest(elements);
  } else {
    static const Hash empty{};
    Buffer children;
    children.reserve(16 * Hash::size);
    for (const Index child : forks_[node.link].child)
      append(children, (child == none ? empty : refresh(child)).bytes());
    node.digest = crypto::blake2b({namespace_of(CoordinatorNamespace::inner).bytes(), children});
    ++hashes_made_;
  }
  node.stale = 0;
  return node.digest;
}

Hash DigestTrie::leaf_digest(const std::vector<const Element*>& elements) {
  Buffer spelled;
  spelled.reserve(8 + elements.size() * (Slot::size + 16));
  put_u64(spelled, elements.size());
  for (const Element* element : elements) {
    append(spelled, element->slot.bytes());
    put_u64(spelled, element->fork.value);
    put_u64(spelled, element->length.value);
  }
  ++hashes_made_;
  return crypto::blake2b({namespace_of(CoordinatorNamespace::leaf).bytes(), spelled});
}

}  // namespace sheaf
