// Folders of the disk, by descriptor.
#pragma once

#include <filesystem>
#include <optional>
#include <sys/types.h>

#include "engine/peer_node/descriptor.hpp"
#include "engine/peer_node/files/directory.hpp"

namespace sheaf::peer_node::files {

class DiskDirectory final : public Directory {
 public:
  // How a folder inside another is opened: openat2() lets the kernel refuse every link; where it is not to be
  // had, O_NOFOLLOW does the same for the one part that a name is.
  enum class Opening { best, without_openat2 };

  // The folder that a user names; links in that path are the user's own, and followed. `create`: made, with
  // its parents, where there is none. Files and folders that are made here and below come out as with this
  // umask; without one, as with that of the process.
  static Result<std::unique_ptr<DiskDirectory>> at(const std::filesystem::path& path, bool create,
                                                   Opening opening = Opening::best,
                                                   std::optional<mode_t> mask = std::nullopt);

  // Its path without any link in it, at this moment.
  Result<std::string> path() const;
  // The folder that it lies in; its own identity at the top.
  Result<std::unique_ptr<DiskDirectory>> parent() const;

  FileIdentity identity() const override { return identity_; }
  Result<std::unique_ptr<Directory>> open(const std::string& name) override;
  Result<void> make_folder(const std::string& name) override;
  Result<std::optional<FileStatus>> status(const std::string& name) override;
  Result<std::string> link_text(const std::string& name) override;
  Result<std::unique_ptr<OldFile>> read(const std::string& name) override;
  Result<std::unique_ptr<NewFile>> create(const std::string& temporary) override;
  Result<FileStatus> put_link(const std::string& text, const std::string& temporary, const std::string& name,
                              std::optional<Milliseconds> modified) override;
  Result<void> set(const std::string& name, bool executable, std::optional<Milliseconds> modified) override;
  Result<void> remove(const std::string& name) override;
  Result<void> remove_folder(const std::string& name) override;
  Result<void> remove_left_over(const std::string& temporary) override;
  Result<std::vector<Listed>> list(const Wanted& wanted) override;
  Result<Space> space() override;

 private:
  DiskDirectory(Descriptor folder, FileIdentity identity, Opening opening, std::optional<mode_t> mask);
  static Result<std::unique_ptr<DiskDirectory>> adopt(Descriptor folder, Opening opening,
                                                      std::optional<mode_t> mask);

  Descriptor folder_;
  FileIdentity identity_;
  Opening opening_;
  std::optional<mode_t> mask_;
};

// Whether it is that folder or lies below it.
bool lies_in(const DiskDirectory& folder, const FileIdentity& other);

}  // namespace sheaf::peer_node::files
