// F14, decoders: one body of a stranger, taken for each of the coordinator's messages. What decodes is within
// the format's bounds, and encodes to a body that decodes and encodes to the same bytes.
#include "protocol/coordinator_messages.hpp"
#include "tests/fuzz/choices.hpp"

using namespace sheaf;
using fuzz::expect;

namespace {

template <class Message>
Buffer encoded(const Message& message) {
  Buffer out;
  Writer writer(out);
  coordinator::encode(writer, message);
  return out;
}

template <class Message>
std::optional<Message> again(Result<Message> (*decode)(Bytes), Bytes body) {
  auto first = decode(body);
  if (!first) {
    expect(first.error() == ProtocolErrc::malformed);
    return std::nullopt;
  }
  expect(body.size() <= coordinator::body_most);
  const Buffer bytes = encoded(*first);
  expect(bytes.size() <= body.size());
  const auto second = decode(Bytes(bytes));
  expect(second.has_value());
  expect(encoded(*second) == bytes);
  return std::move(*first);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes body(reinterpret_cast<const std::byte*>(data), size);
  again(coordinator::decode_handshake, body);
  again(coordinator::decode_root, body);
  again(coordinator::decode_need, body);
  again(coordinator::decode_items, body);
  again(coordinator::decode_ask, body);
  again(coordinator::decode_tell, body);
  again(coordinator::decode_credit, body);
  again(coordinator::decode_settled, body);
  again(coordinator::decode_refuse, body);
  again(coordinator::decode_bye, body);
  again(coordinator::decode_peers, body);
  if (const auto nodes = again(coordinator::decode_nodes, body)) {
    expect(nodes->entries.size() <= coordinator::entries_most);
    for (const auto& entry : nodes->entries) {
      expect(entry.prefix.depth() <= coordinator::prefix_depth_most);
      expect(encoded(entry).size() == coordinator::encoded_size(entry));
    }
  }
  return 0;
}
