#include "protocol/noise.hpp"

#include <array>

#include "tests/support/scripted_random.hpp"
#include "tests/support/vectors.hpp"

using namespace sheaf;
using namespace sheaf::test;
using nlohmann::json;

namespace {

NoisePattern pattern_named(const std::string& name) {
  return name == "XX" ? NoisePattern::xx : name == "IK" ? NoisePattern::ik : NoisePattern::xk;
}

KeyPair key_pair_of(const json& seed) { return crypto::key_pair(unhex_as<Seed>(seed)); }

NoiseHandshake handshake_of(const json& vector, Role role) {
  const json& mine = vector[role == Role::initiator ? "initiator" : "responder"];
  ScriptedRandom random(unhex(mine["ephemeralSeed"]));
  NoiseHandshake::Options options;
  options.pattern = pattern_named(vector["pattern"]);
  options.role = role;
  options.static_key = key_pair_of(mine["staticSeed"]);
  if (role == Role::initiator && options.pattern != NoisePattern::xx)
    options.remote_key = unhex_as<PublicKey>(vector["responder"]["staticPublicKey"]);
  return NoiseHandshake(std::move(options), random);
}

// The recording of IK shows zeros where the responder's ephemeral key stood: the reference wipes the key
// before its message is written down. On the wire, and in the hash, stands the key.
Buffer message_of(const json& vector, std::size_t index) {
  Buffer message = unhex(vector["messages"][index]["hex"]);
  if (vector["pattern"] == "IK" && index == 1)
    std::ranges::copy(unhex(vector["responder"]["ephemeralPublicKey"]), message.begin());
  return message;
}

// Two sides of one pattern with keys of their own.
struct Pair {
  explicit Pair(NoisePattern pattern) {
    const auto random = seeded_random(7);
    NoiseHandshake::Options i, r;
    Seed seed;
    random->fill(seed.bytes());
    i.static_key = crypto::key_pair(seed);
    random->fill(seed.bytes());
    r.static_key = crypto::key_pair(seed);
    i.pattern = r.pattern = pattern;
    r.role = Role::responder;
    i.remote_key = r.static_key.public_key;
    responder_key = r.static_key.public_key;
    initiator.emplace(std::move(i), *random);
    responder.emplace(std::move(r), *random);
  }
  NoiseHandshake& writer(std::size_t message) { return message % 2 == 0 ? *initiator : *responder; }
  NoiseHandshake& reader(std::size_t message) { return message % 2 == 0 ? *responder : *initiator; }

  PublicKey responder_key;
  std::optional<NoiseHandshake> initiator, responder;
};

}  // namespace

TEST_CASE("Diffie-Hellman on edwards25519 gives the recorded secrets, from either side") {
  const json all = vectors("wire/noise.json");
  int count = 0;
  for (const json& v : all["dh"]) {
    const KeyPair a = key_pair_of(v["aSeed"]), b = key_pair_of(v["bSeed"]);
    CHECK(to_string(a.public_key) == v["aPublicKey"]);
    CHECK(to_string(b.public_key) == v["bPublicKey"]);
    CHECK(to_hex(crypto::diffie_hellman(a.secret_key, b.public_key)->bytes()) == v["shared"]);
    CHECK(to_hex(crypto::diffie_hellman(b.secret_key, a.public_key)->bytes()) == v["shared"]);
    ++count;
  }
  for (const json& v : all["dhEdgeCases"]) {
    const KeyPair a = key_pair_of(all["dh"][0]["aSeed"]);
    const auto shared = crypto::diffie_hellman(a.secret_key, unhex_as<PublicKey>(v["publicKey"]));
    REQUIRE(v["result"].contains("error"));
    CHECK(shared.has_error());
    ++count;
  }
  CHECK(count == 9);
  MESSAGE(count, " Diffie-Hellman vectors");
}

TEST_CASE("HKDF over HMAC-BLAKE2b gives the recorded outputs") {
  int count = 0;
  const json all = vectors("wire/noise.json");
  for (const json& v : all["hkdf"]) {
    const auto [first, second] = noise_hkdf(unhex(v["salt"]), unhex(v["ikm"]));
    CHECK(to_hex(first.bytes()) == v["out1"]);
    CHECK(to_hex(second.bytes()) == v["out2"]);
    ++count;
  }
  CHECK(count == 2);
  MESSAGE(count, " HKDF vectors");
}

TEST_CASE("recorded handshakes come out byte by byte in both roles") {
  int count = 0;
  const json all = vectors("wire/noise.json");
  for (const json& v : all["handshakes"]) {
    CAPTURE(v["pattern"].get<std::string>());
    for (const Role role : {Role::initiator, Role::responder}) {
      NoiseHandshake mine = handshake_of(v, role);
      for (std::size_t i = 0; i < v["messages"].size(); ++i) {
        const Buffer recorded = message_of(v, i);
        CHECK(mine.message_bytes() == v["messages"][i]["length"]);
        const bool mine_to_write = (v["messages"][i]["from"] == "initiator") == (role == Role::initiator);
        REQUIRE(mine.writes() == mine_to_write);
        if (mine_to_write) {
          const auto written = mine.write();
          REQUIRE(written.has_value());
          CHECK(to_hex(*written) == to_hex(recorded));
        } else {
          const auto payload = mine.read(recorded);
          REQUIRE(payload.has_value());
          CHECK(payload->empty());
        }
      }
      REQUIRE(mine.finished());
      CHECK(mine.message_bytes() == 0);
      const HandshakeKeys keys = mine.take_keys();
      const bool initiator = role == Role::initiator;
      CHECK(to_hex(keys.tx.bytes()) == v["result"][initiator ? "initiatorTx" : "initiatorRx"]);
      CHECK(to_hex(keys.rx.bytes()) == v["result"][initiator ? "initiatorRx" : "initiatorTx"]);
      CHECK(to_string(keys.hash) == v["result"]["handshakeHash"]);
      CHECK(to_string(keys.remote_key) == v[initiator ? "responder" : "initiator"]["staticPublicKey"]);
      ++count;
    }
  }
  CHECK(count == 6);
  MESSAGE(count, " handshakes replayed");
}

TEST_CASE("a handshake with prologue and payloads reproduces the recorded IK of the DHT") {
  // Its messages were written down with the ephemeral keys wiped; what lies behind them is compared.
  const json v = vectors("dht/noise_ik.json");
  const auto side = [&](Role role, const char* static_seed, const char* ephemeral_seed) {
    ScriptedRandom random(unhex(v[ephemeral_seed]));
    NoiseHandshake::Options options;
    options.pattern = NoisePattern::ik;
    options.role = role;
    options.static_key = key_pair_of(v[static_seed]);
    options.prologue = unhex(v["prologue"]);
    if (role == Role::initiator) options.remote_key = unhex_as<PublicKey>(v["serverStatic"]);
    return NoiseHandshake(std::move(options), random);
  };
  NoiseHandshake client = side(Role::initiator, "clientStaticSeed", "clientEphemeralSeed");
  NoiseHandshake server = side(Role::responder, "serverStaticSeed", "serverEphemeralSeed");
  const auto first = client.write(unhex(v["payload1"]));
  CHECK(to_hex(*first).substr(64) == v["message1"].get<std::string>().substr(64));
  CHECK(to_hex(*server.read(*first)) == v["payload1"]);
  const auto second = server.write(unhex(v["payload2"]));
  CHECK(to_hex(*second).substr(64) == v["message2"].get<std::string>().substr(64));
  CHECK(to_hex(*client.read(*second)) == v["payload2"]);
  const HandshakeKeys keys = client.take_keys();
  CHECK(to_string(keys.hash) == v["handshakeHash"]);
  CHECK(to_hex(keys.tx.bytes()) == v["clientTx"]);
  CHECK(to_hex(keys.rx.bytes()) == v["clientRx"]);
}

TEST_CASE("the initiator knows the responder's key before it gives its own away") {
  Pair pair(NoisePattern::xx);
  CHECK_FALSE(pair.initiator->remote_key());
  REQUIRE(pair.responder->read(*pair.initiator->write()).has_value());
  REQUIRE(pair.initiator->read(*pair.responder->write()).has_value());
  REQUIRE(pair.initiator->writes());
  CHECK(pair.initiator->remote_key() == pair.responder_key);
  CHECK_FALSE(pair.responder->remote_key());
}

TEST_CASE("every flipped bit of every message fails the handshake, at once or at its last message") {
  int flipped = 0;
  for (const NoisePattern pattern : {NoisePattern::xx, NoisePattern::ik, NoisePattern::xk}) {
    const std::size_t messages = pattern == NoisePattern::ik ? 2 : 3;
    for (std::size_t victim = 0; victim < messages; ++victim) {
      const std::size_t bits = [&] {
        Pair pair(pattern);
        for (std::size_t i = 0; i < victim; ++i)
          REQUIRE(pair.reader(i).read(*pair.writer(i).write()).has_value());
        return pair.writer(victim).message_bytes() * 8;
      }();
      for (std::size_t bit = 0; bit < bits; ++bit) {
        Pair pair(pattern);
        bool failed = false;
        for (std::size_t i = 0; i < messages && !failed; ++i) {
          auto message = pair.writer(i).write();
          if (message && i == victim) (*message)[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
          failed = !message || !pair.reader(i).read(*message);
        }
        if (!failed) FAIL("bit ", bit, " of message ", victim, " was not noticed");
        ++flipped;
      }
    }
  }
  MESSAGE(flipped, " flipped bits");
}

TEST_CASE("small-order and malformed points end a handshake, wherever they stand") {
  static constexpr const char* points[] = {
      "0000000000000000000000000000000000000000000000000000000000000000",
      "0100000000000000000000000000000000000000000000000000000000000000",
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "0000000000000000000000000000000000000000000000000000000000000080",
      "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
      "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
      "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
      "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
      "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",  // p: 0, not canonical
      "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",  // p + 1: 1, not canonical
      "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
      "0200000000000000000000000000000000000000000000000000000000000000",  // not on the curve
  };
  for (const char* point : points) {
    CAPTURE(point);
    const Buffer bad = *from_hex(point);

    // As the initiator's ephemeral key: the responder fails while it answers.
    Pair first(NoisePattern::xx);
    REQUIRE(first.responder->read(bad).has_value());
    CHECK(first.responder->write().error() == ProtocolErrc::handshake_failed);
    CHECK(first.responder->failed());

    // As the responder's ephemeral key.
    Pair second(NoisePattern::xx);
    REQUIRE(second.responder->read(*second.initiator->write()).has_value());
    Buffer answer = *second.responder->write();
    std::ranges::copy(bad, answer.begin());
    CHECK(second.initiator->read(answer).error() == ProtocolErrc::handshake_failed);
    CHECK_FALSE(second.initiator->remote_key());

    // As the static key of a side that otherwise keeps to the rules.
    for (const Role liar : {Role::initiator, Role::responder}) {
      const auto random = seeded_random(11);
      NoiseHandshake::Options i, r;
      Seed seed;
      random->fill(seed.bytes());
      i.static_key = r.static_key = crypto::key_pair(seed);
      (liar == Role::initiator ? i : r).static_key.public_key = PublicKey::from(bad);
      r.role = Role::responder;
      NoiseHandshake initiator(std::move(i), *random), responder(std::move(r), *random);
      REQUIRE(responder.read(*initiator.write()).has_value());
      const auto middle = initiator.read(*responder.write());
      CHECK(middle.has_value() == (liar == Role::initiator));
      if (middle) CHECK(responder.read(*initiator.write()).has_error());
    }
  }
  MESSAGE(std::size(points), " bad points in four places");
}

TEST_CASE("a recorded first flight is of no use again") {
  const json v = vectors("wire/noise.json")["handshakes"][0];
  const auto random = seeded_random(3);
  NoiseHandshake::Options options;
  options.role = Role::responder;
  options.static_key = key_pair_of(v["responder"]["staticSeed"]);
  NoiseHandshake responder(std::move(options), *random);
  REQUIRE(responder.read(message_of(v, 0)).has_value());
  REQUIRE(responder.write().has_value());
  CHECK(responder.read(message_of(v, 2)).error() == ProtocolErrc::handshake_failed);
}

TEST_CASE("a message too short fails, whatever its place") {
  for (std::size_t victim = 0; victim < 3; ++victim) {
    Pair pair(NoisePattern::xx);
    for (std::size_t i = 0; i < victim; ++i)
      REQUIRE(pair.reader(i).read(*pair.writer(i).write()).has_value());
    Buffer message = *pair.writer(victim).write();
    message.pop_back();
    CHECK(pair.reader(victim).read(message).has_error());
    CHECK(pair.reader(victim).failed());
  }
}
