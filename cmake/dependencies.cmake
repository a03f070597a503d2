# The libraries we stand on, all as Debian packages them. Libraries without a CMake package of their own
# come through pkg-config as interface targets.
include(${CMAKE_CURRENT_LIST_DIR}/link_dependencies.cmake)

# Headers alone: protobuf's wire format, and JSON.
find_path(protozero_headers protozero/pbf_reader.hpp REQUIRED)
add_library(sheaf_protozero INTERFACE)
target_include_directories(sheaf_protozero SYSTEM INTERFACE ${protozero_headers})
find_package(nlohmann_json REQUIRED)

# Whether it was built to look at run time which instructions there are.
include(CheckLibraryExists)
check_library_exists(xxhash XXH3_128bits_dispatch "${xxhash_LIBRARY_DIRS}" SHEAF_XXHASH_DISPATCHES)
