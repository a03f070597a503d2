#include "storage/leveldb_files.hpp"

#include <algorithm>
#include <fcntl.h>
#include <unistd.h>
#include <vector>

namespace sheaf {
bool tables_without_current(leveldb::Env& env, const std::string& folder) {
  if (env.FileExists(folder + "/CURRENT")) return false;
  std::vector<std::string> names;
  if (!env.GetChildren(folder, &names).ok()) return false;
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    if (name.ends_with(".ldb") || name.ends_with(".sst")) return true;
    std::uint64_t size = 0;
    return name.ends_with(".log") && env.GetFileSize(folder + "/" + name, &size).ok() && size > 0;
  });
}

bool sync_folder(const std::string& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool synced = ::fsync(descriptor) == 0;
  ::close(descriptor);
  return synced;
}

}  // namespace sheaf
