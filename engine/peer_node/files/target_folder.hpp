// A folder into which entries are exported.
//
// Names come from strangers and the folder may be changed by others meanwhile: everything goes by handles, a
// link is replaced and never followed, a file appears whole under its name or not at all, and what cannot be
// is reported for that entry while the rest goes on. Calls block and are made one at a time.
//
// An entry is exported by look(); then, as its verdict says, by write(), begin() and finish(), put_link(),
// set_attributes() or note_same(). Each of these checks again what look() saw.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engine/peer_node/files/decision.hpp"
#include "engine/peer_node/files/directory.hpp"
#include "engine/peer_node/files/entry_path.hpp"
#include "engine/peer_node/files/link_text.hpp"
#include "engine/peer_node/files/number_set.hpp"

namespace sheaf::peer_node::files {

struct ExportedEntry {
  EntryPath path;
  Facts facts;
};

struct ExportRules {
  bool checksum = false;
  bool unsafe_links = false;
  std::optional<std::uint64_t> most_bytes;  // of all entries together
  std::uint64_t free_bytes = 0;       // L20: the floor, or a hundredth of the file system if that is more
  std::optional<FileIdentity> store;  // the folder of the store: never written, never entered
  std::string root;                   // the folder's path, for absolute links
  bool dry_run = false;               // nothing is written: what is absent counts as a folder of the archive
  std::uint64_t first_number = 0;     // of temporary names: drawn at random
};

// A value, a reason to pass the entry over, or what the system said.
template <class T>
using OrSkip = Result<std::variant<T, SkipReason>>;

class TargetFolder {
 public:
  TargetFolder(std::shared_ptr<Directory> root, ExportRules rules);

  // Changes nothing, but counts the entry's bytes: called once for each, in the order of their names.
  OrSkip<Verdict> look(const ExportedEntry& entry);

  // The file that is there, for comparing. Requires: look() said `compare`.
  Result<std::unique_ptr<OldFile>> read(const EntryPath& path);

  // A whole file. Gives whether one was there before.
  OrSkip<Verdict> write(const ExportedEntry& entry, Bytes contents);

  // The same for contents that come in pieces.
  OrSkip<std::unique_ptr<NewFile>> begin(const ExportedEntry& entry);
  OrSkip<Verdict> finish(const ExportedEntry& entry, NewFile& file);

  OrSkip<Verdict> put_link(const ExportedEntry& entry);
  OrSkip<Verdict> set_attributes(const ExportedEntry& entry);
  // The contents were compared and nothing is to be done: from here on the file is this entry's.
  void note_same(const EntryPath& path);

 private:
  // The folder that a path leads to, if it is there.
  using Way = Result<std::variant<Directory*, SkipReason, std::monostate>>;
  enum class Make { no, yes };
  struct Step {
    std::string name;
    std::shared_ptr<Directory> folder;
    bool is_clean = false;  // of files that an earlier run left over
  };

  Way parent_of(const EntryPath& path, Make make);
  Way step_into(const std::string& name, Make make);
  void clean();
  OrSkip<Directory*> parent_for_writing(const EntryPath& path);

  // What is at the place of a file or link, if that may be replaced.
  OrSkip<std::optional<FileStatus>> place(Directory& folder, const EntryPath& path) const;
  OrSkip<std::optional<FileStatus>> place_for_writing(const ExportedEntry& entry, Directory*& folder);
  Result<std::optional<Facts>> facts_of(Directory& folder, const EntryPath& path,
                                        const std::optional<FileStatus>& status) const;
  std::variant<std::string, SkipReason> text_for(const ExportedEntry& entry) const;
  bool is_folder(const EntryPath& path) const;
  std::optional<SkipReason> count(const ExportedEntry& entry);
  std::optional<SkipReason> lack_of_room(Directory& folder, std::uint64_t bytes) const;
  void keep(const FileStatus& status);

  ExportRules rules_;
  std::vector<Step> steps_;  // the way from the root, which is the first, to where we are
  std::uint64_t next_number_;
  std::uint64_t bytes_ = 0;  // of the entries so far
  NumberSet kept_;           // files that entries of this export are
};

}  // namespace sheaf::peer_node::files
