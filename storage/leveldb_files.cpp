#include "storage/leveldb_files.hpp"

#include <algorithm>
#include <charconv>
#include <fcntl.h>
#include <memory>
#include <optional>
#include <unistd.h>
#include <vector>

namespace sheaf {
namespace {

std::optional<std::uint64_t> log_number(const std::string& name) {
  std::uint64_t number = 0;
  const char* end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data(), end, number);
  if (error != std::errc() || std::string_view(rest, end) != ".log") return std::nullopt;
  return number;
}

}  // namespace

bool tables_without_current(leveldb::Env& env, const std::string& folder) {
  if (env.FileExists(folder + "/CURRENT")) return false;
  std::vector<std::string> names;
  if (!env.GetChildren(folder, &names).ok()) return false;
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    if (name.ends_with(".ldb") || name.ends_with(".sst")) return true;
    std::uint64_t size = 0;
    return log_number(name) && env.GetFileSize(folder + "/" + name, &size).ok() && size > 0;
  });
}

leveldb::Status sync_older_logs(leveldb::Env& env, const std::string& folder) {
  std::vector<std::string> names;
  if (leveldb::Status listed = env.GetChildren(folder, &names); !listed.ok()) return listed;
  std::erase_if(names, [](const std::string& name) { return !log_number(name); });
  if (names.size() < 2) return leveldb::Status::OK();
  const auto newest = std::max_element(names.begin(), names.end(), [](const auto& a, const auto& b) {
    return *log_number(a) < *log_number(b);
  });
  for (auto name = names.begin(); name != names.end(); ++name) {
    const std::string path = folder + "/" + *name;
    // A log that has gone meanwhile has become a table, which is synced.
    if (name == newest || !env.FileExists(path)) continue;
    leveldb::WritableFile* opened = nullptr;
    if (leveldb::Status status = env.NewAppendableFile(path, &opened); !status.ok()) return status;
    const std::unique_ptr<leveldb::WritableFile> file(opened);
    if (leveldb::Status status = file->Sync(); !status.ok()) return status;
    if (leveldb::Status status = file->Close(); !status.ok()) return status;
  }
  return leveldb::Status::OK();
}

bool sync_folder(const std::string& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool synced = ::fsync(descriptor) == 0;
  ::close(descriptor);
  return synced;
}

}  // namespace sheaf
