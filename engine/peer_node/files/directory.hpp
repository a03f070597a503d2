// A folder as imports and exports see it: by a handle, one name at a time, and never through a link.
//
// A handle stays on the folder that was opened, whatever happens to the names that led there; so nothing can
// be put between a check and a use. The disk's is DiskDirectory; tests have one in memory.
//
// Every name is a single part of a path (EntryPath). Errors are the system's: not_a_directory or
// too_many_symbolic_link_levels where a link is met.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sheaf/protocol/bytes.hpp"
#include "sheaf/protocol/error.hpp"

namespace sheaf::peer_node::files {

enum class FileKind { file, folder, link, other };

// The same for two names of one thing.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t number = 0;
  auto operator<=>(const FileIdentity&) const = default;
};

using Milliseconds = std::int64_t;  // since 1970, as the times of entries are given

struct FileStatus {
  FileKind kind = FileKind::other;
  std::uint64_t bytes = 0;
  Milliseconds modified = 0;  // rounded down
  bool executable = false;    // for its owner
  std::uint64_t names = 1;    // hard links
  FileIdentity identity;
  bool operator==(const FileStatus&) const = default;
};

// A file that is read. It is what was opened, even if its name means something else by now.
class OldFile {
 public:
  virtual ~OldFile() = default;
  virtual Result<FileStatus> status() = 0;
  // At least one byte, or 0 at the end.
  virtual Result<std::size_t> read(MutableBytes into) = 0;
};

// A file under a temporary name. It appears under its own at once and whole, or not at all; who is destroyed
// unpublished, or dies, leaves at most the temporary name.
class NewFile {
 public:
  virtual ~NewFile() = default;
  virtual Result<void> write(Bytes bytes) = 0;
  // Takes the place of a file or a link of that name. A time that the file system cannot hold is left out.
  // Gives what is there now.
  virtual Result<FileStatus> publish(const std::string& name, bool executable,
                                     std::optional<Milliseconds> modified) = 0;
};

struct Listed {
  std::string name;
  FileKind kind;
  auto operator<=>(const Listed&) const = default;
};

class Directory {
 public:
  virtual ~Directory() = default;

  virtual FileIdentity identity() const = 0;
  // A folder in this one.
  virtual Result<std::unique_ptr<Directory>> open(const std::string& name) = 0;
  virtual Result<void> make_folder(const std::string& name) = 0;
  // Of the name itself, not of what a link leads to. Nothing: there is no such name.
  virtual Result<std::optional<FileStatus>> status(const std::string& name) = 0;
  virtual Result<std::string> link_text(const std::string& name) = 0;
  // A file to be read; anything else is an error, and nothing waits for a pipe's other end.
  virtual Result<std::unique_ptr<OldFile>> read(const std::string& name) = 0;
  // Begins a file under that temporary name, which nothing has.
  virtual Result<std::unique_ptr<NewFile>> create(const std::string& temporary) = 0;
  // Puts a link, as NewFile does it.
  virtual Result<FileStatus> put_link(const std::string& text, const std::string& temporary,
                                      const std::string& name, std::optional<Milliseconds> modified) = 0;
  // The executable bit and the time of a file that is there.
  virtual Result<void> set(const std::string& name, bool executable,
                           std::optional<Milliseconds> modified) = 0;
  virtual Result<void> remove(const std::string& name) = 0;         // a file or a link
  virtual Result<void> remove_folder(const std::string& name) = 0;  // an empty one
  // Removes a temporary file that nobody is writing any more.
  virtual Result<void> remove_left_over(const std::string& temporary) = 0;
  // What is wanted of what is in it, in no order. The rest is not kept: folders may be larger than memory.
  using Wanted = std::function<bool(const Listed&)>;
  virtual Result<std::vector<Listed>> list(const Wanted& wanted) = 0;
  // Bytes that may still be written, and the size of the file system.
  struct Space {
    std::uint64_t free = 0;
    std::uint64_t size = 0;
  };
  virtual Result<Space> space() = 0;
};

}  // namespace sheaf::peer_node::files
