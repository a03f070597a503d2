#include "protocol/block_encryption.hpp"

#include <doctest/doctest.h>

#include "tests/support/log_world.hpp"
#include "tests/support/vectors.hpp"

using namespace sheaf;

namespace {

BlockEncryption scheme_of(const nlohmann::json& scheme) {
  const auto core = test::unhex_as<CoreKey>(scheme["hypercoreKey"]);
  const auto key = test::unhex_as<EncryptionKey>(scheme["encryptionKey"]);
  if (scheme["scheme"] == "blockKey") return BlockEncryption(key);
  return BlockEncryption::of_core(core, key, scheme["scheme"] == "compat");
}

}  // namespace

TEST_CASE("block encryption: every sample of every scheme seals and opens") {
  const auto vectors = test::vectors("wire/block-encryption.json");
  std::size_t samples = 0;
  for (const auto& scheme : vectors["schemes"]) {
    const BlockEncryption encryption = scheme_of(scheme);
    for (const auto& sample : scheme["samples"]) {
      const Buffer plain = test::unhex(sample["plaintext"]);
      const BlockIndex index{sample["index"]};
      const Buffer sealed = encryption.seal(index, {sample["fork"]}, plain);
      CHECK(to_hex(sealed) == sample["ciphertext"]);
      CHECK(*encryption.open(index, sealed) == plain);
      Buffer in_place = sealed;
      CHECK(equal(*encryption.open_in_place(index, in_place), plain));
      ++samples;
    }
  }
  CHECK(samples == 15);
  MESSAGE(samples, " samples");
}

TEST_CASE("block encryption: an encrypted core is hashed as it is stored") {
  const nlohmann::json core = test::vectors("wire/block-encryption.json")["core"];
  const KeyPair keys = crypto::key_pair(test::unhex_as<Seed>(core["seed"]));
  const CoreKey key = core_key(default_manifest(keys.public_key));
  CHECK(to_hex(key.bytes()) == core["key"]);
  const auto encryption =
      BlockEncryption::of_core(key, test::unhex_as<EncryptionKey>(core["encryptionKey"]), false);
  std::vector<Buffer> stored;
  for (std::uint64_t i = 0; i < core["blocks"].size(); ++i) {
    const std::string text = core["blocks"][i];
    stored.push_back(encryption.seal({i}, {}, as_bytes(text)));
    CHECK(to_hex(stored.back()) == core["stored"][i]);
  }
  const std::vector<Bytes> views(stored.begin(), stored.end());
  const auto made = append_blocks({}, views);
  CHECK(made->head.byte_length.value == core["byteLength"]);
  CHECK(made->head.byte_length.value - block_padding.value * stored.size() == core["apiByteLength"]);
  CHECK(to_string(tree_hash(made->head)) == core["treeHash"]);
}

TEST_CASE("block encryption: a block shorter than its padding is malformed") {
  const BlockEncryption encryption{EncryptionKey{}};
  Buffer short_block(7);
  CHECK(encryption.open({}, short_block).error() == ProtocolErrc::malformed);
  CHECK(encryption.open_in_place({}, short_block).error() == ProtocolErrc::malformed);
  CHECK(encryption.open({}, Buffer(8))->empty());
}
