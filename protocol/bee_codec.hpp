// The blocks of a Hyperbee: its header, and the one form that every other block has.
//
// Format: docs/archives.md (hyperbee 2.27); vectors drive/bee-codec.json. Protobuf, of which the decoders
// take fields in any order, the last of a repeated one, and skip unknown ones. Stricter than the reference: a
// field that is longer than its message is malformed, and not cut short.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include <boost/container/small_vector.hpp>

#include "sheaf/protocol/bytes.hpp"
#include "sheaf/protocol/error.hpp"
#include "sheaf/protocol/units.hpp"

namespace sheaf {

struct BeeHeader {
  struct Metadata {
    std::optional<Buffer> content_feed;
    std::optional<Buffer> user_data;
    bool operator==(const Metadata&) const = default;
  };
  Buffer protocol;  // "hyperbee"; others are readable all the same
  std::optional<Metadata> metadata;
  bool operator==(const BeeHeader&) const = default;
};

Result<BeeHeader> decode_bee_header(Bytes block);
Buffer encode(const BeeHeader& header);
// What a drive's db core begins with: no content feed, since its blobs key follows from its own.
BeeHeader drive_header();

// A node of the tree, wherever it is kept: level `offset` of block `block`.
struct BeeChild {
  BlockIndex block;
  std::uint64_t offset = 0;
  auto operator<=>(const BeeChild&) const = default;
};

// One B-tree node: keys are named by the blocks that hold them.
struct BeeLevel {
  // What hyperbee writes fits in place; a stranger's may be wider.
  static constexpr std::size_t usual_children = 9;
  boost::container::small_vector<BlockIndex, usual_children - 1> keys;
  boost::container::small_vector<BeeChild, usual_children>
      children;  // none in a leaf, else one more than keys
  bool operator==(const BeeLevel&) const = default;
};

// A block behind the header: one operation's key and value, and the tree nodes that it changed. Owns its
// bytes; what it points to lives as long as it does.
class BeeBlock {
 public:
  // Fails with malformed. Levels are looked into when they are asked for.
  static Result<BeeBlock> decode(Buffer bytes);

  Bytes key() const { return view(key_); }
  std::optional<Bytes> value() const;  // nothing: a deletion, or a put of null
  std::size_t size() const { return bytes_.size(); }

  // Requires nothing of the bytes: malformed where there is no such level, where it breaks the form of a
  // tree node, or where it names the header or a block behind `self`, its own place.
  Result<BeeLevel> level(std::uint64_t offset, BlockIndex self) const;
  // Whether a level of this block names the block itself: a put, and not a deletion.
  Result<bool> names(BlockIndex self) const;
  Result<std::vector<BeeLevel>> all_levels() const;  // unchecked but for their encoding

 private:
  struct Place {
    std::size_t at = 0;
    std::size_t size = 0;
  };
  Bytes view(Place place) const { return Bytes(bytes_).subspan(place.at, place.size); }

  Buffer bytes_;
  Place index_;
  Place key_;
  std::optional<Place> value_;
};

Buffer encode_bee_index(const std::vector<BeeLevel>& levels);
Buffer encode_bee_block(const std::vector<BeeLevel>& levels, Bytes key, std::optional<Bytes> value);

}  // namespace sheaf
