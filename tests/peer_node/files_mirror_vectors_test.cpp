// Exports and imports held against what mirror-drive did with the same trees (vectors drive/mirror.json),
// where the contract is the same. Where ours differs, the difference is in this file: a link at the place of
// a file is replaced and not written through, so that `/same` and `/link-to-file` end as the archive has
// them.
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "engine/peer_node/files/prune.hpp"
#include "tests/peer_node/files_support.hpp"
#include "tests/support/memory_files.hpp"
#include "tests/support/vectors.hpp"

namespace sheaf::peer_node::files {
namespace {

using Json = nlohmann::json;
using Tree = std::map<std::string, test::PutEntry>;
using Operations = std::vector<std::string>;  // "add /a", sorted

Tree tree_of(const Json& side) {
  Tree tree;
  for (const auto& [name, value] : side.items())
    tree.emplace(name, value.contains("link")
                           ? test::link_entry(name, value["link"])
                           : test::file_entry(name, value["data"], value.value("x", false)));
  return tree;
}

struct Mirror {
  std::shared_ptr<test::MemoryFiles> files = std::make_shared<test::MemoryFiles>();
  std::shared_ptr<Directory> root = std::make_shared<test::MemoryDirectory>(files, files->top);

  TargetFolder target() { return TargetFolder(root, {}); }

  void fill(const Tree& tree) {
    TargetFolder into = target();
    for (const auto& [name, entry] : tree) REQUIRE(test::put(into, entry) == "add");
  }

  Operations prune(const Tree& source, bool dry_run) {
    Operations done;
    Prune pruning(
        root, {}, [&](const std::string& path) { return source.contains(path); }, dry_run);
    for (auto next = pruning.next(); next.value(); next = pruning.next())
      done.push_back("remove " + (*next)->path);
    return done;
  }

  Operations put(const Tree& source) {
    Operations done;
    TargetFolder into = target();
    for (const auto& [name, entry] : source)
      if (const std::string what = test::put(into, entry); !what.empty()) done.push_back(what + " " + name);
    return done;
  }

  // The tree as it is, in the form of the vectors' "after", without metadata.
  std::vector<Json> after() const {
    std::vector<Json> out;
    FolderWalk walk(root, {});
    for (auto found = walk.next(); found.value(); found = walk.next()) {
      const auto status = std::get<FileStatus>((*found)->is);
      const Json name = "/" + (*found)->path;
      if (status.kind == FileKind::link) {
        out.push_back({name, false, (*found)->parent->link_text((*found)->name).value(), nullptr});
        continue;
      }
      Buffer contents(status.bytes + 1);
      const auto file = (*found)->parent->read((*found)->name);
      const std::size_t bytes = (*file)->read(contents).value();
      out.push_back({name, status.executable, nullptr, std::string(as_text(Bytes(contents).first(bytes)))});
    }
    return out;
  }
};

Operations operations_of(const Json& vector) {
  Operations out;
  for (const auto& operation : vector["ops"])
    out.push_back(operation[0].get<std::string>() + " " + operation[1].get<std::string>());
  return out;
}

// What mirror-drive changed only because it had written through a link.
void forget_faults(Operations& operations) { std::erase(operations, "change /same"); }

std::vector<Json> after_of(const Json& vector) {
  std::vector<Json> out;
  for (const auto& entry : vector["after"]) {
    Json row = {entry[0], entry[1], entry[2], entry[3]};
    if (row[0] == "/link-to-file" && row[2] == "/same" && vector["opts"] != Json{{"dryRun", true}})
      row = {"/link-to-file", false, nullptr, "f"};
    out.push_back(row);
  }
  return out;
}

TEST_CASE("an export does what mirror-drive does, but for its faults") {
  const Json& vectors = test::vectors("drive/mirror.json");
  const Tree source = tree_of(vectors["src"]);
  int cases = 0;
  for (const auto& vector : vectors["cases"]) {
    const Json& options = vector["opts"];
    const bool dry_run = options == Json{{"dryRun", true}};
    const bool prune = options != Json{{"prune", false}};
    if (vector["target"] != "localdrive" || !(options.empty() || dry_run || !prune)) continue;
    CAPTURE(vector["name"].get<std::string>());
    ++cases;
    Mirror mirror;
    mirror.fill(tree_of(vectors["dst"]));
    Operations expected = operations_of(vector);
    forget_faults(expected);
    if (dry_run) {
      const std::uint64_t before = mirror.files->changes;
      Operations done = mirror.prune(source, true);
      TargetFolder into = mirror.target();
      for (const auto& [name, entry] : source) {
        const auto path = std::get<EntryPath>(path_of_entry(name));
        const auto verdict = std::get<Verdict>(into.look({path, entry.facts}).value());
        if (verdict == Verdict::add || verdict == Verdict::change)
          done.push_back((verdict == Verdict::add ? "add " : "change ") + name);
      }
      // Those that only their contents tell apart are in the vectors too, and need the comparison.
      std::erase_if(expected, [&](const std::string& line) {
        return line == "change /changed" || line == "change /exec";
      });
      CHECK(done == expected);
      CHECK(mirror.files->changes == before);
      continue;
    }
    Operations done;
    if (prune) done = mirror.prune(source, false);
    const Operations put = mirror.put(source);
    done.insert(done.end(), put.begin(), put.end());
    CHECK(done == expected);
    CHECK(mirror.after() == after_of(vector));
    CHECK(mirror.put(source).empty());  // and a second run finds nothing to do
    if (prune) CHECK(mirror.prune(source, false).empty());
  }
  CHECK(cases == 3);
}

TEST_CASE("what an import decides is what mirror-drive does between drives") {
  const Json& vectors = test::vectors("drive/mirror.json");
  const Tree source = tree_of(vectors["src"]), destination = tree_of(vectors["dst"]);
  Operations expected;
  for (const auto& vector : vectors["cases"])
    if (vector["target"] == "hyperdrive" && vector["opts"] == Json{{"prune", false}})
      expected = operations_of(vector);
  REQUIRE(!expected.empty());
  Operations decided;
  for (const auto& [name, entry] : source) {
    const auto other = destination.find(name);
    const auto there = other == destination.end() ? std::nullopt : std::optional(other->second.facts);
    Verdict verdict = decide(entry.facts, there, false);
    if (verdict == Verdict::compare)
      verdict = after_comparing(entry.facts, *there, entry.contents == other->second.contents);
    if (verdict == Verdict::add) decided.push_back("add " + name);
    if (verdict == Verdict::change || verdict == Verdict::attributes) decided.push_back("change " + name);
  }
  // A folder holds no metadata to hold against an entry's.
  std::erase(expected, "change /meta");
  CHECK(decided == expected);
}

TEST_CASE("where the file system takes two names for one, the second is reported") {
  Mirror mirror;
  mirror.files->folds_case = true;
  mirror.files->make(mirror.files->top, "Old", FileKind::file, "old");
  const auto same = std::string(to_string(SkipReason::same_file));
  for (int run = 0; run < 2; ++run) {
    TargetFolder into = mirror.target();
    CHECK(test::put(into, test::file_entry("/README", "upper")) == (run == 0 ? "add" : ""));
    CHECK(test::put(into, test::file_entry("/readme", "lower")) == same);
    CHECK(test::put(into, test::link_entry("/ReadMe", "x")) == same);
    CHECK(test::put(into, test::file_entry("/old", "new")) == (run == 0 ? "change" : ""));
  }
  CHECK(mirror.files->top->children.at("readme")->contents == "upper");
}

}  // namespace
}  // namespace sheaf::peer_node::files
