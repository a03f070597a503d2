// F17: a stranger's entries exported into a file system in memory that takes paths as a kernel does. The
// oracle: what lies outside the folder stays byte for byte as it was, no file is half written, what was
// written is what the entry says, following any link that was put stays inside, and a repeated export comes
// to an end of changes.
#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "engine/peer_node/files/target_folder.hpp"
#include "tests/fuzz/choices.hpp"
#include "tests/support/memory_files.hpp"

namespace {

using namespace sheaf;
using namespace sheaf::peer_node::files;
using fuzz::Choices;
using fuzz::expect;
using test::MemoryDirectory;
using test::MemoryFiles;
using test::MemoryNode;
using test::MemoryNodePtr;

// Whole names and their pieces: those that have led out of folders elsewhere, and harmless ones to build on.
std::string piece(Choices& choices) {
  static const std::string pieces[] = {"/",
                                       "..",
                                       ".",
                                       "a",
                                       "b",
                                       "sub",
                                       "link",
                                       "outside",
                                       "canary",
                                       "dest",
                                       "\\",
                                       "//",
                                       "/a",
                                       "a/..",
                                       "b/..",
                                       "link/..",
                                       "/a/..",
                                       "/.",
                                       "/..",
                                       "/b/",
                                       "C:",
                                       "A",
                                       "é",
                                       "e\xcc\x81",
                                       "\x1b[2J",
                                       "keys",
                                       "store",
                                       std::string(1, '\0'),
                                       std::string(255, 'n'),
                                       std::string(300, 'm'),
                                       ".sheaf-part-0123456789abcdef"};
  const std::size_t which = choices.below(std::size(pieces) + 1);
  if (which < std::size(pieces)) return pieces[which];
  return std::string(as_text(choices.bytes(1 + choices.below(8))));
}

std::string joined(Choices& choices, std::size_t most) {
  std::string out;
  for (std::size_t i = choices.below(most + 1); i > 0; --i) out += piece(choices);
  return out;
}

// Texts that only together do harm are met often enough to meet each other; half of the time none of them.
std::string one_of(Choices& choices, std::initializer_list<const char*> texts) {
  const std::size_t which = choices.below(2 * texts.size());
  return which < texts.size() ? texts.begin()[which] : std::string();
}

struct Put {
  std::string name;
  Facts facts;
  std::string contents;
};

Put next_entry(Choices& choices) {
  Put put;
  put.name = one_of(choices, {"/a", "/b", "/c", "/sub/a", "/sub/b", "/sub/link/a", "/a/b"});
  if (put.name.empty()) put.name = (choices.below(8) > 0 ? "/" : "") + joined(choices, 5);
  const std::uint64_t kind = choices.below(8);
  put.facts.executable = choices.below(2) == 1;
  if (choices.below(2) == 1) put.facts.modified = static_cast<Milliseconds>(choices.number());
  if (kind < 4) {
    put.contents = joined(choices, 2);
    put.facts.bytes = put.contents.size();
  } else if (kind < 7) {
    put.facts.kind = Facts::Kind::link;
    put.facts.link_text = one_of(choices, {".", "a", "a/..", "b/..", "../a/..", "sub/..", "/", "/b/.."});
    if (put.facts.link_text.empty()) put.facts.link_text = joined(choices, 6);
  } else {
    put.facts.kind = Facts::Kind::neither;
  }
  return put;
}

// Everything that could be told apart, for comparing.
void describe(const MemoryNode& node, std::string& out) {
  out += std::to_string(static_cast<int>(node.kind)) + ":" + std::to_string(node.number) + ":" +
         std::to_string(node.modified) + (node.executable ? "x" : "-") + node.contents + "{";
  for (const auto& [name, child] : node.children) {
    out += name + "=";
    describe(*child, out);
  }
  out += "}";
}

std::string described(const MemoryNodePtr& node) {
  std::string out;
  describe(*node, out);
  return out;
}

struct World {
  std::shared_ptr<MemoryFiles> files = std::make_shared<MemoryFiles>();
  MemoryNodePtr outside;
  MemoryNodePtr dest;
  MemoryNodePtr store;

  explicit World(Choices& choices) {
    files->folds_case = choices.below(4) == 0;
    outside = files->make(files->top, "outside", FileKind::folder);
    files->make(outside, "canary", FileKind::file, "untouched");
    files->make(outside, "sub", FileKind::folder);
    dest = files->make(files->top, "dest", FileKind::folder);
    // What a user may have there already, links that lead out included.
    const auto sub = files->make(dest, "sub", FileKind::folder);
    if (choices.below(2) == 1) files->make(dest, "link", FileKind::link, "../outside");
    if (choices.below(2) == 1) files->make(sub, "link", FileKind::link, "/outside/sub");
    if (choices.below(2) == 1) files->make(dest, "a", FileKind::link, "../outside/canary");
    if (choices.below(4) == 0) files->make(sub, "b", FileKind::other);
    store = files->make(dest, "store", FileKind::folder);
    files->make(store, "keys", FileKind::file, "secret");
  }

  std::string untouchable() const {
    std::string names;
    for (const auto& [name, child] : files->top->children) names += name + "/";
    return names + described(outside) + described(store);
  }
};

// By the entry's path, never by the resolver that is under test.
MemoryNodePtr node_at(const World& world, const EntryPath& path) {
  MemoryNodePtr at = world.dest;
  for (const auto& part : path.parts) {
    const auto child = at->children.find(world.files->key(part));
    expect(child != at->children.end());
    at = child->second;
  }
  return at;
}

bool is_below(MemoryNodePtr node, const MemoryNodePtr& root) {
  for (; node; node = node->parent.lock())
    if (node == root) return true;
  return false;
}

void export_one(TargetFolder& target, const World& world, const Put& put) {
  const auto path = path_of_entry(put.name);
  const auto* parts = std::get_if<EntryPath>(&path);
  if (parts == nullptr) return;
  expect(parts->text() == put.name);
  const ExportedEntry entry{*parts, put.facts};
  const auto looked = target.look(entry);
  if (!looked || std::holds_alternative<SkipReason>(*looked)) return;
  Verdict verdict = std::get<Verdict>(*looked);
  if (verdict == Verdict::compare) {
    const MemoryNodePtr there = node_at(world, *parts);
    const Facts facts{Facts::Kind::file, there->contents.size(), there->executable, {}, there->modified};
    verdict = after_comparing(put.facts, facts, there->contents == put.contents);
  }
  OrSkip<Verdict> done = Verdict::same;
  if (verdict == Verdict::same)
    target.note_same(*parts);
  else if (verdict == Verdict::attributes)
    done = target.set_attributes(entry);
  else if (put.facts.kind == Facts::Kind::link)
    done = target.put_link(entry);
  else
    done = target.write(entry, as_bytes(put.contents));
  if (!done || std::holds_alternative<SkipReason>(*done)) return;
  const MemoryNodePtr node = node_at(world, *parts);
  if (put.facts.kind == Facts::Kind::file) {
    expect(node->kind == FileKind::file && node->executable == put.facts.executable);
    expect(node->contents.size() == put.contents.size());
  } else {
    expect(node->kind == FileKind::link);
  }
}

// What lies in the folder and not in the store's: no temporary names; links of ours that lead nowhere
// outside.
void look_through(const World& world, const MemoryNodePtr& folder, const std::set<std::uint64_t>& users) {
  for (const auto& [name, child] : folder->children) {
    expect(!is_temporary_name(name));
    if (child == world.store) continue;
    if (child->kind == FileKind::folder) look_through(world, child, users);
    if (child->kind != FileKind::link || users.contains(child->number)) continue;
    // Followed as the kernel would; those that the user had there may lead anywhere.
    const auto followed = MemoryDirectory(world.files, folder).follow(name);
    if (!followed) continue;
    const auto is_users = [&](std::uint64_t number) { return users.contains(number); };
    if (std::any_of(followed->links.begin(), followed->links.end(), is_users)) continue;
    expect(is_below(followed->node, world.dest));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Choices choices(data, size);
  World world(choices);
  const std::string before = world.untouchable();
  std::set<std::uint64_t> users;  // links that were there before
  for (const auto& [name, child] : world.dest->children) {
    if (child->kind == FileKind::link) users.insert(child->number);
    for (const auto& [below, grandchild] : child->children)
      if (grandchild->kind == FileKind::link) users.insert(grandchild->number);
  }
  std::map<std::string, Put> entries;  // in the order in which an archive lists them
  while (choices.left() && entries.size() < 40) {
    Put put = next_entry(choices);
    entries.insert_or_assign(put.name, std::move(put));
  }
  const auto run = [&] {
    ExportRules rules;
    rules.root = "/dest";
    rules.store = FileIdentity{1, world.store->number};
    TargetFolder target(std::make_shared<MemoryDirectory>(world.files, world.dest), rules);
    const auto is_last = [](const Put& put) {
      return put.facts.kind == Facts::Kind::link && goes_down_and_up(put.facts.link_text);
    };
    for (const bool last : {false, true})
      for (const auto& [name, put] : entries)
        if (is_last(put) == last) export_one(target, world, put);
    expect(world.untouchable() == before);
    look_through(world, world.dest, users);
  };
  // The first run may replace a user's link on which the text of an entry before it depended.
  std::uint64_t changes = 0;
  for (int runs = 0; changes != world.files->changes; ++runs) {
    expect(runs < 4);
    changes = world.files->changes;
    run();
  }
  return 0;
}
