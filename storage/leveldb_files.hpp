// What LevelDB leaves to the one who knows its folder.
#pragma once

#include <string>

#include <leveldb/env.h>

namespace sheaf {

// LevelDB makes a new store where CURRENT is missing, and removes the tables and logs that it finds there:
// such a folder is damaged, not new. (A first start that was cut off leaves neither.)
bool tables_without_current(leveldb::Env& env, const std::string& folder);

// Makes the names in a real folder survive: LevelDB syncs it for its manifest only.
bool sync_folder(const std::string& folder);

}  // namespace sheaf
