#include "tests/support/places.hpp"

namespace sheaf::test {

std::filesystem::path source_folder() { return SHEAF_SOURCE; }
std::filesystem::path vectors_folder() { return source_folder() / "tests" / "vectors"; }

}  // namespace sheaf::test
