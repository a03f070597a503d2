// The messages of hypercore/alpha against the recorded vectors, and against numbers that do not fit.
#include "protocol/messages.hpp"

#include <functional>
#include <map>

#include <doctest/doctest.h>

#include "protocol/manifest.hpp"
#include "protocol/outgoing_frame.hpp"
#include "tests/support/message_json.hpp"

using namespace sheaf;
using namespace sheaf::test;

namespace {

const Limits defaults;

// One row a message: how to decode it and show it, how to encode it again, how to encode what a vector says.
struct Codec {
  std::function<Result<json>(Bytes)> decode;
  std::function<Buffer(Bytes)> again;
  std::function<Buffer(const json&)> encode;
};

template <class Message, class Decode>
Codec codec(Decode decode) {
  return {[=](Bytes body) -> Result<json> {
            const auto message = decode(body);
            if (!message) return message.error();
            return shown(*message);
          },
          [=](Bytes body) { return encoded(*decode(body)); },
          [](const json& value) {
            Keep keep;
            Message message;
            read(value, keep, message);
            return encoded(message);
          }};
}

Result<Data> decode_data_with_defaults(Bytes body) { return decode_data(body, defaults); }

const std::map<std::string, Codec> codecs = {
    {"handshake", codec<ChannelHandshake>(decode_channel_handshake)},
    {"sync", codec<SyncMessage>(decode_sync)},
    {"request", codec<Request>(decode_request)},
    {"cancel", codec<Cancel>(decode_cancel)},
    {"data", codec<Data>(decode_data_with_defaults)},
    {"noData", codec<NoData>(decode_no_data)},
    {"want", codec<Want>(decode_want)},
    {"unwant", codec<Unwant>(decode_unwant)},
    {"bitfield", codec<BitfieldMessage>(decode_bitfield)},
    {"range", codec<RangeMessage>(decode_range)},
    {"extension", codec<Extension>(decode_extension)},
};

const std::map<std::string, MessageType> types = {
    {"sync", MessageType::sync},      {"request", MessageType::request},
    {"cancel", MessageType::cancel},  {"data", MessageType::data},
    {"noData", MessageType::no_data}, {"want", MessageType::want},
    {"unwant", MessageType::unwant},  {"bitfield", MessageType::bitfield},
    {"range", MessageType::range},    {"extension", MessageType::extension}};

Buffer body_of(std::initializer_list<std::uint64_t> numbers) {
  Buffer out;
  Writer writer(out);
  for (const std::uint64_t number : numbers) writer.uint(number);
  return out;
}

Error error_of(const auto& result) { return result ? Error{} : result.error(); }

TreeNode node(std::uint64_t index) { return {{index}, {1}, {}}; }

std::vector<TreeNode> nodes(std::size_t count) { return std::vector<TreeNode>(count, node(0)); }

}  // namespace

TEST_CASE("every recorded message decodes to its recorded fields and encodes to its recorded bytes") {
  int messages = 0;
  for (const json& entry : vectors("wire/messages.json")["list"]) {
    const std::string name = entry["message"];
    CAPTURE(entry.dump());
    const Buffer bytes = unhex(entry["hex"]);
    json value = entry["value"];
    ++messages;
    if (name ==
        "reorgHint") {  // an encoding without a type: nobody can send it, and it is no message of ours
      CHECK(body_of({value["from"], value["to"], value["ancestors"]}) == bytes);
      continue;
    }
    const Codec& codec = codecs.at(name);

    const auto decoded = codec.decode(bytes);
    REQUIRE(decoded.has_value());
    const bool manifest = value.contains("manifest") && value["manifest"].is_object();
    if (manifest) value["manifest"] = "(manifest)";
    CHECK(*decoded == value);
    CHECK(hex(codec.again(bytes)) == hex(bytes));
    if (manifest) {
      // The message in front of it, with the flag that announces it.
      Buffer front = codec.encode(value);
      front[0] |= std::byte{16};
      CHECK(hex(bytes).starts_with(hex(front)));
    } else {
      CHECK(hex(codec.encode(value)) == hex(bytes));
    }
    if (name != "handshake") CHECK(static_cast<int>(types.at(name)) == entry["type"].get<int>());
  }
  CHECK(messages == 40);
  MESSAGE(messages, " messages both ways");
}

TEST_CASE("what the reference accepts is accepted") {
  for (const json& entry : vectors("wire/messages.json")["accepts"]) {
    CAPTURE(entry.dump());
    const auto decoded = codecs.at(entry["message"]).decode(unhex(entry["hex"]));
    REQUIRE(decoded.has_value());
    CHECK(*decoded == entry["decodesTo"]);
  }
}

TEST_CASE("what the reference rejects is rejected") {
  for (const json& entry : vectors("wire/messages.json")["rejects"]) {
    CAPTURE(entry.dump());
    CHECK(!codecs.at(entry["message"]).decode(unhex(entry["hex"])).has_value());
  }
}

TEST_CASE("every recorded message, cut short anywhere, is malformed or means what is left") {
  for (const json& entry : vectors("wire/messages.json")["list"]) {
    const std::string name = entry["message"];
    if (name == "reorgHint") continue;
    const Buffer bytes = unhex(entry["hex"]);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      CAPTURE(name);
      CAPTURE(size);
      const auto decoded = codecs.at(name).decode(Bytes(bytes).first(size));
      // Fields that may be missing at the end: noData's flags, want's flags; an extension's payload is what
      // is left.
      const bool optional_tail =
          name == "noData" || name == "want" || name == "unwant" || name == "extension";
      if (decoded) CHECK(optional_tail);
    }
  }
}

TEST_CASE("a data message's block value is a view of the body") {
  const Buffer value(100, std::byte{7});
  Data message{.request = 1};
  message.proof.block = {{2}, value, {}};
  const Buffer body = encoded(message);
  const auto decoded = decode_data(body, defaults);
  REQUIRE(decoded.has_value());
  const Bytes view = decoded->proof.block->value;
  CHECK(view.data() >= body.data());
  CHECK(view.data() + view.size() <= body.data() + body.size());
  CHECK(equal(view, value));
}

TEST_CASE("head, value and tail make the same data message as encode") {
  for (const json& entry : vectors("wire/messages.json")["list"]) {
    if (entry["message"] != "data" || entry["value"]["block"].is_null()) continue;
    const Buffer body = unhex(entry["hex"]);
    const Data message = *decode_data(body, defaults);
    Buffer head;
    Writer head_out(head);
    encode_head(head_out, message);
    CHECK(head.size() <= data_head_most);

    OutgoingFrame frame;
    append(frame.tail(), message.proof.block->value);
    frame.prepend(head);
    Writer tail_out(frame.tail());
    encode_tail(tail_out, message);
    CHECK(hex(frame.content()) == hex(body));
  }
}

TEST_CASE("L11: a part with more nodes than a proof has is malformed_proof, whatever the bytes behind it") {
  Data message{.request = 1};
  message.proof.hash = {{2}, nodes(defaults.proof_nodes_part)};
  CHECK(decode_data(encoded(message), defaults).has_value());
  message.proof.hash->nodes.push_back(node(0));
  CHECK(error_of(decode_data(encoded(message), defaults)) == ProtocolErrc::malformed_proof);
  // flags 2 (hash), request 1, fork 0, index 2, and a claim of a million nodes that are not there
  CHECK(error_of(decode_data(body_of({2, 1, 0, 2, 1'000'000}), defaults)) == ProtocolErrc::malformed_proof);
  CHECK(error_of(decode_data(body_of({2, 1, 0, 2, max_wire_integer}), defaults)) ==
        ProtocolErrc::malformed_proof);
}

TEST_CASE("L11: parts that are small one by one are bounded together") {
  Limits limits;
  limits.proof_nodes = 10;
  Data message{.request = 1};
  message.proof.block = {{1}, {}, nodes(4)};
  message.proof.hash = {{2}, nodes(4)};
  message.proof.seek = {{3}, nodes(2)};
  CHECK(decode_data(encoded(message), limits).has_value());
  message.proof.seek->nodes = nodes(3);
  CHECK(error_of(decode_data(encoded(message), limits)) == ProtocolErrc::malformed_proof);
}

TEST_CASE("L11: a manifest above its size is malformed_proof") {
  Manifest manifest = default_manifest({});
  manifest.user_data = Buffer(1'000);
  Buffer bytes;
  encode_manifest(manifest, bytes);
  Data message{.request = 1};
  message.manifest = bytes;
  CHECK(decode_data(encoded(message), defaults).has_value());
  manifest.user_data = Buffer(defaults.manifest_bytes);
  bytes.clear();
  encode_manifest(manifest, bytes);
  message.manifest = bytes;
  CHECK(error_of(decode_data(encoded(message), defaults)) == ProtocolErrc::malformed_proof);
}

TEST_CASE("bytes behind a manifest are no part of it") {
  Buffer bytes;
  encode_manifest(default_manifest({}), bytes);
  Data message{.request = 1};
  message.manifest = bytes;
  Buffer body = encoded(message);
  append(body, as_bytes("more"));
  const auto decoded = decode_data(body, defaults);
  REQUIRE(decoded.has_value());
  CHECK(hex(decoded->manifest) == hex(bytes));
}

TEST_CASE("a data message that announces a manifest and ends is malformed") {
  CHECK(error_of(decode_data(body_of({16, 1, 0}), defaults)) == ProtocolErrc::malformed);
}

TEST_CASE("hostile range_overflow: an interval that ends past the wire's integers is malformed") {
  const std::uint64_t most = max_wire_integer / 2;  // twice a block index must be an integer of the wire
  CHECK(decode_range(body_of({0, 1, most - 1})).has_value());
  CHECK(error_of(decode_range(body_of({0, 2, most - 1}))) == ProtocolErrc::malformed);
  CHECK(error_of(decode_range(body_of({0, max_wire_integer, max_wire_integer}))) == ProtocolErrc::malformed);
  CHECK(error_of(decode_range(body_of({3, max_wire_integer}))) == ProtocolErrc::malformed);
  CHECK(error_of(decode_want(body_of({2, most - 1}))) == ProtocolErrc::malformed);
  CHECK(error_of(decode_unwant(body_of({max_wire_integer, 1}))) == ProtocolErrc::malformed);
  // flags 8 (upgrade), id 1, fork 0
  CHECK(decode_request(body_of({8, 1, 0, 1, most - 1})).has_value());
  CHECK(error_of(decode_request(body_of({8, 1, 0, 2, most - 1}))) == ProtocolErrc::malformed);
}

TEST_CASE("hostile sync_length_2p53 and 2p64: a length whose tree has no numbers is malformed") {
  CHECK(decode_sync(body_of({7, 0, max_wire_integer / 2, 0})).has_value());
  CHECK(error_of(decode_sync(body_of({7, 0, max_wire_integer, 0}))) == ProtocolErrc::malformed);
  const Buffer above = unhex("0700ff000000000000200000");  // 2^53
  CHECK(error_of(decode_sync(above)) == ProtocolErrc::malformed);
  const Buffer wide = unhex("0700ffffffffffffffffff00");  // 2^64 - 1
  CHECK(error_of(decode_sync(wide)) == ProtocolErrc::malformed);
}

TEST_CASE("a block index whose leaf has no number is malformed") {
  const std::uint64_t most = max_wire_integer / 2;
  CHECK(decode_request(body_of({1, 1, 0, most, 0})).has_value());
  CHECK(error_of(decode_request(body_of({1, 1, 0, most + 1, 0}))) == ProtocolErrc::malformed);
  CHECK(error_of(decode_data(body_of({1, 1, 0, most + 1, 0, 0}), defaults)) == ProtocolErrc::malformed);
}

TEST_CASE("hostile bitfield_unaligned, _16MiB and _at_2p53: bounded by the bytes that are there") {
  CHECK(decode_bitfield(body_of({7, 0})).has_value());  // ignoring an odd start is the channel's affair
  CHECK(error_of(decode_bitfield(body_of({0, max_wire_integer}))) == ProtocolErrc::malformed);
  CHECK(error_of(decode_bitfield(body_of({max_wire_integer, 0}))) == ProtocolErrc::malformed);
  Buffer at_the_end = body_of({max_wire_integer / 2 - 31, 1});
  append(at_the_end, Buffer(4));
  CHECK(error_of(decode_bitfield(at_the_end)) == ProtocolErrc::malformed);

  const std::size_t words = 4 * 1024 * 1024 - 16;
  Buffer large = body_of({0, words});
  large.resize(large.size() + words * 4, std::byte{0xff});
  const auto decoded = decode_bitfield(large);
  REQUIRE(decoded.has_value());
  CHECK(decoded->word_count() == words);
  CHECK(decoded->words.data() + decoded->words.size() == large.data() + large.size());  // a view, no copy
}

TEST_CASE("hostile extension_16MiB: name and payload are views") {
  Buffer body = body_of({3});
  append(body, as_bytes("ext"));
  body.resize(16 * 1024 * 1024);
  const auto decoded = decode_extension(body);
  REQUIRE(decoded.has_value());
  CHECK(decoded->name == "ext");
  CHECK(decoded->payload.size() == body.size() - 4);
  CHECK(error_of(decode_extension(body_of({5, 1}))) == ProtocolErrc::malformed);
}

TEST_CASE("a reason that nobody knows passes as it is") {
  CHECK(static_cast<std::uint64_t>(decode_no_data(body_of({9, 1, 77}))->reason) == 77);
}
