// What an engine call can answer besides its value.
#pragma once

#include "sheaf/protocol/error.hpp"

namespace sheaf {

enum class EngineErrc {
  not_found = 1,   // the caller's: no such core here, or no block at that index
  not_available,   // nobody's: the block exists, but it is not here and no peer has it
  not_writable,    // the caller's: this folder does not hold the core's secret key
  exists,          // the caller's: the name is taken by another core
  frozen,          // the writer's: two histories were signed for one core; it takes nothing more
  out_of_range,    // the caller's: beyond the core's length, or beyond what the wire can say
  wrong_key,       // the caller's: noise without the encryption key, or with another; or no archive at all
  no_peer,         // the road's: no peer could be reached, or it went away too early
  refused,         // the peer's or a policy's: it will not talk to us
  closed,          // the caller's: the node or the handle has been closed
  uncertain,       // ours: the machine stopped uncleanly, and a longer history of our own may exist
  bad_name,        // the caller's: no entry can have that name
  no_contents,     // the caller's: the entry is a symlink or metadata alone
  too_many_links,  // the archive's: symlinks lead to symlinks without an end
  quota,           // ours: the archive would keep more here than NodeOptions::quota_archive
};

const boost::system::error_category& engine_category() noexcept;
inline Error make_error_code(EngineErrc e) noexcept { return {static_cast<int>(e), engine_category()}; }

}  // namespace sheaf

template <>
struct boost::system::is_error_code_enum<sheaf::EngineErrc> : std::true_type {};
