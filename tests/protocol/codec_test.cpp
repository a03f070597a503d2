#include "protocol/codec.hpp"

#include "protocol/limits.hpp"
#include "tests/support/vectors.hpp"

using namespace sheaf;
using namespace sheaf::test;
using nlohmann::json;

namespace {

// Reads one value of the vectors' type names and spells it as JSON does; failure shows in reader.ok().
json decode(const std::string& type, Reader& reader) {
  if (type == "uint") return reader.uint();
  if (type == "uint64") return reader.u64();
  if (type == "uint32") return reader.u32();
  if (type == "bool") return reader.boolean();
  if (type == "fixed32") return to_string(reader.fixed<Hash>());
  if (type == "fixed64") return to_string(reader.fixed<WideHash>());
  if (type == "buffer") return to_hex(reader.buffer());
  if (type == "optionalBuffer") {
    const Bytes bytes = reader.buffer();
    return bytes.empty() ? json(nullptr) : json(to_hex(bytes));
  }
  if (type == "string") return std::string(reader.text());
  if (type == "raw") return to_hex(reader.raw_rest());
  json list = json::array();
  if (type == "array(uint)") {
    for (std::size_t i = reader.count(); i-- > 0 && reader.ok();) list.push_back(reader.uint());
  } else if (type == "array(fixed32)") {
    for (std::size_t i = reader.count(Hash::size); i-- > 0 && reader.ok();)
      list.push_back(to_string(reader.fixed<Hash>()));
  } else if (type == "uint32array") {
    for (std::size_t i = reader.count(4); i-- > 0 && reader.ok();) list.push_back(reader.u32());
  } else {
    FAIL("unknown type ", type);
  }
  return list;
}

void encode(const std::string& type, const json& value, Writer& writer) {
  if (type == "uint") return writer.uint(value);
  if (type == "uint64") return writer.u64(value);
  if (type == "uint32") return writer.u32(value);
  if (type == "bool") return writer.boolean(value);
  if (type == "fixed32" || type == "fixed64" || type == "raw") return writer.raw(unhex(value));
  if (type == "buffer") return writer.buffer(unhex(value));
  if (type == "optionalBuffer") return writer.buffer(value.is_null() ? Buffer{} : unhex(value));
  if (type == "string") return writer.text(value.get<std::string>());
  writer.uint(value.size());
  for (const json& element : value) {
    if (type == "array(uint)")
      writer.uint(element);
    else if (type == "array(fixed32)")
      writer.fixed(unhex_as<Hash>(element));
    else if (type == "uint32array")
      writer.u32(element);
    else
      FAIL("unknown type ", type);
  }
}

}  // namespace

TEST_CASE("values are written as recorded and read back") {
  const json all = vectors("wire/encoding.json");
  for (const json& v : all["cases"]) {
    CAPTURE(v.dump());
    Buffer out;
    Writer writer(out);
    encode(v["type"], v["value"], writer);
    CHECK(to_hex(out) == v["hex"]);
    const Buffer bytes = unhex(v["hex"]);
    Reader reader{Bytes(bytes)};
    CHECK(decode(v["type"], reader) == v["value"]);
    CHECK(reader.ok());
    CHECK(reader.at_end());
    if (v["type"] == "uint") CHECK(uint_size(v["value"]) == bytes.size());
  }
  CHECK(all["cases"].size() == 52);
  MESSAGE(all["cases"].size(), " values");
}

TEST_CASE("forms that are longer than needed are understood") {
  const json all = vectors("wire/encoding.json");
  for (const json& v : all["nonCanonical"]) {
    CAPTURE(v.dump());
    const Buffer bytes = unhex(v["hex"]);
    Reader reader{Bytes(bytes)};
    if (v["type"] == "string") {  // the bytes are kept as they are: no replacement characters
      CHECK(equal(as_bytes(reader.text()), Bytes(bytes).subspan(1)));
    } else {
      CHECK(decode(v["type"], reader) == v["decodesTo"]);
    }
    CHECK(reader.ok());
  }
  CHECK(all["nonCanonical"].size() == 11);
  MESSAGE(all["nonCanonical"].size(), " non-canonical forms");
}

TEST_CASE("what does not fit its window is refused, and stays refused") {
  const json all = vectors("wire/encoding.json");
  for (const json& v : all["rejects"]) {
    CAPTURE(v.dump());
    const Buffer bytes = unhex(v["hex"]);
    Reader reader{Bytes(bytes)};
    decode(v["type"], reader);
    CHECK_FALSE(reader.ok());
    CHECK(reader.uint() == 0);
    CHECK(reader.buffer().empty());
    CHECK_FALSE(reader.ok());
  }
  CHECK(all["rejects"].size() == 20);
  MESSAGE(all["rejects"].size(), " refused inputs");
}

TEST_CASE("every recorded value fails at every shorter window") {
  const json all = vectors("wire/encoding.json");
  int cut = 0;
  for (const json& v : all["cases"]) {
    if (v["type"] == "raw") continue;
    CAPTURE(v.dump());
    const Buffer bytes = unhex(v["hex"]);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      Reader reader{Bytes(bytes).first(size)};
      decode(v["type"], reader);
      CHECK_FALSE(reader.ok());
      ++cut;
    }
  }
  MESSAGE(cut, " cut windows");
}

TEST_CASE("a count is bounded by the wire and by what is left") {
  const auto counted = [](std::uint64_t count, std::size_t behind, std::size_t least) {
    Buffer bytes;
    Writer(bytes).uint(count);
    bytes.resize(bytes.size() + behind);
    Reader reader{Bytes(bytes)};
    const std::size_t got = reader.count(least);
    return reader.ok() ? std::optional(got) : std::nullopt;
  };
  CHECK(counted(3, 3, 1) == 3);
  CHECK_FALSE(counted(4, 3, 1).has_value());
  CHECK_FALSE(counted(3, 95, 32).has_value());
  CHECK(counted(3, 96, 32) == 3);
  CHECK(counted(limits::array_elements, limits::array_elements, 1) == limits::array_elements);
  CHECK_FALSE(counted(limits::array_elements + 1, limits::array_elements + 1, 1).has_value());
  CHECK_FALSE(counted(max_wire_integer, 100, 4).has_value());
  CHECK_FALSE(counted(std::uint64_t{1} << 51, 100, 4).has_value());
}
