// What a core was seen to be: what its writer acknowledged, what a folder on disk holds, and every signed
// head that was ever shown.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "protocol/tree_head.hpp"
#include "tests/crash_writer/script.hpp"
#include "tests/support/scratch_folder.hpp"

namespace sheaf::test {

// Memory where there is some: what is not on the medium yet survives the end of a process all the same.
class CrashFolder : public ScratchFolder {
 public:
  CrashFolder();
};

// A core as it lies in a folder that nobody holds. Reading it checks the signature, and each block with its
// leaf.
struct Stored {
  TreeHead head;                              // empty: nothing signed is there
  std::vector<std::optional<Buffer>> blocks;  // those that are held; as many places as the length
  std::uint64_t held = 0;
};
// By the key's text, or by the name of an own core. Nothing: the folder has no such core.
std::optional<Stored> read_stored(const std::string& folder, const std::string& key_or_name);

// A core's blocks and head as a writer has them.
class Written {
 public:
  void append(const std::vector<Buffer>& blocks);
  void truncate(std::uint64_t length);
  void apply(const WriterStep& step);

  const TreeHead& head() const { return head_; }
  std::uint64_t length() const { return blocks_.size(); }
  const std::vector<Buffer>& blocks() const { return blocks_; }
  // The same history, and every block of it is there.
  bool is(const Stored& stored) const;
  // Each block that is held is the one written, and the head is one of ours, this long or shorter.
  bool begins_with(const Stored& stored) const;

 private:
  TreeHead head_;
  std::vector<Buffer> blocks_;
};

// Each (fork, length) has one tree, for ever; and seen from one place a core only goes on: to a higher fork,
// or to a greater length of the same one.
class Ledger {
 public:
  void note(const TreeHead& head);
  std::size_t heads() const { return trees_.size(); }

 private:
  std::map<std::pair<std::uint64_t, std::uint64_t>, Hash> trees_;
};

bool goes_on(const TreeHead& before, const TreeHead& after);

}  // namespace sheaf::test
