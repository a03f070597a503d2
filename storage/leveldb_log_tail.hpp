// Tells a log whose last record was cut off from one whose last record was altered.
//
// LevelDB takes a record that claims more bytes than the file has for one that was being written when the
// process ended, and drops it and all that follows without a word. Where only the length field is wrong,
// those are acknowledged writes, and a core would come back shorter than it was. The record's checksum covers
// all but the length, so the two can be told apart.
//
// Format: LevelDB's log_format.h: blocks of 32 KiB; a record has checksum (u32), length (u16) and type (u8)
// in front, all little endian; the masked CRC-32C is of type and payload.
#pragma once

#include <string>

#include <leveldb/env.h>

namespace sheaf {

// A log or manifest of the folder ends in a record that is whole but for its length. What cannot be read is
// left for LevelDB to complain about.
bool altered_log_tail(leveldb::Env& env, const std::string& folder);

}  // namespace sheaf
