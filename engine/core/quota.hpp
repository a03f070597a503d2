// How much each followed archive may keep here, and how much it does: bytes of blocks, of both its cores.
//
// On the strand; one for a node. Room is taken before a block is stored, so no archive grows past its quota.
// The first block that finds none makes the archive full: nothing more of it is asked of peers until
// some of the room is given back. A bare core that is followed stands for itself. What is written here has no
// quota, and is not counted.
#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>

#include "sheaf/protocol/key.hpp"
#include "sheaf/protocol/units.hpp"

namespace sheaf {

class Quota {
 public:
  // The two cores of an archive; a bare core is like the first.
  enum class Part : std::uint8_t { entries, contents };

  explicit Quota(ByteCount most = {max_wire_integer}) : most_(most) {}
  ByteCount most() const { return most_; }

  // A core was opened, or read anew, and keeps so much. `archive` is the key of the db core, or a bare
  // core's.
  void opened(const CoreKey& archive, Part part, ByteCount keeps);
  // It is counted; of an archive only then the whole is known.
  bool counts(const CoreKey& archive, Part part) const;
  // It was forgotten, or dropped.
  void closed(const CoreKey& archive, Part part);

  // Room for so much more. False: there is none, and the archive is full from now on.
  bool take(const CoreKey& archive, Part part, ByteCount bytes);
  // Of room that was taken: what it was for was not stored after all, or has gone since. True where the
  // archive was full: it may go on.
  bool give_back(const CoreKey& archive, Part part, ByteCount bytes);

  bool full(const CoreKey& archive) const;

 private:
  struct Kept {
    std::array<std::uint64_t, 2> bytes{};
    std::array<bool, 2> open{};
    bool full = false;
  };

  ByteCount most_;
  std::unordered_map<CoreKey, Kept, FixedBytesHash> kept_;
};

}  // namespace sheaf
