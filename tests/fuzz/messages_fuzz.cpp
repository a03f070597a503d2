// F8: one body of a stranger, taken for each of the messages. What decodes, encodes to a body that decodes to
// the same and encodes to the same bytes; what a message views lies within the body.
#include <cstdlib>

#include "protocol/messages.hpp"
#include "sheaf/protocol/invariant.hpp"

using namespace sheaf;

namespace {

void expect(bool holds) {
  if (!holds) std::abort();
}

void within(Bytes view, Bytes body) {
  expect(view.empty() ||
         (view.data() >= body.data() && view.data() + view.size() <= body.data() + body.size()));
}

template <class Message>
Buffer encoded(const Message& message) {
  Buffer out;
  Writer writer(out);
  encode(writer, message);
  return out;
}

template <class Message, class Decode>
void again(const Result<Message>& first, Decode decode) {
  if (!first) {
    expect(first.error() == ProtocolErrc::malformed || first.error() == ProtocolErrc::malformed_proof);
    return;
  }
  const Buffer bytes = encoded(*first);
  const auto second = decode(Bytes(bytes));
  expect(second.has_value());
  expect(encoded(*second) == bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Limits limits;
  const Bytes body(reinterpret_cast<const std::byte*>(data), size);
  again(decode_channel_handshake(body), decode_channel_handshake);
  again(decode_sync(body), decode_sync);
  again(decode_request(body), decode_request);
  again(decode_cancel(body), decode_cancel);
  again(decode_no_data(body), decode_no_data);
  again(decode_want(body), decode_want);
  again(decode_unwant(body), decode_unwant);
  again(decode_bitfield(body), decode_bitfield);
  again(decode_range(body), decode_range);
  again(decode_extension(body), decode_extension);

  if (const auto request = decode_request(body)) {
    const auto same = decode_request(encoded(*request));
    expect(same.has_value() && *same == *request);
  }
  if (const auto bitfield = decode_bitfield(body)) within(bitfield->words, body);
  if (const auto extension = decode_extension(body)) within(extension->payload, body);

  const auto decode = [](Bytes bytes) { return decode_data(bytes, limits); };
  const auto message = decode(body);
  again(message, decode);
  if (!message) return 0;
  within(message->manifest, body);
  std::size_t nodes = 0;
  if (const auto& part = message->proof.block) {
    within(part->value, body);
    nodes += part->nodes.size();
    Buffer around;
    Writer writer(around);
    encode_head(writer, *message);
    expect(around.size() <= data_head_most);
    writer.raw(part->value);
    encode_tail(writer, *message);
    expect(around == encoded(*message));
  }
  if (const auto& part = message->proof.hash) nodes += part->nodes.size();
  if (const auto& part = message->proof.seek) nodes += part->nodes.size();
  if (const auto& part = message->proof.upgrade) {
    within(part->signature, body);
    nodes += part->nodes.size() + part->additional.size();
  }
  expect(nodes <= limits.proof_nodes);
  return 0;
}
