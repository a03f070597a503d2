// What is derived from a bundle's secret for one session: the channel's id, the proofs, and the salt of all
// that is compared. Nothing of it means anything in another session.
//
// Layouts: docs/protocol.md, Channel and What is compared. Everything that the coordinator hashes is here and
// in digest_trie.cpp.
#pragma once

#include "protocol/coordinator_messages.hpp"
#include "protocol/signables.hpp"

namespace sheaf {

// Who knows it can find the bundle's channel and see through its digests; it opens nothing by itself.
using BundleSecret = Secret<struct BundleSecretKind, 32>;

// The secret of every open bundle, known to all.
const BundleSecret& open_bundle_secret();

// The namespaces of the coordinator, numbered as in docs/protocol.md.
enum class CoordinatorNamespace : std::uint8_t {
  topic,
  proof_initiator,
  proof_responder,
  salt,
  slot,
  leaf,
  inner,
  root,
  tag,
  bundle,
  invite,
  invite_proof,
  join
};
const Hash& namespace_of(CoordinatorNamespace number);

Slot slot_of(const CoreKey& key);

class CoordinatorKeys {
 public:
  CoordinatorKeys(const BundleSecret& secret, const WideHash& handshake_hash);

  const Hash& topic() const { return topic_; }
  const Hash& salt() const { return salt_; }
  const Hash& proof(Role sender) const {
    return sender == Role::initiator ? proof_initiator_ : proof_responder_;
  }
  Hash root(const Hash& digest, std::uint64_t count) const;
  coordinator::ShortDigest short_digest(const Hash& digest) const;
  coordinator::Tag tag(const Slot& slot) const;

 private:
  Hash topic_;
  Hash salt_;
  Hash proof_initiator_;
  Hash proof_responder_;
};

}  // namespace sheaf
