#include "protocol/drive_entry.hpp"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "protocol/limits.hpp"

namespace sheaf {
namespace {

using Json = nlohmann::ordered_json;

// How deep arrays and objects lie in one another. Looked at before parsing, which would have to ask
// at each member otherwise. Of what is no JSON: right up to where the parser stops.
std::size_t depth_of(std::string_view text) {
  std::size_t depth = 0, most = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    switch (text[i]) {
      case '"': in_string = !in_string; break;
      case '\\': ++i; break;  // only in strings
      case '{':
      case '[':
        if (!in_string) most = std::max(most, ++depth);
        break;
      case '}':
      case ']':
        if (!in_string && depth > 0) --depth;
        break;
      default: break;
    }
  }
  return most;
}

std::optional<Json> parse(std::string_view text, std::size_t most_depth) {
  if (text.size() > limits::entry_bytes) return std::nullopt;
  if (depth_of(text) > most_depth) return std::nullopt;
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) return std::nullopt;
  return json;
}

// As an `if` of JavaScript takes it.
bool is_truthy(const Json& json) {
  switch (json.type()) {
    case Json::value_t::null: return false;
    case Json::value_t::boolean: return json.get<bool>();
    case Json::value_t::string: return !json.get_ref<const std::string&>().empty();
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
    case Json::value_t::number_float: return json.get<double>() != 0;
    default: return true;
  }
}

std::optional<std::int64_t> integer(const Json& json) {
  constexpr double most = 9007199254740991.0;
  if (!json.is_number()) return std::nullopt;
  const double value = json.get<double>();
  if (!(std::abs(value) <= most) || std::trunc(value) != value) return std::nullopt;
  return static_cast<std::int64_t>(value);
}

std::optional<std::uint64_t> count(const Json& object, const char* name) {
  const auto member = object.find(name);
  if (member == object.end()) return std::nullopt;
  const auto value = integer(*member);
  if (!value || *value < 0) return std::nullopt;
  return static_cast<std::uint64_t>(*value);
}

Result<BlobId> blob_from(const Json& json) {
  if (!json.is_object()) return ProtocolErrc::malformed;
  const auto block_offset = count(json, "blockOffset");
  const auto byte_offset = count(json, "byteOffset");
  const auto block_length = count(json, "blockLength");
  const auto byte_length = count(json, "byteLength");
  if (!block_offset || !byte_offset || !block_length || !byte_length ||
      *block_offset + *block_length > max_wire_integer || *byte_offset + *byte_length > max_wire_integer)
    return ProtocolErrc::malformed;
  const auto map = json.find("blockMap");
  return BlobId{
      {*block_offset}, {*byte_offset}, {*block_length}, {*byte_length}, map != json.end() && is_truthy(*map)};
}

Json blob_json(const BlobId& id) {
  Json out = {{"blockOffset", id.block_offset.value},
              {"byteOffset", id.byte_offset.value},
              {"blockLength", id.block_length.value},
              {"byteLength", id.byte_length.value}};
  if (id.mapped) out["blockMap"] = true;
  return out;
}

std::optional<std::int64_t> mtime_in(const Json& metadata) {
  if (!metadata.is_object()) return std::nullopt;
  const auto member = metadata.find("mtime");
  return member == metadata.end() ? std::nullopt : integer(*member);
}

}  // namespace

Result<DriveEntry> decode_drive_entry(Bytes value) {
  auto json = parse(as_text(value), 1 + limits::entry_depth);
  if (!json || !json->is_object()) return ProtocolErrc::malformed;
  DriveEntry out;
  Json others = Json::object();
  for (auto& [name, member] : json->items()) {
    if (name == "executable") {
      out.executable = is_truthy(member);
    } else if (name == "linkname") {
      out.linkname.reset();
      if (member.is_string() && is_truthy(member)) out.linkname = member.get<std::string>();
    } else if (name == "blob") {
      out.blob.reset();
      if (!is_truthy(member)) continue;
      auto blob = blob_from(member);
      if (!blob) return blob.error();
      out.blob = *blob;
    } else if (name == "metadata") {
      out.metadata = member.is_null() ? "null" : member.dump();
      out.mtime_ms = mtime_in(member);
    } else {
      others[name] = member;
    }
  }
  if (!others.empty()) out.others = others.dump();
  return out;
}

Buffer encode(const DriveEntry& entry) {
  Json json = {{"executable", entry.executable},
               {"linkname", entry.linkname ? Json(*entry.linkname) : Json()},
               {"blob", entry.blob ? blob_json(*entry.blob) : Json()},
               {"metadata", Json::parse(entry.metadata)}};
  if (!entry.others.empty()) json.update(Json::parse(entry.others));
  return to_buffer(as_bytes(json.dump(-1, ' ', false, Json::error_handler_t::replace)));
}

Result<std::string> json_text(std::string_view text) {
  auto json = parse(text, limits::entry_depth);
  if (!json) return ProtocolErrc::malformed;
  return json->dump();
}

std::optional<std::int64_t> mtime_of(std::string_view metadata) {
  const auto json = parse(metadata, limits::entry_depth);
  return json ? mtime_in(*json) : std::nullopt;
}

}  // namespace sheaf
