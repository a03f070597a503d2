#include "protocol/crypto.hpp"

#include <array>

#include "protocol/signables.hpp"
#include "sheaf/protocol/random_source.hpp"
#include "tests/support/vectors.hpp"

using namespace sheaf;
using namespace sheaf::test;
using nlohmann::json;

TEST_CASE("namespaces") {
  const json all = vectors("wire/crypto.json");
  const json& names = all["namespaces"];
  CHECK(to_string(namespaces::tree()) == names["TREE"]);
  CHECK(to_string(namespaces::replicate(Role::initiator)) == names["REPLICATE_INITIATOR"]);
  CHECK(to_string(namespaces::replicate(Role::responder)) == names["REPLICATE_RESPONDER"]);
  CHECK(to_string(namespaces::manifest()) == names["MANIFEST"]);
  CHECK(to_string(namespaces::default_signer()) == names["DEFAULT_NAMESPACE"]);
  CHECK(to_string(namespaces::default_encryption()) == names["DEFAULT_ENCRYPTION"]);
  int count = 6;
  for (const json& v : all["namespace"]) {
    const Hash owner = crypto::blake2b({as_bytes(v["name"].get<std::string>())});
    for (std::size_t i = 0; i < v["list"].size(); ++i, ++count) {
      const auto number = static_cast<std::byte>(i);
      CHECK(to_string(crypto::blake2b({owner.bytes(), Bytes(&number, 1)})) == v["list"][i]);
    }
  }
  MESSAGE(count, " namespaces");
}

TEST_CASE("capabilities") {
  const json all = vectors("wire/crypto.json");
  for (const json& v : all["capabilities"]) {
    const auto key = unhex_as<CoreKey>(v["key"]);
    const auto hash = unhex_as<WideHash>(v["handshakeHash"]);
    CHECK(to_string(capability(key, hash, Role::initiator)) == v["initiator"]);
    CHECK(to_string(capability(key, hash, Role::responder)) == v["responder"]);
  }
  CHECK(all["capabilities"].size() == 2);
  MESSAGE(all["capabilities"].size(), " pairs of capabilities");
}

TEST_CASE("keys, manifests' hashes and discovery keys") {
  const json all = vectors("wire/crypto.json");
  for (const json& v : all["keys"]) {
    const KeyPair pair = crypto::key_pair(unhex_as<Seed>(v["seed"]));
    CHECK(to_string(pair.public_key) == v["publicKey"]);
    const CoreKey key = manifest_hash(unhex(v["defaultManifest"]));
    CHECK(to_string(key) == v["key"]);
    CHECK(to_string(discovery_key(key)) == v["discoveryKey"]);
    const CoreKey compat = CoreKey::from(pair.public_key.bytes());
    CHECK(to_string(compat) == v["compatKey"]);
    CHECK(to_string(discovery_key(compat)) == v["compatDiscoveryKey"]);

    const Signature signature = crypto::sign(as_bytes("message"), pair.secret_key);
    CHECK(crypto::verify(signature, as_bytes("message"), pair.public_key));
    CHECK_FALSE(crypto::verify(signature, as_bytes("massage"), pair.public_key));
  }
  CHECK(all["keys"].size() == 3);
  MESSAGE(all["keys"].size(), " keys");
}

TEST_CASE("a sealed text opens with its key, counter and associated bytes only") {
  const auto key = crypto::CipherKey::from(Buffer(32, std::byte{1}));
  Buffer sealed = to_buffer(as_bytes("kept"));
  crypto::seal(sealed, key, 7, as_bytes("about"), as_bytes("plain"));
  REQUIRE(sealed.size() == 4 + 5 + 16);
  const Bytes text = Bytes(sealed).subspan(4);
  CHECK(as_text(*crypto::open(key, 7, as_bytes("about"), text)) == "plain");
  CHECK(crypto::open(key, 8, as_bytes("about"), text).has_error());
  CHECK(crypto::open(key, 7, as_bytes("abouT"), text).has_error());
  CHECK(crypto::open(crypto::CipherKey{}, 7, as_bytes("about"), text).has_error());
  for (std::size_t size = 0; size < text.size(); ++size)
    CHECK(crypto::open(key, 7, as_bytes("about"), text.first(size)).has_error());
}

TEST_CASE("numbers below a bound are spread over all of it") {
  const auto random = seeded_random(2);
  std::array<int, 7> seen{};
  for (int i = 0; i < 700; ++i) ++seen[random->below(7)];
  for (const int count : seen) CHECK(count > 50);
  CHECK(random->below(1) == 0);
  const auto again = seeded_random(2), other = seeded_random(3);
  CHECK(again->next() != other->next());
}
