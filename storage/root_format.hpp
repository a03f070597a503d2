// How a folder's root says what it is, and how one of an older format becomes a router's root.
//
// Formats 1 and 2 had no router: the root was one plain store, with the format's number under 01 ‖ 00 and
// everything else as key_schema.hpp lists it. In a router's root all of that lies one byte deeper, and
// 01 ‖ 00 holds 3, so that an older program refuses it by the number it finds there. (To the router this is
// an entry with the outer key 00, which nobody else uses.)
#pragma once

#include "sheaf/storage/backend.hpp"

namespace sheaf {

inline constexpr std::uint32_t routed_format = 3;

// Makes an open root ready for a router: marks a new one, migrates an older one, goes on where a migration
// was cut off. Synced. Fails with newer_format, damaged.
Result<void> prepare_root(Backend& root);

}  // namespace sheaf
