#include <doctest/doctest.h>
#include "protocol/signables.hpp"
TEST_CASE("namespaces") { CHECK(sheaf::to_string(sheaf::namespaces::tree()).substr(0, 8) == "9fac70b5"); }
