// Who may sign a core and how many must: the manifest, its encodings and its key.
//
// Format: docs/wire.md, Log (hypercore manifests of versions 0 to 3). Decoding is bounded and checks
// structure only; a manifest means nothing before check_manifest() has held it against a core's key.
#pragma once

#include <optional>
#include <vector>

#include "protocol/codec.hpp"
#include "sheaf/protocol/error.hpp"
#include "sheaf/protocol/key.hpp"
#include "sheaf/protocol/limits.hpp"
#include "sheaf/protocol/units.hpp"

namespace sheaf {

struct Signer {
  Hash context;  // the signer's namespace
  PublicKey public_key;
  bool operator==(const Signer&) const = default;
};

// A beginning that every reader can check without a signature.
struct Prologue {
  Hash hash;
  Length length;
  bool operator==(const Prologue&) const = default;
};

struct Manifest {
  std::uint8_t version = 1;
  bool allow_patch = false;
  std::uint64_t quorum = 0;
  std::vector<Signer> signers;
  std::optional<Prologue> prologue;
  std::optional<std::vector<CoreKey>> linked;
  std::optional<Buffer> user_data;
  bool operator==(const Manifest&) const = default;
};

// The manifest of an ordinary core: version 1, this one signer in the default namespace.
Manifest default_manifest(const PublicKey& signer);

// Reads one manifest and leaves the reader behind it. Fails with malformed, also above manifest_bytes and
// manifest_signers; the reader has then failed too.
Result<Manifest> decode_manifest(Reader& in, const Limits& limits = {});
// The same from bytes that hold nothing else.
Result<Manifest> decode_manifest(Bytes bytes, const Limits& limits = {});
// Always the canonical form, which is the one that is hashed.
void encode_manifest(const Manifest& manifest, Buffer& out);

// The key of a core with this manifest. Requires: numbers within 2^53 - 1.
CoreKey core_key(const Manifest& manifest);

// A compat core's key is the public key of its only signer.
bool is_compat(const Manifest& manifest, const CoreKey& key);

// The manifest is the one of this key and breaks no rule; else invalid_manifest. Stricter than the reference
// about compat cores: theirs is the default form and nothing else, because the key does not cover the rest.
Result<void> check_manifest(const Manifest& manifest, const CoreKey& key);

// The blocks that a reader can only take all at once: the prologue's length, 0 without one.
Length prologue_length(const std::optional<Manifest>& manifest, const CoreKey& key);

}  // namespace sheaf
