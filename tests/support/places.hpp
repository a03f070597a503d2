// Where the files lie that tests read. Only places.cpp is compiled with the path, so that what is compiled in
// one checkout serves another.
#pragma once

#include <filesystem>

namespace sheaf::test {

std::filesystem::path source_folder();
std::filesystem::path vectors_folder();  // tests/vectors

}  // namespace sheaf::test
