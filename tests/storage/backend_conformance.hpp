// The suite of backends and what it reads and writes with, by their short names.
#pragma once

#include "tests/conformance/sheaf/conformance/backend.hpp"

namespace sheaf::test {

using namespace conformance;

}  // namespace sheaf::test
