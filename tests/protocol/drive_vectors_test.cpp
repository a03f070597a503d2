// Names, keys, ids and values of recorded drives.
#include <doctest/doctest.h>

#include "protocol/archive_keys.hpp"
#include "protocol/block_encryption.hpp"
#include "protocol/drive_entry.hpp"
#include "protocol/entry_path.hpp"
#include "sheaf/protocol/key_text.hpp"
#include "tests/support/bee_memory.hpp"
#include "tests/support/vectors.hpp"

using namespace sheaf;
using nlohmann::json;
using sheaf::test::unhex;
using sheaf::test::unhex_as;
using sheaf::test::vectors;

namespace {

json hex_or_null(const std::optional<Buffer>& bytes) { return bytes ? json(to_hex(*bytes)) : json(); }

Manifest manifest_of(const json& hex) {
  auto manifest = decode_manifest(unhex(hex));
  REQUIRE(manifest.has_value());
  return std::move(*manifest);
}

std::string hex_of(const Manifest& manifest) {
  Buffer out;
  encode_manifest(manifest, out);
  return to_hex(out);
}

BlobId blob_of(const json& id) {
  return {{id["blockOffset"]},
          {id["byteOffset"]},
          {id["blockLength"]},
          {id["byteLength"]},
          id.contains("blockMap")};
}

// Every entry of a drive's db blocks as recorded, and the value written again as it was.
void check_entries(sheaf::test::BeeMemory& db, const json& list) {
  BeeWalk walk(db.length(), below_folder("/"), false);
  for (const json& recorded : list) {
    auto next = walk.next(db);
    REQUIRE((next.has_value() && next->has_value()));
    const BeeEntry& entry = **next;
    CHECK(entry.seq.value == recorded["seq"]);
    CHECK(*entry_name(entry.key()) == recorded["key"]);
    const auto value = decode_drive_entry(*entry.value());
    REQUIRE(value.has_value());
    const json& expected = recorded["value"];
    CHECK(value->executable == expected["executable"]);
    CHECK((value->linkname ? json(*value->linkname) : json()) == expected["linkname"]);
    CHECK(json::parse(value->metadata) == expected["metadata"]);
    CHECK(value->blob.has_value() == !expected["blob"].is_null());
    if (value->blob) CHECK(*value->blob == blob_of(expected["blob"]));
    CHECK(as_text(encode(*value)) == as_text(*entry.value()));
  }
  CHECK_FALSE(walk.next(db)->has_value());
}

sheaf::test::BeeMemory db_of(const json& blocks) {
  sheaf::test::BeeMemory db;
  for (const json& block : blocks) db.raw.push_back(unhex(block));
  return db;
}

}  // namespace

TEST_CASE("names are normalised as hyperdrive does") {
  for (const json& one : vectors("drive/paths.json")["normalise"]) {
    const auto path = normal_path(one["input"].get<std::string>());
    CAPTURE(one["input"]);
    if (one["output"].is_null())
      CHECK((!path || *path == "/"));
    else
      CHECK(path == one["output"].get<std::string>());
  }
  for (const json& one : vectors("drive/paths.json")["links"]) {
    const auto path = link_target(one["at"].get<std::string>(), one["linkname"].get<std::string>());
    CAPTURE(one["linkname"]);
    CHECK((path ? json(*path) : json()) == one["output"]);
  }
}

TEST_CASE("only UTF-8 is a name") {
  for (const char* good : {"/\xc3\xa9", "/\xe6\x97\xa5", "/\xf0\x9f\x98\x80", "/\x01"})
    CHECK(normal_path(good));
  for (const char* bad :
       {"/\xc3", "/\xff", "/\xc0\xaf", "/\xe0\x80\xaf", "/\xed\xa0\x80", "/\xf4\x90\x80\x80", "/\x80"})
    CHECK_FALSE(normal_path(bad));
}

TEST_CASE("keys and ranges of sub-databases are sub-encoder's") {
  for (const json& one : vectors("drive/sub-encoder.json")["cases"]) {
    Buffer prefix;
    const std::string encoder = one["encoder"];
    const std::string empty = one["encode"][0][1];
    if (encoder == "files")
      prefix = sub_prefix({}, "files");
    else if (encoder == "files.sub(deep)")
      prefix = sub_prefix(sub_prefix({}, "files"), "deep");
    else
      prefix = unhex(empty);
    CHECK(to_hex(prefix) == empty);
    for (const json& key : one["encode"]) {
      Buffer encoded = prefix;
      append(encoded, as_bytes(key[0].get<std::string>()));
      CHECK(to_hex(encoded) == key[1]);
    }
    for (const json& range : one["ranges"]) {
      BeeRange inside;
      const auto bound = [&](const char* name) -> std::optional<Buffer> {
        if (!range["opts"].contains(name)) return std::nullopt;
        return to_buffer(as_bytes(range["opts"][name].get<std::string>()));
      };
      inside = {bound("gt"), bound("gte"), bound("lt"), bound("lte")};
      const BeeRange out = sub_range(prefix, inside);
      CAPTURE(range.dump());
      CHECK(hex_or_null(out.gt) == range["gt"]);
      CHECK(hex_or_null(out.gte) == range["gte"]);
      CHECK(hex_or_null(out.lt) == range["lt"]);
      CHECK(hex_or_null(out.lte) == range["lte"]);
    }
  }
  CHECK(to_hex(entry_key("/a")) == "66696c6573002f61");
}

TEST_CASE("keys of cores follow from the primary key as in corestore") {
  const json& recorded = vectors("drive/corestore-keys.json");
  CHECK(to_string(namespaces::corestore()) == recorded["constants"]["corestoreNamespace"]);
  CHECK(to_string(namespaces::hyperdrive_blobs()) == recorded["constants"]["hyperdriveBlobs"]);
  CHECK(to_string(root_namespace) == recorded["constants"]["defaultNamespace"]);
  for (const json& one : recorded["cases"]) {
    const PrimaryKey primary = PrimaryKey::from(unhex(one["primaryKey"]));
    Hash context = root_namespace;
    for (const json& name : one["namespacePath"]) context = namespace_in(context, name.get<std::string>());
    CHECK(to_string(context) == one["namespace"]);
    const Seed seed = core_seed(primary, context, one["name"].get<std::string>());
    CHECK(to_hex(seed.bytes()) == one["seed"]);
    const Manifest manifest = default_manifest(crypto::key_pair(seed).public_key);
    CHECK(hex_of(manifest) == one["manifest"]);
    CHECK(to_string(core_key(manifest)) == one["key"]);
    CHECK(to_z_base_32(core_key(manifest).bytes()) == one["id"]);
  }
}

TEST_CASE("the blobs core's manifest follows from the db core's") {
  for (const json& one : vectors("drive/blobs-keys.json")["cases"]) {
    CAPTURE(one["name"]);
    const Manifest db = manifest_of(one["dbManifest"]);
    const CoreKey key = unhex_as<CoreKey>(one["dbKey"]);
    const auto blobs = blobs_manifest(db, key);
    if (one["blobsKey"].is_null() || db.version == 0) {
      CHECK(blobs_key(drive_header(), db, key).error() == ProtocolErrc::malformed);
      continue;
    }
    REQUIRE(blobs.has_value());
    CHECK(hex_of(*blobs) == one["blobsManifest"]);
    CHECK(to_string(*blobs_key(drive_header(), db, key)) == one["blobsKey"]);
  }
}

TEST_CASE("a header that names the blobs core is believed") {
  for (const json& one : vectors("drive/drive-content-feed.json")["cases"]) {
    auto db = db_of(one["db"]["blocks"]);
    const auto header = decode_bee_header(db.raw[0]);
    REQUIRE(header.has_value());
    const Manifest manifest = manifest_of(one["db"]["manifest"]);
    const CoreKey key = unhex_as<CoreKey>(one["key"]);
    CHECK(to_string(*blobs_key(*header, manifest, key)) == one["contentKey"]);
    CHECK(blobs_key(drive_header(), manifest, key).has_error());
    check_entries(db, one["list"]);
  }
  BeeHeader cut = drive_header();
  cut.metadata->content_feed = Buffer(31);
  CHECK(blobs_key(cut, default_manifest({}), {}).error() == ProtocolErrc::malformed);
}

TEST_CASE("block maps are hyperblobs'") {
  for (const json& one : vectors("drive/blobs.json")["blockMaps"]) {
    std::vector<MappedBlock> blocks;
    for (const json& block : one["blocks"]) blocks.push_back({{block[0]}, {block[1]}});
    std::vector<MappedBlock> decoded;
    for (const json& encoded : one["encoded"]) {
      REQUIRE(decode_block_map(unhex(encoded), decoded).has_value());
      CHECK(to_hex(encode_block_map(blocks)) == encoded);
    }
    CHECK(decoded == blocks);
  }
  std::vector<MappedBlock> out;
  for (const char* bad : {"", "01", "0100", "0001", "000100", "0002000501", "0001fffffffffffffffff05"})
    CHECK(decode_block_map(*from_hex(std::string(bad).substr(0, std::string(bad).size() / 2 * 2)), out)
              .has_error());
}

TEST_CASE("a whole drive's entries are read, and their values written as they were") {
  const json& full = vectors("drive/drive-full.json");
  auto db = db_of(full["db"]["blocks"]);
  CHECK(to_string(*blobs_key(*decode_bee_header(db.raw[0]), manifest_of(full["db"]["manifest"]),
                             unhex_as<CoreKey>(full["key"]))) == full["contentKey"]);
  check_entries(db, full["list"]);
  const json& folders = vectors("drive/drive-folders.json");
  auto other = db_of(folders["db"]["blocks"]);
  check_entries(other, folders["list"]);
}

TEST_CASE("an encrypted drive's blocks open to the recorded ones") {
  const json& drive = vectors("drive/drive-encrypted.json");
  const EncryptionKey key = EncryptionKey::from(unhex(drive["encryptionKey"]));
  for (const char* core : {"db", "blobs"}) {
    const CoreKey core_key = unhex_as<CoreKey>(drive[core]["key"]);
    const auto encryption = BlockEncryption::of_core(core_key, key, false);
    CHECK(to_hex(block_key(core_key, key, false).bytes()) == drive["derived"][core]["block"]);
    const json& plain = drive["plain"][core];
    for (std::size_t i = 0; i < plain.size(); ++i) {
      if (!plain[i].is_string() || !drive[core]["blocks"][i].is_string()) continue;
      const Buffer stored = unhex(drive[core]["blocks"][i]);
      CHECK(to_hex(*encryption.open({i}, stored)) == plain[i]);
      CHECK(encryption.seal({i}, Fork{0}, unhex(plain[i])) == stored);
    }
  }
  auto db = db_of(drive["plain"]["db"]);
  check_entries(db, drive["list"]);
}

TEST_CASE("odd values of foreign writers are taken as JavaScript takes them, or refused") {
  const auto decode = [](std::string_view text) { return decode_drive_entry(as_bytes(text)); };
  CHECK(decode("{}")->metadata == "null");
  CHECK(decode(R"({"executable":1})")->executable);
  CHECK_FALSE(decode(R"({"executable":0})")->executable);
  CHECK(decode(R"({"executable":"x"})")->executable);
  CHECK_FALSE(decode(R"({"linkname":""})")->linkname);
  CHECK_FALSE(decode(R"({"linkname":7})")->linkname);
  CHECK_FALSE(decode(R"({"blob":false})")->blob);
  CHECK(decode(R"({"metadata":{"mtime":12}})")->mtime_ms == 12);
  CHECK(decode(R"({"metadata":{"mtime":12.0}})")->mtime_ms == 12);
  CHECK_FALSE(decode(R"({"metadata":{"mtime":"12"}})")->mtime_ms);
  CHECK_FALSE(decode(R"({"metadata":{"mtime":1e300}})")->mtime_ms);
  const auto kept = decode(R"({"x":[1,{"y":null}],"executable":true,"z":1.5})");
  CHECK(kept->others == R"({"x":[1,{"y":null}],"z":1.5})");
  CHECK(as_text(encode(*kept)) ==
        R"({"executable":true,"linkname":null,"blob":null,"metadata":null,"x":[1,{"y":null}],"z":1.5})");
  for (const char* bad :
       {"", "7", "\"text\"", "[]", "null", "{", "{} {}", R"({"blob":7})", R"({"blob":{}})",
        R"({"blob":{"blockOffset":0,"byteOffset":0,"blockLength":-1,"byteLength":0}})",
        R"({"blob":{"blockOffset":0.5,"byteOffset":0,"blockLength":1,"byteLength":0}})",
        R"({"blob":{"blockOffset":9007199254740991,"byteOffset":0,"blockLength":1,"byteLength":0}})",
        R"({"blob":{"blockOffset":0,"byteOffset":1e99,"blockLength":1,"byteLength":0}})"})
    CHECK_MESSAGE(decode(bad).has_error(), bad);
  CHECK(decode("{\"metadata\":" + std::string(100'000, '[')).has_error());
  CHECK(decode("{\"metadata\":" + std::string(100, '[') + std::string(100, ']') + "}").has_error());
  const auto nested = [](int levels, const std::string& innermost) {
    return "{\"metadata\":" + std::string(levels, '[') + innermost + std::string(levels, ']') + "}";
  };
  CHECK(decode(nested(64, "1")).has_value());
  CHECK(decode(nested(65, "1")).has_error());
  // What stands in a text opens nothing and closes nothing.
  CHECK(decode(nested(64, "\"" + std::string(100, '[') + "\"")).has_value());
  CHECK(decode(nested(65, "\"]]]]\"")).has_error());
  CHECK(decode(nested(64, R"("\"[\\")")).has_value());
  CHECK(decode(nested(65, R"("\"]\\")")).has_error());
  CHECK(decode("{\"metadata\":\"" + std::string(2'000'000, 'x') + "\"}").has_error());
}
