# The libraries we stand on, all as Debian packages them. Libraries without a CMake package of their own
# come through pkg-config as interface targets.
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(fmt REQUIRED)
find_package(PkgConfig REQUIRED)

pkg_check_modules(sodium REQUIRED IMPORTED_TARGET libsodium)
add_library(sheaf_sodium INTERFACE)
target_link_libraries(sheaf_sodium INTERFACE PkgConfig::sodium)

find_package(leveldb REQUIRED)
add_library(sheaf_leveldb INTERFACE)
target_link_libraries(sheaf_leveldb INTERFACE leveldb::leveldb)
