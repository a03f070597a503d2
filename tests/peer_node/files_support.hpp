// Shared by the tests of import and export: entries put into a TargetFolder as the command does it.
#pragma once

#include <string>
#include <vector>

#include "engine/peer_node/files/target_folder.hpp"

namespace sheaf::test {

struct PutEntry {
  std::string name;
  peer_node::files::Facts facts;
  std::string contents;
};

inline PutEntry file_entry(std::string name, std::string contents, bool executable = false,
                           std::optional<peer_node::files::Milliseconds> modified = {}) {
  using Kind = peer_node::files::Facts::Kind;
  return {std::move(name), {Kind::file, contents.size(), executable, {}, modified}, contents};
}

inline PutEntry link_entry(std::string name, std::string text) {
  return {std::move(name), {peer_node::files::Facts::Kind::link, 0, false, std::move(text), {}}, {}};
}

// What became of an entry: "add", "change", "" when there was nothing to do, or the reason or error.
inline std::string put(peer_node::files::TargetFolder& target, const PutEntry& entry) {
  using namespace peer_node::files;
  const auto path = path_of_entry(entry.name);
  if (const auto* reason = std::get_if<SkipReason>(&path)) return std::string(to_string(*reason));
  const ExportedEntry exported{std::get<EntryPath>(path), entry.facts};
  const auto shown = [](const auto& done) -> std::string {
    if (!done) return done.error().message();
    if (const auto* reason = std::get_if<SkipReason>(&*done)) return std::string(to_string(*reason));
    return {};
  };
  const auto looked = target.look(exported);
  if (const std::string wrong = shown(looked); !wrong.empty()) return wrong;
  Verdict verdict = std::get<Verdict>(*looked);
  if (verdict == Verdict::compare) {
    const auto old = target.read(exported.path);
    if (!old) return old.error().message();
    Buffer there(entry.contents.size() + 1);
    std::size_t filled = 0;
    for (std::size_t got = 1; got > 0; filled += got)
      got = (*old)->read(MutableBytes(there).subspan(filled)).value();
    const auto status = (*old)->status().value();
    const Facts facts{Facts::Kind::file, status.bytes, status.executable, {}, status.modified};
    verdict =
        after_comparing(entry.facts, facts, equal(Bytes(there).first(filled), as_bytes(entry.contents)));
  }
  OrSkip<Verdict> done = Verdict::same;
  if (verdict == Verdict::same) {
    target.note_same(exported.path);
    return {};
  }
  if (verdict == Verdict::attributes)
    done = target.set_attributes(exported);
  else if (entry.facts.kind == Facts::Kind::link)
    done = target.put_link(exported);
  else
    done = target.write(exported, as_bytes(entry.contents));
  if (const std::string wrong = shown(done); !wrong.empty()) return wrong;
  return std::get<Verdict>(*done) == Verdict::add ? "add" : "change";
}

}  // namespace sheaf::test
