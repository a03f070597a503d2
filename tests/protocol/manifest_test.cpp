#include "protocol/manifest.hpp"

#include <doctest/doctest.h>

#include "protocol/signables.hpp"
#include "tests/support/log_world.hpp"
#include "tests/support/vectors.hpp"

using namespace sheaf;

namespace {

Manifest decoded(const nlohmann::json& hex) {
  auto manifest = decode_manifest(test::unhex(hex));
  REQUIRE(manifest.has_value());
  return std::move(*manifest);
}

Buffer encoded(const Manifest& manifest) {
  Buffer out;
  encode_manifest(manifest, out);
  return out;
}

void check_value(const Manifest& manifest, const nlohmann::json& value) {
  CHECK(manifest.version == value["version"]);
  CHECK(manifest.allow_patch == value["allowPatch"]);
  CHECK(manifest.quorum == value["quorum"]);
  REQUIRE(manifest.signers.size() == value["signers"].size());
  for (std::size_t i = 0; i < manifest.signers.size(); ++i) {
    CHECK(to_string(manifest.signers[i].context) == value["signers"][i]["namespace"]);
    CHECK(to_string(manifest.signers[i].public_key) == value["signers"][i]["publicKey"]);
  }
  CHECK(manifest.prologue.has_value() == !value["prologue"].is_null());
  if (manifest.prologue) {
    CHECK(to_string(manifest.prologue->hash) == value["prologue"]["hash"]);
    CHECK(manifest.prologue->length.value == value["prologue"]["length"]);
  }
  CHECK(manifest.linked.has_value() == !value["linked"].is_null());
  if (manifest.linked) CHECK(to_string(manifest.linked->front()) == value["linked"][0]);
  CHECK(manifest.user_data.has_value() == !value["userData"].is_null());
  if (manifest.user_data) CHECK(to_hex(*manifest.user_data) == value["userData"]);
}

// The tree of tree.json at some length, with the signature of a vector.
TreeHead rule_head(std::uint64_t length, Buffer signature) {
  TreeHead head;
  for (std::uint64_t i = 0; i < length; ++i) {
    const Buffer block = test::rule_block(i);
    const Bytes view = block;
    head = append_blocks(head, std::span(&view, 1))->head;
  }
  head.signature = std::move(signature);
  return head;
}

}  // namespace

TEST_CASE("manifest: every vector decodes, encodes to the same bytes and hashes to its key") {
  const auto vectors = test::vectors("wire/manifest.json");
  for (const auto& entry : vectors["manifests"]) {
    const std::string name = entry["name"];
    CAPTURE(name);
    const Manifest manifest = decoded(entry["hex"]);
    check_value(manifest, entry["value"]);
    CHECK(to_hex(encoded(manifest)) == entry["hex"]);
    const auto key = test::unhex_as<CoreKey>(entry["key"]);
    CHECK(core_key(manifest) == key);
    CHECK(check_manifest(manifest, key));
    CoreKey other = key;
    other.value[5] ^= std::byte{1};
    CHECK(check_manifest(manifest, other).error() == ProtocolErrc::invalid_manifest);
  }
  CHECK(vectors["manifests"].size() == 13);
  MESSAGE(vectors["manifests"].size(), " manifests");
}

TEST_CASE("manifest: every reject is malformed, and so is every cut of every vector") {
  const auto vectors = test::vectors("wire/manifest.json");
  for (const auto& entry : vectors["rejects"])
    CHECK(decode_manifest(test::unhex(entry["hex"])).error() == ProtocolErrc::malformed);
  std::size_t cuts = 0;
  for (const auto& entry : vectors["manifests"]) {
    const Buffer whole = test::unhex(entry["hex"]);
    for (std::size_t size = 0; size < whole.size(); ++size, ++cuts)
      REQUIRE_FALSE(decode_manifest(Bytes(whole).first(size)).has_value());
    // What follows is left alone, and a longer spelling of a number is the same manifest.
    Buffer longer = whole;
    longer.push_back(std::byte{9});
    Reader in(longer);
    CHECK(decode_manifest(in).has_value());
    CHECK(in.rest().size() == 1);
    Buffer loose{std::byte{0xfd}, whole[0], std::byte{0}};
    append(loose, Bytes(whole).subspan(1));
    CHECK(to_hex(encoded(*decode_manifest(loose))) == entry["hex"]);
  }
  MESSAGE(vectors["rejects"].size(), " rejects, ", cuts, " cuts");
}

TEST_CASE("manifest: signatures of the vectors are made and hold") {
  const auto vectors = test::vectors("wire/manifest.json");
  for (const auto& entry : vectors["signatures"]) {
    const std::string name = entry["manifest"];
    CAPTURE(name);
    const KeyPair keys = crypto::key_pair(test::unhex_as<Seed>(entry["signerSeed"]));
    const auto tree = test::unhex_as<Hash>(entry["treeHash"]);
    const Length length{entry["length"]};
    const Fork fork{entry["fork"]};
    Buffer signable = compat_signable(tree, length, fork);
    if (entry.contains("context"))
      signable = tree_signable(test::unhex_as<Hash>(entry["context"]), tree, length, fork);
    CHECK(to_hex(signable) == entry["signable"]);
    if (entry.contains("ed25519"))
      CHECK(to_hex(crypto::sign(signable, keys.secret_key).bytes()) == entry["ed25519"]);
    else
      CHECK(to_hex(crypto::sign(signable, keys.secret_key).bytes()) == entry["signature"]);
  }
  MESSAGE(vectors["signatures"].size(), " signatures");
}

TEST_CASE("manifest: a head signed by each kind of single signer holds, and no other head does") {
  const auto vectors = test::vectors("wire/manifest.json");
  std::size_t kinds = 0;
  for (const auto& entry : vectors["manifests"]) {
    const Manifest manifest = decoded(entry["hex"]);
    if (manifest.quorum != 1) continue;
    const KeyPair keys = crypto::key_pair(test::unhex_as<Seed>(vectors["seeds"]["A"]));
    const CoreKey key = core_key(manifest);
    TreeHead head = rule_head(301, {});
    head.fork = {3};
    head.signature = sign_head(head, manifest, key, keys);
    CHECK(verify_head(head, manifest, key));
    for (std::size_t i = 0; i < head.signature.size(); ++i) {
      TreeHead bent = head;
      bent.signature[i] ^= std::byte{0x10};
      // Behind the one signature lie its patch and nodes, which mean nothing without allowPatch.
      const bool meant = verify_head(bent, manifest, key).has_value();
      const bool unknown_flag = manifest.version == 0 && i == 1;
      if (meant) CHECK((i >= 66 || unknown_flag));
    }
    TreeHead other_fork = head;
    other_fork.fork = {4};
    CHECK(verify_head(other_fork, manifest, key).error() == ProtocolErrc::invalid_signature);
    TreeHead longer = rule_head(302, head.signature);
    longer.fork = head.fork;
    CHECK(verify_head(longer, manifest, key).error() == ProtocolErrc::invalid_signature);
    TreeHead unsigned_head = head;
    unsigned_head.signature.clear();
    CHECK_FALSE(verify_head(unsigned_head, manifest, key));
    ++kinds;
  }
  CHECK(kinds == 7);

  // Without a manifest, or with the default one of a key that is its signer's: compat.
  const KeyPair keys = test::key_pair_of(7);
  const CoreKey key = CoreKey::from(keys.public_key.bytes());
  TreeHead head = rule_head(5, {});
  head.signature = sign_head(head, std::nullopt, key, keys);
  CHECK(head.signature.size() == 64);
  CHECK(verify_head(head, std::nullopt, key));
  CHECK(verify_head(head, default_manifest(keys.public_key), key));
  CHECK_FALSE(
      verify_head(head, default_manifest(keys.public_key), core_key(default_manifest(keys.public_key))));
  head.signature.push_back(std::byte{0});
  CHECK_FALSE(verify_head(head, std::nullopt, key));
}

TEST_CASE("manifest: quorums and patches hold as in the vectors, and their variants as said there") {
  const auto vectors = test::vectors("wire/manifest.json");
  std::size_t checked = 0;
  for (const auto& entry : vectors["multisig"]) {
    if (!entry.contains("manifest")) continue;
    const Manifest manifest = decoded(entry["manifest"]);
    const auto key = test::unhex_as<CoreKey>(entry["key"]);
    REQUIRE(check_manifest(manifest, key));
    const TreeHead head = rule_head(entry["treeLength"], test::unhex(entry["signature"]));
    CHECK(verify_head(head, manifest, key));
    ++checked;
    for (const auto& variant : entry.value("variants", nlohmann::json::array())) {
      const std::string note = variant["note"];
      CAPTURE(note);
      const TreeHead other = rule_head(entry["treeLength"], test::unhex(variant["signature"]));
      CHECK(verify_head(other, manifest, key).has_value() == variant["verifies"].get<bool>());
      ++checked;
    }
    if (!manifest.allow_patch) continue;
    // A patch whose nodes are altered or that says another length does not hold.
    for (std::size_t i = 0; i < head.signature.size(); ++i) {
      TreeHead bent = head;
      bent.signature[i] ^= std::byte{1};
      CHECK_FALSE(verify_head(bent, manifest, key));
    }
  }
  MESSAGE(checked, " multisignatures");
}

TEST_CASE("manifest: version 0 signs with the signer's namespace, also with several signers and patches") {
  const auto vectors = test::vectors("wire/manifest.json");
  const KeyPair a = crypto::key_pair(test::unhex_as<Seed>(vectors["seeds"]["A"]));
  const KeyPair b = crypto::key_pair(test::unhex_as<Seed>(vectors["seeds"]["B"]));
  Manifest manifest;
  manifest.version = 0;
  manifest.quorum = 2;
  manifest.allow_patch = true;
  manifest.signers = {{crypto::blake2b({as_bytes("a")}), a.public_key},
                      {crypto::blake2b({as_bytes("b")}), b.public_key}};
  const CoreKey key = core_key(manifest);
  REQUIRE(check_manifest(manifest, key));

  TreeHead head = rule_head(3, {});
  const TreeHead longer = rule_head(5, {});
  const auto sign = [&](const TreeHead& of, const Signer& signer, const KeyPair& keys) {
    return crypto::sign(tree_signable(signer.context, tree_hash(of), of.length, of.fork), keys.secret_key);
  };
  Buffer signature;
  Writer out(signature);
  out.uint(2);
  out.uint(1);  // flags: a patch
  out.uint(0);
  out.fixed(sign(longer, manifest.signers[0], a));
  out.uint(3);
  out.uint(2);
  out.uint(2);
  out.uint(0);
  out.uint(1);
  out.uint(0);
  out.uint(1);
  out.fixed(sign(head, manifest.signers[1], b));
  // The nodes that lead from 3 blocks to 5: leaves 6 and 8.
  out.uint(2);
  for (const std::uint64_t block : {3, 4}) {
    const Buffer bytes = test::rule_block(block);
    out.uint(2 * block);
    out.uint(bytes.size());
    out.fixed(leaf_hash(bytes));
  }
  head.signature = signature;
  CHECK(verify_head(head, manifest, key));
  for (std::size_t i = 0; i < signature.size(); ++i) {
    TreeHead bent = head;
    bent.signature[i] ^= std::byte{2};
    // Unknown flags, where the patch starts and which nodes it names: not looked at.
    const bool ignored = i == 1 || i == 67 || i == 70 || i == 71 || i == 72;
    if (!ignored) CHECK_FALSE(verify_head(bent, manifest, key));
  }
  // The recorded example decodes but is signed by nobody.
  for (const auto& entry : vectors["multisig"]) {
    if (entry.contains("manifest")) continue;
    head.signature = test::unhex(entry["signature"]);
    CHECK_FALSE(verify_head(head, manifest, key));
  }
}

TEST_CASE("manifest: a prologue needs no signature, and exactly its own tree") {
  const auto vectors = test::vectors("wire/manifest.json");
  Manifest manifest;
  manifest.prologue = Prologue{tree_hash(rule_head(5, {})), {5}};
  const CoreKey key = core_key(manifest);
  CHECK(check_manifest(manifest, key));
  CHECK(prologue_length(manifest, key).value == 5);
  CHECK(verify_head(rule_head(5, {}), manifest, key));
  CHECK_FALSE(verify_head(rule_head(4, {}), manifest, key));
  CHECK_FALSE(verify_head(rule_head(6, {}), manifest, key));
  manifest.prologue->hash.value[0] ^= std::byte{1};
  CHECK_FALSE(verify_head(rule_head(5, {}), manifest, core_key(manifest)));
}

TEST_CASE("manifest: what breaks a rule is refused although it hashes to the key") {
  const KeyPair keys = test::key_pair_of(1);
  const auto refused = [](const Manifest& manifest) {
    return check_manifest(manifest, core_key(manifest)).error() == ProtocolErrc::invalid_manifest;
  };
  Manifest manifest = default_manifest(keys.public_key);
  CHECK_FALSE(refused(manifest));
  manifest.quorum = 0;
  CHECK(refused(manifest));
  manifest.quorum = 2;
  CHECK(refused(manifest));
  manifest = default_manifest(keys.public_key);
  manifest.user_data.emplace();
  CHECK(refused(manifest));
  manifest.version = 2;
  CHECK_FALSE(refused(manifest));
  manifest.version = 1;
  manifest.user_data.reset();
  manifest.linked.emplace();
  CHECK(refused(manifest));
}

TEST_CASE("manifest: a compat core has the default form only, for its key covers nothing else") {
  const KeyPair keys = test::key_pair_of(1);
  const CoreKey key = CoreKey::from(keys.public_key.bytes());
  Manifest manifest = default_manifest(keys.public_key);
  CHECK(is_compat(manifest, key));
  CHECK(check_manifest(manifest, key));
  // Else a stranger could add a prologue and have a tree accepted that nobody signed.
  manifest.prologue = Prologue{tree_hash(rule_head(5, {})), {5}};
  CHECK(check_manifest(manifest, key).error() == ProtocolErrc::invalid_manifest);
  CHECK_FALSE(verify_head(rule_head(5, {}), manifest, key));
  CHECK(prologue_length(manifest, key).value == 0);
  manifest = default_manifest(keys.public_key);
  manifest.allow_patch = true;
  CHECK_FALSE(check_manifest(manifest, key));
}

TEST_CASE("manifest: signers and bytes are bounded before anything is allocated for them") {
  Manifest manifest;
  manifest.quorum = 1;
  manifest.signers.resize(64);
  CHECK(decode_manifest(encoded(manifest)).has_value());
  manifest.signers.resize(65);
  CHECK_FALSE(decode_manifest(encoded(manifest)).has_value());
  manifest.signers.resize(10'000);
  CHECK_FALSE(decode_manifest(encoded(manifest)).has_value());
  manifest.signers.resize(1);
  manifest.version = 2;
  manifest.user_data = Buffer(16 * 1024);
  CHECK_FALSE(decode_manifest(encoded(manifest)).has_value());
  manifest.user_data = Buffer(15 * 1024);
  CHECK(decode_manifest(encoded(manifest)).has_value());
  manifest.user_data.reset();
  manifest.linked = std::vector<CoreKey>(10'000);
  CHECK_FALSE(decode_manifest(encoded(manifest)).has_value());
  const Buffer claims = test::unhex(
      "01040001"
      "00"
      "feffffff7f");
  CHECK_FALSE(decode_manifest(claims).has_value());
}
