// The coordinator's messages and keys against the recorded vectors, and bodies beyond the bounds.
#include "protocol/coordinator_messages.hpp"

#include <functional>
#include <map>

#include <doctest/doctest.h>

#include "protocol/mux.hpp"
#include "tests/support/coordinator_vectors.hpp"

using namespace sheaf;
using namespace sheaf::test;
using nlohmann::json;

namespace {

std::string hex(const auto& value) { return to_hex(value.bytes()); }

// A decoded message as the vectors spell it.
json shown(const coordinator::Root& m) {
  return {{"flags", (m.closed ? 1 : 0) + (m.whole ? 2 : 0)},
          {"count", m.count},
          {"digest", hex(m.digest)},
          {"credit", m.credit}};
}
json shown(const coordinator::Entry& entry) {
  const std::string all = hex(entry.prefix.first_slot());
  json out{{"prefix", all.substr(0, entry.prefix.depth())}};
  if (const auto* digests = std::get_if<coordinator::Digests>(&entry.what)) {
    out["kind"] = digests->levels - 1;
    std::size_t at = 0;
    for (std::size_t i = 0; i < digests->width(); ++i)
      out["digests"].push_back(digests->present[i] ? json(hex(digests->digests.at(at++))) : json());
  } else if (const auto* list = std::get_if<coordinator::List>(&entry.what)) {
    out["kind"] = 2;
    for (const auto& each : *list)
      out["list"].push_back(
          {{"tag", hex(each.tag)}, {"fork", each.fork.value}, {"length", each.length.value}});
  } else {
    out["kind"] = std::holds_alternative<coordinator::Pull>(entry.what) ? 3 : 4;
  }
  return out;
}
json shown(const coordinator::Nodes& m) {
  json out{{"flags", (m.end_of_turn ? 1 : 0) + (m.quiet ? 2 : 0)}, {"entries", json::array()}};
  for (const auto& entry : m.entries) out["entries"].push_back(shown(entry));
  return out;
}
json shown(const std::vector<coordinator::Tag>& tags) {
  json out = json::array();
  for (const auto& tag : tags) out.push_back(hex(tag));
  return out;
}
json shown(const coordinator::Need& m) { return {{"tags", shown(m.tags)}}; }
json shown(const coordinator::Items& m) {
  json out{{"flags", m.live ? 1 : 0}, {"items", json::array()}};
  for (const auto& item : m.items) {
    json each{{"flags", static_cast<int>(item.holding) + (item.bare ? 4 : 0) + (item.blobs ? 8 : 0)},
              {"key", hex(item.key)},
              {"fork", item.fork.value},
              {"length", item.length.value}};
    if (item.blobs) {
      each["blobsFork"] = item.blobs->fork.value;
      each["blobsLength"] = item.blobs->length.value;
    }
    out["items"].push_back(each);
  }
  return out;
}
json shown(const coordinator::Ask& m) { return {{"id", m.id}, {"tags", shown(m.tags)}}; }
json shown(const coordinator::Tell& m) {
  json out{{"id", m.id}, {"holdings", json::array()}};
  for (const auto holding : m.holdings) out["holdings"].push_back(static_cast<int>(holding));
  return out;
}
json shown(const coordinator::Credit& m) { return {{"items", m.items}}; }
json shown(const coordinator::Settled& m) { return {{"seen", m.seen}, {"flags", m.missing ? 1 : 0}}; }
json shown(const coordinator::Refuse& m) {
  json out{{"refused", json::array()}};
  for (const auto& each : m.refused)
    out["refused"].push_back({{"tag", hex(each.tag)}, {"reason", static_cast<std::uint64_t>(each.reason)}});
  return out;
}
json shown(const coordinator::Bye& m) {
  return {{"reason", static_cast<std::uint64_t>(m.reason)}, {"text", m.text}};
}
json shown(const coordinator::Peers& m) {
  json out{{"peers", json::array()}};
  for (const auto& each : m.peers)
    out["peers"].push_back({{"flags", each.own ? 1 : 0},
                            {"peer", hex(each.peer)},
                            {"age", each.age_minutes},
                            {"address", each.address}});
  return out;
}

struct Codec {
  coordinator::MessageType type;
  std::function<Result<json>(Bytes)> decode;
  std::function<Buffer(Bytes)> again;
};
template <class Decode>
Codec codec(coordinator::MessageType type, Decode decode) {
  return {type,
          [=](Bytes body) -> Result<json> {
            const auto message = decode(body);
            if (!message) return message.error();
            return shown(*message);
          },
          [=](Bytes body) { return body_of(*decode(body)); }};
}

const std::map<std::string, Codec> codecs = {
    {"root", codec(coordinator::MessageType::root, coordinator::decode_root)},
    {"nodes", codec(coordinator::MessageType::nodes, coordinator::decode_nodes)},
    {"need", codec(coordinator::MessageType::need, coordinator::decode_need)},
    {"items", codec(coordinator::MessageType::items, coordinator::decode_items)},
    {"ask", codec(coordinator::MessageType::ask, coordinator::decode_ask)},
    {"tell", codec(coordinator::MessageType::tell, coordinator::decode_tell)},
    {"credit", codec(coordinator::MessageType::credit, coordinator::decode_credit)},
    {"settled", codec(coordinator::MessageType::settled, coordinator::decode_settled)},
    {"refuse", codec(coordinator::MessageType::refuse, coordinator::decode_refuse)},
    {"bye", codec(coordinator::MessageType::bye, coordinator::decode_bye)},
    {"peers", codec(coordinator::MessageType::peers, coordinator::decode_peers)},
};

Buffer numbers(std::initializer_list<std::uint64_t> values) {
  Buffer out;
  Writer writer(out);
  for (const std::uint64_t value : values) writer.uint(value);
  return out;
}

}  // namespace

TEST_CASE("recorded bodies decode to what was recorded, and encode to the same bytes") {
  for (const auto& vector : vectors("coordinator/vectors.json")["messages"]) {
    const Codec& known = codecs.at(vector["name"]);
    CAPTURE(vector["name"].get<std::string>());
    CHECK(static_cast<int>(known.type) == vector["type"].get<int>());
    const Buffer body = unhex(vector["body"]);
    const auto message = known.decode(body);
    REQUIRE(message.has_value());
    CHECK(*message == vector["message"]);
    CHECK(known.again(body) == body);
  }
}

TEST_CASE("recorded malformed bodies are refused") {
  const auto& list = vectors("coordinator/vectors.json")["malformed"];
  CHECK(list.size() >= 10);
  for (const auto& vector : list) {
    CAPTURE(vector["what"].get<std::string>());
    const auto message = codecs.at(vector["name"]).decode(unhex(vector["body"]));
    REQUIRE_FALSE(message.has_value());
    CHECK(message.error() == ProtocolErrc::malformed);
  }
}

TEST_CASE("every recorded body is refused when it is cut anywhere") {
  for (const auto& vector : vectors("coordinator/vectors.json")["messages"]) {
    const Buffer body = unhex(vector["body"]);
    for (std::size_t size = 0; size < body.size(); ++size) {
      CAPTURE(vector["name"].get<std::string>());
      CAPTURE(size);
      CHECK_FALSE(codecs.at(vector["name"]).decode(Bytes(body).first(size)).has_value());
    }
  }
}

TEST_CASE("bytes behind the last field and unknown flags are ignored") {
  for (const auto& vector : vectors("coordinator/vectors.json")["messages"]) {
    Buffer body = unhex(vector["body"]);
    body.push_back(std::byte{0x55});
    CHECK(*codecs.at(vector["name"]).decode(body) == vector["message"]);
  }
  const auto settled = coordinator::decode_settled(numbers({3, 0xf0}));
  REQUIRE(settled.has_value());
  CHECK_FALSE(settled->missing);
}

TEST_CASE("arrays and bodies beyond the bounds are malformed, before anything is allocated for them") {
  CHECK_FALSE(coordinator::decode_need(numbers({1025})).has_value());
  CHECK_FALSE(coordinator::decode_items(numbers({0, 1025})).has_value());
  CHECK_FALSE(coordinator::decode_nodes(numbers({0, 4097})).has_value());
  CHECK_FALSE(coordinator::decode_peers(numbers({17})).has_value());
  Buffer list = numbers({0, 1, 2, 0, 1025});  // one list entry at the empty prefix
  list.resize(list.size() + 1025 * 10);
  CHECK_FALSE(coordinator::decode_nodes(list).has_value());
  Buffer tell = numbers({1, 1025});
  tell.resize(tell.size() + 1025);
  CHECK_FALSE(coordinator::decode_tell(tell).has_value());
  CHECK_FALSE(coordinator::decode_settled(Buffer(coordinator::body_most + 1)).has_value());
  CHECK(coordinator::decode_settled(Buffer(coordinator::body_most)).has_value());
  const std::string long_text(coordinator::text_bytes_most + 1, 'x');
  CHECK_FALSE(coordinator::decode_bye(body_of(coordinator::Bye{{}, long_text})).has_value());
}

TEST_CASE("namespaces, topics, proofs and salts are those recorded") {
  const auto& v = vectors("coordinator/vectors.json");
  const char* names[] = {
      "TOPIC", "PROOF_INITIATOR", "PROOF_RESPONDER", "SALT",         "SLOT", "LEAF", "INNER", "ROOT",
      "TAG",   "BUNDLE",          "INVITE",          "INVITE_PROOF", "JOIN"};
  for (std::uint8_t i = 0; i < 13; ++i)
    CHECK(hex(namespace_of(CoordinatorNamespace{i})) == v["namespaces"][names[i]]);
  CHECK(to_hex(open_bundle_secret().bytes()) == v["openSecret"]);

  const auto handshake_hash = unhex_as<WideHash>(v["handshakeHash"]);
  for (const auto& session : v["sessions"]) {
    const CoordinatorKeys keys(unhex_as<BundleSecret>(session["secret"]), handshake_hash);
    CHECK(hex(keys.topic()) == session["topic"]);
    CHECK(hex(keys.salt()) == session["salt"]);
    CHECK(hex(keys.proof(Role::initiator)) == session["proofInitiator"]);
    CHECK(hex(keys.proof(Role::responder)) == session["proofResponder"]);

    // The whole open, as the mux says it.
    for (const Role role : {Role::initiator, Role::responder}) {
      const Limits limits;
      Mux mux(limits);
      coordinator::Handshake handshake;
      handshake.proof = keys.proof(role);
      mux.open(coordinator::protocol_name, keys.topic().bytes(), body_of(handshake));
      auto frame = mux.next_frame();
      REQUIRE(frame);
      const auto& recorded = session[role == Role::initiator ? "openByInitiator" : "openByResponder"];
      CHECK(to_hex(frame->content()) == recorded);
    }
  }
}

TEST_CASE("recorded elements have the recorded slots and tags") {
  const auto& v = vectors("coordinator/vectors.json");
  const CoordinatorKeys keys(unhex_as<BundleSecret>(v["secretOfTheRest"]),
                             unhex_as<WideHash>(v["handshakeHash"]));
  for (const auto& each : v["elements"]) {
    const KeyedHead element = vector_element(each["n"]);
    CHECK(hex(element.key) == each["key"]);
    CHECK(element.fork.value == each["fork"]);
    CHECK(element.length.value == each["length"]);
    CHECK(hex(slot_of(element.key)) == each["slot"]);
    CHECK(hex(keys.tag(slot_of(element.key))) == each["tag"]);
  }
}
