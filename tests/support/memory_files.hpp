// A file system in memory, for tests and fuzzing of what writes into folders: it takes paths as a kernel
// does.
//
// A name that is given to a folder may hold slashes and ".." and is then resolved, through links too, as
// openat() and its kin would: so a name that should never have come here leads where it would lead on a disk,
// and whoever holds the whole tree sees what was touched outside.
#pragma once

#include <algorithm>
#include <cctype>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/system/errc.hpp>

#include "engine/peer_node/files/directory.hpp"

namespace sheaf::test {

struct MemoryNode {
  peer_node::files::FileKind kind = peer_node::files::FileKind::folder;
  std::string contents;  // of a file; the text of a link
  bool executable = false;
  peer_node::files::Milliseconds modified = 0;
  std::uint64_t number = 0;
  std::uint64_t names = 1;
  std::map<std::string, std::shared_ptr<MemoryNode>> children;
  std::weak_ptr<MemoryNode> parent;
};

using MemoryNodePtr = std::shared_ptr<MemoryNode>;

// The whole tree, and the state that all its folders share.
struct MemoryFiles {
  MemoryNodePtr top = std::make_shared<MemoryNode>();
  bool folds_case = false;
  std::uint64_t free_bytes = std::uint64_t{1} << 40;
  std::uint64_t size = 0;
  std::uint64_t next_number = 1;
  std::uint64_t changes = 0;    // calls that changed the tree
  std::size_t most_listed = 0;  // names that one listing held

  std::string key(const std::string& name) const {
    std::string out = name;
    if (folds_case)
      std::transform(out.begin(), out.end(), out.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return out;
  }
  MemoryNodePtr make(const MemoryNodePtr& in, const std::string& name, peer_node::files::FileKind kind,
                     std::string contents = {}) {
    auto node = std::make_shared<MemoryNode>();
    node->kind = kind;
    node->contents = std::move(contents);
    node->number = next_number++;
    node->parent = in;
    in->children[key(name)] = node;
    ++changes;
    return node;
  }
};

class MemoryDirectory final : public peer_node::files::Directory {
 public:
  using FileKind = peer_node::files::FileKind;
  using FileStatus = peer_node::files::FileStatus;
  using Milliseconds = peer_node::files::Milliseconds;
  using NewFile = peer_node::files::NewFile;
  using OldFile = peer_node::files::OldFile;

  MemoryDirectory(std::shared_ptr<MemoryFiles> files, MemoryNodePtr folder)
      : files_(std::move(files)), folder_(std::move(folder)) {}

  peer_node::files::FileIdentity identity() const override { return {1, folder_->number}; }

  Result<std::unique_ptr<Directory>> open(const std::string& name) override {
    const auto place = find(name);
    if (!place) return place.error();
    if (!place->node) return error(boost::system::errc::no_such_file_or_directory);
    if (place->node->kind == FileKind::link) return error(boost::system::errc::too_many_symbolic_link_levels);
    if (place->node->kind != FileKind::folder) return error(boost::system::errc::not_a_directory);
    return std::unique_ptr<Directory>(std::make_unique<MemoryDirectory>(files_, place->node));
  }
  Result<void> make_folder(const std::string& name) override {
    const auto place = find(name);
    if (!place) return place.error();
    if (place->node) return error(boost::system::errc::file_exists);
    files_->make(place->folder, place->last, FileKind::folder);
    return {};
  }
  Result<std::optional<FileStatus>> status(const std::string& name) override {
    const auto place = find(name);
    if (!place) return place.error();
    if (!place->node) return std::optional<FileStatus>();
    return std::optional(status_of(*place->node));
  }
  Result<std::string> link_text(const std::string& name) override {
    const auto place = find(name);
    if (!place) return place.error();
    if (!place->node || place->node->kind != FileKind::link)
      return error(boost::system::errc::invalid_argument);
    return place->node->contents;
  }
  Result<std::unique_ptr<OldFile>> read(const std::string& name) override {
    const auto place = find(name);
    if (!place) return place.error();
    if (!place->node) return error(boost::system::errc::no_such_file_or_directory);
    if (place->node->kind != FileKind::file) return error(boost::system::errc::no_such_device);
    return std::unique_ptr<OldFile>(std::make_unique<Old>(place->node));
  }
  Result<std::unique_ptr<NewFile>> create(const std::string& temporary) override {
    const auto place = find(temporary);
    if (!place) return place.error();
    if (place->node) return error(boost::system::errc::file_exists);
    files_->make(place->folder, place->last, FileKind::file);
    return std::unique_ptr<NewFile>(std::make_unique<New>(*this, temporary));
  }
  Result<FileStatus> put_link(const std::string& text, const std::string& temporary, const std::string& name,
                              std::optional<Milliseconds> modified) override {
    const auto place = find(temporary);
    if (!place) return place.error();
    if (place->node) return error(boost::system::errc::file_exists);
    auto node = files_->make(place->folder, place->last, FileKind::link, text);
    node->modified = modified.value_or(0);
    if (auto renamed = rename(temporary, name); !renamed) return renamed.error();
    return status_of(*node);
  }
  Result<void> set(const std::string& name, bool executable, std::optional<Milliseconds> modified) override {
    const auto place = find(name);
    if (!place) return place.error();
    if (!place->node || place->node->kind != FileKind::file)
      return error(boost::system::errc::no_such_device);
    place->node->executable = executable;
    if (modified) place->node->modified = *modified;
    ++files_->changes;
    return {};
  }
  Result<void> remove(const std::string& name) override { return erase(name, false); }
  Result<void> remove_folder(const std::string& name) override { return erase(name, true); }
  Result<void> remove_left_over(const std::string& temporary) override { return erase(temporary, false); }
  Result<std::vector<peer_node::files::Listed>> list(const Wanted& wanted) override {
    std::vector<peer_node::files::Listed> found;
    for (const auto& [name, node] : folder_->children) {
      peer_node::files::Listed one{name, node->kind};
      if (wanted(one)) found.push_back(std::move(one));
    }
    files_->most_listed = std::max(files_->most_listed, found.size());
    // In no order that anybody could come to rely on.
    std::reverse(found.begin(), found.end());
    return found;
  }
  Result<Space> space() override { return Space{files_->free_bytes, files_->size}; }

  // Where the kernel gets to that follows a link to its end: what is there, or the folder in which it is
  // missing; and the links on the way. Nothing: a loop, or a way through what is no folder.
  struct Followed {
    MemoryNodePtr node;
    std::vector<std::uint64_t> links;
  };
  std::optional<Followed> follow(const std::string& name) const {
    Followed followed;
    auto place = find(folder_, name, 0, &followed.links);
    for (int depth = 0; place && place->node && place->node->kind == FileKind::link; ++depth) {
      if (depth > 40) return std::nullopt;
      followed.links.push_back(place->node->number);
      place = find(place->folder, place->node->contents, depth, &followed.links);
    }
    if (!place) return std::nullopt;
    followed.node = place->node ? place->node : place->folder;
    return followed;
  }

 private:
  // Where a path leads: its last part in a folder, and what has that name.
  struct Place {
    MemoryNodePtr folder;
    std::string last;
    MemoryNodePtr node;
  };

  class Old final : public OldFile {
   public:
    explicit Old(MemoryNodePtr node) : node_(std::move(node)) {}
    Result<FileStatus> status() override { return status_of(*node_); }
    Result<std::size_t> read(MutableBytes into) override {
      const std::size_t count = std::min(into.size(), node_->contents.size() - at_);
      const Bytes from = as_bytes(std::string_view(node_->contents).substr(at_, count));
      std::copy(from.begin(), from.end(), into.begin());
      at_ += count;
      return count;
    }

   private:
    MemoryNodePtr node_;
    std::size_t at_ = 0;
  };

  class New final : public NewFile {
   public:
    New(const MemoryDirectory& folder, std::string temporary)
        : folder_(std::make_unique<MemoryDirectory>(folder.files_, folder.folder_)),
          temporary_(std::move(temporary)) {}
    ~New() override {
      if (!temporary_.empty()) [[maybe_unused]]
        const auto removed = folder_->remove(temporary_);
    }
    Result<void> write(Bytes bytes) override {
      folder_->find(temporary_)->node->contents += as_text(bytes);
      return {};
    }
    Result<FileStatus> publish(const std::string& name, bool executable,
                               std::optional<Milliseconds> modified) override {
      const MemoryNodePtr node = folder_->find(temporary_)->node;
      node->executable = executable;
      node->modified = modified.value_or(0);
      if (auto renamed = folder_->rename(temporary_, name); !renamed) return renamed.error();
      temporary_.clear();
      return status_of(*node);
    }

   private:
    std::unique_ptr<MemoryDirectory> folder_;
    std::string temporary_;
  };

  static Error error(boost::system::errc::errc_t code) { return boost::system::errc::make_error_code(code); }

  static FileStatus status_of(const MemoryNode& node) {
    return {node.kind, node.contents.size(), node.modified, node.executable, node.names, {1, node.number}};
  }

  static bool is_folder(const MemoryNodePtr& node) { return node && node->kind == FileKind::folder; }

  Result<Place> find(const std::string& path) const { return find(folder_, path, 0); }

  // As the kernel: links are followed on the way, the last part is taken for itself.
  Result<Place> find(MemoryNodePtr from, const std::string& path, int depth,
                     std::vector<std::uint64_t>* links = nullptr) const {
    if (depth > 40) return error(boost::system::errc::too_many_symbolic_link_levels);
    // Where a C string ends, the kernel's path ends.
    std::string rest = path.substr(0, path.find('\0'));
    if (rest.empty()) return error(boost::system::errc::no_such_file_or_directory);
    if (rest.front() == '/') from = files_->top;
    Place place{from, ".", from};
    for (std::size_t at = 0; at < rest.size();) {
      const std::size_t end = std::min(rest.find('/', at), rest.size());
      const std::string part = rest.substr(at, end - at);
      at = end + 1;
      if (part.empty() || part == ".") continue;
      if (part.size() > 255) return error(boost::system::errc::filename_too_long);
      if (!place.node) return error(boost::system::errc::no_such_file_or_directory);
      if (place.node->kind == FileKind::link) {
        if (links != nullptr) links->push_back(place.node->number);
        auto target = find(place.folder, place.node->contents, depth + 1, links);
        if (!target) return target.error();
        place = std::move(*target);
      }
      if (!is_folder(place.node)) return error(boost::system::errc::not_a_directory);
      const MemoryNodePtr folder = place.node;
      if (part == "..") {
        const MemoryNodePtr up = folder == files_->top ? folder : folder->parent.lock();
        place = {up, ".", up};
        continue;
      }
      const auto child = folder->children.find(files_->key(part));
      place = {folder, part, child == folder->children.end() ? nullptr : child->second};
    }
    return place;
  }

  Result<void> rename(const std::string& from, const std::string& to) {
    const auto source = find(from);
    const auto target = find(to);
    if (!source) return source.error();
    if (!target) return target.error();
    if (!source->node) return error(boost::system::errc::no_such_file_or_directory);
    if (is_folder(target->node)) return error(boost::system::errc::is_a_directory);
    source->folder->children.erase(files_->key(source->last));
    target->folder->children[files_->key(target->last)] = source->node;
    source->node->parent = target->folder;
    ++files_->changes;
    return {};
  }

  Result<void> erase(const std::string& name, bool folder) {
    const auto place = find(name);
    if (!place) return place.error();
    if (!place->node) return error(boost::system::errc::no_such_file_or_directory);
    if (is_folder(place->node) != folder)
      return error(folder ? boost::system::errc::not_a_directory : boost::system::errc::is_a_directory);
    if (folder && !place->node->children.empty()) return error(boost::system::errc::directory_not_empty);
    place->folder->children.erase(files_->key(place->last));
    ++files_->changes;
    return {};
  }

  std::shared_ptr<MemoryFiles> files_;
  MemoryNodePtr folder_;
};

}  // namespace sheaf::test
