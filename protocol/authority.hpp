// Signing a head, and checking that the right ones have: the manifest at work.
//
// Format: docs/wire.md, Log. A core of which no manifest is known is taken for a compat core, whose key is
// its signer's public key.
#pragma once

#include <optional>

#include "protocol/manifest.hpp"
#include "protocol/tree_head.hpp"

namespace sheaf {

// The signature field for this head by the core's only signer, in the form that its manifest asks for.
// Requires: the manifest is the key's, and needs one signature that this pair's secret key makes.
Buffer sign_head(const TreeHead& head, const std::optional<Manifest>& manifest, const CoreKey& key,
                 const KeyPair& signer);

// Holds when head.signature covers tree, length and fork as the manifest asks (quorum, patches, prologue).
// invalid_signature otherwise. Requires: the manifest, where there is one, has passed check_manifest().
Result<void> verify_head(const TreeHead& head, const std::optional<Manifest>& manifest, const CoreKey& key);

}  // namespace sheaf
