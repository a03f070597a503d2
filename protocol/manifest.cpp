#include "protocol/manifest.hpp"

#include <algorithm>

#include "protocol/signables.hpp"

namespace sheaf {
namespace {

// Flag bits of the wire; unknown ones are ignored.
constexpr std::uint64_t patch_flag = 1, prologue_flag = 2, linked_flag = 4, user_data_flag = 8;
constexpr std::uint8_t newest_version = 3;
constexpr std::uint8_t first_with_links = 2;
constexpr std::size_t signer_bytes = 65;

// Version 0 spells three shapes differently.
enum class OldType : std::uint8_t { prologue = 0, single = 1, multiple = 2 };

OldType old_type(const Manifest& manifest) {
  if (manifest.prologue && manifest.signers.empty()) return OldType::prologue;
  if (manifest.quorum == 1 && manifest.signers.size() == 1 && !manifest.allow_patch) return OldType::single;
  return OldType::multiple;
}

// The enums that have only one value so far: hash and signature algorithms.
void expect_zero(Reader& in) {
  if (in.uint() != 0) in.fail();
}

Signer read_signer(Reader& in) {
  expect_zero(in);
  Signer out;
  out.context = in.fixed<Hash>();
  out.public_key = in.fixed<PublicKey>();
  return out;
}

void read_signers(Reader& in, Manifest& manifest, const Limits& limits) {
  const std::size_t count = in.count(signer_bytes);
  if (count > limits.manifest_signers) return in.fail();
  manifest.signers.reserve(count);
  for (std::size_t i = 0; i < count; ++i) manifest.signers.push_back(read_signer(in));
}

void read_old(Reader& in, Manifest& manifest, const Limits& limits) {
  expect_zero(in);
  switch (in.uint()) {
    case static_cast<std::uint64_t>(OldType::prologue):
      manifest.prologue = Prologue{in.fixed<Hash>(), {}};
      break;
    case static_cast<std::uint64_t>(OldType::single):
      manifest.quorum = 1;
      manifest.signers.push_back(read_signer(in));
      break;
    case static_cast<std::uint64_t>(OldType::multiple):
      manifest.allow_patch = (in.uint() & patch_flag) != 0;
      manifest.quorum = in.uint();
      read_signers(in, manifest, limits);
      break;
    default: in.fail();
  }
}

void read_new(Reader& in, Manifest& manifest, const Limits& limits) {
  const std::uint64_t flags = in.uint();
  manifest.allow_patch = (flags & patch_flag) != 0;
  expect_zero(in);
  manifest.quorum = in.uint();
  read_signers(in, manifest, limits);
  if ((flags & prologue_flag) != 0) {
    manifest.prologue.emplace();
    manifest.prologue->hash = in.fixed<Hash>();
    manifest.prologue->length = {in.uint()};
  }
  if ((flags & linked_flag) != 0) {
    const std::size_t count = in.count(CoreKey::size);
    manifest.linked.emplace();
    manifest.linked->reserve(count);
    for (std::size_t i = 0; i < count; ++i) manifest.linked->push_back(in.fixed<CoreKey>());
  }
  if ((flags & user_data_flag) != 0) manifest.user_data = to_buffer(in.buffer());
}

void write_signer(Writer& out, const Signer& signer) {
  out.uint(0);
  out.fixed(signer.context);
  out.fixed(signer.public_key);
}

void write_signers(Writer& out, const Manifest& manifest) {
  out.uint(manifest.signers.size());
  for (const Signer& signer : manifest.signers) write_signer(out, signer);
}

void write_old(Writer& out, const Manifest& manifest) {
  const OldType type = old_type(manifest);
  out.uint(0);
  out.uint(static_cast<std::uint64_t>(type));
  switch (type) {
    case OldType::prologue: return out.fixed(manifest.prologue->hash);
    case OldType::single: return write_signer(out, manifest.signers.front());
    case OldType::multiple:
      out.uint(manifest.allow_patch ? patch_flag : 0);
      out.uint(manifest.quorum);
      return write_signers(out, manifest);
  }
}

void write_new(Writer& out, const Manifest& manifest) {
  out.uint((manifest.allow_patch ? patch_flag : 0) | (manifest.prologue ? prologue_flag : 0) |
           (manifest.linked ? linked_flag : 0) | (manifest.user_data ? user_data_flag : 0));
  out.uint(0);
  out.uint(manifest.quorum);
  write_signers(out, manifest);
  if (manifest.prologue) {
    out.fixed(manifest.prologue->hash);
    out.uint(manifest.prologue->length.value);
  }
  if (manifest.linked) {
    out.uint(manifest.linked->size());
    for (const CoreKey& key : *manifest.linked) out.fixed(key);
  }
  if (manifest.user_data) out.buffer(*manifest.user_data);
}

}  // namespace

Manifest default_manifest(const PublicKey& signer) {
  Manifest out;
  out.quorum = 1;
  out.signers.push_back({namespaces::default_signer(), signer});
  return out;
}

Result<Manifest> decode_manifest(Reader& in, const Limits& limits) {
  // A manifest that does not end within its bound is cut off there and fails.
  Reader bounded(in.rest().first(std::min(in.rest().size(), limits.manifest_bytes)));
  const std::size_t before = bounded.rest().size();
  Manifest out;
  const std::uint64_t version = bounded.uint();
  if (version > newest_version) bounded.fail();
  out.version = static_cast<std::uint8_t>(version & 0xff);
  if (version == 0)
    read_old(bounded, out, limits);
  else
    read_new(bounded, out, limits);
  if (!bounded.ok() || !in.ok()) {
    in.fail();
    return ProtocolErrc::malformed;
  }
  in.raw(before - bounded.rest().size());
  return out;
}

Result<Manifest> decode_manifest(Bytes bytes, const Limits& limits) {
  Reader in(bytes);
  return decode_manifest(in, limits);
}

void encode_manifest(const Manifest& manifest, Buffer& out) {
  Writer writer(out);
  writer.uint(manifest.version);
  if (manifest.version == 0)
    write_old(writer, manifest);
  else
    write_new(writer, manifest);
}

CoreKey core_key(const Manifest& manifest) {
  Buffer spelled;
  encode_manifest(manifest, spelled);
  return manifest_hash(spelled);
}

bool is_compat(const Manifest& manifest, const CoreKey& key) {
  return manifest.signers.size() == 1 && manifest.signers.front().public_key.value == key.value;
}

Result<void> check_manifest(const Manifest& manifest, const CoreKey& key) {
  if (is_compat(manifest, key)) {
    if (manifest == default_manifest(manifest.signers.front().public_key)) return {};
    return ProtocolErrc::invalid_manifest;
  }
  const bool linked_too_early =
      manifest.version < first_with_links && (manifest.linked || manifest.user_data);
  const bool quorum_holds =
      manifest.quorum <= manifest.signers.size() && (manifest.quorum > 0 || manifest.prologue);
  if (linked_too_early || !quorum_holds || core_key(manifest) != key) return ProtocolErrc::invalid_manifest;
  return {};
}

Length prologue_length(const std::optional<Manifest>& manifest, const CoreKey& key) {
  if (!manifest || !manifest->prologue || is_compat(*manifest, key)) return {};
  return manifest->prologue->length;
}

}  // namespace sheaf
