// Makes the proofs that peers ask for.
//
// Format: docs/wire.md, Log. Everything comes from one snapshot: the head with its signature, and nodes
// that belong to it.
#pragma once

#include "protocol/merkle.hpp"
#include "protocol/proof.hpp"

namespace sheaf {

// The proof for a request. The block's value is left empty for the caller to fill in; the signature is a view
// of head.signature. `prologue` is the manifest's (0: none): an upgrade that starts inside it becomes
// one of the whole prologue. An empty core gives an empty proof.
// Fails with refused when the request asks for what no tree of this length has, with missing_node when a node
// is not here, and with the store's errors.
Result<Proof> produce(const ProofRequest& request, const TreeHead& head, Length prologue, NodeReader& nodes);

// No part that was not asked for, and the same block, node and byte as asked; an upgrade may bring more.
bool answers(const Proof& proof, const ProofRequest& request);

}  // namespace sheaf
