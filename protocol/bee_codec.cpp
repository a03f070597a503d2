#include "protocol/bee_codec.hpp"

#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>
#include <string>

#include "protocol/limits.hpp"

namespace sheaf {
namespace {

enum HeaderField : protozero::pbf_tag_type { header_protocol = 1, header_metadata = 2 };
enum MetadataField : protozero::pbf_tag_type { metadata_content_feed = 1, metadata_user_data = 2 };
enum NodeField : protozero::pbf_tag_type { node_index = 1, node_key = 2, node_value = 3 };
enum IndexField : protozero::pbf_tag_type { index_level = 1 };
enum LevelField : protozero::pbf_tag_type { level_keys = 1, level_children = 2 };

protozero::data_view view(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
Bytes bytes_of(protozero::data_view view) {
  return {reinterpret_cast<const std::byte*>(view.data()), view.size()};
}
Buffer buffer_of(const std::string& text) { return to_buffer(as_bytes(text)); }

// The next field of wire type `bytes` or any to be skipped; the library throws where the bytes do not hold.
bool is_bytes(const protozero::pbf_reader& in) {
  return in.wire_type() == protozero::pbf_wire_type::length_delimited;
}

template <class Decode>
auto guarded(Decode decode) -> decltype(decode()) {
  try {
    return decode();
  } catch (const protozero::exception&) {
    return ProtocolErrc::malformed;
  }
}

BeeHeader::Metadata decode_metadata(protozero::data_view bytes) {
  BeeHeader::Metadata out;
  protozero::pbf_reader in(bytes);
  while (in.next()) {
    if (in.tag() == metadata_content_feed && is_bytes(in))
      out.content_feed = to_buffer(bytes_of(in.get_view()));
    else if (in.tag() == metadata_user_data && is_bytes(in))
      out.user_data = to_buffer(bytes_of(in.get_view()));
    else
      in.skip();
  }
  return out;
}

std::uint64_t varint(const char*& at, const char* end) {
  const std::uint64_t value = protozero::decode_varint(&at, end);
  // A reference is a block of a core; nothing behind 2^53 - 1 can be one.
  if (value > max_wire_integer) throw protozero::varint_too_long_exception();
  return value;
}

template <class List, class One>
void add(List& list, const One& one) {
  if (list.size() > limits::bee_level_keys) throw protozero::invalid_length_exception();
  list.push_back(one);
}

BeeLevel decode_level(protozero::data_view bytes) {
  BeeLevel out;
  protozero::pbf_reader in(bytes);
  while (in.next()) {
    if (in.tag() == level_keys && is_bytes(in)) {
      const protozero::data_view packed = in.get_view();
      out.keys.clear();
      for (const char *at = packed.data(), *end = at + packed.size(); at != end;)
        add(out.keys, BlockIndex{varint(at, end)});
    } else if (in.tag() == level_children && is_bytes(in)) {
      const protozero::data_view packed = in.get_view();
      out.children.clear();
      for (const char *at = packed.data(), *end = at + packed.size(); at != end;) {
        BeeChild child;
        child.block = {varint(at, end)};
        child.offset = varint(at, end);
        add(out.children, child);
      }
    } else {
      in.skip();
    }
  }
  return out;
}

bool holds(const BeeLevel& level, BlockIndex self) {
  if (!level.children.empty() && level.children.size() != level.keys.size() + 1) return false;
  const auto inside = [&](BlockIndex block) { return block.value >= 1 && block <= self; };
  for (const BlockIndex key : level.keys)
    if (!inside(key)) return false;
  for (const BeeChild& child : level.children)
    if (!inside(child.block)) return false;
  return true;
}

void write_level(std::string& out, const BeeLevel& level) {
  std::string packed;
  protozero::pbf_writer writer(out);
  for (const BlockIndex key : level.keys) protozero::write_varint(std::back_inserter(packed), key.value);
  if (!packed.empty()) writer.add_bytes(level_keys, packed);
  packed.clear();
  for (const BeeChild& child : level.children) {
    protozero::write_varint(std::back_inserter(packed), child.block.value);
    protozero::write_varint(std::back_inserter(packed), child.offset);
  }
  if (!packed.empty()) writer.add_bytes(level_children, packed);
}

std::string index_text(const std::vector<BeeLevel>& levels) {
  std::string out;
  std::string one;
  protozero::pbf_writer writer(out);
  for (const BeeLevel& level : levels) {
    one.clear();
    write_level(one, level);
    writer.add_bytes(index_level, one);
  }
  return out;
}

}  // namespace

Result<BeeHeader> decode_bee_header(Bytes block) {
  return guarded([&]() -> Result<BeeHeader> {
    BeeHeader out;
    bool named = false;
    protozero::pbf_reader in(view(block));
    while (in.next()) {
      if (in.tag() == header_protocol && is_bytes(in)) {
        out.protocol = to_buffer(bytes_of(in.get_view()));
        named = true;
      } else if (in.tag() == header_metadata && is_bytes(in)) {
        out.metadata = decode_metadata(in.get_view());
      } else {
        in.skip();
      }
    }
    if (!named) return ProtocolErrc::malformed;
    return out;
  });
}

Buffer encode(const BeeHeader& header) {
  std::string out;
  protozero::pbf_writer writer(out);
  writer.add_bytes(header_protocol, view(header.protocol));
  if (header.metadata) {
    std::string metadata;
    protozero::pbf_writer inner(metadata);
    if (header.metadata->content_feed)
      inner.add_bytes(metadata_content_feed, view(*header.metadata->content_feed));
    if (header.metadata->user_data) inner.add_bytes(metadata_user_data, view(*header.metadata->user_data));
    writer.add_bytes(header_metadata, metadata);
  }
  return buffer_of(out);
}

BeeHeader drive_header() { return {to_buffer(as_bytes("hyperbee")), BeeHeader::Metadata{}}; }

Result<BeeBlock> BeeBlock::decode(Buffer bytes) {
  return guarded([&]() -> Result<BeeBlock> {
    BeeBlock out;
    std::optional<Place> index;
    std::optional<Place> key;
    out.bytes_ = std::move(bytes);
    const char* begin = reinterpret_cast<const char*>(out.bytes_.data());
    protozero::pbf_reader in(begin, out.bytes_.size());
    while (in.next()) {
      const auto tag = in.tag();  // the reader forgets it once the field was taken
      if (!is_bytes(in) || tag > node_value) {
        in.skip();
        continue;
      }
      const protozero::data_view field = in.get_view();
      const Place place{static_cast<std::size_t>(field.data() - begin), field.size()};
      if (tag == node_index)
        index = place;
      else if (tag == node_key)
        key = place;
      else
        out.value_ = place;
    }
    if (!index || !key) return ProtocolErrc::malformed;
    out.index_ = *index;
    out.key_ = *key;
    return out;
  });
}

std::optional<Bytes> BeeBlock::value() const { return value_ ? std::optional(view(*value_)) : std::nullopt; }

Result<BeeLevel> BeeBlock::level(std::uint64_t offset, BlockIndex self) const {
  return guarded([&]() -> Result<BeeLevel> {
    protozero::pbf_reader in(sheaf::view(view(index_)));
    while (in.next()) {
      if (in.tag() != index_level || !is_bytes(in)) {
        in.skip();
        continue;
      }
      const protozero::data_view bytes = in.get_view();
      if (offset-- > 0) continue;
      BeeLevel level = decode_level(bytes);
      if (!holds(level, self)) return ProtocolErrc::malformed;
      return level;
    }
    return ProtocolErrc::malformed;
  });
}

Result<std::vector<BeeLevel>> BeeBlock::all_levels() const {
  return guarded([&]() -> Result<std::vector<BeeLevel>> {
    std::vector<BeeLevel> out;
    protozero::pbf_reader in(sheaf::view(view(index_)));
    while (in.next()) {
      if (in.tag() == index_level && is_bytes(in))
        out.push_back(decode_level(in.get_view()));
      else
        in.skip();
    }
    return out;
  });
}

Result<bool> BeeBlock::names(BlockIndex self) const {
  auto levels = all_levels();
  if (!levels) return Result<bool>(boost::system::in_place_error, levels.error());
  for (const BeeLevel& level : *levels)
    for (const BlockIndex key : level.keys)
      if (key == self) return true;
  return false;
}

Buffer encode_bee_index(const std::vector<BeeLevel>& levels) { return buffer_of(index_text(levels)); }

Buffer encode_bee_block(const std::vector<BeeLevel>& levels, Bytes key, std::optional<Bytes> value) {
  std::string out;
  protozero::pbf_writer writer(out);
  writer.add_bytes(node_index, index_text(levels));
  writer.add_bytes(node_key, view(key));
  if (value) writer.add_bytes(node_value, view(*value));
  return buffer_of(out);
}

}  // namespace sheaf
