#include "protocol/reconciliation.hpp"

#include <algorithm>
#include <numeric>

namespace sheaf {
namespace {

using coordinator::Digests;
using coordinator::Entry;
using coordinator::List;
using coordinator::Tag;

// With at most so many elements below, a differing prefix is answered by a list; by fewer while more than
// `crowd` prefixes differ, when bytes cost more than a turn.
constexpr std::size_t list_most = 32;
constexpr std::size_t short_list_most = 12;
constexpr std::size_t crowd = 64;
// With at most so many differing prefixes an answer goes two levels down, where there is enough below.
constexpr std::size_t deep_most = 8;
constexpr std::size_t deep_elements = 512;
// A first turn with more elements than this goes two levels down.
constexpr std::size_t broad_elements = 256;
// What is left of a turn when nothing more is put into it.
constexpr std::size_t least_room = 4'096;
// Tags cost a hash each: so many for each element here, and so many more, are all that a run needs.
constexpr std::uint64_t tags_each = 4;
constexpr std::uint64_t tags_more = 65'536;
// What a message counts at least, so that empty turns do not go on for ever.
constexpr std::size_t least_message = 64;

Slot last_slot(const SlotPrefix& prefix) {
  Slot out = prefix.first_slot();
  for (unsigned i = prefix.depth(); i < SlotPrefix::most_depth; ++i)
    out.value[i / 2] |= i % 2 == 0 ? std::byte{0xf0} : std::byte{0x0f};
  return out;
}

// The deepest prefix that an entry can name on the way to this one.
SlotPrefix sayable(const SlotPrefix& prefix) {
  return {prefix.first_slot(), std::min(prefix.depth(), coordinator::prefix_depth_most)};
}

}  // namespace

Reconciliation::Reconciliation(DigestTrie& trie, const CoordinatorKeys& keys, Options options)
    : trie_(trie), keys_(keys), options_(options) {}

std::uint64_t Reconciliation::budget() const {
  return Bounds::run_bytes +
         Bounds::run_bytes_each * std::min<std::uint64_t>(trie_.size(), options_.remote_count);
}

void Reconciliation::begin() {
  const std::size_t here = trie_.size();
  const std::uint64_t there = options_.remote_count;
  const SlotPrefix all;
  our_turn_ = true;
  if (here == 0) {
    if (!options_.closed) add({all, Work::Kind::pull});
  } else if (here <= list_most) {
    add({all, Work::Kind::asked});
  } else if (there == 0) {
    if (!options_.remote_closed) give_below(all);
  } else if (there <= list_most) {
    add({all, Work::Kind::ask});
  } else {
    add({all, here > broad_elements ? Work::Kind::grandchildren : Work::Kind::children});
  }
}

void Reconciliation::add(Work work) {
  if (work_.size() >= Bounds::work) {
    left_over_ = true;
    return;
  }
  work_.push_back(work);
}

void Reconciliation::give(SlotRange range) {
  if (gives_.size() >= Bounds::gives) {
    left_over_ = true;
    return;
  }
  gives_.push_back(range);
}

void Reconciliation::give_below(const SlotPrefix& prefix) { give({prefix.first_slot(), last_slot(prefix)}); }

Reconciliation::Verdict Reconciliation::take(const coordinator::Nodes& nodes, std::size_t bytes) {
  heard_ += std::max(bytes, least_message);
  // Their budget is counted by the numbers of the roots, which may have moved on a little here.
  if (heard_ > budget() + Bounds::run_bytes) return Verdict::over_budget;
  for (const Entry& entry : nodes.entries) {
    if (const auto* digests = std::get_if<Digests>(&entry.what)) {
      compare(entry.prefix, *digests);
    } else if (const auto* list = std::get_if<List>(&entry.what)) {
      compare(entry.prefix, *list);
    } else if (std::holds_alternative<coordinator::Pull>(entry.what)) {
      if (!options_.remote_closed) give_below(entry.prefix);
    } else {
      add({entry.prefix, Work::Kind::asked});
    }
    if (tags_made_ > tags_each * trie_.size() + tags_more) return Verdict::over_budget;
  }
  quiet_there_ = nodes.quiet;
  if (!nodes.end_of_turn) return Verdict::good;
  if (quiet_here_ && quiet_there_ && work_.empty() && needs_.empty())
    finished_ = true;
  else
    our_turn_ = true;
  return Verdict::good;
}

void Reconciliation::take(const coordinator::Need& need) {
  if (options_.remote_closed) return;
  for (const Tag& tag : need.tags) {
    const auto at = std::ranges::lower_bound(listed_, tag, {}, &ListedElement::tag);
    if (at != listed_.end() && at->tag == tag) give({at->slot, at->slot});
  }
}

void Reconciliation::compare(const SlotPrefix& prefix, const Digests& digests) {
  const unsigned levels = digests.levels;
  auto theirs = digests.digests.begin();
  for (unsigned i = 0; i < digests.width(); ++i) {
    const SlotPrefix child = levels == 1 ? prefix.child(i) : prefix.child(i / 16).child(i % 16);
    const bool there = digests.present[i];
    const auto digest = there ? *theirs++ : coordinator::ShortDigest{};
    const bool here = trie_.count(child) > 0;
    if (!there) {
      if (here && !options_.remote_closed) give_below(child);
    } else if (!here) {
      if (!options_.closed) add({child, Work::Kind::pull});
    } else if (keys_.short_digest(trie_.digest(child)) != digest) {
      add({child, Work::Kind::differs});
    }
  }
}

void Reconciliation::compare(const SlotPrefix& prefix, const List& list) {
  if (list.empty()) {
    if (!options_.remote_closed && trie_.count(prefix) > 0) give_below(prefix);
    return;
  }
  std::vector<std::size_t> theirs(list.size());  // places in the list, ascending by tag
  std::iota(theirs.begin(), theirs.end(), std::size_t{0});
  const auto tag_at = [&](std::size_t place) { return list[place].tag; };
  std::ranges::sort(theirs, {}, tag_at);
  std::vector<bool> known(list.size());  // here

  // What they lack is given in runs of neighbours.
  std::optional<SlotRange> lacking;
  const auto give_lacking = [&] {
    if (lacking) give(*lacking);
    lacking.reset();
  };
  trie_.visit(prefix, [&](const Element& mine) {
    const Tag tag = keys_.tag(mine.slot);
    ++tags_made_;
    const auto at = std::ranges::lower_bound(theirs, tag, {}, tag_at);
    if (at == theirs.end() || tag_at(*at) != tag) {
      if (options_.remote_closed || mine.length == Length{}) return true;
      if (!lacking) lacking = SlotRange{mine.slot, mine.slot};
      lacking->last = mine.slot;
      return true;
    }
    give_lacking();
    known[*at] = true;
    const auto& listed = list[*at];
    if (newer(listed.fork, listed.length, mine.fork, mine.length))
      behind_.push_back({mine.key, {listed.fork, listed.length}});
    else if (newer(mine.fork, mine.length, listed.fork, listed.length))
      give({mine.slot, mine.slot});
    return true;
  });
  give_lacking();

  if (options_.closed) return;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (known[i] || list[i].length == Length{}) continue;
    if (needs_.size() >= Bounds::needs) {
      left_over_ = true;
      break;
    }
    needs_.push_back(list[i].tag);
  }
}

Entry Reconciliation::digests_below(const SlotPrefix& prefix, unsigned levels) {
  Digests out{.levels = levels, .present = {}, .digests = {}};
  for (unsigned i = 0; i < out.width(); ++i) {
    const SlotPrefix child = levels == 1 ? prefix.child(i) : prefix.child(i / 16).child(i % 16);
    if (trie_.count(child) == 0) continue;
    out.present[i] = true;
    out.digests.push_back(keys_.short_digest(trie_.digest(child)));
  }
  return {prefix, std::move(out)};
}

Entry Reconciliation::list_below(const SlotPrefix& prefix) {
  List out;
  trie_.visit(prefix, [&](const Element& element) {
    const Tag tag = keys_.tag(element.slot);
    ++tags_made_;
    out.push_back({tag, element.fork, element.length});
    listed_.push_back({tag, element.slot});
    return true;
  });
  return {prefix, std::move(out)};
}

// `differing`: how many prefixes of the whole work list differ.
Entry Reconciliation::answer(const Work& work, std::size_t differing) {
  const SlotPrefix prefix = sayable(work.prefix);
  switch (work.kind) {
    case Work::Kind::pull: return {prefix, coordinator::Pull{}};
    case Work::Kind::ask: return {prefix, coordinator::AskBelow{}};
    case Work::Kind::children: return digests_below(prefix, 1);
    case Work::Kind::grandchildren: return digests_below(prefix, 2);
    case Work::Kind::asked:
    case Work::Kind::differs: break;
  }
  const std::size_t count = trie_.count(prefix);
  const bool differs = work.kind == Work::Kind::differs;
  const std::size_t most = !differs             ? coordinator::elements_most
                           : differing <= crowd ? list_most
                                                : short_list_most;
  if (count <= most) return list_below(prefix);
  return digests_below(prefix, differs && differing <= deep_most && count > deep_elements ? 2 : 1);
}

std::optional<Reconciliation::Turn> Reconciliation::turn(std::size_t need_most) {
  invariant(our_turn_, "a turn is taken when it is ours");
  our_turn_ = false;
  Turn out;
  out.need = std::exchange(needs_, {});
  if (out.need.size() > need_most) {
    left_over_ = true;
    out.need.resize(need_most);
  }

  listed_.clear();
  const auto differing = static_cast<std::size_t>(
      std::ranges::count(work_, Work::Kind::differs, [](const Work& work) { return work.kind; }));
  std::size_t bytes = 0;
  std::size_t of_message = 0;
  std::size_t done = 0;
  out.nodes.emplace_back();
  for (; done < work_.size(); ++done) {
    if (bytes + least_room > Bounds::turn_bytes) break;
    if (listed_.size() + coordinator::elements_most > Bounds::listed) break;
    Entry entry = answer(work_[done], differing);
    const std::size_t size = coordinator::encoded_size(entry);
    if (of_message + size > Bounds::message_bytes ||
        out.nodes.back().entries.size() == coordinator::entries_most) {
      out.nodes.emplace_back();
      of_message = 0;
    }
    out.nodes.back().entries.push_back(std::move(entry));
    of_message += size;
    bytes += size;
  }
  work_.erase(work_.begin(), work_.begin() + static_cast<std::ptrdiff_t>(done));
  std::ranges::sort(listed_, {}, &ListedElement::tag);
  for (const auto& nodes : out.nodes) {
    said_ += 1 + uint_size(nodes.entries.size());
    for (const Entry& entry : nodes.entries) said_ += coordinator::encoded_size(entry);
  }
  if (said_ > budget()) return std::nullopt;

  quiet_here_ = done == 0 && out.need.empty() && work_.empty();
  out.nodes.back().end_of_turn = true;
  out.nodes.back().quiet = quiet_here_;
  finished_ = quiet_here_ && quiet_there_;
  return out;
}

}  // namespace sheaf
