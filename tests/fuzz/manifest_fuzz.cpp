// F9: manifests of a stranger, and signatures altered in every way, held against small heads.
//
// Oracles: what decodes encodes to a canonical form that decodes to the same value and key; a manifest passes
// for its own key only; a head holds for a signature only when the signers' own parts are as they made them.
#include "protocol/authority.hpp"
#include "protocol/merkle.hpp"
#include "protocol/signables.hpp"
#include "tests/fuzz/choices.hpp"
#include "tests/support/log_world.hpp"

using namespace sheaf;
using fuzz::expect;

namespace {

Buffer encoded(const Manifest& manifest) {
  Buffer out;
  encode_manifest(manifest, out);
  return out;
}

TreeHead head_of(std::uint64_t length) {
  TreeHead head;
  for (std::uint64_t i = 0; i < length; ++i) {
    const Buffer block = test::rule_block(i);
    const Bytes view = block;
    head = append_blocks(head, std::span(&view, 1))->head;
  }
  return head;
}

// Two of three sign; `looked_at` bytes of the signature decide.
struct Signed {
  Manifest manifest;
  CoreKey key;
  TreeHead head;
  std::size_t looked_at;
};

Signed make_signed(std::uint8_t version, bool patch) {
  Signed out;
  out.manifest.version = version;
  out.manifest.quorum = 2;
  out.manifest.allow_patch = patch;
  std::vector<KeyPair> pairs;
  for (std::uint8_t i = 0; i < 3; ++i) {
    pairs.push_back(test::key_pair_of(i));
    out.manifest.signers.push_back({namespaces::default_signer(), pairs.back().public_key});
  }
  out.key = core_key(out.manifest);
  out.head = head_of(5);
  const Hash context = version == 0 ? namespaces::default_signer() : Hash::from(out.key.bytes());
  const Buffer message = tree_signable(context, tree_hash(out.head), out.head.length, out.head.fork);
  Writer writer(out.head.signature);
  writer.uint(2);
  for (const std::uint64_t signer : {0, 2}) {
    if (version == 0) writer.uint(0);
    writer.uint(signer);
    writer.fixed(crypto::sign(message, pairs[signer].secret_key));
    if (version > 0) writer.uint(0);
  }
  out.looked_at = out.head.signature.size();
  writer.uint(0);
  return out;
}

void decode_and_verify(Bytes bytes) {
  Reader in(bytes);
  const auto manifest = decode_manifest(in);
  if (!manifest) {
    expect(manifest.error() == ProtocolErrc::malformed);
    return;
  }
  const Limits limits;
  expect(manifest->signers.size() <= limits.manifest_signers);
  const Buffer canonical = encoded(*manifest);
  const auto again = decode_manifest(canonical);
  expect(again && *again == *manifest && encoded(*again) == canonical);
  const CoreKey key = core_key(*manifest);
  if (check_manifest(*manifest, key))
    expect(manifest->quorum <= manifest->signers.size() && (manifest->quorum > 0 || manifest->prologue));
  CoreKey other = key;
  other.value[0] ^= std::byte{1};
  expect(!check_manifest(*manifest, other));

  // Whoever these signers are, they have not signed this.
  static const TreeHead plain = head_of(3);
  TreeHead head = plain;
  head.signature = to_buffer(in.rest());
  const bool holds = verify_head(head, *manifest, key).has_value();
  const bool is_prologue = manifest->version > 0 && manifest->prologue &&
                           manifest->prologue->length == head.length &&
                           manifest->prologue->hash == tree_hash(head);
  expect(holds == is_prologue);
}

void alter_signature(fuzz::Choices& choices) {
  static const Signed cores[] = {make_signed(0, false), make_signed(0, true), make_signed(1, false),
                                 make_signed(2, true), make_signed(3, false)};
  const Signed& core = cores[choices.byte() % std::size(cores)];
  TreeHead head = core.head;
  while (choices.left()) {
    const std::size_t size = head.signature.size();
    switch (choices.byte() % 5) {
      case 0:
      case 1:
        if (size > 0) head.signature[choices.below(size)] ^= std::byte{1} << (choices.byte() % 8);
        break;
      case 2: head.signature.resize(choices.below(size + 1)); break;
      case 3: append(head.signature, choices.bytes(choices.byte() % 80)); break;
      case 4: {
        const std::size_t at = choices.below(size + 1);
        const Bytes more = choices.bytes(choices.byte() % 8);
        head.signature.insert(head.signature.begin() + static_cast<std::ptrdiff_t>(at), more.begin(),
                              more.end());
        break;
      }
    }
  }
  if (!verify_head(head, core.manifest, core.key)) return;
  // Only the count, unknown flags and patches that are not allowed may differ; the signatures may not.
  const auto whole = [&](Bytes in, std::size_t part) {
    const std::size_t stride = (core.looked_at - 1) / 2;
    const std::size_t from = 1 + part * stride + (core.manifest.version == 0 ? 2 : 1);
    return in.size() >= from + 64 ? in.subspan(from, 64) : Bytes();
  };
  if (head.signature.size() == core.head.signature.size())
    for (const std::size_t part : {0, 1})
      expect(equal(whole(head.signature, part), whole(core.head.signature, part)));
  // And they sign nothing else.
  TreeHead longer = head_of(6);
  longer.signature = head.signature;
  expect(!verify_head(longer, core.manifest, core.key));
  head.fork = {1};
  expect(!verify_head(head, core.manifest, core.key));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes whole(reinterpret_cast<const std::byte*>(data), size);
  decode_and_verify(whole);
  fuzz::Choices choices(data, size);
  if (choices.byte() % 4 == 0) alter_signature(choices);
  return 0;
}
