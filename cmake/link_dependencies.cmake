# The libraries that whoever links Sheaf needs: for our own build, and installed beside the CMake package. Those
# without a CMake package of their own are imported targets, which no export has to carry along.
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(fmt REQUIRED)
find_package(PkgConfig REQUIRED)

pkg_check_modules(sodium REQUIRED IMPORTED_TARGET libsodium)
add_library(sheaf_sodium INTERFACE IMPORTED)
target_link_libraries(sheaf_sodium INTERFACE PkgConfig::sodium)

# Not through LevelDB's own CMake package: Debian's names Snappy's development files, which nobody needs who
# links the shared library.
find_library(leveldb_library leveldb REQUIRED)
find_path(leveldb_headers leveldb/db.h REQUIRED)
add_library(sheaf_leveldb INTERFACE IMPORTED)
target_link_libraries(sheaf_leveldb INTERFACE ${leveldb_library})
target_include_directories(sheaf_leveldb SYSTEM INTERFACE ${leveldb_headers})

# Says of what type the contents of a value are. Debian has no CMake package of it.
pkg_check_modules(magic REQUIRED IMPORTED_TARGET libmagic)
add_library(sheaf_magic INTERFACE IMPORTED)
target_link_libraries(sheaf_magic INTERFACE PkgConfig::magic)

pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash)
add_library(sheaf_xxhash INTERFACE IMPORTED)
target_link_libraries(sheaf_xxhash INTERFACE PkgConfig::xxhash)
