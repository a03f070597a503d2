// A folder that is not there, for looking at what would be written into it.
#pragma once

#include <boost/system/errc.hpp>

#include "engine/peer_node/files/directory.hpp"

namespace sheaf::peer_node::files {

// Empty; whatever would need it to be there fails.
class AbsentFolder final : public Directory {
 public:
  FileIdentity identity() const override { return {}; }
  Result<std::unique_ptr<Directory>> open(const std::string&) override { return absent(); }
  Result<void> make_folder(const std::string&) override { return absent(); }
  Result<std::optional<FileStatus>> status(const std::string&) override {
    return std::optional<FileStatus>();
  }
  Result<std::string> link_text(const std::string&) override { return absent(); }
  Result<std::unique_ptr<OldFile>> read(const std::string&) override { return absent(); }
  Result<std::unique_ptr<NewFile>> create(const std::string&) override { return absent(); }
  Result<FileStatus> put_link(const std::string&, const std::string&, const std::string&,
                              std::optional<Milliseconds>) override {
    return absent();
  }
  Result<void> set(const std::string&, bool, std::optional<Milliseconds>) override { return absent(); }
  Result<void> remove(const std::string&) override { return absent(); }
  Result<void> remove_folder(const std::string&) override { return absent(); }
  Result<void> remove_left_over(const std::string&) override { return absent(); }
  Result<std::vector<Listed>> list(const Wanted&) override { return std::vector<Listed>(); }
  Result<Space> space() override { return absent(); }

 private:
  static Error absent() {
    return boost::system::errc::make_error_code(boost::system::errc::no_such_file_or_directory);
  }
};

}  // namespace sheaf::peer_node::files
