// What a store can answer besides the value.
#pragma once

#include "sheaf/protocol/error.hpp"

namespace sheaf {

enum class StorageErrc {
  not_found = 1,  // nobody's fault: no such key here
  poisoned,       // ours: an earlier write failed, and the store has not been reopened since
  damaged,        // the disk's: stored bytes are not what was stored
  locked,         // another process holds the store
  full,           // no space is left, or the floor of free space is reached
  io_error,       // the disk's: the system refused a read or a write
  newer_format,   // written by a later version of this program
  too_large,      // the caller's: a key or a value beyond the limit
  closed,         // the caller's: the store is not open
  timed_out,      // the store did not answer in time and counts as failed
  exists,         // the caller's: there is one already
};

const boost::system::error_category& storage_category() noexcept;
inline Error make_error_code(StorageErrc e) noexcept { return {static_cast<int>(e), storage_category()}; }

}  // namespace sheaf

template <>
struct boost::system::is_error_code_enum<sheaf::StorageErrc> : std::true_type {};
